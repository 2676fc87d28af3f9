/*
 * What auth_type needs besides the auth file: HBA rules, maps of names, LDAP
 * options, and methods that this program was built with.
 */
#ifndef CONFIG_AUTH_FILES_H
#define CONFIG_AUTH_FILES_H

#include "base/error.h"
#include "config/config.h"

/*
 * Fills in config->hba and config->ident; the files are read only with
 * auth_type hba.  False: the error names file and line, or `culprit_out` the
 * parameter that is to blame, else NULL.
 */
bool auth_files_read(struct config *config, struct files *files,
    const char **culprit_out, struct error *error) MUST_CHECK;

#endif
