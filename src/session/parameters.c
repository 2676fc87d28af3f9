#include "session/parameters.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/invariant.h"
#include "base/memory.h"

#define BUCKETS 256
#define NAME_BYTES 64
#define SPELLINGS 64

/* That is what PostgreSQL makes of a value. */
struct spelling {
	int	index;
	char	given[PARAMETER_VALUE_BYTES];
	char	canonical[PARAMETER_VALUE_BYTES];
};

struct parameters {
	char			 names[PARAMETERS_MOST][NAME_BYTES];
	int			 count;
	struct parameter_set	*buckets[BUCKETS];
	struct parameter_texts	*texts;
	struct spelling		 spellings[SPELLINGS];	/* the last ones */
	unsigned		 spelling_count, next_spelling;
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

	parameters->texts = parameter_texts_create();
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
	parameter_texts_destroy(parameters->texts);
	memory_free(parameters);
}

int
parameters_index(const struct parameters *parameters, const char *name)
{
	/* Most begin with another letter. */
	for (int i = 0; i < parameters->count; i++)
		if (((parameters->names[i][0] ^ name[0]) & ~0x20) == 0 &&
		    strcasecmp(parameters->names[i], name) == 0)
			return i;
	return -1;
}

const char *
parameters_name(const struct parameters *parameters, int index)
{
	return index < parameters->count ? parameters->names[index] : NULL;
}

void
parameters_put(struct parameters *parameters,
    struct parameter_values *values, int index, const char *value)
{
	size_t length = strlen(value);
	char *place;

	INVARIANT(index >= 0 && index < parameters->count);
	place = values->values[index];
	/* Never the old one in its place: "" is not known, and set anew. */
	memset(place, 0, PARAMETER_VALUE_BYTES);
	if (length < PARAMETER_VALUE_BYTES)
		memcpy(place, value, length + 1);
	else
		(void)!parameter_texts_put(parameters->texts, value, place);
}

const char *
parameters_text(const struct parameters *parameters,
    const struct parameter_values *values, int index)
{
	const char *place = values->values[index];

	return parameter_is_long(place) ?
	    parameter_texts_find(parameters->texts, place) : place;
}

void
parameters_copy_name(const struct parameters *parameters,
    const struct parameter_values *values,
    char name_out[PARAMETERS_NAME_BYTES])
{
	const char *name = parameters_text(parameters, values,
	    PARAMETER_APPLICATION_NAME);

	snprintf(name_out, PARAMETERS_NAME_BYTES, "%.63s",
	    name != NULL ? name : "");
}

bool
parameters_has_long(const struct parameters *parameters,
    const struct parameter_values *values)
{
	for (int i = 0; i < parameters->count; i++)
		if (parameter_is_long(values->values[i]))
			return true;
	return false;
}

/* With its place and its end; only the digest of a long one is here. */
static uint8_t *
add_value(uint8_t *at, const struct parameter_values *values, int index)
{
	const char *place = values->values[index];
	bool is_long = parameter_is_long(place);
	size_t size = is_long ? PARAMETER_VALUE_BYTES : strlen(place) + 1;

	if (place[0] == '\0' && !is_long)
		return at;
	*at++ = (uint8_t)index;
	*at++ = is_long;
	memcpy(at, place, size);
	return at + size;
}

/* Of a text, so many bytes of SHA-256. */
static void
sum_up(const uint8_t *text, const uint8_t *end, uint8_t *out, size_t size)
{
	uint8_t digest[SHA256_BYTES];

	digest_of(text, (size_t)(end - text), digest);
	memcpy(out, digest, size);
}

/*
 * Most are not there, or are short, and this is done for each client; one
 * that comes after another of its kind says the same.
 */
void
parameters_seal(struct parameter_values *values)
{
	static uint8_t last[sizeof(values->values) + 2 * PARAMETERS_MOST];
	static size_t last_length = SIZE_MAX;
	static uint8_t meaning[sizeof(values->meaning)];
	static uint8_t sum[sizeof(values->digest)];
	uint8_t text[sizeof(last)], *at = text, *settings;

	/* Two clients' statements are the same whatever they call themselves. */
	for (int i = 0; i < PARAMETERS_MOST; i++)
		if (i != PARAMETER_APPLICATION_NAME)
			at = add_value(at, values, i);
	settings = at;
	at = add_value(at, values, PARAMETER_APPLICATION_NAME);
	if ((size_t)(at - text) != last_length ||
	    memcmp(text, last, last_length) != 0) {
		sum_up(text, settings, meaning, sizeof(meaning));
		sum_up(text, at, sum, sizeof(sum));
		last_length = (size_t)(at - text);
		memcpy(last, text, last_length);
	}
	memcpy(values->meaning, meaning, sizeof(meaning));
	memcpy(values->digest, sum, sizeof(sum));
}

