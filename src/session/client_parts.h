/*
 * What the files of a client session share among themselves: client.c (the
 * connection), client_input.c (what it says), client_link.c (how it gets a
 * server).  Nobody else includes this.
 */
#ifndef SESSION_CLIENT_PARTS_H
#define SESSION_CLIENT_PARTS_H

#include "session/client.h"

/* What a client may send ahead while it waits; then it is not read. */
#define CLIENT_INPUT_MOST SESSIONS_BACKLOG

/* --- client.c ------------------------------------------------------------- */

/* Which events of its descriptor are wanted. */
void client_watch_for(struct client *client, uint32_t events);

/* Out of its pool's queue, or what it was given from there goes on. */
void client_leave_queue(struct client *client);

/* Its wait is over, whatever the end of it; it has got a server. */
void client_note_end_of_wait(struct client *client);
void client_note_assignment(struct client *client);

/* --- client_input.c ------------------------------------------------------- */

/* The console's commands that are here as a whole, as far as it may go on. */
void client_take_commands(struct client *client);

/* What it waited with is answered as a cancelled query; the rest goes on. */
void client_answer_cancelled(struct client *client);

#endif
