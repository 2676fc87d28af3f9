#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/invariant.h"
#include "base/memory.h"
#include "net/tls_parts.h"

/* --- between OpenSSL and the socket -------------------------------------- */

/*
 * OpenSSL reads and writes memory of the engine only; what is there came by
 * one recv and goes by one send:
 *
 *   socket -> engine.in -> SSL_read -> the caller
 *   the caller -> SSL_write -> engine.out -> socket
 *                                  |
 *                                  +-> tls.unsent, if it does not take it
 */
static int
read_records(BIO *bio, char *memory, size_t size, size_t *length_out)
{
	struct tls *tls = BIO_get_data(bio);
	struct tls_engine *engine = tls->context->engine;
	size_t length = engine->in_to - engine->in_from;

	BIO_clear_retry_flags(bio);
	if (length == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (length > size)
		length = size;
	memcpy(memory, engine->in + engine->in_from, length);
	engine->in_from += length;
	*length_out = length;
	return 1;
}

/* Who makes us answer and does not read the answers comes to its end here. */
static int
write_records(BIO *bio, const char *bytes, size_t length, size_t *length_out)
{
	struct tls *tls = BIO_get_data(bio);
	struct tls_engine *engine = tls->context->engine;

	BIO_clear_retry_flags(bio);
	if (buffer_length(&tls->unsent) + engine->out_length + length >
	    sizeof(engine->out))
		return 0;
	memcpy(engine->out + engine->out_length, bytes, length);
	engine->out_length += length;
	*length_out = length;
	return 1;
}

static long
control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

struct tls_engine *
tls_engine_create(void)
{
	struct tls_engine *engine = calloc(1, sizeof(*engine));
	BIO_METHOD *method;

	if (engine == NULL)
		return NULL;
	engine->method = method = BIO_meth_new(BIO_get_new_index() |
	    BIO_TYPE_SOURCE_SINK, "records");
	if (method != NULL && BIO_meth_set_read_ex(method, read_records) == 1
	    && BIO_meth_set_write_ex(method, write_records) == 1 &&
	    BIO_meth_set_ctrl(method, control) == 1)
		return engine;
	tls_engine_destroy(engine);
	return NULL;
}

void
tls_engine_destroy(struct tls_engine *engine)
{
	if (engine == NULL)
		return;
	BIO_meth_free(engine->method);
	memory_wipe(engine, sizeof(*engine));
	free(engine);
}

static bool
break_off(struct tls *tls, int reason)
{
	tls->broken = reason;
	buffer_clear(&tls->unsent);
	errno = reason;
	return false;
}

bool
stream_flush(struct stream *stream)
{
	struct tls *tls = stream->tls;
	size_t length;
	ssize_t sent;

	if (tls == NULL)
		return true;
	if (tls->broken != 0)
		return break_off(tls, tls->broken);
	length = buffer_length(&tls->unsent);
	if (length == 0)
		return true;
	sent = socket_send(stream->fd, buffer_front(&tls->unsent), length);
	if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		return break_off(tls, errno);
	if (sent > 0)
		buffer_consume(&tls->unsent, (size_t)sent);
	return true;
}

/* What OpenSSL has written goes out, or waits. */
static bool
send_records(struct stream *stream)
{
	struct tls *tls = stream->tls;
	struct tls_engine *engine = tls->context->engine;
	size_t length = engine->out_length;
	ssize_t sent = 0;

	engine->out_length = 0;
	if (tls->broken != 0)
		return break_off(tls, tls->broken);
	if (length == 0)
		return true;
	if (buffer_length(&tls->unsent) == 0)
		sent = socket_send(stream->fd, engine->out, length);
	if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		return break_off(tls, errno);
	if (sent == -1)
		sent = 0;
	if ((size_t)sent == length)
		return true;
	if (!buffer_append(&tls->unsent, engine->out + sent,
	    length - (size_t)sent))
		return break_off(tls, ENOMEM);
	return true;
}

static bool
fail(struct tls *tls)
{
	tls->fault = ERR_peek_last_error();
	tls->ended = tls->failed = true;
	ERR_clear_error();
	errno = EPROTO;
	return false;
}

const char *
stream_problem(const struct stream *stream)
{
	const struct tls *tls = stream->tls;
	struct tls_engine *engine;
	const char *reason;
	long verdict;

	if (tls == NULL || !tls->failed)
		return "";
	engine = tls->context->engine;
	reason = ERR_reason_error_string(tls->fault);
	verdict = SSL_get_verify_result(tls->ssl);
	if (ERR_GET_REASON(tls->fault) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
	    verdict != X509_V_OK)
		snprintf(engine->problem, sizeof(engine->problem), "%s: %s",
		    reason, X509_verify_cert_error_string(verdict));
	else
		snprintf(engine->problem, sizeof(engine->problem), "%s",
		    reason == NULL ? "not TLS" : reason);
	return engine->problem;
}

/* --- beginning and end --------------------------------------------------- */

static void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	tls_context_release(tls->context);
	buffer_clear(&tls->unsent);
	buffer_clear(&tls->early);
	free(tls);
}

