#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "config/auth_files.h"
#include "config/entries.h"
#include "config/ini.h"
#include "config/overrides.h"
#include "config/secret.h"
#include "config/tls_files.h"
#include "config/userlist.h"

enum applies {
	ON_RELOAD,
	ON_RESTART
};

enum effect {
	NOW,
	LATER,
	HIDDEN
};

struct param {
	const char		*name;
	const struct kind	*kind;
	size_t			 offset;	/* in struct config */
	const char		*initial;	/* NULL: no value */
	struct bounds		 bounds;
	enum applies		 applies;
	enum effect		 effect;
	const char		*help;
};

static const struct param params[] = {
#define PARAM(name, kind, initial, least, most, applies, effect, help)	\
	{ #name, &kind_##kind, offsetof(struct config, name), initial,	\
	    { least, most }, applies, effect, help },
#include "config/params.def"
#undef PARAM
};

static const char *const sections[] = {
	"pgbouncer", "databases", "users", "peers", NULL
};

/* A configuration that is being put together. */
struct load {
	struct config			*config;
	struct files			*files;
	struct arena			*arena;
	struct ini			*ini;
	struct entries_reading		 reading;
	/* The arrays of the configuration, while they may be written to. */
	struct config_database		*databases, *autodb;
	struct config_user		*users;
	struct config_peer		*peers;
	const char			**without_effect; /* copied at end */
	size_t				 without_effect_count;
};

static void *
field(struct config *config, const struct param *param)
{
	return (char *)config + param->offset;
}

static const char *
print_param(const struct config *config, const struct param *param,
    char room[KIND_TEXT_ROOM])
{
	return kind_print(param->kind, (const char *)config + param->offset,
	    room);
}

/* A name may be noted many times; it is kept once. */
static void
note_no_effect(const char *what, void *context)
{
	struct load *load = context;
	size_t count = load->without_effect_count;

	for (size_t i = 0; i < count; i++)
		if (strcmp(load->without_effect[i], what) == 0)
			return;
	load->without_effect = memory_resize(load->without_effect,
	    (count + 1) * sizeof(*load->without_effect));
	load->without_effect[count] = arena_copy_string(load->arena, what);
	load->without_effect_count++;
}

static void
set_initial_value(struct load *load, const struct param *param)
{
	struct error error;

	if (param->initial != NULL)
		INVARIANT(kind_parse(param->kind, param->initial,
		    &param->bounds, load->arena, field(load->config, param),
		    &error));
}

static const struct param *
find_param(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(params); i++)
		if (strcmp(params[i].name, name) == 0)
			return &params[i];
	return NULL;
}

#define LONGEST_COMPARED 40

static unsigned
smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters to add, drop or replace to make one word from the other. */
static unsigned
distance(const char *from, const char *to)
{
	unsigned row[LONGEST_COMPARED + 1], diagonal, above;
	size_t length = strlen(to);

	if (length > LONGEST_COMPARED)
		return UINT32_MAX;
	for (unsigned i = 0; i <= length; i++)
		row[i] = i;
	for (; *from != '\0'; from++) {
		diagonal = row[0]++;
		for (size_t i = 1; i <= length; i++) {
			above = row[i];
			row[i] = smaller(smaller(above, row[i - 1]) + 1,
			    diagonal + (*from != to[i - 1]));
			diagonal = above;
		}
	}
	return row[length];
}

/* NULL: none that could have been meant. */
static const char *
nearest_param(const char *name)
{
	const char *nearest = NULL;
	unsigned least = 4, changes;

	for (size_t i = 0; i < ARRAY_LENGTH(params); i++) {
		changes = distance(name, params[i].name);
		if (changes < least) {
			least = changes;
			nearest = params[i].name;
		}
	}
	return nearest;
}

static bool
unknown_param(const struct ini_entry *entry, struct error *error)
{
	const char *nearest = nearest_param(entry->name);

	error_set(error, "unknown parameter: %s/%s (%s:%u)", entry->section,
	    entry->name, entry->place.file, entry->place.line);
	if (nearest != NULL)
		error_hint(error, "did you mean %s?", nearest);
	return false;
}

