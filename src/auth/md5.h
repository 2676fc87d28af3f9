/*
 * PostgreSQL's md5 passwords (manual, "Password Authentication" and
 * "Start-up"):
 *
 *	secret	"md5" + hex(md5(password + user))	what is stored
 *	answer	"md5" + hex(md5(hex of the secret + salt))	what is sent
 *
 * All give false if OpenSSL will not do MD5 (FIPS).
 */
#ifndef AUTH_MD5_H
#define AUTH_MD5_H

#include "base/base.h"

#define MD5_SECRET_SIZE 36	/* "md5", 32 hex digits, NUL */
#define MD5_SALT 4

/* True: by its form this is an md5 secret, not a plain password. */
bool md5_is_secret(const char *text);

bool md5_secret(const char *password, const char *user,
    char secret_out[MD5_SECRET_SIZE]) MUST_CHECK;

bool md5_answer(const char *secret, const uint8_t salt[MD5_SALT],
    char answer_out[MD5_SECRET_SIZE]) MUST_CHECK;

#endif
