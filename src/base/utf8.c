#include "base/utf8.h"

unsigned
utf8_length(const char *at)
{
	const uint8_t *byte = (const uint8_t *)at;
	unsigned length = byte[0] < 0x80 ? 1 : byte[0] < 0xc2 ? 0 :
	    byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : byte[0] < 0xf5 ? 4 : 0;

	for (unsigned i = 1; i < length; i++)
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
	if ((byte[0] == 0xe0 && byte[1] < 0xa0) ||
	    (byte[0] == 0xed && byte[1] >= 0xa0) ||
	    (byte[0] == 0xf0 && byte[1] < 0x90) ||
	    (byte[0] == 0xf4 && byte[1] >= 0x90))
		return 0;
	return length;
}

bool
utf8_is_valid(const char *string)
{
	while (*string != '\0') {
		unsigned length = utf8_length(string);

		if (length == 0)
			return false;
		string += length;
	}
	return true;
}
