/*
 * Headers of the PROXY protocol, and what is taken for one.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void
check_source(const struct address *source)
{
	char text[ADDRESS_TEXT_BYTES];

	if (source->family != ADDRESS_IPV4 && source->family != ADDRESS_IPV6)
		abort();
	address_format(source, 0, text, sizeof(text));
}

/* A copy of just this many bytes, so that any read behind them is seen. */
static enum proxy_header_kind
read_first(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length + (length == 0));
	struct proxy_header header;

	if (copy == NULL)
		abort();
	if (length > 0)
		memcpy(copy, bytes, length);
	proxy_header_read(copy, length, &header);
	free(copy);
	return header.kind;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct proxy_header header;
	enum proxy_header_kind kind;

	kind = proxy_header_read(bytes, length, &header);
	if (kind != header.kind)
		abort();
	if (kind == PROXY_HEADER_BAD)
		return header.reason == NULL ? (abort(), 0) : 0;
	/* What waits for more has not had too much. */
	if (kind == PROXY_HEADER_MORE) {
		if (length >= PROXY_HEADER_MOST)
			abort();
		return 0;
	}
	if (header.length < 16 || header.length > length ||
	    header.length > PROXY_HEADER_MOST)
		abort();
	if (kind == PROXY_HEADER_SOURCE)
		check_source(&header.source);
	/* What is behind it does not count; any beginning waits for more. */
	if (read_first(bytes, header.length) != kind)
		abort();
	for (size_t part = 0; part < header.length; part += 1 + part / 8)
		if (read_first(bytes, part) != PROXY_HEADER_MORE)
			abort();
	return 0;
}
