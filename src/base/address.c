#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/invariant.h"

void
address_from(const struct sockaddr *from, uint16_t unix_port,
    struct address *address_out)
{
	memset(address_out, 0, sizeof(*address_out));
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)from;

		address_out->family = ADDRESS_IPV4;
		memcpy(address_out->bytes, &in->sin_addr, 4);
		address_out->port = ntohs(in->sin_port);
	} else if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)from;

		address_out->family = ADDRESS_IPV6;
		memcpy(address_out->bytes, &in6->sin6_addr, 16);
		address_out->port = ntohs(in6->sin6_port);
	} else {
		address_out->family = ADDRESS_UNIX;
		address_out->port = unix_port;
	}
}

void
address_format_host(const struct address *address, char *text, size_t size)
{
	int family = address->family == ADDRESS_IPV4 ? AF_INET : AF_INET6;

	if (address->family == ADDRESS_UNIX ||
	    inet_ntop(family, address->bytes, text, (socklen_t)size) == NULL)
		snprintf(text, size, "unix");
}

void
address_format(const struct address *address, uint32_t pid, char *text,
    size_t size)
{
	char host[ADDRESS_TEXT_BYTES];

	address_format_host(address, host, sizeof(host));
	if (address->family == ADDRESS_IPV6)
		snprintf(text, size, "[%s]:%u", host, address->port);
	else if (address->family == ADDRESS_UNIX && pid != 0)
		snprintf(text, size, "unix(%u):%u", pid, address->port);
	else
		snprintf(text, size, "%s:%u", host, address->port);
}

void
address_to(const struct address *address, struct sockaddr_storage *to_out,
    socklen_t *length_out)
{
	struct sockaddr_in *in = (void *)to_out;
	struct sockaddr_in6 *in6 = (void *)to_out;

	memset(to_out, 0, sizeof(*to_out));
	if (address->family == ADDRESS_IPV6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(address->port);
		memcpy(&in6->sin6_addr, address->bytes, 16);
		*length_out = sizeof(*in6);
		return;
	}
	INVARIANT(address->family == ADDRESS_IPV4);
	in->sin_family = AF_INET;
	in->sin_port = htons(address->port);
	memcpy(&in->sin_addr, address->bytes, 4);
	*length_out = sizeof(*in);
}

bool
address_parse_host(const char *text, struct address *address_out)
{
	memset(address_out, 0, sizeof(*address_out));
	if (inet_pton(AF_INET, text, address_out->bytes) == 1)
		address_out->family = ADDRESS_IPV4;
	else if (inet_pton(AF_INET6, text, address_out->bytes) == 1)
		address_out->family = ADDRESS_IPV6;
	else
		return false;
	return true;
}

bool
address_same_host(const struct address *one, const struct address *other)
{
	return one->family == other->family && memcmp(one->bytes,
	    other->bytes, one->family == ADDRESS_IPV4 ? 4 : 16) == 0;
}

bool
address_list_has(const struct address_list *list,
    const struct address *address)
{
	for (uint32_t i = 0; i < list->count && i < ADDRESSES_MOST; i++)
		if (address_same_host(&list->address[i], address))
			return true;
	return false;
}

void
address_list_add(struct address_list *list, const struct address *address)
{
	if (list->count < ADDRESSES_MOST && !address_list_has(list, address))
		list->address[list->count++] = *address;
}
