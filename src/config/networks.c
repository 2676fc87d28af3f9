#include "config/networks.h"

#include <stdlib.h>
#include <string.h>

/* The longest: an IPv6 address and a prefix. */
#define ENTRY_BYTES 64

static unsigned
width(const struct address *address)
{
	return address->family == ADDRESS_IPV4 ? 32 : 128;
}

static bool
parse_prefix(const char *text, unsigned most, uint8_t *prefix_out)
{
	char *end;
	unsigned long prefix = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || prefix > most)
		return false;
	*prefix_out = (uint8_t)prefix;
	return true;
}

/* The first bits of both are the same. */
static bool
share_prefix(const uint8_t *one, const uint8_t *other, unsigned bits)
{
	unsigned rest = bits % 8;

	return memcmp(one, other, bits / 8) == 0 && (rest == 0 ||
	    (one[bits / 8] ^ other[bits / 8]) >> (8 - rest) == 0);
}

static bool
is_clean(const struct network *network)
{
	for (unsigned bit = network->prefix; bit < width(&network->address);
	    bit++)
		if (network->address.bytes[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}

/* The entry is taken apart in place. */
static bool
parse_entry(char *entry, struct network *network_out, struct error *error)
{
	char *slash = strchr(entry, '/');

	if (slash != NULL)
		*slash = '\0';
	if (!address_parse_host(entry, &network_out->address))
		return error_set(error, "an address or a network such as "
		    "10.0.0.0/8 is expected: %s", entry);
	network_out->prefix = (uint8_t)width(&network_out->address);
	if (slash != NULL && !parse_prefix(slash + 1,
	    width(&network_out->address), &network_out->prefix))
		return error_set(error, "from 0 to %u bits are expected: "
		    "%s/%s", width(&network_out->address), entry, slash + 1);
	return is_clean(network_out) || error_set(error,
	    "the address does not match its mask: %s/%u", entry,
	    network_out->prefix);
}

static bool
add_entry(const char *text, size_t length, struct networks *networks,
    struct error *error)
{
	char entry[ENTRY_BYTES];

	if (networks->count == NETWORKS_MOST)
		return error_set(error, "no more than %d networks are "
		    "expected", NETWORKS_MOST);
	if (length >= sizeof(entry))
		return error_set(error, "an address or a network such as "
		    "10.0.0.0/8 is expected: %.*s...", ENTRY_BYTES, text);
	memcpy(entry, text, length);
	entry[length] = '\0';
	return parse_entry(entry, &networks->list[networks->count++], error);
}

bool
networks_parse(const char *text, struct networks *networks_out,
    struct error *error)
{
	static const char separators[] = ", \t";

	memset(networks_out, 0, sizeof(*networks_out));
	if (text == NULL)
		return true;
	for (text += strspn(text, separators); *text != '\0';
	    text += strspn(text, separators)) {
		size_t length = strcspn(text, separators);

		if (!add_entry(text, length, networks_out, error))
			return false;
		text += length;
	}
	return true;
}

/* RFC 4291 2.5.5.2 */
static bool
is_mapped(const struct address *address)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return address->family == ADDRESS_IPV6 &&
	    memcmp(address->bytes, prefix, sizeof(prefix)) == 0;
}

bool
networks_have(const struct networks *networks, const struct address *address)
{
	bool mapped = is_mapped(address);
	uint8_t family = mapped ? ADDRESS_IPV4 : address->family;
	const uint8_t *bytes = address->bytes + (mapped ? 12 : 0);

	for (unsigned i = 0; i < networks->count; i++)
		if (networks->list[i].address.family == family &&
		    share_prefix(networks->list[i].address.bytes, bytes,
		    networks->list[i].prefix))
			return true;
	return false;
}
