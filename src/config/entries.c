#include "config/entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/connstr.h"
#include "config/kinds.h"

#define LONGEST_DATABASE 63
#define LONGEST_USER 127

enum effect {
	NOW,
	LATER
};

struct setting {
	const char		*name;
	const struct kind	*kind;
	size_t			 offset;	/* in the entry's struct */
	struct bounds		 bounds;
	enum effect		 effect;
	const char		*complaint;	/* NULL: "invalid <name>" */
};

/* One section's settings, and how it is spoken of. */
struct vocabulary {
	const char		*noun;
	const struct setting	*settings;
	size_t			 setting_count;
	const char		*unknown;
	const char		*broken;
};

#define DATABASE(field) offsetof(struct config_database, field)
#define ANY { 0, 0 }
#define PORT { 1, 65535 }
#define SIZE { -1, 1000000 }		/* -1: inherit */
#define SECONDS { 0, 1e9 }

static const struct setting database_settings[] = {
	{ "dbname", &kind_TEXT, DATABASE(dbname), ANY, NOW, NULL },
	{ "host", &kind_TEXT, DATABASE(host), ANY, NOW, NULL },
	{ "port", &kind_COUNT, DATABASE(port), PORT, NOW, "invalid port" },
	{ "user", &kind_TEXT, DATABASE(user), ANY, NOW, NULL },
	{ "password", &kind_TEXT, DATABASE(password), ANY, NOW, NULL },
	{ "password_file", &kind_TEXT, DATABASE(password_file), ANY, NOW,
	    NULL },
	{ "auth_user", &kind_TEXT, DATABASE(auth_user), ANY, NOW, NULL },
	{ "auth_query", &kind_TEXT, DATABASE(auth_query), ANY, NOW, NULL },
	{ "auth_dbname", &kind_DATABASE, DATABASE(auth_dbname), ANY, NOW,
	    NULL },
	{ "client_encoding", &kind_TEXT, DATABASE(client_encoding), ANY, NOW,
	    NULL },
	{ "datestyle", &kind_TEXT, DATABASE(datestyle), ANY, NOW, NULL },
	{ "timezone", &kind_TEXT, DATABASE(timezone), ANY, NOW, NULL },
	{ "application_name", &kind_TEXT, DATABASE(application_name), ANY,
	    NOW, NULL },
	{ "connect_query", &kind_TEXT, DATABASE(connect_query), ANY, NOW,
	    NULL },
	{ "pool_size", &kind_COUNT, DATABASE(pool_size), SIZE, NOW, NULL },
	{ "min_pool_size", &kind_COUNT, DATABASE(min_pool_size), SIZE, NOW,
	    NULL },
	{ "reserve_pool_size", &kind_COUNT, DATABASE(reserve_pool_size),
	    SIZE, NOW, NULL },
	{ "reserve_pool", &kind_COUNT, DATABASE(reserve_pool_size), SIZE,
	    NOW, NULL },
	{ "pool_mode", &kind_POOL_MODE, DATABASE(pool_mode), ANY, NOW,
	    "invalid pool mode" },
	{ "max_db_connections", &kind_COUNT, DATABASE(max_db_connections),
	    SIZE, NOW, NULL },
	{ "max_db_client_connections", &kind_COUNT,
	    DATABASE(max_db_client_connections), SIZE, NOW, NULL },
	{ "server_lifetime", &kind_DURATION, DATABASE(server_lifetime),
	    SECONDS, NOW, NULL },
	{ "query_wait_timeout", &kind_DURATION, DATABASE(query_wait_timeout),
	    SECONDS, NOW, NULL },
	{ "load_balance_hosts", &kind_LOAD_BALANCE,
	    DATABASE(load_balance_hosts), ANY, NOW, NULL },
};

#define USER(field) offsetof(struct config_user, field)

