#include "build.h"

#include "config/kinds.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/invariant.h"
#include "base/log.h"
#include "config/networks.h"
#include "config/places.h"

/* What a value is read from and where it goes. */
struct reading {
	const struct kind	*kind;
	const char		*text;
	const struct bounds	*bounds;
	struct arena		*arena;
	void			*value_out;
};

struct kind {
	bool		 (*parse)(const struct reading *, struct error *);
	const char	*(*print)(const struct kind *, const void *value,
			    char room[KIND_TEXT_ROOM]);
	const char	*const *words;	/* of an enum, NULL at the end */
};

static bool
expected_number(const struct bounds *bounds, struct error *error)
{
	return error_set(error, "a whole number from %.0f to %.0f is expected",
	    bounds->least, bounds->most);
}

/* Base 0: also 0x1f, and 017 in octal, as PgBouncer reads them. */
static bool
parse_count(const struct reading *reading, struct error *error)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(reading->text, &end, 0);
	if (end == reading->text || *end != '\0' || errno != 0 ||
	    (double)value < reading->bounds->least ||
	    (double)value > reading->bounds->most ||
	    value < INT_MIN || value > INT_MAX)
		return expected_number(reading->bounds, error);
	*(int *)reading->value_out = (int)value;
	return true;
}

static const char *
print_count(const struct kind *kind, const void *value,
    char room[KIND_TEXT_ROOM])
{
	snprintf(room, KIND_TEXT_ROOM, "%d", *(const int *)value);
	return room;
}

static bool
parse_workers(const struct reading *reading, struct error *error)
{
	if (strcasecmp(reading->text, "auto") == 0) {
		*(int *)reading->value_out = 0;
		return true;
	}
	if (parse_count(reading, error))
		return true;
	return error_set(error,
	    "auto or a whole number from %.0f to %.0f is expected",
	    reading->bounds->least, reading->bounds->most);
}

static const char *
print_workers(const struct kind *kind, const void *value,
    char room[KIND_TEXT_ROOM])
{
	return *(const int *)value == 0 ? "auto" :
	    print_count(kind, value, room);
}

/* Digits, maybe a point and more digits; no sign, no exponent, no unit. */
static bool
read_seconds(const char *text, usec_t *span_out)
{
	usec_t unit = USEC_PER_SEC / 10, span = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (span > INT64_MAX / 100 / USEC_PER_SEC)
			return false;
		span = span * 10 + (*at - '0');
	}
	span *= USEC_PER_SEC;
	if (*at == '.') {
		for (at++; *at >= '0' && *at <= '9'; at++) {
			span += (*at - '0') * unit;
			unit /= 10;
		}
		if (at - text == 1)	/* only the point */
			return false;
	}
	*span_out = span;
	return at > text && *at == '\0';
}

static bool
parse_duration(const struct reading *reading, struct error *error)
{
	usec_t span;

	if (!read_seconds(reading->text, &span) ||
	    (double)span < reading->bounds->least * (double)USEC_PER_SEC ||
	    (double)span > reading->bounds->most * (double)USEC_PER_SEC)
		return error_set(error,
		    "a number of seconds from %.0f to %.0f is expected, "
		    "such as 30 or 0.5", reading->bounds->least,
		    reading->bounds->most);
	*(usec_t *)reading->value_out = span;
	return true;
}

static const char *
print_duration(const struct kind *kind, const void *value,
    char room[KIND_TEXT_ROOM])
{
	snprintf(room, KIND_TEXT_ROOM, "%g",
	    (double)*(const usec_t *)value / (double)USEC_PER_SEC);
	return room;
}

static bool
parse_text(const struct reading *reading, struct error *error)
{
	*(const char **)reading->value_out =
	    arena_copy_string(reading->arena, reading->text);
	return true;
}

static const char *
print_text(const struct kind *kind, const void *value,
    char room[KIND_TEXT_ROOM])
{
	return *(const char *const *)value;
}

