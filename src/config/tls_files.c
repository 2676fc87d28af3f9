#include "config/tls_files.h"

#include <string.h>

#include "base/memory.h"

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static enum tls_dh
dh_of(enum dheparams params)
{
	switch (params) {
	case DHEPARAMS_NONE:
		return TLS_DH_NONE;
	case DHEPARAMS_LEGACY:
		return TLS_DH_LEGACY;
	case DHEPARAMS_AUTO:
		break;
	}
	return TLS_DH_AUTO;
}

/* Of clients. None is asked for what nobody could check. */
static enum tls_proof
proof_of_clients(const struct config *config)
{
	if (config->client_tls_sslmode >= SSLMODE_VERIFY_CA)
		return TLS_PROOF_CHAIN;
	return is_set(config->client_tls_ca_file) ? TLS_PROOF_IF_SENT :
	    TLS_PROOF_NONE;
}

static enum tls_proof
proof_of_servers(const struct config *config)
{
	switch (config->server_tls_sslmode) {
	case SSLMODE_VERIFY_CA:
		return TLS_PROOF_CHAIN;
	case SSLMODE_VERIFY_FULL:
		return TLS_PROOF_NAME;
	default:
		return TLS_PROOF_NONE;
	}
}

/* --- what they need of each other ---------------------------------------- */

static bool
check_clients(const struct config *config, const char **culprit_out,
    struct error *error)
{
	bool for_cert = config->auth_type == AUTH_TYPE_CERT;

	*culprit_out = "auth_type";
	if (for_cert && config->client_tls_sslmode != SSLMODE_VERIFY_FULL)
		return error_set(error, "auth_type=cert requires "
		    "client_tls_sslmode=SSLMODE_VERIFY_FULL");
	if (for_cert && !is_set(config->client_tls_ca_file))
		return error_set(error, "auth_type=cert requires "
		    "client_tls_ca_file");
	*culprit_out = "client_tls_sslmode";
	if (config->client_tls_sslmode == SSLMODE_DISABLE)
		return true;
	if (!is_set(config->client_tls_key_file) ||
	    !is_set(config->client_tls_cert_file))
		return error_set(error, "To allow TLS connections from "
		    "clients, client_tls_key_file and client_tls_cert_file "
		    "must be set.");
	if (config->client_tls_sslmode >= SSLMODE_VERIFY_CA &&
	    !is_set(config->client_tls_ca_file))
		return error_set(error, "client_tls_sslmode requires "
		    "client_tls_ca_file");
	return true;
}

static bool
check_servers(const struct config *config, const char **culprit_out,
    struct error *error)
{
	if (config->server_tls_sslmode == SSLMODE_DISABLE)
		return true;
	*culprit_out = "server_tls_sslnegotiation";
	if (config->server_tls_sslnegotiation == SSLNEGOTIATION_DIRECT &&
	    config->server_tls_sslmode < SSLMODE_REQUIRE)
		return error_set(error, "server_tls_sslnegotiation=direct "
		    "requires server_tls_sslmode=require or stronger");
	*culprit_out = is_set(config->server_tls_key_file) ?
	    "server_tls_key_file" : "server_tls_cert_file";
	if (is_set(config->server_tls_key_file) !=
	    is_set(config->server_tls_cert_file))
		return error_set(error, "server_tls_key_file and "
		    "server_tls_cert_file must be set together");
	*culprit_out = "server_tls_sslmode";
	if (config->server_tls_sslmode >= SSLMODE_VERIFY_CA &&
	    !is_set(config->server_tls_ca_file))
		return error_set(error, "server_tls_sslmode requires "
		    "server_tls_ca_file");
	return true;
}

/* --- files --------------------------------------------------------------- */

struct reading {
	struct config	*config;
	struct files	*files;
	const char	**culprit_out;
	struct error	*error;
};

static bool
read_pem(struct reading *reading, const char *parameter, const char *path,
    struct tls_pem *pem_out)
{
	const struct file *file;

	if (!is_set(path))
		return true;
	*reading->culprit_out = parameter;
	file = files_read(reading->files, path);
	if (file->error != 0)
		return error_set(reading->error, "invalid %s: %s: %s",
		    parameter, path, strerror(file->error));
	pem_out->path = path;
	pem_out->content = arena_copy(reading->config->arena, file->content,
	    file->length);
	pem_out->length = file->length;
	return true;
}

static bool
read_clients(struct config *config, struct files *files,
    const char **culprit_out, struct error *error)
{
	struct reading reading = { config, files, culprit_out, error };
	struct tls_settings *tls = &config->client_tls;

	*tls = (struct tls_settings){
		.prefix = "client_tls",
		.protocols = config->client_tls_protocols,
		.ciphers = config->client_tls_ciphers,
		.suites = config->client_tls13_ciphers,
		.curve = config->client_tls_ecdhcurve,
		.dh = dh_of(config->client_tls_dheparams),
		.proof = proof_of_clients(config),
	};
	return config->client_tls_sslmode == SSLMODE_DISABLE ||
	    (read_pem(&reading, "client_tls_cert_file",
	    config->client_tls_cert_file, &tls->certificate) &&
	    read_pem(&reading, "client_tls_key_file",
	    config->client_tls_key_file, &tls->key) &&
	    read_pem(&reading, "client_tls_ca_file",
	    config->client_tls_ca_file, &tls->authorities));
}

static bool
read_servers(struct config *config, struct files *files,
    const char **culprit_out, struct error *error)
{
	struct reading reading = { config, files, culprit_out, error };
	struct tls_settings *tls = &config->server_tls;

	*tls = (struct tls_settings){
		.prefix = "server_tls",
		.protocols = config->server_tls_protocols,
		.ciphers = config->server_tls_ciphers,
		.suites = config->server_tls13_ciphers,
		.dh = TLS_DH_AUTO,
		.proof = proof_of_servers(config),
	};
	return config->server_tls_sslmode == SSLMODE_DISABLE ||
	    (read_pem(&reading, "server_tls_cert_file",
	    config->server_tls_cert_file, &tls->certificate) &&
	    read_pem(&reading, "server_tls_key_file",
	    config->server_tls_key_file, &tls->key) &&
	    read_pem(&reading, "server_tls_ca_file",
	    config->server_tls_ca_file, &tls->authorities));
}

static bool
read_metrics(struct config *config, struct files *files,
    const char **culprit_out, struct error *error)
{
	struct reading reading = { config, files, culprit_out, error };
	struct tls_settings *tls = &config->metrics_tls;

	*culprit_out = is_set(config->metrics_tls_key_file) ?
	    "metrics_tls_key_file" : "metrics_tls_cert_file";
	if (is_set(config->metrics_tls_cert_file) !=
	    is_set(config->metrics_tls_key_file))
		return error_set(error, "metrics_tls_cert_file and "
		    "metrics_tls_key_file must be set together");
	*tls = (struct tls_settings){ .prefix = "metrics_tls",
	    .protocols = "secure", .ciphers = "default" };
	return read_pem(&reading, "metrics_tls_cert_file",
	    config->metrics_tls_cert_file, &tls->certificate) &&
	    read_pem(&reading, "metrics_tls_key_file",
	    config->metrics_tls_key_file, &tls->key);
}

bool
tls_files_read(struct config *config, struct files *files,
    const char **culprit_out, struct error *error)
{
	return check_clients(config, culprit_out, error) &&
	    check_servers(config, culprit_out, error) &&
	    read_clients(config, files, culprit_out, error) &&
	    read_servers(config, files, culprit_out, error) &&
	    read_metrics(config, files, culprit_out, error);
}