static bool
invalid_value(const struct ini_entry *entry, struct error *error)
{
	char expected[sizeof(error->hint)];

	snprintf(expected, sizeof(expected), "%.*s",
	    (int)sizeof(expected) - 1, error->text);
	error_set(error, "invalid value \"%.200s\" for parameter %s in "
	    "configuration (%s:%u)", entry->value, entry->name,
	    entry->place.file, entry->place.line);
	return error_hint(error, "%s", expected);
}

/*
 * As in PgBouncer, [pgbouncer] begun again begins afresh: what was set before
 * is checked and does not count.
 */
static bool
read_param(struct load *load, const struct ini_entry *entry,
    struct error *error)
{
	const struct param *param = find_param(entry->name);
	union {
		int		 number;
		usec_t		 span;
		const char	*text;
	} ignored;

	if (param == NULL)
		return unknown_param(entry, error);
	/* What is not set by default is not set by nothing, either. */
	if (param->initial == NULL && *entry->value == '\0')
		return true;
	if (!kind_parse(param->kind, entry->value, &param->bounds,
	    load->arena, entry->stale ? (void *)&ignored :
	    field(load->config, param), error))
		return invalid_value(entry, error);
	return true;
}

/* What SET says; a parameter that a reload leaves alone is none of them. */
static bool
override_param(struct load *load, const struct override *override,
    struct error *error)
{
	const struct param *param = find_param(override->key);
	char expected[sizeof(error->hint)];

	if (param == NULL)
		return error_set(error, "unknown parameter: %s",
		    override->key);
	if (kind_parse(param->kind, override->value, &param->bounds,
	    load->arena, field(load->config, param), error))
		return true;
	snprintf(expected, sizeof(expected), "%.*s",
	    (int)sizeof(expected) - 1, error->text);
	error_set(error, "invalid value \"%.200s\" for parameter %s",
	    override->value, override->key);
	return error_hint(error, "%s", expected);
}

static bool
override_params(struct load *load, struct error *error)
{
	struct overrides overrides;
	bool good = true;

	overrides_get(load->files, &overrides);
	for (size_t i = 0; good && i < overrides.count; i++)
		good = override_param(load, &overrides.list[i], error);
	overrides_free(&overrides);
	return good;
}

/* True: it is not what it would be without a line in the file. */
static bool
is_changed(const struct config *config, const struct param *param)
{
	const char *initial = param->initial == NULL ? "" : param->initial;
	char room[KIND_TEXT_ROOM];
	const char *value = print_param(config, param, room);

	return value != NULL && strcmp(value, initial) != 0;
}

static void
note_params_without_effect(struct load *load)
{
	for (size_t i = 0; i < ARRAY_LENGTH(params); i++)
		if (params[i].effect != NOW &&
		    is_changed(load->config, &params[i]))
			note_no_effect(params[i].name, load);
}

static int
by_database(const void *left, const void *right)
{
	const struct config_database *a = left, *b = right;

	return strcmp(a->name, b->name);
}

static int
by_user(const void *left, const void *right)
{
	const struct config_user *a = left, *b = right;

	return strcmp(a->name, b->name);
}

static int
by_peer(const void *left, const void *right)
{
	const struct config_peer *a = left, *b = right;

	return (a->id > b->id) - (a->id < b->id);
}

static int
by_secret(const void *left, const void *right)
{
	const struct config_secret *a = left, *b = right;

	return strcmp(a->user, b->user);
}

static bool
read_database(struct load *load, const struct ini_entry *entry,
    struct error *error)
{
	struct config_database *database = load->autodb;

	if (strcmp(entry->name, "*") != 0)
		database = &load->databases[load->config->database_count++];
	if (!entries_read_database(&load->reading, entry, database, error))
		return false;
	if (secret_resolve(load->files, load->arena, database, error))
		return true;
	return error_prefix(error, "database \"%s\" (%s:%u)", entry->name,
	    entry->place.file, entry->place.line);
}

static bool
read_user(struct load *load, const struct ini_entry *entry,
    struct error *error)
{
	return entries_read_user(&load->reading, entry,
	    &load->users[load->config->user_count++], error);
}

static bool
read_peer(struct load *load, const struct ini_entry *entry,
    struct error *error)
{
	return entries_read_peer(&load->reading, entry,
	    &load->peers[load->config->peer_count++], error);
}