static bool
parse_database(const struct reading *reading, struct error *error)
{
	if (strcmp(reading->text, "pgbouncer") == 0)
		return error_set(error, "cannot use the reserved "
		    "\"pgbouncer\" database as an auth_dbname");
	return parse_text(reading, error);
}

static bool
parse_facility(const struct reading *reading, struct error *error)
{
	if (!log_facility_known(reading->text))
		return error_set(error, "one of auth, authpriv, daemon, user, "
		    "local0 to local7 is expected");
	return parse_text(reading, error);
}

static bool
is_tls_protocol(const char *word, size_t length)
{
	static const char *const known[] = {
		"all", "secure", "default", "legacy", "tlsv1", "tlsv1.0",
		"tlsv1.1", "tlsv1.2", "tlsv1.3",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
		if (strlen(known[i]) == length &&
		    strncasecmp(known[i], word, length) == 0)
			return true;
	return false;
}

/* Separated by commas or colons; ! before a word takes it out again. */
static bool
parse_tls_protocols(const struct reading *reading, struct error *error)
{
	static const char separators[] = ",: \t";
	const char *at = reading->text;
	size_t length;

	for (;;) {
		at += strspn(at, separators);
		if (*at == '\0')
			return parse_text(reading, error);
		at += *at == '!';
		length = strcspn(at, separators);
		if (!is_tls_protocol(at, length))
			return error_set(error, "all, secure, or a list of "
			    "tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3 is expected");
		at += length;
	}
}

static bool
parse_networks(const struct reading *reading, struct error *error)
{
	struct networks networks;

	return networks_parse(reading->text, &networks, error) &&
	    parse_text(reading, error);
}

static bool
parse_places(const struct reading *reading, struct error *error)
{
	struct places places;

	if (!places_parse(reading->text, &places, error))
		return false;
#ifndef HAVE_MICROHTTPD
	if (places.count > 0)
		return error_set(error, "nothing is expected: this pgusher "
		    "was built without libmicrohttpd, which serves metrics");
#endif
	return parse_text(reading, error);
}

static bool
expected_word(const char *const *words, struct error *error)
{
	char list[256] = "";
	size_t length = 0;

	for (; *words != NULL; words++)
		length += (size_t)snprintf(list + length,
		    sizeof(list) - length, "%s%s", length == 0 ? "" : ", ",
		    *words);
	return error_set(error, "one of %s is expected", list);
}

/* All enums of kinds.h begin at 0 and are kept in an int's room. */
static bool
parse_word(const struct reading *reading, struct error *error)
{
	const char *const *words = reading->kind->words;

	for (int i = 0; words[i] != NULL; i++) {
		if (strcasecmp(words[i], reading->text) == 0) {
			*(int *)reading->value_out = i;
			return true;
		}
	}
	return expected_word(words, error);
}

static const char *
print_word(const struct kind *kind, const void *value,
    char room[KIND_TEXT_ROOM])
{
	return kind->words[*(const int *)value];
}

_Static_assert(sizeof(enum pool_mode) == sizeof(int), "kept as an int");

static const char *const pool_modes[] = {
	[POOL_MODE_SESSION] = "session",
	[POOL_MODE_TRANSACTION] = "transaction",
	[POOL_MODE_STATEMENT] = "statement",
	NULL
};

static const char *const auth_types[] = {
	[AUTH_TYPE_ANY] = "any",
	[AUTH_TYPE_TRUST] = "trust",
	[AUTH_TYPE_PLAIN] = "plain",
	[AUTH_TYPE_MD5] = "md5",
	[AUTH_TYPE_CERT] = "cert",
	[AUTH_TYPE_HBA] = "hba",
	[AUTH_TYPE_LDAP] = "ldap",
	[AUTH_TYPE_PAM] = "pam",
	[AUTH_TYPE_SCRAM_SHA_256] = "scram-sha-256",
	NULL
};

static const char *const sslmodes[] = {
	[SSLMODE_DISABLE] = "disable",
	[SSLMODE_ALLOW] = "allow",
	[SSLMODE_PREFER] = "prefer",
	[SSLMODE_REQUIRE] = "require",
	[SSLMODE_VERIFY_CA] = "verify-ca",
	[SSLMODE_VERIFY_FULL] = "verify-full",
	NULL
};

static const char *const sslnegotiations[] = {
	[SSLNEGOTIATION_POSTGRES] = "postgres",
	[SSLNEGOTIATION_DIRECT] = "direct",
	NULL
};

static const char *const dheparams[] = {
	[DHEPARAMS_NONE] = "none",
	[DHEPARAMS_AUTO] = "auto",
	[DHEPARAMS_LEGACY] = "legacy",
	NULL
};

static const char *const load_balances[] = {
	[LOAD_BALANCE_ROUND_ROBIN] = "round-robin",
	[LOAD_BALANCE_DISABLE] = "disable",
	NULL
};

static const char *const log_formats[] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
	[LOG_FORMAT_LOGFMT] = "logfmt",
	NULL
};

