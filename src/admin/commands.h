/*
 * What the console does besides SHOW; the table is commands.def.
 */
#ifndef ADMIN_COMMANDS_H
#define ADMIN_COMMANDS_H

#include "admin/run.h"

/*
 * Runs run->statement if its command is in the table, and refuses it if it
 * is not, or if the caller may not.
 */
enum console_outcome commands_run(struct run *run) MUST_CHECK;

/* SHOW HELP's lines about them, one after the other. */
void commands_usage(char *text, size_t size);

#endif