static bool
read_section(struct load *load, const char *section,
    bool (*read_entry)(struct load *, const struct ini_entry *,
    struct error *), struct error *error)
{
	const struct ini_entry *entries;
	size_t count;

	entries = ini_entries(load->ini, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(entries[i].section, section) == 0 &&
		    !read_entry(load, &entries[i], error))
			return false;
	return true;
}

static bool
read_params(struct load *load, struct error *error)
{
	struct config *config = load->config;

	if (!ini_has_section(load->ini, "pgbouncer"))
		return error_set(error,
		    "main section missing from config file %s", config->path);
	for (size_t i = 0; i < ARRAY_LENGTH(params); i++)
		set_initial_value(load, &params[i]);
	if (!read_section(load, "pgbouncer", read_param, error) ||
	    !override_params(load, error))
		return false;
	note_params_without_effect(load);
	if (config->conffile == NULL)
		config->conffile = config->path;
	return true;
}

static bool
read_entries(struct load *load, struct error *error)
{
	struct config *config = load->config;
	size_t most;

	/* No section has more entries than there are in all. */
	ini_entries(load->ini, &most);
	config->databases = load->databases = arena_get(load->arena,
	    most * sizeof(*load->databases));
	config->users = load->users = arena_get(load->arena,
	    most * sizeof(*load->users));
	config->peers = load->peers = arena_get(load->arena,
	    most * sizeof(*load->peers));
	config->autodb = load->autodb = arena_get(load->arena,
	    sizeof(*load->autodb));
	if (!read_section(load, "databases", read_database, error) ||
	    !read_section(load, "users", read_user, error) ||
	    !read_section(load, "peers", read_peer, error))
		return false;
	qsort(load->databases, config->database_count,
	    sizeof(*load->databases), by_database);
	qsort(load->users, config->user_count, sizeof(*load->users), by_user);
	qsort(load->peers, config->peer_count, sizeof(*load->peers), by_peer);
	if (load->autodb->name == NULL)
		config->autodb = NULL;
	return true;
}

static bool
is_overridden(const struct load *load, const char *parameter)
{
	struct overrides overrides;
	bool yes;

	overrides_get(load->files, &overrides);
	yes = overrides_find(&overrides, parameter) != NULL;
	overrides_free(&overrides);
	return yes;
}

/*
 * What only shows when all is read has its place, too: where the parameter
 * that asks for it is set, if not by SET.  NULL: the error has one already.
 */
static bool
blame(const struct load *load, const char *parameter, struct error *error)
{
	const struct ini_entry *entries;
	size_t count;

	entries = ini_entries(load->ini, &count);
	if (parameter == NULL || is_overridden(load, parameter))
		return false;
	for (size_t i = count; i-- > 0;)
		if (!entries[i].stale &&
		    strcmp(entries[i].section, "pgbouncer") == 0 &&
		    strcmp(entries[i].name, parameter) == 0)
			return error_prefix(error, "%s:%u",
			    entries[i].place.file, entries[i].place.line);
	return false;
}

static bool
read_secrets(struct load *load, struct error *error)
{
	struct config *config = load->config;
	const struct file *file;

	if (config->auth_file == NULL || *config->auth_file == '\0' ||
	    config->auth_type == AUTH_TYPE_ANY ||
	    config->auth_type == AUTH_TYPE_PAM)
		return true;
	file = files_read(load->files, config->auth_file);
	if (userlist_read(file, load->arena, &config->secrets,
	    &config->secret_count, error))
		return true;
	return blame(load, file->error == 0 ? NULL : "auth_file", error);
}

static bool
read_other_files(struct load *load, struct error *error)
{
	const char *culprit = NULL;

	if (tls_files_read(load->config, load->files, &culprit, error) &&
	    auth_files_read(load->config, load->files, &culprit, error))
		return true;
	return blame(load, culprit, error);
}

static void
keep_what_has_no_effect(struct load *load)
{
	size_t size = load->without_effect_count *
	    sizeof(*load->without_effect);
	const char **kept = arena_get(load->arena, size);

	if (size > 0)
		memcpy(kept, load->without_effect, size);
	load->config->without_effect = kept;
	load->config->without_effect_count = load->without_effect_count;
}

