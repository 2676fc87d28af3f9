/*
 * The auth file: users and their secrets.
 *
 *     "name" "secret" ...       the rest of the line does not matter
 *     ; comment
 *
 * "" inside the quotes stands for one quote.  A secret is `md5` and 32
 * hexadecimal digits, or SCRAM-SHA-256$..., else the password itself; what it
 * is, is for others to decide.  The last line of a user counts.
 */
#ifndef CONFIG_USERLIST_H
#define CONFIG_USERLIST_H

#include "base/base.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/files.h"

struct config_secret;

/*
 * All or nothing: false, and the error names the line, if one is broken.  The
 * result is sorted by name and lives in the arena.
 */
bool userlist_read(const struct file *file, struct arena *arena,
    const struct config_secret **secrets_out, size_t *count_out,
    struct error *error) MUST_CHECK;

#endif
