#include "config/connstr.h"

#include <string.h>

static const char blanks[] = " \t\r\n\f\v";

static bool
is_blank(char c)
{
	return c != '\0' && strchr(blanks, c) != NULL;
}

/* The closing quote becomes the end of the value. */
static bool
take_quoted(char **at, char **value_out)
{
	char *from = *at + 1, *to = from;

	*value_out = to;
	for (;; from++) {
		if (*from == '\0')
			return false;
		if (*from == '\'' && *++from != '\'')
			break;
		*to++ = *from;
	}
	/* What follows must not touch the quote; it is read before the end. */
	if (*from != '\0' && !is_blank(*from))
		return false;
	*at = from;
	*to = '\0';
	return true;
}

static bool
take_word(char **at, char **value_out)
{
	*value_out = *at;
	*at += strcspn(*at, blanks);
	if (*at == *value_out)
		return false;
	if (**at != '\0')
		*(*at)++ = '\0';
	return true;
}

enum connstr_step
connstr_next(char **at, char **key_out, char **value_out)
{
	char *key_end;

	*at += strspn(*at, blanks);
	if (**at == '\0')
		return CONNSTR_END;
	*key_out = *at;
	key_end = *at + strcspn(*at, " \t\r\n\f\v=");
	*at = key_end + strspn(key_end, blanks);
	if (key_end == *key_out || **at != '=')
		return CONNSTR_BROKEN;
	*at += 1;
	*at += strspn(*at, blanks);
	*key_end = '\0';
	if (**at == '\'' ? take_quoted(at, value_out) :
	    take_word(at, value_out))
		return CONNSTR_PAIR;
	return CONNSTR_BROKEN;
}
