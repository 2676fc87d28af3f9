/*
 * From the first byte of a client until it may send queries (or is refused,
 * or turns out to carry a cancel request).
 *
 *   startup packet -> authentication -> its pool's welcome -> ReadyForQuery
 */
#ifndef SESSION_LOGIN_H
#define SESSION_LOGIN_H

#include "session/client.h"
#include "wire/writer.h"

/* For a new client. False: no memory. */
bool login_begin(struct client *client) MUST_CHECK;

/* Bytes of a client in phase STARTUP or AUTH. */
void login_take(struct client *client, const uint8_t *bytes, size_t length);

/* auth_query has answered a client in phase AUTH: go on. */
void login_go_on(struct client *client);

/*
 * A client with a server of its own, which has said this at its login, is let
 * in: it is LINKED.
 */
void login_let_in(struct client *client, const uint8_t *welcome,
    uint32_t length);

/* The tracked parameters of its startup packet, for such a server. */
void login_write_given(const struct client *client, struct writer *writer);

/* By the clock, in phase STARTUP or AUTH. */
void login_tick(struct client *client);

/* Those have answered whom its login was to be asked of. */
void login_told(struct client *client, const struct login_answer *answer);

/* Something about the pool is known now: welcome or refuse who waits. */
void login_on_pool_news(struct sessions *sessions, struct pool_view *view);

/* Wipes what only a login needs. NULL is allowed. */
void login_free(struct login *login);

/* The names that the client gave, for the log; "(nodb)" before. */
const char *login_database(const struct client *client);
const char *login_user(const struct client *client);

#endif