/* Whom to believe is never guessed. */
static bool
read_trusted_proxies(struct load *load, struct error *error)
{
	struct config *config = load->config;

	if (!networks_parse(config->proxy_protocol_trusted,
	    &config->trusted_proxies, error))
		return false;
	if (config->proxy_protocol == 0 || config->trusted_proxies.count > 0)
		return true;
	error_set(error, "proxy_protocol needs proxy_protocol_trusted");
	error_hint(error, "give the addresses of the load balancers, "
	    "such as 10.0.0.7");
	return blame(load, "proxy_protocol", error);
}

static bool
load_all(struct load *load, struct error *error)
{
	load->ini = ini_read(load->files, load->config->path, sections,
	    error);
	if (load->ini == NULL || !read_params(load, error) ||
	    !read_trusted_proxies(load, error) ||
	    !read_entries(load, error) || !read_secrets(load, error) ||
	    !read_other_files(load, error))
		return false;
	keep_what_has_no_effect(load);
	return true;
}

struct config *
config_load(struct files *files, const char *path, struct error *error)
{
	struct arena *arena = arena_create();
	struct config *config = arena_get(arena, sizeof(*config));
	struct load load = {
		.config = config,
		.files = files,
		.arena = arena,
		.reading = { arena, note_no_effect, &load },
	};
	bool good;

	config->arena = arena;
	config->path = arena_copy_string(arena, path);
	files_put(files, FILES_MAIN, path, strlen(path));
	good = load_all(&load, error);
	ini_free(load.ini);
	free(load.without_effect);
	if (good)
		return config;
	arena_destroy(arena);
	return NULL;
}

void
config_free(struct config *config)
{
	if (config != NULL)
		arena_destroy(config->arena);
}

enum config_applies
config_applies(const char *name)
{
	const struct param *param = find_param(name);

	if (param == NULL)
		return CONFIG_APPLIES_NEVER;
	return param->applies == ON_RELOAD ? CONFIG_APPLIES_ON_RELOAD :
	    CONFIG_APPLIES_ON_RESTART;
}

bool
config_has_no_effect(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->without_effect_count; i++)
		if (strcmp(config->without_effect[i], name) == 0)
			return true;
	return false;
}

void
config_warn_of_no_effect(const struct config *config)
{
	for (size_t i = 0; i < config->without_effect_count; i++)
		log_warning("%s has no effect yet",
		    config->without_effect[i]);
}

bool
config_each_param(const struct config *config, config_row_visitor *visit,
    void *context)
{
	char room[KIND_TEXT_ROOM];

	for (size_t i = 0; i < ARRAY_LENGTH(params); i++) {
		const struct config_row row = {
			.name = params[i].name,
			.value = print_param(config, &params[i], room),
			.default_value = params[i].initial,
			.changeable = params[i].applies == ON_RELOAD,
			.help = params[i].help,
		};

		if (params[i].effect != HIDDEN && !visit(&row, context))
			return false;
	}
	return true;
}

/*
 * Look-ups and what counts for whom.
 */

static void *
find(const void *key, const void *array, size_t count, size_t size,
    int (*order)(const void *, const void *))
{
	return count == 0 ? NULL : bsearch(key, array, count, size, order);
}

const struct config_database *
config_find_database(const struct config *config, const char *name)
{
	const struct config_database key = { .name = name };

	return find(&key, config->databases, config->database_count,
	    sizeof(key), by_database);
}

const struct config_user *
config_find_user(const struct config *config, const char *name)
{
	const struct config_user key = { .name = name };

	return find(&key, config->users, config->user_count, sizeof(key),
	    by_user);
}

const struct config_peer *
config_find_peer(const struct config *config, int id)
{
	const struct config_peer key = { .id = id };

	return find(&key, config->peers, config->peer_count, sizeof(key),
	    by_peer);
}

const char *
config_find_secret(const struct config *config, const char *user)
{
	const struct config_secret key = { .user = user }, *found;

	found = find(&key, config->secrets, config->secret_count,
	    sizeof(key), by_secret);
	return found == NULL ? NULL : found->secret;
}

