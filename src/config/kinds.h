/*
 * The kinds of values: how each is written in a configuration file, how SHOW
 * CONFIG prints it, and as what it is kept.
 *
 *   COUNT          int           a whole number (0x…: hex, 0…: octal)
 *   SWITCH         int           0 or 1
 *   DURATION       usec_t        seconds, with fractions
 *   TEXT           const char *  anything; NULL while never given
 *   DATABASE       const char *  as TEXT; not the console's name
 *   FILE_MODE      int           as COUNT; written in octal by habit
 *   FACILITY       const char *  a name that syslog knows
 *   TLS_PROTOCOLS  const char *  a list of TLS versions
 *   NETWORKS       const char *  networks (config/networks.h)
 *   PLACES         const char *  where to listen (config/places.h)
 *   WORKERS        int           a number, or auto, kept as 0
 *   POOL_MODE, AUTH_TYPE, SSLMODE, SSLNEGOTIATION, DHEPARAMS, LOAD_BALANCE,
 *   LOG_FORMAT, SESSION_STATE     an enum, written as a word
 *
 * Words do not care for case.
 */
#ifndef CONFIG_KINDS_H
#define CONFIG_KINDS_H

#include "base/base.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"

enum pool_mode {
	POOL_MODE_SESSION,
	POOL_MODE_TRANSACTION,
	POOL_MODE_STATEMENT
};

enum auth_type {
	AUTH_TYPE_ANY,
	AUTH_TYPE_TRUST,
	AUTH_TYPE_PLAIN,
	AUTH_TYPE_MD5,
	AUTH_TYPE_CERT,
	AUTH_TYPE_HBA,
	AUTH_TYPE_LDAP,
	AUTH_TYPE_PAM,
	AUTH_TYPE_SCRAM_SHA_256,
	AUTH_TYPE_PEER,		/* the last two in HBA files only */
	AUTH_TYPE_REJECT
};

enum sslmode {
	SSLMODE_DISABLE,
	SSLMODE_ALLOW,
	SSLMODE_PREFER,
	SSLMODE_REQUIRE,
	SSLMODE_VERIFY_CA,
	SSLMODE_VERIFY_FULL
};

enum sslnegotiation {
	SSLNEGOTIATION_POSTGRES,	/* TLS is asked for first */
	SSLNEGOTIATION_DIRECT		/* TLS from the first byte */
};

enum dheparams {
	DHEPARAMS_NONE,
	DHEPARAMS_AUTO,
	DHEPARAMS_LEGACY
};

enum session_state {		/* what transactions leave behind in one */
	SESSION_STATE_IGNORE,
	SESSION_STATE_WARN,	/* the client is told */
	SESSION_STATE_PIN	/* and keeps the server with it */
};

enum load_balance_hosts {
	LOAD_BALANCE_ROUND_ROBIN,	/* the next host each time */
	LOAD_BALANCE_DISABLE		/* the same until it fails */
};

/* The type that a value of each kind is kept as. */
typedef int KIND_COUNT;
typedef int KIND_SWITCH;
typedef usec_t KIND_DURATION;
typedef const char *KIND_TEXT;
typedef const char *KIND_DATABASE;
typedef int KIND_FILE_MODE;
typedef const char *KIND_FACILITY;
typedef const char *KIND_TLS_PROTOCOLS;
typedef const char *KIND_NETWORKS;
typedef const char *KIND_PLACES;
typedef int KIND_WORKERS;
typedef enum pool_mode KIND_POOL_MODE;
typedef enum auth_type KIND_AUTH_TYPE;
typedef enum sslmode KIND_SSLMODE;
typedef enum sslnegotiation KIND_SSLNEGOTIATION;
typedef enum dheparams KIND_DHEPARAMS;
typedef enum log_format KIND_LOG_FORMAT;
typedef enum session_state KIND_SESSION_STATE;

/* Bounds of a number, both allowed; of a duration in seconds. */
struct bounds {
	double	least, most;
};

struct kind;

extern const struct kind kind_COUNT, kind_SWITCH, kind_DURATION, kind_TEXT,
    kind_DATABASE, kind_FILE_MODE, kind_FACILITY, kind_TLS_PROTOCOLS,
    kind_NETWORKS, kind_PLACES, kind_WORKERS, kind_POOL_MODE, kind_AUTH_TYPE,
    kind_SSLMODE, kind_SSLNEGOTIATION, kind_DHEPARAMS, kind_LOAD_BALANCE,
    kind_LOG_FORMAT, kind_SESSION_STATE;

/*
 * Reads a text into *value_out, which has the kind's type.  What must be kept
 * is copied into the arena.  False: the error's text says what was expected,
 * as "a whole number from 1 to 64 is expected", and *value_out is as it was.
 */
bool kind_parse(const struct kind *kind, const char *text,
    const struct bounds *bounds, struct arena *arena, void *value_out,
    struct error *error) MUST_CHECK;

/*
 * Returns the value as SHOW CONFIG prints it: numbers in decimal, durations
 * in seconds as by %g, words in lower case.  NULL: SQL NULL.  The text may be
 * in `room` or be the value's own.
 */
#define KIND_TEXT_ROOM 32
const char *kind_print(const struct kind *kind, const void *value,
    char room[KIND_TEXT_ROOM]);

/* "session", "scram-sha-256", ... */
const char *pool_mode_word(enum pool_mode mode);
const char *auth_type_word(enum auth_type type);
const char *load_balance_word(enum load_balance_hosts hosts);

#endif
