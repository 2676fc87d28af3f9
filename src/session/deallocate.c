#include "session/deallocate.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *
skip_blanks(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

bool
deallocate_is_near(const char *query)
{
	query = skip_blanks(query);
	return strncasecmp(query, "deallocate", 10) == 0 ||
	    strncasecmp(query, "discard", 7) == 0;
}

/* Behind this word, at what follows; NULL: another word. */
static const char *
skip_word(const char *at, const char *word)
{
	size_t length = strlen(word);

	if (strncasecmp(at, word, length) != 0 ||
	    (!isspace((unsigned char)at[length]) && at[length] != '"'))
		return NULL;
	return skip_blanks(at + length);
}

static bool
is_of_identifier(unsigned char byte, bool first)
{
	if (isalpha(byte) || byte == '_' || byte >= 0x80)
		return true;
	return !first && (isdigit(byte) || byte == '$');
}

/* An identifier as PostgreSQL reads it. NULL: it is none that we know. */
static const char *
read_identifier(const char *at, char name_out[DEALLOCATE_NAME_BYTES])
{
	size_t length = 0;

	for (; is_of_identifier((unsigned char)*at, length == 0); at++) {
		if (length == DEALLOCATE_NAME_BYTES - 1)
			return NULL;
		/* PostgreSQL folds the letters that every encoding has. */
		name_out[length++] = *at >= 'A' && *at <= 'Z' ?
		    (char)(*at - 'A' + 'a') : *at;
	}
	name_out[length] = '\0';
	return length == 0 || strcmp(name_out, "all") == 0 ? NULL : at;
}

static const char *
read_quoted(const char *at, char name_out[DEALLOCATE_NAME_BYTES])
{
	size_t length = 0;

	for (;; at++) {
		if (*at == '\0')
			return NULL;
		if (*at == '"' && *++at != '"')
			break;
		if (length == DEALLOCATE_NAME_BYTES - 1)
			return NULL;
		name_out[length++] = *at;
	}
	name_out[length] = '\0';
	return length == 0 ? NULL : at;
}

bool
deallocate_read(const char *query, char name_out[DEALLOCATE_NAME_BYTES])
{
	const char *at = skip_word(skip_blanks(query), "deallocate");
	const char *behind;

	if (at == NULL)
		return false;
	behind = skip_word(at, "prepare");
	at = behind == NULL ? at : behind;
	at = *at == '"' ? read_quoted(at + 1, name_out) :
	    read_identifier(at, name_out);
	if (at == NULL)
		return false;
	at = skip_blanks(at);
	if (*at == ';')
		at = skip_blanks(at + 1);
	return *at == '\0';
}
