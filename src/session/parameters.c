#include "session/parameters.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/invariant.h"
#include "base/memory.h"

#define BUCKETS 256
#define NAME_BYTES 64

struct parameters {
	char			 names[PARAMETERS_MOST][NAME_BYTES];
	int			 count;
	struct parameter_set	*buckets[BUCKETS];
};

static const char *const always[] = {
	"client_encoding", "DateStyle", "TimeZone",
	"standard_conforming_strings",
	[PARAMETER_APPLICATION_NAME] = "application_name",
};

static void
track(struct parameters *parameters, const char *name, size_t length)
{
	char *place;

	if (length == 0 || length >= NAME_BYTES ||
	    parameters->count == PARAMETERS_MOST)
		return;
	place = parameters->names[parameters->count];
	memcpy(place, name, length);
	place[length] = '\0';
	if (parameters_index(parameters, place) == -1)
		parameters->count++;
}

struct parameters *
parameters_create(const char *extra)
{
	struct parameters *parameters = memory_get(sizeof(*parameters));

	for (size_t i = 0; i < ARRAY_LENGTH(always); i++)
		track(parameters, always[i], strlen(always[i]));
	while (extra != NULL && *extra != '\0') {
		size_t blanks = strspn(extra, ", \t");
		size_t length = strcspn(extra + blanks, ", \t");

		track(parameters, extra + blanks, length);
		extra += blanks + length;
	}
	return parameters;
}

void
parameters_destroy(struct parameters *parameters)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct parameter_set *set, *next;

		for (set = parameters->buckets[i]; set != NULL; set = next) {
			next = set->next;
			free(set);
		}
	}
	memory_free(parameters);
}

int
parameters_index(const struct parameters *parameters, const char *name)
{
	for (int i = 0; i < parameters->count; i++)
		if (strcasecmp(parameters->names[i], name) == 0)
			return i;
	return -1;
}

const char *
parameters_name(const struct parameters *parameters, int index)
{
	return index < parameters->count ? parameters->names[index] : NULL;
}

void
parameters_put(const struct parameters *parameters,
    struct parameter_values *values, int index, const char *value)
{
	size_t length = strlen(value);

	INVARIANT(index >= 0 && index < parameters->count);
	/* Never the old one in its place: "" is not known, and set anew. */
	memset(values->values[index], 0, PARAMETER_VALUE_BYTES);
	if (length >= PARAMETER_VALUE_BYTES)
		return;
	memcpy(values->values[index], value, length);
}

void
parameters_seal(struct parameter_values *values)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned length;

	INVARIANT(EVP_Digest(values->values, sizeof(values->values), digest,
	    &length, EVP_sha256(), NULL) == 1);
	memcpy(values->digest, digest, sizeof(values->digest));
}

struct parameter_set *
parameters_share(struct parameters *parameters,
    const struct parameter_values *values)
{
	struct parameter_set **bucket =
	    &parameters->buckets[values->digest[0] % BUCKETS];
	struct parameter_set *set;

	for (set = *bucket; set != NULL; set = set->next)
		if (memcmp(set->values.digest, values->digest,
		    sizeof(values->digest)) == 0)
			break;
	if (set == NULL) {
		set = calloc(1, sizeof(*set));
		if (set == NULL)
			return NULL;
		set->values = *values;
		set->next = *bucket;
		*bucket = set;
	}
	set->users++;
	return set;
}

void
parameters_release(struct parameters *parameters, struct parameter_set *set)
{
	struct parameter_set **at;

	if (set == NULL || --set->users > 0)
		return;
	at = &parameters->buckets[set->values.digest[0] % BUCKETS];
	while (*at != set)
		at = &(*at)->next;
	*at = set->next;
	free(set);
}

/*
 * An SQL literal.  In some client encodings a backslash may be the second
 * byte of a character; such a value is not passed on at all, because what it
 * would mean depends on the server's state.
 */
static bool
quote(const char *value, char *text, size_t size)
{
	bool backslash = strchr(value, '\\') != NULL;
	size_t length = 0;

	if (backslash)
		text[length++] = 'E';
	text[length++] = '\'';
	for (; *value != '\0'; value++) {
		if (backslash && (unsigned char)*value >= 0x80)
			return false;
		if (length + 4 > size)
			return false;
		if (*value == '\'' || *value == '\\')
			text[length++] = *value;
		text[length++] = *value;
	}
	text[length++] = '\'';
	text[length] = '\0';
	return true;
}

/* A list of identifiers goes as it is: quoted as a whole it would be one. */
static bool
is_identifier_list(const char *value)
{
	while (*value != '\0') {
		if (*value == '"') {
			value = strchr(value + 1, '"');
			if (value == NULL)
				return false;
			value++;
		} else if (isalnum((unsigned char)*value) || *value == '_' ||
		    *value == ' ' || *value == ',') {
			value++;
		} else {
			return false;
		}
	}
	return true;
}

static bool
write_literal(const char *name, const char *value, char *text, size_t size)
{
	if (strcasecmp(name, "search_path") != 0)
		return quote(value, text, size);
	if (strcmp(value, "\"\"") == 0)
		return quote("", text, size);
	if (!is_identifier_list(value))
		return false;
	return snprintf(text, size, "%s", value) < (int)size;
}

void
parameters_write_sets(const struct parameters *parameters,
    const struct parameter_values *want, const struct parameter_values *have,
    char *text, size_t size)
{
	char literal[2 * PARAMETER_VALUE_BYTES + 8];
	size_t length = 0;

	text[0] = '\0';
	for (int i = 0; i < parameters->count; i++) {
		if (want->values[i][0] == '\0' ||
		    strcasecmp(want->values[i], have->values[i]) == 0)
			continue;
		if (!write_literal(parameters->names[i], want->values[i],
		    literal, sizeof(literal)))
			continue;
		length += (size_t)snprintf(text + length, size - length,
		    "SET %s=%s;", parameters->names[i], literal);
		INVARIANT(length < size);
	}
}

void
parameters_assume(const struct parameters *parameters,
    const struct parameter_values *want, struct parameter_values *have)
{
	for (int i = 0; i < parameters->count; i++)
		if (have->values[i][0] == '\0')
			memcpy(have->values[i], want->values[i],
			    PARAMETER_VALUE_BYTES);
}
