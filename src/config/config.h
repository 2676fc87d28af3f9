/*
 * One load of pgusher.ini: parsed, checked, and never changed afterwards.
 *
 * A load is all or nothing.  A reload makes a new struct config and swaps the
 * pointer; who still needs the old one keeps it until done.  All that a
 * configuration points to lives in one arena and goes with config_free().
 *
 * Not here: what is known of a database at run time, and whether addresses,
 * certificates and keys are any good.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/base.h"
#include "base/error.h"
#include "base/tls_settings.h"
#include "config/files.h"
#include "config/hba.h"
#include "config/ident.h"
#include "config/kinds.h"
#include "config/networks.h"

/* An entry of [databases]. Texts are NULL where not given. */
struct config_database {
	const char	*name;
	const char	*dbname;	/* NULL only in `*`: the client's */
	const char	*host;		/* may be a list; NULL: Unix socket */
	const char	*user;		/* forced user */
	const char	*password;	/* of the forced user */
	const char	*password_file;	/* where it came from */
	const char	*auth_user, *auth_query, *auth_dbname;
	const char	*client_encoding, *datestyle, *timezone;
	const char	*application_name;
	const char	*connect_query;
	int		 port;
	int		 pool_size, min_pool_size, reserve_pool_size; /* -1 */
	int		 pool_mode;	/* enum pool_mode; -1: inherit */
	int		 max_db_connections;		/* <= 0: inherit */
	int		 max_db_client_connections;	/* <= 0: inherit */
	usec_t		 server_lifetime;		/* 0: inherit */
	usec_t		 query_wait_timeout;		/* 0: inherit */
	int		 load_balance_hosts; /* enum load_balance_hosts */
};

/* An entry of [users]. */
struct config_user {
	const char	*name;
	int		 pool_mode;			/* -1: inherit */
	int		 pool_size, reserve_pool_size;	/* -1: inherit */
	int		 max_user_connections;		/* <= 0: inherit */
	int		 max_user_client_connections;	/* <= 0: inherit */
	usec_t		 query_timeout;			/* 0: inherit */
	usec_t		 query_wait_timeout;
	usec_t		 idle_transaction_timeout;
	usec_t		 transaction_timeout;
	usec_t		 client_idle_timeout;
};

/* An entry of [peers]. */
struct config_peer {
	int		 id;
	const char	*host;
	int		 port;
	int		 pool_size;	/* -1: default_pool_size */
};

/* A line of the auth file. */
struct config_secret {
	const char	*user;
	const char	*secret;	/* "" never authenticates a password */
};

struct config {
	/* One field for each parameter, named like it. */
#define PARAM(name, kind, ...) KIND_##kind name;
#include "config/params.def"
#undef PARAM

	const char			*path;	/* what was loaded */

	/* Sorted by name; peers by id. */
	const struct config_database	*databases;
	size_t				 database_count;
	const struct config_user	*users;
	size_t				 user_count;
	const struct config_peer	*peers;
	size_t				 peer_count;
	const struct config_secret	*secrets;
	size_t				 secret_count;

	const struct config_database	*autodb;	/* entry `*` or NULL */

	/* Both empty unless auth_type is hba. */
	struct hba			 hba;
	struct ident			 ident;

	/* Of proxy_protocol_trusted. */
	struct networks			 trusted_proxies;

	/* Without files where sslmode is disable. */
	struct tls_settings		 client_tls, server_tls;
	/* Of metrics over HTTPS: certificate and key, or neither. */
	struct tls_settings		 metrics_tls;

	/* What has no effect yet, for config_warn_of_no_effect(). */
	const char *const		*without_effect;
	size_t				 without_effect_count;

	struct arena			*arena;	/* holds all this */
};

/*
 * Reads the file at this path, its includes and the auth file, all through
 * `files`, where the path is noted as FILES_MAIN.  What SET overrides is there
 * as well (config/overrides.h).  NULL: the error says what is wrong and names
 * file and line; the hint, if any, says what would be right.  Logs nothing.
 */
struct config *config_load(struct files *files, const char *path,
    struct error *error) MUST_CHECK;

/* Wipes as well: secrets. NULL is allowed. */
void config_free(struct config *config);

/*
 * Looks up what the file has an entry for; NULL if it has none.  For a
 * database that means an explicit entry: `*` is config->autodb.
 */
const struct config_database *config_find_database(
    const struct config *config, const char *name);
const struct config_user *config_find_user(const struct config *config,
    const char *name);
const struct config_peer *config_find_peer(const struct config *config,
    int id);

/* The auth file's secret, maybe ""; NULL: the user is not in it. */
const char *config_find_secret(const struct config *config,
    const char *user);

/*
 * What counts for a pool: the user's value, else the database's, else the
 * global one.  NULL is allowed for a user or database without an entry.
 */
enum pool_mode config_pool_mode(const struct config *config,
    const struct config_database *database, const struct config_user *user);
int config_pool_size(const struct config *config,
    const struct config_database *database, const struct config_user *user);
int config_reserve_pool_size(const struct config *config,
    const struct config_database *database, const struct config_user *user);
usec_t config_query_wait_timeout(const struct config *config,
    const struct config_database *database, const struct config_user *user);

/* The database's value, else the global one. */
int config_min_pool_size(const struct config *config,
    const struct config_database *database);
int config_max_db_connections(const struct config *config,
    const struct config_database *database);
int config_max_db_client_connections(const struct config *config,
    const struct config_database *database);
usec_t config_server_lifetime(const struct config *config,
    const struct config_database *database);

/* The user's value, else the global one. */
usec_t config_query_timeout(const struct config *config,
    const struct config_user *user);
usec_t config_idle_transaction_timeout(const struct config *config,
    const struct config_user *user);
usec_t config_transaction_timeout(const struct config *config,
    const struct config_user *user);
usec_t config_client_idle_timeout(const struct config *config,
    const struct config_user *user);
int config_max_user_connections(const struct config *config,
    const struct config_user *user);
int config_max_user_client_connections(const struct config *config,
    const struct config_user *user);

/* A list separated by commas; blanks around its words do not count. */
bool config_list_has(const char *list, const char *word);
bool config_is_admin(const struct config *config, const char *user);
bool config_is_stats(const struct config *config, const char *user);

/* When a new value of this parameter counts. */
enum config_applies {
	CONFIG_APPLIES_NEVER = 0,	/* there is none of this name */
	CONFIG_APPLIES_ON_RELOAD,
	CONFIG_APPLIES_ON_RESTART
};
enum config_applies config_applies(const char *name);

/* It is changed, and nothing reads it yet. */
bool config_has_no_effect(const struct config *config, const char *name);

/* Logs "<name> has no effect yet", once for each name. */
void config_warn_of_no_effect(const struct config *config);

/* A row of SHOW CONFIG. */
struct config_row {
	const char	*name;
	const char	*value;			/* NULL: SQL NULL */
	const char	*default_value;		/* NULL: SQL NULL */
	bool		 changeable;		/* by a reload */
	const char	*help;
};

/*
 * Calls with each row in turn; the row is gone when the call returns.  Stops
 * early if that returns false, and then returns false as well.
 */
typedef bool config_row_visitor(const struct config_row *row, void *context);
bool config_each_param(const struct config *config,
    config_row_visitor *visit, void *context);

#endif
