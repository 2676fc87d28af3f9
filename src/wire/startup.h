/*
 * The first packet of a client, which has no type byte.
 *
 *	+--------+--------+--------+--------+--------+-------- ... --------+
 *	|  length, itself included, 4 bytes |  code, 4 bytes  |  the rest  |
 *	+--------+--------+--------+--------+--------+-------- ... --------+
 *
 * PostgreSQL manual, "Message Formats": SSLRequest, GSSENCRequest,
 * CancelRequest, StartupMessage.  The two upper bytes of the length have to
 * be zero, so a packet is at most 65,535 bytes and whatever speaks another
 * protocol is found out by its first bytes.
 *
 * Nothing here allocates; strings point into the packet.
 */
#ifndef WIRE_STARTUP_H
#define WIRE_STARTUP_H

#include "wire/messages.h"

/* No first packet is longer. */
#define STARTUP_MOST 65535

enum startup_kind {
	STARTUP_MORE = 0,	/* not all there yet: read on */
	STARTUP_BAD,		/* refuse with `reason` */
	STARTUP_SSL,		/* answer 'S' or 'N', another one follows */
	STARTUP_GSSENC,		/* answer 'N', another one follows */
	STARTUP_CANCEL,		/* `key` is filled in */
	STARTUP_V3		/* walk over its parameters */
};

struct startup {
	enum startup_kind	 kind;
	uint32_t		 length;	/* bytes the packet takes */
	uint32_t		 version;	/* V3: upper half is 3 */
	struct backend_key	 key;		/* CANCEL */
	struct reader		 parameters;	/* V3; for startup_next */
	bool			 negotiate;	/* V3: see below */
	char			 reason[80];	/* BAD: text of the FATAL */
};

struct startup_parameter {
	const char	*name, *value;
};

/*
 * Says what the bytes so far are.  `most` is max_packet_size.  Bytes beyond
 * out->length were sent behind the packet; behind SSLRequest and
 * GSSENCRequest that must be refused (CVE-2021-3935).  A V3 packet has been
 * checked: walking over its parameters cannot fail.  Returns out->kind.
 *
 * Reasons: "bad packet header: '<hex>'", "old V2 protocol not supported",
 * "client password pkt before startup packet", "bad cancel request",
 * "invalid startup packet layout: expected terminator as last byte".
 */
enum startup_kind startup_read(const uint8_t *bytes, size_t length,
    uint32_t most, struct startup *out);

/*
 * The next parameter, in the packet's order, those named _pq_.* included;
 * false: no more.  `parameters` is a copy of startup.parameters that moves.
 */
bool startup_next(struct reader *parameters, struct startup_parameter *out);

/* True: a protocol extension of the form _pq_.name; none is known to us. */
bool startup_is_extension(const char *name);

/* V3: the version that is spoken from now on; we know 3.0 to 3.2. */
uint32_t startup_version(const struct startup *startup);

/*
 * If startup.negotiate: NegotiateProtocolVersion, which says what is spoken
 * instead and names the extensions we do not know.  To be sent once,
 * before the authentication request.
 */
void startup_write_negotiation(const struct startup *startup,
    struct writer *writer);

enum option_verdict {
	OPTION_NONE = 0,	/* no more */
	OPTION_FOUND,
	OPTION_BAD		/* neither "-c name=value" nor "--name=value" */
};

/* The FATAL text that belongs to OPTION_BAD. */
#define STARTUP_BAD_OPTION "unsupported options startup parameter: " \
    "only '-c config=val' and '--config=val' are allowed"

/*
 * Takes the next setting off the value of the startup parameter `options`:
 * -c name=value, -cname=value or --name=value, blanks between, a backslash
 * makes the next byte ordinary.  As in PostgreSQL a '-' in a name means '_'.
 * An empty name is OPTION_BAD, so the walk always moves (CVE-2026-107349
 * did not), and ends for good at the first bad one.  `*options` moves on;
 * name and value are put into `scratch` (an argument longer than that is
 * OPTION_BAD; strlen of the options + 1 is always enough).
 *
 *	while ((verdict = startup_next_option(&options, scratch,
 *	    sizeof(scratch), &option)) == OPTION_FOUND)
 *		...
 */
enum option_verdict startup_next_option(const char **options, char *scratch,
    size_t size, struct startup_parameter *out);

#endif