/* Without those whose texts are not here; all others are kept now. */
static void
keep_texts(struct parameters *parameters, struct parameter_values *values)
{
	bool changed = false;

	for (int i = 0; i < parameters->count; i++)
		if (parameter_is_long(values->values[i]) &&
		    !parameter_texts_keep(parameters->texts,
		    values->values[i])) {
			memset(values->values[i], 0, PARAMETER_VALUE_BYTES);
			changed = true;
		}
	if (changed)
		parameters_seal(values);
}

static void
release_texts(struct parameters *parameters,
    const struct parameter_values *values)
{
	for (int i = 0; i < parameters->count; i++)
		if (parameter_is_long(values->values[i]))
			parameter_texts_release(parameters->texts,
			    values->values[i]);
}

struct parameter_set *
parameters_share(struct parameters *parameters,
    const struct parameter_values *values)
{
	struct parameter_values wanted = *values;
	struct parameter_set **bucket, *set;

	keep_texts(parameters, &wanted);
	bucket = &parameters->buckets[wanted.digest[0] % BUCKETS];
	for (set = *bucket; set != NULL; set = set->next)
		if (memcmp(set->values.digest, wanted.digest,
		    sizeof(wanted.digest)) == 0)
			break;
	if (set != NULL) {
		release_texts(parameters, &wanted);	/* the set has them */
		set->users++;
		return set;
	}
	set = calloc(1, sizeof(*set));
	if (set == NULL) {
		release_texts(parameters, &wanted);
		return NULL;
	}
	set->values = wanted;
	set->users = 1;
	set->next = *bucket;
	*bucket = set;
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
	release_texts(parameters, &set->values);
	free(set);
}

/* Does the server tell of a change? */
static bool
reports(const struct parameter_values *have, int index)
{
	return have->reported & UINT32_C(1) << index;
}

/* --- spelling ------------------------------------------------------------ */

/*
 * PostgreSQL looks at none of these with regard to case.  What is between
 * quotes in others (search_path, role) is another thing in capitals.
 */
