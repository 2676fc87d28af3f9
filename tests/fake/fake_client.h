/*
 * A client made of bytes: says anything at any stage, reads message by
 * message.
 */
#ifndef FAKE_FAKE_CLIENT_H
#define FAKE_FAKE_CLIENT_H

#include "base/base.h"
#include "base/buffer.h"

#define PROTOCOL_3_0 0x00030000u

struct message {
	char		type;
	uint32_t	length;		/* of the body */
	uint8_t		body[65536];	/* and a NUL behind it */
};

/* A socket to a port of 127.0.0.1. Close it. */
int fake_client_connect(int port);

/* Connects and sends a startup packet; reads nothing. */
int fake_client_begin(int port, const char *user, const char *database);

/* Connects and logs in under auth_type=trust: ready for a query. */
int fake_client_login(int port, const char *user, const char *database);

/* Sends and clears. False: the peer has gone. */
bool fake_client_send(int fd, struct buffer *bytes);

/* Sends, clears and says that there is no more; the peer may have gone. */
void fake_client_send_last(int fd, struct buffer *bytes);

/* The same, takes whatever comes until the end, and closes. */
void fake_client_finish(int fd, struct buffer *bytes);

/* A simple query. */
void fake_client_query(int fd, const char *sql);

/* False: the peer has closed. Fails the test when nothing comes. */
bool fake_client_read(int fd, struct message *message_out);

/* Reads on to a message of this type; fails the test if there is none. */
void fake_client_expect(int fd, char type, struct message *message_out);

/*
 * The next message is an ErrorResponse with exactly the fields S, V, C and M
 * of these values (FATAL or ERROR), perhaps a hint, and no more.
 */
void fake_client_expect_error(int fd, const char *severity,
    const char *sqlstate, const char *text);

/* Nothing more comes but the end. */
void fake_client_expect_close(int fd);

/* Reads to the end, whatever comes; fails the test when no end comes. */
void fake_client_drain(int fd);

/* Nothing to read at this moment. */
bool fake_client_silent(int fd);

/* A field of an ErrorResponse or NoticeResponse, NULL if not there. */
const char *error_field(const struct message *message, char field);

#endif
