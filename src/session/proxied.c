#include "session/proxied.h"

#include "session/sessions.h"
#include "wire/proxy_header.h"

bool
proxied_is_expected(const struct client *client)
{
	const struct config *config = client->sessions->config;

	return config->proxy_protocol != 0 && !client->is_unix &&
	    networks_have(&config->trusted_proxies,
	    &client_row(client)->remote);
}

/* The line of the log with both, for who looks at the proxy's as well. */
static void
note_source(struct client *client, const struct address *source)
{
	char address[ADDRESS_TEXT_BYTES];

	address_format(source, 0, address, sizeof(address));
	client_log(LOG_LEVEL_DEBUG, client, "PROXY protocol: it is %s",
	    address);
	client_row(client)->remote = *source;
}

bool
proxied_take(struct client *client)
{
	struct proxy_header header;

	switch (proxy_header_read(buffer_front(&client->input),
	    buffer_length(&client->input), &header)) {
	case PROXY_HEADER_MORE:
		return false;
	case PROXY_HEADER_BAD:
		client_log(LOG_LEVEL_WARNING, client,
		    "bad PROXY protocol header: %s", header.reason);
		client_close(client, "bad PROXY protocol header");
		return false;
	case PROXY_HEADER_SOURCE:
		note_source(client, &header.source);
		break;
	case PROXY_HEADER_NONE:
		break;
	}
	buffer_consume(&client->input, header.length);
	client->awaits_header = false;
	return true;
}
