#include "config/auth_files.h"

static bool
is_set(const char *value)
{
	return value != NULL && *value != '\0';
}

/* A certificate that nobody has verified says nothing. */
static bool
check_certificates(const struct config *config, struct error *error)
{
	for (size_t i = 0; i < config->hba.count; i++) {
		const struct hba_rule *rule = &config->hba.rules[i];

		if (rule->method == AUTH_TYPE_CERT &&
		    (config->client_tls_sslmode == SSLMODE_DISABLE ||
		    !is_set(config->client_tls_ca_file))) {
			error_set(error, "%s:%u: cert needs client_tls_sslmode"
			    " and client_tls_ca_file", rule->file, rule->line);
			return false;
		}
	}
	return true;
}

/* What is in a file has a place there. */
static void
blame_for(const struct file *file, const char *parameter,
    const char **culprit_out)
{
	if (file->error != 0)
		*culprit_out = parameter;
}

static bool
read_rules(struct config *config, struct files *files,
    const char **culprit_out, struct error *error)
{
	const struct file *file;

	*culprit_out = "auth_type";
	if (!is_set(config->auth_hba_file))
		return error_set(error, "auth_type = hba needs auth_hba_file");
	*culprit_out = NULL;
	if (is_set(config->auth_ident_file)) {
		file = files_read(files, config->auth_ident_file);
		blame_for(file, "auth_ident_file", culprit_out);
		if (!ident_read(file, config->arena, &config->ident, error))
			return false;
	}
	blame_for(files_read(files, config->auth_hba_file), "auth_hba_file",
	    culprit_out);
	return hba_read(files, config->auth_hba_file, &config->ident,
	    config->arena, &config->hba, error) &&
	    check_certificates(config, error);
}

static bool
check_ldap(struct config *config, const char **culprit_out,
    struct error *error)
{
	struct ldap_options options;

	*culprit_out = is_set(config->auth_ldap_options) ?
	    "auth_ldap_options" : "auth_type";
	if (!is_set(config->auth_ldap_options))
		return error_set(error, "auth_ldap_options is null");
	return ldap_options_read(config->auth_ldap_options, config->arena,
	    &options, error) || error_prefix(error, "auth_ldap_options");
}

bool
auth_files_read(struct config *config, struct files *files,
    const char **culprit_out, struct error *error)
{
	*culprit_out = "auth_type";
	if (!hba_method_is_built(config->auth_type, error))
		return error_prefix(error, "auth_type");
	if (config->auth_type == AUTH_TYPE_HBA)
		return read_rules(config, files, culprit_out, error);
	if (config->auth_type == AUTH_TYPE_LDAP)
		return check_ldap(config, culprit_out, error);
	return true;
}
