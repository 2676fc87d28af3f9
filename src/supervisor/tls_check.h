/*
 * Are the certificates, keys and ciphers of a configuration any good?  The
 * same code answers that will use them in a worker, so that what is accepted
 * here works there.
 */
#ifndef SUPERVISOR_TLS_CHECK_H
#define SUPERVISOR_TLS_CHECK_H

#include "config/config.h"

bool tls_check(const struct config *config, struct error *error) MUST_CHECK;

#endif
