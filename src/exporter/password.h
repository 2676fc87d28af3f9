/*
 * Who may look: HTTP's basic authentication (RFC 7617) with users and secrets
 * of the auth file, plain, MD5 or SCRAM.
 */
#ifndef EXPORTER_PASSWORD_H
#define EXPORTER_PASSWORD_H

#include "config/config.h"

/*
 * The Authorization header, or NULL.  True: nobody is asked, or it is one of
 * metrics_users with the right password.
 */
bool password_is_good(const struct config *config, const char *header)
    MUST_CHECK;

#endif