/* NULL: no memory. */
static struct tls *
tls_create(struct tls_context *context)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	BIO *bio = BIO_new(context->engine->method);

	if (tls != NULL)
		tls->ssl = SSL_new(context->ssl);
	if (tls == NULL || bio == NULL || tls->ssl == NULL) {
		if (tls != NULL)
			SSL_free(tls->ssl);
		BIO_free(bio);
		free(tls);
		ERR_clear_error();
		return NULL;
	}
	context->references++;
	tls->context = context;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	return tls;
}

bool
stream_accept_tls(struct stream *stream, struct tls_context *context,
    const void *early, size_t length)
{
	struct tls *tls;

	INVARIANT(stream->tls == NULL && context->for_clients);
	if (length > TLS_IN_BYTES)
		return false;
	tls = tls_create(context);
	if (tls == NULL)
		return false;
	if (length > 0 && !buffer_append(&tls->early, early, length)) {
		tls_free(tls);
		return false;
	}
	SSL_set_accept_state(tls->ssl);
	stream->tls = tls;
	return true;
}

static bool
is_literal(const char *host)
{
	uint8_t address[16];

	return inet_pton(AF_INET, host, address) == 1 ||
	    inet_pton(AF_INET6, host, address) == 1;
}

/* RFC 6066, 3: a literal address is not announced. */
static bool
expect_host(struct tls *tls, const char *host, struct error *error)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
	bool literal = host != NULL && is_literal(host);

	if (host != NULL && !literal &&
	    SSL_set_tlsext_host_name(tls->ssl, host) != 1)
		return error_set(error, "not a name of a host: %s", host);
	if (tls->context->proof != TLS_PROOF_NAME)
		return true;
	if (host == NULL || host[0] == '\0')
		return error_set(error, "there is no name to look for in the "
		    "certificate");
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (literal ? X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1 :
	    X509_VERIFY_PARAM_set1_host(param, host, 0) != 1)
		return error_set(error, "not a name of a host: %s", host);
	return true;
}

bool
stream_connect_tls(struct stream *stream, struct tls_context *context,
    const char *host, struct error *error)
{
	struct tls *tls;

	INVARIANT(stream->tls == NULL && !context->for_clients);
	tls = tls_create(context);
	if (tls == NULL)
		return error_set(error, "out of memory");
	SSL_set_connect_state(tls->ssl);
	ERR_clear_error();
	if (!expect_host(tls, host, error)) {
		tls_free(tls);
		ERR_clear_error();
		return false;
	}
	stream->tls = tls;
	context->engine->in_from = context->engine->in_to = 0;
	(void)SSL_do_handshake(tls->ssl);
	/* A broken connection is found out by reading. */
	(void)send_records(stream);
	ERR_clear_error();
	return true;
}

bool
stream_is_established(const struct stream *stream)
{
	return stream->tls == NULL || stream->tls->established;
}