static const struct setting user_settings[] = {
	{ "pool_mode", &kind_POOL_MODE, USER(pool_mode), ANY, NOW,
	    "invalid pool mode" },
	{ "pool_size", &kind_COUNT, USER(pool_size), SIZE, NOW, NULL },
	{ "reserve_pool_size", &kind_COUNT, USER(reserve_pool_size), SIZE,
	    NOW, NULL },
	{ "max_user_connections", &kind_COUNT, USER(max_user_connections),
	    SIZE, NOW, NULL },
	{ "max_user_client_connections", &kind_COUNT,
	    USER(max_user_client_connections), SIZE, NOW, NULL },
	{ "query_timeout", &kind_DURATION, USER(query_timeout), SECONDS, NOW,
	    NULL },
	{ "query_wait_timeout", &kind_DURATION, USER(query_wait_timeout),
	    SECONDS, NOW, NULL },
	{ "idle_transaction_timeout", &kind_DURATION,
	    USER(idle_transaction_timeout), SECONDS, NOW, NULL },
	{ "transaction_timeout", &kind_DURATION, USER(transaction_timeout),
	    SECONDS, NOW, NULL },
	{ "client_idle_timeout", &kind_DURATION, USER(client_idle_timeout),
	    SECONDS, NOW, NULL },
};

#define PEER(field) offsetof(struct config_peer, field)

static const struct setting peer_settings[] = {
	{ "host", &kind_TEXT, PEER(host), ANY, NOW, NULL },
	{ "port", &kind_COUNT, PEER(port), PORT, NOW, "invalid port" },
	{ "pool_size", &kind_COUNT, PEER(pool_size), SIZE, NOW, NULL },
};

static const struct vocabulary
    databases = { "database", database_settings,
	ARRAY_LENGTH(database_settings), "unrecognized connection parameter",
	"syntax error in connection string" },
    users = { "user", user_settings, ARRAY_LENGTH(user_settings),
	"unrecognized user parameter", "syntax error in user settings" },
    peers = { "peer", peer_settings, ARRAY_LENGTH(peer_settings),
	"unrecognized connection parameter",
	"syntax error in connection string" };

static const struct setting *
find_setting(const struct vocabulary *vocabulary, const char *name)
{
	for (size_t i = 0; i < vocabulary->setting_count; i++)
		if (strcmp(vocabulary->settings[i].name, name) == 0)
			return &vocabulary->settings[i];
	return NULL;
}

static bool
invalid_value(const struct setting *setting, const char *value,
    struct error *error)
{
	char expected[sizeof(error->hint)];

	snprintf(expected, sizeof(expected), "%.*s",
	    (int)sizeof(expected) - 1, error->text);
	if (setting->complaint != NULL)
		error_set(error, "%s: %s", setting->complaint, value);
	else
		error_set(error, "invalid %s: %s", setting->name, value);
	return error_hint(error, "%s", expected);
}

static bool
apply(const struct entries_reading *reading,
    const struct vocabulary *vocabulary, const char *name, const char *value,
    void *entry_out, struct error *error)
{
	const struct setting *setting = find_setting(vocabulary, name);
	char what[80];

	if (setting == NULL)
		return error_set(error, "%s: %s", vocabulary->unknown, name);
	if (!kind_parse(setting->kind, value, &setting->bounds,
	    reading->arena, (char *)entry_out + setting->offset, error))
		return invalid_value(setting, value, error);
	if (setting->effect == LATER) {
		snprintf(what, sizeof(what), "%s of a %s", setting->name,
		    vocabulary->noun);
		reading->on_no_effect(what, reading->context);
	}
	return true;
}

static bool
apply_all(const struct entries_reading *reading,
    const struct vocabulary *vocabulary, char *text, void *entry_out,
    struct error *error)
{
	char *name, *value;

