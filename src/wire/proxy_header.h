/*
 * What a load balancer says of a client, in front of all that the client
 * says: version 2 of the PROXY protocol (HAProxy, "The PROXY protocol", 2.2).
 *
 *	+-----------+---------+-----------+--------+-----------+------+
 *	| signature | version | family    | length | addresses | TLVs |
 *	|           | command | transport |        |           |      |
 *	| 12 bytes  | 1 byte  | 1 byte    | 2      | by family | rest |
 *	+-----------+---------+-----------+--------+-----------+------+
 *	                                           |<----- length ---->|
 *
 * Who sent it is nothing of this: only those who are trusted may be asked
 * for one.  Nothing here allocates.
 */
#ifndef WIRE_PROXY_HEADER_H
#define WIRE_PROXY_HEADER_H

#include "base/address.h"
#include "base/base.h"

/* No header is longer, all included: room for a certificate in a TLV. */
#define PROXY_HEADER_MOST 16384

enum proxy_header_kind {
	PROXY_HEADER_MORE = 0,	/* not all there yet: read on */
	PROXY_HEADER_BAD,	/* close; `reason` is for the log */
	PROXY_HEADER_NONE,	/* the connection speaks for itself: LOCAL, or
				   a client without an IP address */
	PROXY_HEADER_SOURCE	/* `source` is the client's address */
};

struct proxy_header {
	enum proxy_header_kind	 kind;
	uint32_t		 length;	/* bytes the header takes */
	struct address		 source;	/* SOURCE; IPv4 if it is mapped */
	const char		*reason;	/* BAD; a literal */
};

/*
 * Says what the bytes so far are; what is beyond out->length is the client's.
 * Anything but a header is BAD as soon as its bytes say so.  Returns
 * out->kind.
 */
enum proxy_header_kind proxy_header_read(const uint8_t *bytes, size_t length,
    struct proxy_header *out);

#endif