static bool
is_caseless(const char *name)
{
	static const char *const names[] = { "client_encoding", "DateStyle",
	    "TimeZone", "standard_conforming_strings", "IntervalStyle",
	    "default_transaction_read_only" };

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

/* Stands the same in both places? */
static bool
is_same(const struct parameters *parameters, int index, const char *one,
    const char *other)
{
	if (parameter_is_long(one) != parameter_is_long(other))
		return false;
	return is_caseless(parameters->names[index]) ?
	    strcasecmp(one, other) == 0 : strcmp(one, other) == 0;
}

/*
 * Half of a DateStyle leaves the other half as it is; names of others may
 * mean what somebody has created.
 */
static bool
has_one_spelling(const struct parameters *parameters, int index,
    const char *given)
{
	return is_caseless(parameters->names[index]) &&
	    (strcasecmp(parameters->names[index], "DateStyle") != 0 ||
	    strchr(given, ',') != NULL);
}

static const struct spelling *
find_spelling(const struct parameters *parameters, int index,
    const char *given)
{
	for (unsigned i = 0; i < parameters->spelling_count; i++) {
		const struct spelling *spelling = &parameters->spellings[i];

		if (spelling->index == index &&
		    strcmp(spelling->given, given) == 0)
			return spelling;
	}
	return NULL;
}

void
parameters_learn(struct parameters *parameters,
    const struct parameter_values *want, const struct parameter_values *have)
{
	for (int i = 0; i < parameters->count; i++) {
		const char *given = want->values[i];
		const char *canonical = have->values[i];
		struct spelling *spelling;

		if (given[0] == '\0' || canonical[0] == '\0' ||
		    !reports(have, i) ||
		    parameter_is_long(given) || parameter_is_long(canonical) ||
		    is_same(parameters, i, given, canonical) ||
		    !has_one_spelling(parameters, i, given) ||
		    find_spelling(parameters, i, given) != NULL)
			continue;
		spelling = &parameters->spellings[parameters->next_spelling];
		spelling->index = i;
		memcpy(spelling->given, given, PARAMETER_VALUE_BYTES);
		memcpy(spelling->canonical, canonical, PARAMETER_VALUE_BYTES);
		parameters->next_spelling = (parameters->next_spelling + 1) %
		    SPELLINGS;
		if (parameters->spelling_count < SPELLINGS)
			parameters->spelling_count++;
	}
}

void
parameters_respell(const struct parameters *parameters,
    struct parameter_values *want)
{
	for (int i = 0; i < parameters->count; i++) {
		const struct spelling *spelling = find_spelling(parameters, i,
		    want->values[i]);

		if (spelling != NULL)
			memcpy(want->values[i], spelling->canonical,
			    PARAMETER_VALUE_BYTES);
	}
}

void
parameters_adopt(const struct parameters *parameters,
    struct parameter_values *want, const struct parameter_values *have,
    uint32_t told)
{
	for (int i = 0; i < parameters->count; i++)
		if (told & UINT32_C(1) << i || (want->values[i][0] != '\0' &&
		    (reports(have, i) || have->values[i][0] != '\0')))
			memcpy(want->values[i], have->values[i],
			    PARAMETER_VALUE_BYTES);
}

/* --- SETs ---------------------------------------------------------------- */

/*
 * In some client encodings a backslash may be the second byte of a character;
 * such a value is not passed on at all, because what it would mean depends on
 * the server's state.
 */
static bool
is_clear(const char *value)
{
	if (strchr(value, '\\') == NULL)
		return true;
	for (; *value != '\0'; value++)
		if ((unsigned char)*value >= 0x80)
			return false;
	return true;
}

/* An SQL literal. False: no memory. */
static bool
quote(const char *value, struct buffer *text)
{
	bool fits = strchr(value, '\\') != NULL ?
	    buffer_append(text, "E'", 2) : buffer_append(text, "'", 1);

	while (fits && *value != '\0') {
		size_t plain = strcspn(value, "'\\");

		fits = buffer_append(text, value, plain);
		value += plain;
		if (!fits || *value == '\0')
			break;
		/* Twice. */
		fits = buffer_append(text, (const char[]){ *value, *value },
		    2);
		value++;
	}
	return fits && buffer_append(text, "'", 1);
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
is_search_path(const char *name)
{
	return strcasecmp(name, "search_path") == 0;
}

/* What we can and may set, as a text; NULL: that is none. */
static const char *
settable(const struct parameters *parameters,
    const struct parameter_values *want, int index)
{
	const char *value = parameters_text(parameters, want, index);

	if (value == NULL || value[0] == '\0')
		return NULL;
	if (is_search_path(parameters->names[index]))
		return is_identifier_list(value) ? value : NULL;
	return is_clear(value) ? value : NULL;
}

static bool
write_set(const char *name, const char *value, struct buffer *text)
{
	bool fits = buffer_append(text, "SET ", 4) &&
	    buffer_append(text, name, strlen(name)) &&
	    buffer_append(text, "=", 1);

	if (is_search_path(name) && strcmp(value, "\"\"") == 0)
		value = "''";
	if (is_search_path(name))
		fits = fits && buffer_append(text, value, strlen(value));
	else
		fits = fits && quote(value, text);
	return fits && buffer_append(text, ";", 1);
}

bool
parameters_write_sets(const struct parameters *parameters,
    const struct parameter_values *want, const struct parameter_values *have,
    struct buffer *text)
{
	for (int i = 0; i < parameters->count; i++) {
		const char *value;

		if (want->values[i][0] == '\0' || is_same(parameters, i,
		    want->values[i], have->values[i]))
			continue;
		value = settable(parameters, want, i);
		if (value != NULL && !write_set(parameters->names[i], value,
		    text))
			return false;
	}
	return true;
}

/*
 * Of what it does not report it says nothing now, so this is all that is
 * known of it.  What it reports it has said itself.
 */
void
parameters_assume(const struct parameters *parameters,
    const struct parameter_values *want, struct parameter_values *have)
{
	for (int i = 0; i < parameters->count; i++)
		if (!reports(have, i) &&
		    settable(parameters, want, i) != NULL)
			memcpy(have->values[i], want->values[i],
			    PARAMETER_VALUE_BYTES);
}

bool
parameters_has_assumed(const struct parameters *parameters,
    const struct parameter_values *have)
{
	for (int i = 0; i < parameters->count; i++)
		if (!reports(have, i) && have->values[i][0] != '\0')
			return true;
	return false;
}

void
parameters_forget_assumed(const struct parameters *parameters,
    struct parameter_values *have)
{
	for (int i = 0; i < parameters->count; i++)
		if (!reports(have, i))
			memset(have->values[i], 0, PARAMETER_VALUE_BYTES);
}