	for (;;) {
		switch (connstr_next(&text, &name, &value)) {
		case CONNSTR_END:
			return true;
		case CONNSTR_BROKEN:
			error_set(error, "%s", vocabulary->broken);
			return error_hint(error, "key=value pairs with blanks "
			    "between them are expected");
		case CONNSTR_PAIR:
			if (!apply(reading, vocabulary, name, value,
			    entry_out, error))
				return false;
		}
	}
}

static bool
read_settings(const struct entries_reading *reading,
    const struct vocabulary *vocabulary, const struct ini_entry *entry,
    void *entry_out, struct error *error)
{
	char *text = memory_copy_string(entry->value);
	size_t length = strlen(text);
	bool good = apply_all(reading, vocabulary, text, entry_out, error);

	memory_wipe(text, length);
	free(text);
	if (good)
		return true;
	return error_prefix(error, "%s \"%s\" (%s:%u)", vocabulary->noun,
	    entry->name, entry->place.file, entry->place.line);
}

static bool
name_fits(const char *noun, const struct ini_entry *entry, size_t longest,
    struct error *error)
{
	if (strlen(entry->name) <= longest)
		return true;
	error_set(error, "%s name \"%s\" is too long (%s:%u)", noun,
	    entry->name, entry->place.file, entry->place.line);
	return error_hint(error, "up to %zu bytes are allowed", longest);
}

/* '' is the same as nothing, but for a password. */
static void
forget_if_empty(const char **text)
{
	if (*text != NULL && **text == '\0')
		*text = NULL;
}

bool
entries_read_database(const struct entries_reading *reading,
    const struct ini_entry *entry, struct config_database *database_out,
    struct error *error)
{
	if (strcmp(entry->name, "pgbouncer") == 0)
		return error_set(error,
		    "database name \"%s\" is reserved (%s:%u)", entry->name,
		    entry->place.file, entry->place.line);
	if (!name_fits("database", entry, LONGEST_DATABASE, error))
		return false;
	*database_out = (struct config_database){
		.name = arena_copy_string(reading->arena, entry->name),
		.port = 5432,
		.pool_size = -1,
		.min_pool_size = -1,
		.reserve_pool_size = -1,
		.pool_mode = -1,
	};
	if (!read_settings(reading, &databases, entry, database_out, error))
		return false;
	forget_if_empty(&database_out->dbname);
	forget_if_empty(&database_out->host);
	forget_if_empty(&database_out->user);
	forget_if_empty(&database_out->password_file);
	if (database_out->dbname == NULL && strcmp(entry->name, "*") != 0)
		database_out->dbname = database_out->name;
	return true;
}

bool
entries_read_user(const struct entries_reading *reading,
    const struct ini_entry *entry, struct config_user *user_out,
    struct error *error)
{
	if (!name_fits("user", entry, LONGEST_USER, error))
		return false;
	*user_out = (struct config_user){
		.name = arena_copy_string(reading->arena, entry->name),
		.pool_mode = -1,
		.pool_size = -1,
		.reserve_pool_size = -1,
	};
	return read_settings(reading, &users, entry, user_out, error);
}

bool
entries_read_peer(const struct entries_reading *reading,
    const struct ini_entry *entry, struct config_peer *peer_out,
    struct error *error)
{
	static const struct bounds ids = { 1, 65535 };

	*peer_out = (struct config_peer){ .port = 6432, .pool_size = -1 };
	if (!kind_parse(&kind_COUNT, entry->name, &ids, reading->arena,
	    &peer_out->id, error))
		return error_set(error, "ids of peers must be a number larger "
		    "than 0 and at most 65535: %s (%s:%u)", entry->name,
		    entry->place.file, entry->place.line);
	if (!read_settings(reading, &peers, entry, peer_out, error))
		return false;
	forget_if_empty(&peer_out->host);
	if (peer_out->host == NULL)
		return error_set(error, "host was not provided for peer %s "
		    "(%s:%u)", entry->name, entry->place.file,
		    entry->place.line);
	return true;
}
