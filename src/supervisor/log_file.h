/*
 * Opening the log file, first and after each rotation.
 */
#ifndef SUPERVISOR_LOG_FILE_H
#define SUPERVISOR_LOG_FILE_H

#include "base/base.h"
#include "base/error.h"
#include "supervisor/privileges.h"

/*
 * Opens for appending what this path leads to; "" or NULL gives -1.  As root
 * we open it as the children's user if that one may, so that no link in a
 * directory of that user makes root write elsewhere; else as root, and a new
 * file is given to that user.
 */
bool log_file_open(const char *path, const struct identity *identity,
    int *fd_out, struct error *error) MUST_CHECK;

#endif
