/*
 * A pooler without processes for tests of the console: a real segment, a
 * configuration from text, rows put there by hand, replies taken apart.
 */
#ifndef TESTS_UNIT_CONSOLE_WORLD_H
#define TESTS_UNIT_CONSOLE_WORLD_H

#include "admin/console.h"
#include "config/files.h"

#define WORLD_CELLS 16384

struct world {
	struct segment		*segment;
	struct files		*files;
	struct config		*config;
	struct console_env	 env;
	struct buffer		 reply;
	struct console_order	 order;
	enum console_outcome	 outcome;

	/* The reply, taken apart by world_read(); texts live until the next. */
	char			*text;		/* holds all texts */
	size_t			 text_used;
	char			 kinds[256];	/* type bytes, runs of D as one */
	unsigned		 width, rows;
	const char		*names[64];
	uint32_t		 oids[64];
	const char		*cells[WORLD_CELLS];	/* or NULL */
	const char		*tag;
	char			 status;	/* of ReadyForQuery */
	const char		*severity, *sqlstate, *message, *detail;
};

#define WORLD_NOW (1000 * USEC_PER_SEC)

/* The console session is an admin's; `users` is the auth file. */
void world_start(struct world *world, const char *ini, const char *users);
void world_stop(struct world *world);

uint32_t world_add_client(struct world *world, const char *database,
    const char *user, enum client_phase phase);
uint32_t world_add_server(struct world *world, const char *database,
    const char *user, enum server_phase phase);

/* Runs a query and takes its reply apart; the reply buffer is empty then. */
void world_query(struct world *world, const char *text);
void world_query_bytes(struct world *world, const void *bytes,
    size_t length);
/* Takes apart what is in the reply buffer, and empties it. */
void world_read(struct world *world);

/* By the name of the column; fails the test if there is none. */
const char *world_cell(const struct world *world, unsigned row,
    const char *column);
/* The row with this text in the column; fails the test if there is none. */
unsigned world_row(const struct world *world, const char *column,
    const char *text);

#endif
