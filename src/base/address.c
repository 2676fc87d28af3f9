#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

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
