#include "session/negotiation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/tls_peer.h"
#include "wire/messages.h"

static enum negotiation_verdict
fail(struct negotiation *negotiation, const char *reason)
{
	negotiation->reason = reason;
	return NEGOTIATION_FAILED;
}

/* Does it do without? Who asks for direct TLS does not. */
static bool
is_wish(const struct negotiation *negotiation)
{
	return negotiation->wish.mode <= SSLMODE_PREFER &&
	    !negotiation->wish.is_direct;
}

static enum negotiation_verdict
fail_or_do_without(struct negotiation *negotiation, const char *reason)
{
	negotiation->reason = reason;
	return is_wish(negotiation) ? NEGOTIATION_AGAIN : NEGOTIATION_FAILED;
}

static enum negotiation_verdict
shake_hands(struct negotiation *negotiation, struct stream *stream)
{
	struct tls_context *context = *negotiation->wish.context;
	struct error error;

	negotiation->phase = NEGOTIATION_HANDSHAKE;
	if (context == NULL)
		return fail(negotiation, "TLS was disabled meanwhile");
	if (stream_connect_tls(stream, context, negotiation->wish.host,
	    &error))
		return NEGOTIATION_MORE;
	snprintf(negotiation->problem, sizeof(negotiation->problem),
	    "%.200s", error.text);
	return fail(negotiation, "TLS startup failed");
}

static enum negotiation_verdict
ask(struct negotiation *negotiation, struct stream *stream)
{
	uint8_t memory[16];
	struct writer writer = writer_of(memory, sizeof(memory));

	negotiation->phase = NEGOTIATION_ASKED;
	write_ssl_request(&writer);
	if (stream_send(stream, writer.bytes, writer.used) ==
	    (ssize_t)writer.used)
		return NEGOTIATION_MORE;
	return fail(negotiation, "sslreq processing failed");
}

enum negotiation_verdict
negotiation_begin(struct negotiation *negotiation,
    const struct negotiation_wish *wish, struct stream *stream)
{
	*negotiation = (struct negotiation){ .wish = *wish };
	if (wish->mode == SSLMODE_DISABLE || *wish->context == NULL)
		return NEGOTIATION_CLEAR;
	return wish->is_direct ? shake_hands(negotiation, stream) :
	    ask(negotiation, stream);
}

/*
 * One byte and no more: what else is there was said by somebody who could not
 * know that we would encrypt.
 */
static enum negotiation_verdict
take_answer(struct negotiation *negotiation, struct stream *stream)
{
	uint8_t answer[2];
	ssize_t got = stream_receive(stream, answer, sizeof(answer));

	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return NEGOTIATION_MORE;
	if (got <= 0)
		return fail(negotiation, "sslreq processing failed");
	if (got > 1)
		return fail(negotiation,
		    "received unencrypted data after SSL response");
	switch (answer[0]) {
	case 'S':
		return shake_hands(negotiation, stream);
	case 'N':
		return is_wish(negotiation) ? NEGOTIATION_CLEAR :
		    fail(negotiation, "server refused SSL");
	case 'E':
		/* An error that nobody has signed is not shown: as libpq. */
		return fail_or_do_without(negotiation, "bad sslreq answer");
	default:
		return fail(negotiation, "bad sslreq answer");
	}
}

/* Direct TLS may have reached anything: PostgreSQL says what it is. */
static enum negotiation_verdict
check_protocol(struct negotiation *negotiation, const struct stream *stream)
{
	if (!negotiation->wish.is_direct || tls_peer_chose_protocol(stream))
		return NEGOTIATION_SECURE;
	snprintf(negotiation->problem, sizeof(negotiation->problem),
	    "direct TLS without ALPN");
	return fail(negotiation, "TLS startup failed");
}

static enum negotiation_verdict
continue_handshake(struct negotiation *negotiation, struct stream *stream,
    uint8_t *memory)
{
	const char *problem;
	ssize_t got = -1;

	if (stream_flush(stream))
		got = stream_receive(stream, memory, STREAM_RECEIVE_LEAST);
	if (got > 0)
		return fail(negotiation, "received data before startup");
	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return stream_is_established(stream) ?
		    check_protocol(negotiation, stream) : NEGOTIATION_MORE;
	problem = stream_problem(stream);
	snprintf(negotiation->problem, sizeof(negotiation->problem), "%s",
	    problem[0] != '\0' ? problem : got == 0 ?
	    "unexpected end of the connection" : strerror(errno));
	return fail_or_do_without(negotiation, "TLS handshake failed");
}

enum negotiation_verdict
negotiation_go_on(struct negotiation *negotiation, struct stream *stream,
    uint8_t *memory)
{
	if (negotiation->phase == NEGOTIATION_ASKED)
		return take_answer(negotiation, stream);
	return continue_handshake(negotiation, stream, memory);
}
