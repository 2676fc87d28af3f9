#include "session/encryption.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "net/tls_peer.h"
#include "session/sessions.h"

/* The first byte of a record with a handshake (RFC 8446, 5.1). */
#define RECORD_HANDSHAKE 0x16

static enum tls_ticket_verdict
find_ticket_key(void *context, const uint8_t *name,
    struct tls_ticket_key *key_out)
{
	struct sessions *sessions = context;
	enum tls_ticket_verdict verdict = TLS_TICKET_UNKNOWN;
	struct ticket_key keys[TICKET_KEYS];

	_Static_assert(sizeof(keys[0].name) == TLS_TICKET_NAME &&
	    sizeof(keys[0].cipher) == TLS_TICKET_SECRET &&
	    sizeof(keys[0].mac) == TLS_TICKET_SECRET, "they are the same");
	tickets_copy(sessions->segment->tickets, keys);
	for (unsigned i = 0; i < TICKET_KEYS; i++) {
		if (name != NULL && memcmp(name, keys[i].name,
		    TLS_TICKET_NAME) != 0)
			continue;
		memcpy(key_out->name, keys[i].name, TLS_TICKET_NAME);
		memcpy(key_out->cipher, keys[i].cipher, TLS_TICKET_SECRET);
		memcpy(key_out->mac, keys[i].mac, TLS_TICKET_SECRET);
		verdict = i == 0 ? TLS_TICKET_CURRENT : TLS_TICKET_OLD;
		break;
	}
	memory_wipe(keys, sizeof(keys));
	return verdict;
}

void
encryption_configure(struct sessions *sessions)
{
	const struct config *config = sessions->config;
	struct tls_tickets tickets = { sessions, find_ticket_key };
	struct tls_context *context = NULL;
	struct error error;

	if (config->client_tls_sslmode != SSLMODE_DISABLE) {
		context = tls_context_for_clients(sessions->tls_engine,
		    &config->client_tls, &tickets, &error);
		/* The supervisor has made one of the same: no memory. */
		if (context == NULL) {
			log_error("TLS configuration could not be reloaded, "
			    "keeping old configuration: %s", error.text);
			return;
		}
	}
	tls_context_release(sessions->client_tls);
	sessions->client_tls = context;
}

bool
encryption_is_missing(const struct client *client)
{
	return !client->is_unix && client->stream.tls == NULL &&
	    client->sessions->config->client_tls_sslmode >= SSLMODE_REQUIRE;
}

static bool
is_offered(const struct client *client)
{
	return !client->is_unix && client->stream.tls == NULL &&
	    client->sessions->client_tls != NULL;
}

bool
encryption_answer(struct client *client)
{
	if (client->stream.tls != NULL) {
		client_close(client, "SSL req inside SSL");
		return false;
	}
	if (!is_offered(client))
		return client_send(client, (const uint8_t *)"N", 1);
	if (!client_send(client, (const uint8_t *)"S", 1))
		return false;
	if (buffer_length(&client->backlog) > 0) {
		client_close(client, "failed to ack SSL");
		return false;
	}
	if (stream_accept_tls(&client->stream, client->sessions->client_tls,
	    NULL, 0))
		return true;
	client_close(client, "failed to accept SSL");
	return false;
}

bool
encryption_begins(struct client *client)
{
	struct buffer early = client->input;
	bool accepted;

	if (client->said_something || !is_offered(client) ||
	    buffer_front(&early)[0] != RECORD_HANDSHAKE)
		return false;
	memset(&client->input, 0, sizeof(client->input));
	client->is_direct_tls = true;
	accepted = stream_accept_tls(&client->stream,
	    client->sessions->client_tls, buffer_front(&early),
	    buffer_length(&early));
	buffer_clear(&early);
	if (accepted)
		client_read(client);
	else
		client_close(client, "failed to accept SSL");
	return true;
}

/*
 * Who begins with TLS at once has to say which protocol is meant, as in
 * PostgreSQL: or what was meant for another service could be sent here
 * (ALPACA).
 */
static bool
note_encryption(struct client *client)
{
	struct client_row *row = client_row(client);

	tls_peer_info(&client->stream, row->tls);
	if (!client->is_direct_tls || tls_peer_chose_protocol(&client->stream))
		return true;
	client_fail(client, SQLSTATE_OF_POOLER, "received direct SSL "
	    "connection request without ALPN protocol negotiation extension");
	return false;
}

bool
encryption_note_read(struct client *client, ssize_t got)
{
	bool established = stream_is_established(&client->stream);

	if (got == -1 && errno == EPROTO) {
		if (!established)
			client_log(LOG_LEVEL_WARNING, client,
			    "TLS handshake error: %s",
			    stream_problem(&client->stream));
		client_close(client, established ? "TLS error" :
		    "TLS handshake error");
		return false;
	}
	if (!established || client_row(client)->tls[0] != '\0')
		return true;
	return note_encryption(client);
}