static const char *const session_states[] = {
	[SESSION_STATE_IGNORE] = "ignore",
	[SESSION_STATE_WARN] = "warn",
	[SESSION_STATE_PIN] = "pin",
	NULL
};

const struct kind
    kind_COUNT = { parse_count, print_count, NULL },
    kind_SWITCH = { parse_count, print_count, NULL },
    kind_DURATION = { parse_duration, print_duration, NULL },
    kind_TEXT = { parse_text, print_text, NULL },
    kind_DATABASE = { parse_database, print_text, NULL },
    kind_FILE_MODE = { parse_count, print_count, NULL },
    kind_FACILITY = { parse_facility, print_text, NULL },
    kind_TLS_PROTOCOLS = { parse_tls_protocols, print_text, NULL },
    kind_NETWORKS = { parse_networks, print_text, NULL },
    kind_PLACES = { parse_places, print_text, NULL },
    kind_WORKERS = { parse_workers, print_workers, NULL },
    kind_POOL_MODE = { parse_word, print_word, pool_modes },
    kind_AUTH_TYPE = { parse_word, print_word, auth_types },
    kind_SSLMODE = { parse_word, print_word, sslmodes },
    kind_SSLNEGOTIATION = { parse_word, print_word, sslnegotiations },
    kind_DHEPARAMS = { parse_word, print_word, dheparams },
    kind_LOAD_BALANCE = { parse_word, print_word, load_balances },
    kind_LOG_FORMAT = { parse_word, print_word, log_formats },
    kind_SESSION_STATE = { parse_word, print_word, session_states };

bool
kind_parse(const struct kind *kind, const char *text,
    const struct bounds *bounds, struct arena *arena, void *value_out,
    struct error *error)
{
	struct reading reading = { kind, text, bounds, arena, value_out };

	return kind->parse(&reading, error);
}

const char *
kind_print(const struct kind *kind, const void *value,
    char room[KIND_TEXT_ROOM])
{
	return kind->print(kind, value, room);
}

const char *
pool_mode_word(enum pool_mode mode)
{
	INVARIANT((size_t)mode < ARRAY_LENGTH(pool_modes) - 1);
	return pool_modes[mode];
}

const char *
auth_type_word(enum auth_type type)
{
	if (type == AUTH_TYPE_PEER)
		return "peer";
	if (type == AUTH_TYPE_REJECT)
		return "reject";
	INVARIANT((size_t)type < ARRAY_LENGTH(auth_types) - 1);
	return auth_types[type];
}

const char *
load_balance_word(enum load_balance_hosts hosts)
{
	INVARIANT((size_t)hosts < ARRAY_LENGTH(load_balances) - 1);
	return load_balances[hosts];
}