void
stream_finish(struct stream *stream, const void *bytes, size_t length)
{
	struct tls *tls = stream->tls;
	size_t written;

	if (tls == NULL && length > 0)
		(void)!socket_send(stream->fd, bytes, length);
	/* After a fault OpenSSL has said its last words by itself. */
	if (tls == NULL || !tls->established || tls->failed ||
	    tls->broken != 0)
		return;
	ERR_clear_error();
	if (length > 0 && (length > TLS_SEND_MOST ||
	    SSL_write_ex(tls->ssl, bytes, length, &written) != 1))
		ERR_clear_error();
	(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
	(void)send_records(stream);
}

void
stream_close(struct stream *stream)
{
	tls_free(stream->tls);
	stream->tls = NULL;
	if (stream->fd != -1)
		close(stream->fd);
	stream->fd = -1;
}

/* --- bytes --------------------------------------------------------------- */

/* What was read before TLS began, or what has come since the last time. */
static ssize_t
fetch(struct stream *stream)
{
	struct tls *tls = stream->tls;
	struct tls_engine *engine = tls->context->engine;
	ssize_t got = (ssize_t)buffer_length(&tls->early);

	if (got > 0) {
		memcpy(engine->in, buffer_front(&tls->early), (size_t)got);
		buffer_clear(&tls->early);
	} else {
		got = socket_receive(stream->fd, engine->in,
		    sizeof(engine->in));
	}
	engine->in_from = 0;
	engine->in_to = got > 0 ? (size_t)got : 0;
	return got;
}

/* All that was fetched, decrypted. */
static size_t
decrypt(struct tls *tls, uint8_t *memory, size_t size)
{
	const struct tls_engine *engine = tls->context->engine;
	size_t length = 0, part;
	int verdict = SSL_ERROR_NONE;

	ERR_clear_error();
	while (verdict == SSL_ERROR_NONE) {
		INVARIANT(length < size);
		if (SSL_read_ex(tls->ssl, memory + length, size - length,
		    &part) == 1)
			length += part;
		else
			verdict = SSL_get_error(tls->ssl, 0);
	}
	if (!tls->established)
		tls->established = SSL_is_init_finished(tls->ssl) == 1;
	if (verdict == SSL_ERROR_ZERO_RETURN)
		tls->ended = true;
	else if (verdict != SSL_ERROR_WANT_READ)
		(void)fail(tls);
	INVARIANT(tls->ended || engine->in_from == engine->in_to);
	return length;
}

static ssize_t
outcome(const struct tls *tls, size_t length)
{
	if (length > 0)
		return (ssize_t)length;
	if (tls->ended && !tls->failed)
		return 0;
	errno = tls->failed ? EPROTO : EAGAIN;
	return -1;
}

ssize_t
stream_receive_tls(struct stream *stream, void *memory, size_t size)
{
	struct tls *tls = stream->tls;
	size_t length;
	ssize_t got;

	INVARIANT(size >= STREAM_RECEIVE_LEAST);
	if (tls->ended)
		return outcome(tls, 0);
	got = fetch(stream);
	if (got <= 0)
		return got;
	length = decrypt(tls, memory, size);
	(void)send_records(stream);
	/* So that epoll says what we know: there is an end to be read. */
	if (tls->ended && length > 0)
		shutdown(stream->fd, SHUT_RD);
	return outcome(tls, length);
}

/* True: it may send, and nothing waits to be sent. */
static bool
is_clear_to_send(struct stream *stream)
{
	struct tls *tls = stream->tls;

	if (!tls->established || tls->failed) {
		errno = tls->failed ? EPROTO : ENOTCONN;
		return false;
	}
	if (!stream_flush(stream))
		return false;
	if (buffer_length(&tls->unsent) == 0)
		return true;
	errno = EAGAIN;
	return false;
}

static bool
encrypt(struct tls *tls, const void *bytes, size_t length)
{
	size_t written;

	ERR_clear_error();
	if (SSL_write_ex(tls->ssl, bytes, length, &written) != 1)
		return fail(tls);
	INVARIANT(written == length);
	return true;
}

ssize_t
stream_send_parts_tls(struct stream *stream, const struct iovec *parts,
    int count)
{
	struct tls *tls = stream->tls;
	size_t total = 0;

	if (!is_clear_to_send(stream))
		return -1;
	for (int i = 0; i < count && total < TLS_SEND_MOST; i++) {
		size_t length = parts[i].iov_len;

		if (length > TLS_SEND_MOST - total)
			length = TLS_SEND_MOST - total;
		if (length > 0 && !encrypt(tls, parts[i].iov_base, length)) {
			(void)send_records(stream);
			errno = EPROTO;
			return -1;
		}
		total += length;
	}
	return send_records(stream) ? (ssize_t)total : -1;
}

ssize_t
stream_send_tls(struct stream *stream, const void *bytes, size_t length)
{
	struct iovec part = { (void *)(uintptr_t)bytes, length };

	return stream_send_parts_tls(stream, &part, 1);
}

bool
stream_has_unsent_tls(const struct stream *stream)
{
	return buffer_length(&stream->tls->unsent) > 0;
}
