/*
 * Where the password of a database comes from, if it is not written in the
 * configuration itself:
 *
 *     password_file=/etc/pgusher/shop.secret    the first line of the file
 *     password=${SHOP_PASSWORD}                 a variable of the environment
 *
 * The file is read with the rest of the configuration, by who reads that, and
 * goes the same way to the workers.  Neither is ever shown in an error.
 */
#ifndef CONFIG_SECRET_H
#define CONFIG_SECRET_H

#include "base/base.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/files.h"

struct config_database;

/*
 * Puts what password_file or a ${NAME} stands for into database->password.
 * False: it cannot be had.
 */
bool secret_resolve(struct files *files, struct arena *arena,
    struct config_database *database, struct error *error) MUST_CHECK;

#endif
