/*
 * From the first byte of a client until it may send queries (or is refused,
 * or turns out to carry a cancel request).
 *
 *   startup packet -> authentication -> its pool's welcome -> ReadyForQuery
 */
#ifndef SESSION_LOGIN_H
#define SESSION_LOGIN_H

#include "session/client.h"

/* For a new client. False: no memory. */
bool login_begin(struct client *client) MUST_CHECK;

/* Bytes of a client in phase STARTUP or AUTH. */
void login_take(struct client *client, const uint8_t *bytes, size_t length);

/* Something about the pool is known now: welcome or refuse who waits. */
void login_on_pool_news(struct sessions *sessions, struct pool_view *view);

/* Wipes what only a login needs. NULL is allowed. */
void login_free(struct login *login);

/* The names that the client gave, for the log; "(nodb)" before. */
const char *login_database(const struct client *client);
const char *login_user(const struct client *client);

#endif
