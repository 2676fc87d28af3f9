#include "config/places.h"

#include <stdlib.h>
#include <string.h>

/* The longest: brackets, an address, a colon, a port. */
#define ENTRY_BYTES 64

static bool
parse_port(const char *text, uint16_t *port_out)
{
	char *end;
	long port = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || port < 1 ||
	    port > 65535)
		return false;
	*port_out = (uint16_t)port;
	return true;
}

static bool
parse_host(char *host, struct listen_place *place_out)
{
	size_t length = strlen(host);
	bool in_brackets = length > 1 && host[0] == '[' &&
	    host[length - 1] == ']';

	if (strcmp(host, "*") == 0) {
		place_out->everywhere = true;
		return address_parse_host("::", &place_out->address);
	}
	if (strcmp(host, "localhost") == 0)
		return address_parse_host("127.0.0.1", &place_out->address);
	if (in_brackets) {
		host[length - 1] = '\0';
		host++;
	}
	return address_parse_host(host, &place_out->address) &&
	    (place_out->address.family == ADDRESS_IPV6) == in_brackets;
}

/* The entry is taken apart in place. */
static bool
parse_entry(char *entry, struct listen_place *place_out)
{
	char *colon = strrchr(entry, ':');
	char here[] = "localhost";
	uint16_t port;

	memset(place_out, 0, sizeof(*place_out));
	if (colon != NULL)
		*colon = '\0';
	if (!parse_port(colon != NULL ? colon + 1 : entry, &port) ||
	    !parse_host(colon != NULL ? entry : here, place_out))
		return false;
	place_out->address.port = port;
	return true;
}

static bool
add_entry(const char *text, size_t length, struct places *places)
{
	char entry[ENTRY_BYTES];

	if (length >= sizeof(entry) || places->count == PLACES_MOST)
		return false;
	memcpy(entry, text, length);
	entry[length] = '\0';
	return parse_entry(entry, &places->list[places->count++]);
}

bool
places_parse(const char *text, struct places *places_out,
    struct error *error)
{
	static const char blanks[] = " \t";

	places_out->count = 0;
	if (text == NULL)
		return true;
	text += strspn(text, blanks);
	while (*text != '\0') {
		size_t length = strcspn(text, ", \t");

		if (!add_entry(text, length, places_out))
			return error_set(error, "up to %d ports or addresses "
			    "with ports are expected, such as 9127, *:9127, "
			    "10.0.0.1:9127 or [::1]:9127", PLACES_MOST);
		text += length;
		text += strspn(text, blanks);
		if (*text == ',')
			text += 1 + strspn(text + 1, blanks);
	}
	return true;
}
