#include "wire/proxy_header.h"

#include <string.h>

#include "wire/reader.h"

static const uint8_t signature[] = { '\r', '\n', '\r', '\n', '\0', '\r', '\n',
    'Q', 'U', 'I', 'T', '\n' };

/* Signature, version and command, family and transport, length. */
#define FIXED 16

#define COMMAND_LOCAL 0x0
#define COMMAND_PROXY 0x1

/* All others are not to be sent, nor taken; UDP cannot have come here. */
#define FAMILY_UNSPEC 0x00
#define FAMILY_TCP_OVER_IPV4 0x11
#define FAMILY_TCP_OVER_IPV6 0x21
#define FAMILY_UNIX_STREAM 0x31

/* Both paths of a family UNIX: source and destination. */
#define UNIX_PATHS (2 * 108)

static enum proxy_header_kind
bad(struct proxy_header *out, const char *reason)
{
	out->reason = reason;
	out->kind = PROXY_HEADER_BAD;
	return out->kind;
}

/* What else can be said of something without the signature. */
static const char *
what_it_is(const uint8_t *bytes, size_t length)
{
	static const char version_1[] = "PROXY ";
	size_t most = sizeof(version_1) - 1;

	if (memcmp(bytes, version_1, length < most ? length : most) == 0)
		return "it is version 1, and version 2 is expected";
	return "there is none";
}

/*
 * RFC 4291 2.5.5.2.  Both are the same client: a rule about its IPv4 address
 * is not evaded by a proxy that listens on ::.
 */
static void
unmap(struct address *address)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(address->bytes, prefix, sizeof(prefix)) != 0)
		return;
	address->family = ADDRESS_IPV4;
	memmove(address->bytes, address->bytes + 12, 4);
	memset(address->bytes + 4, 0, 12);
}

/* Source, destination, their ports; the destination is not asked for. */
static void
read_addresses(struct reader *block, uint8_t family, size_t bytes,
    struct address *source_out)
{
	const uint8_t *source = reader_take(block, bytes);

	(void)reader_take(block, bytes);
	source_out->family = family;
	source_out->port = reader_u16(block);
	(void)reader_u16(block);
	if (!block->failed)
		memcpy(source_out->bytes, source, bytes);
}

/* Nothing in them is used; but where they end, the header does. */
static bool
walk_over_tlvs(struct reader *block)
{
	while (!block->failed && reader_left(block) > 0) {
		(void)reader_u8(block);		/* type */
		(void)reader_take(block, reader_u16(block));
	}
	return !block->failed;
}

static enum proxy_header_kind
read_block(struct proxy_header *out, uint8_t family, struct reader block)
{
	out->kind = PROXY_HEADER_SOURCE;
	switch (family) {
	case FAMILY_TCP_OVER_IPV4:
		read_addresses(&block, ADDRESS_IPV4, 4, &out->source);
		break;
	case FAMILY_TCP_OVER_IPV6:
		read_addresses(&block, ADDRESS_IPV6, 16, &out->source);
		break;
	case FAMILY_UNIX_STREAM:
		(void)reader_take(&block, UNIX_PATHS);
		out->kind = PROXY_HEADER_NONE;
		break;
	case FAMILY_UNSPEC:		/* all that follows is to be ignored */
		return out->kind = PROXY_HEADER_NONE;
	default:
		return bad(out, "its family is not known");
	}
	if (block.failed)
		return bad(out, "it is too short for its addresses");
	if (!walk_over_tlvs(&block))
		return bad(out, "a TLV in it is longer than what is left");
	if (out->source.family == ADDRESS_IPV6)
		unmap(&out->source);
	return out->kind;
}

enum proxy_header_kind
proxy_header_read(const uint8_t *bytes, size_t length,
    struct proxy_header *out)
{
	size_t known = length < sizeof(signature) ? length : sizeof(signature);
	struct reader block = reader_of(bytes, length);
	uint8_t version_and_command, family;

	memset(out, 0, sizeof(*out));
	if (length == 0)
		return out->kind;
	if (memcmp(bytes, signature, known) != 0)
		return bad(out, what_it_is(bytes, length));
	if (length < FIXED)
		return out->kind;
	(void)reader_take(&block, sizeof(signature));
	version_and_command = reader_u8(&block);
	family = reader_u8(&block);
	out->length = FIXED + (uint32_t)reader_u16(&block);
	if (version_and_command >> 4 != 2)
		return bad(out, "its version is not 2");
	if ((version_and_command & 0xf) > COMMAND_PROXY)
		return bad(out, "its command is neither LOCAL nor PROXY");
	if (out->length > PROXY_HEADER_MOST)
		return bad(out, "it is too long");
	if (length < out->length)
		return out->kind;
	if ((version_and_command & 0xf) == COMMAND_LOCAL)
		return out->kind = PROXY_HEADER_NONE;
	return read_block(out, family, reader_of(bytes + FIXED,
	    out->length - FIXED));
}
