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

static bool
read_rules(struct config *config, struct files *files, struct error *error)
{
	if (!is_set(config->auth_hba_file))
		return error_set(error, "auth_type = hba needs auth_hba_file");
	if (is_set(config->auth_ident_file) && !ident_read(files_read(files,
	    config->auth_ident_file), config->arena, &config->ident, error))
		return false;
	return hba_read(files, config->auth_hba_file, &config->ident,
	    config->arena, &config->hba, error) &&
	    check_certificates(config, error);
}

static bool
check_ldap(struct config *config, struct error *error)
{
	struct ldap_options options;

	if (!is_set(config->auth_ldap_options))
		return error_set(error, "auth_ldap_options is null");
	return ldap_options_read(config->auth_ldap_options, config->arena,
	    &options, error) || error_prefix(error, "auth_ldap_options");
}

bool
auth_files_read(struct config *config, struct files *files,
    struct error *error)
{
	if (!hba_method_is_built(config->auth_type, error))
		return error_prefix(error, "auth_type");
	if (config->auth_type == AUTH_TYPE_HBA)
		return read_rules(config, files, error);
	if (config->auth_type == AUTH_TYPE_LDAP)
		return check_ldap(config, error);
	return true;
}
