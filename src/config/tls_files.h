/*
 * The client_tls_* and server_tls_* parameters, put together as net wants
 * them, with the files that they name.
 *
 * Here is checked what parameters need of each other, and that their files
 * can be read; whether there is anything good in them is for net to say.
 */
#ifndef CONFIG_TLS_FILES_H
#define CONFIG_TLS_FILES_H

#include "base/error.h"
#include "config/config.h"

/*
 * Fills in config->client_tls and config->server_tls; files are read only
 * where sslmode is not disable.  False: `culprit_out` is the parameter that is
 * to blame.
 */
bool tls_files_read(struct config *config, struct files *files,
    const char **culprit_out, struct error *error) MUST_CHECK;

#endif
