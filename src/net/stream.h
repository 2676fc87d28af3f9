/*
 * A connection, in the clear or with TLS, read and written the same way.
 *
 *   plain --+-- stream_accept_tls ---+-> handshake -> established
 *           +-- stream_connect_tls --+
 *
 * In the clear each call is one system call and nothing else.  With TLS a
 * call to receive is one recv of up to 44 KiB, a call to send is one send of
 * all records together, with memory of the engine that all connections
 * share; a connection holds memory of its own only for what the other side
 * does not take, and for half a record.
 *
 * Epoll needs no special care: nothing that was received is ever kept back
 * (half a record excepted, the rest of which is still to come), and an end
 * that is noticed behind the last bytes is reported as readable again.
 *
 * The handshake is made by stream_receive().  Nothing is returned before
 * it is over and the certificate is accepted.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/base.h"
#include "base/error.h"
#include "net/socket.h"

struct tls;
struct tls_context;

struct stream {
	int		 fd;
	struct tls	*tls;		/* NULL: in the clear */
};

/* A TLS connection cannot be read into less. */
#define STREAM_RECEIVE_LEAST ((size_t)64 * 1024)

/* --- beginning and end --------------------------------------------------- */

/*
 * From now on the other side has to speak TLS.  `early`: the beginning of its
 * handshake, if that was read already (direct TLS); it is seen at the next
 * stream_receive(), which should then be called at once.
 * False: no memory; the stream is as it was.
 */
bool stream_accept_tls(struct stream *stream, struct tls_context *context,
    const void *early, size_t length) MUST_CHECK;

/*
 * The same towards a server, and sends the beginning of the handshake.  The
 * host is announced (SNI) and, with TLS_PROOF_NAME, must be in the
 * certificate; a literal address is compared as one.  NULL: no host; then
 * TLS_PROOF_NAME fails.
 */
bool stream_connect_tls(struct stream *stream, struct tls_context *context,
    const char *host, struct error *error) MUST_CHECK;

/* In the clear, or its handshake is over. */
bool stream_is_established(const struct stream *stream);

/*
 * The last words, and with TLS that they are the last (close_notify), as far
 * as the other side takes them now.  No bytes, or before the end of the
 * handshake: says nothing in the clear.  Then only receiving and closing make
 * sense.
 */
void stream_finish(struct stream *stream, const void *bytes, size_t length);

/* Frees what TLS needs and closes the descriptor, if there is one. */
void stream_close(struct stream *stream);

/* --- bytes --------------------------------------------------------------- */

ssize_t stream_receive_tls(struct stream *stream, void *memory, size_t size);
ssize_t stream_send_tls(struct stream *stream, const void *bytes,
    size_t length);
ssize_t stream_send_parts_tls(struct stream *stream,
    const struct iovec *parts, int count);

/*
 * Bytes, 0 at the end of the stream, -1 with errno: EAGAIN is later (look
 * whether the handshake is over), EPROTO a fault of TLS (stream_problem), all
 * others are the socket's.  In the clear fewer bytes than asked for mean that
 * there are no more now; with TLS never ask again in the same turn.
 */
static inline ssize_t
stream_receive(struct stream *stream, void *memory, size_t size)
{
	if (LIKELY(stream->tls == NULL))
		return socket_receive(stream->fd, memory, size);
	return stream_receive_tls(stream, memory, size);
}

/*
 * How many bytes were taken, at most 64 KiB with TLS; -1 with errno: EAGAIN
 * is later.  What was taken is on its way or, with TLS, waits to be:
 * stream_has_unsent() says so, and then nothing more is taken until
 * stream_flush() has sent it.
 */
static inline ssize_t
stream_send(struct stream *stream, const void *bytes, size_t length)
{
	if (LIKELY(stream->tls == NULL))
		return socket_send(stream->fd, bytes, length);
	return stream_send_tls(stream, bytes, length);
}

static inline ssize_t
stream_send_parts(struct stream *stream, const struct iovec *parts, int count)
{
	if (LIKELY(stream->tls == NULL))
		return socket_send_parts(stream->fd, parts, count);
	return stream_send_parts_tls(stream, parts, count);
}

/*
 * Something that the other side did not take yet: wait for EPOLLOUT, then
 * stream_flush().  May become true by receiving as well.
 */
bool stream_has_unsent_tls(const struct stream *stream);

static inline bool
stream_has_unsent(const struct stream *stream)
{
	return UNLIKELY(stream->tls != NULL) && stream_has_unsent_tls(stream);
}

/* False: the connection is broken, errno says how. True may be half of it. */
bool stream_flush(struct stream *stream) MUST_CHECK;

/* Why TLS failed, for the log; "" if it did not. */
const char *stream_problem(const struct stream *stream);

#endif