enum pool_mode
config_pool_mode(const struct config *config,
    const struct config_database *database, const struct config_user *user)
{
	if (user != NULL && user->pool_mode >= 0)
		return (enum pool_mode)user->pool_mode;
	if (database != NULL && database->pool_mode >= 0)
		return (enum pool_mode)database->pool_mode;
	return config->pool_mode;
}

int
config_pool_size(const struct config *config,
    const struct config_database *database, const struct config_user *user)
{
	if (user != NULL && user->pool_size >= 0)
		return user->pool_size;
	if (database != NULL && database->pool_size >= 0)
		return database->pool_size;
	return config->default_pool_size;
}

int
config_reserve_pool_size(const struct config *config,
    const struct config_database *database, const struct config_user *user)
{
	if (user != NULL && user->reserve_pool_size >= 0)
		return user->reserve_pool_size;
	if (database != NULL && database->reserve_pool_size >= 0)
		return database->reserve_pool_size;
	return config->reserve_pool_size;
}

usec_t
config_query_wait_timeout(const struct config *config,
    const struct config_database *database, const struct config_user *user)
{
	if (user != NULL && user->query_wait_timeout > 0)
		return user->query_wait_timeout;
	if (database != NULL && database->query_wait_timeout > 0)
		return database->query_wait_timeout;
	return config->query_wait_timeout;
}

int
config_min_pool_size(const struct config *config,
    const struct config_database *database)
{
	if (database != NULL && database->min_pool_size >= 0)
		return database->min_pool_size;
	return config->min_pool_size;
}

int
config_max_db_connections(const struct config *config,
    const struct config_database *database)
{
	if (database != NULL && database->max_db_connections > 0)
		return database->max_db_connections;
	return config->max_db_connections;
}

int
config_max_db_client_connections(const struct config *config,
    const struct config_database *database)
{
	if (database != NULL && database->max_db_client_connections > 0)
		return database->max_db_client_connections;
	return config->max_db_client_connections;
}

usec_t
config_server_lifetime(const struct config *config,
    const struct config_database *database)
{
	if (database != NULL && database->server_lifetime > 0)
		return database->server_lifetime;
	return config->server_lifetime;
}

usec_t
config_query_timeout(const struct config *config,
    const struct config_user *user)
{
	if (user != NULL && user->query_timeout > 0)
		return user->query_timeout;
	return config->query_timeout;
}

usec_t
config_idle_transaction_timeout(const struct config *config,
    const struct config_user *user)
{
	if (user != NULL && user->idle_transaction_timeout > 0)
		return user->idle_transaction_timeout;
	return config->idle_transaction_timeout;
}

usec_t
config_transaction_timeout(const struct config *config,
    const struct config_user *user)
{
	if (user != NULL && user->transaction_timeout > 0)
		return user->transaction_timeout;
	return config->transaction_timeout;
}

usec_t
config_client_idle_timeout(const struct config *config,
    const struct config_user *user)
{
	if (user != NULL && user->client_idle_timeout > 0)
		return user->client_idle_timeout;
	return config->client_idle_timeout;
}

int
config_max_user_connections(const struct config *config,
    const struct config_user *user)
{
	if (user != NULL && user->max_user_connections > 0)
		return user->max_user_connections;
	return config->max_user_connections;
}

int
config_max_user_client_connections(const struct config *config,
    const struct config_user *user)
{
	if (user != NULL && user->max_user_client_connections > 0)
		return user->max_user_client_connections;
	return config->max_user_client_connections;
}

static bool
is_list_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
config_list_has(const char *list, const char *word)
{
	size_t length = strlen(word), word_length;

	for (;;) {
		list += strspn(list, ", \t\r\n");
		if (*list == '\0')
			return false;
		word_length = strcspn(list, ",");
		list += word_length;
		while (is_list_blank(list[-1])) {
			list--;
			word_length--;
		}
		if (word_length == length &&
		    memcmp(list - length, word, length) == 0)
			return true;
	}
}

bool
config_is_admin(const struct config *config, const char *user)
{
	return config_list_has(config->admin_users, user);
}

bool
config_is_stats(const struct config *config, const char *user)
{
	return config_list_has(config->stats_users, user);
}
