#include "session/pool_view.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/digest.h"
#include "base/invariant.h"
#include "base/memory.h"

const struct config_database *
pool_view_database(const struct config *config, const char *name)
{
	const struct config_database *database = config_find_database(config,
	    name);

	return database != NULL ? database : config->autodb;
}

static void
add_text(EVP_MD_CTX *context, const char *text)
{
	/* With its NUL, so that two texts are not taken for two others. */
	text = text != NULL ? text : "";
	INVARIANT(EVP_DigestUpdate(context, text, strlen(text) + 1) == 1);
}

/* What they are set to; new files of the same names change nothing. */
static void
digest_tls(EVP_MD_CTX *context, const struct config *config)
{
	const unsigned words[] = { config->server_tls_sslmode,
	    config->server_tls_sslnegotiation };

	INVARIANT(EVP_DigestUpdate(context, words, sizeof(words)) == 1);
	add_text(context, config->server_tls_ca_file);
	add_text(context, config->server_tls_cert_file);
	add_text(context, config->server_tls_key_file);
	add_text(context, config->server_tls_protocols);
	add_text(context, config->server_tls_ciphers);
	add_text(context, config->server_tls13_ciphers);
}

/* What makes a server connection another one, should it change. */
static void
digest_place(const struct config *config,
    const struct config_database *database, uint8_t digest[32])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned length;

	INVARIANT(context != NULL &&
	    EVP_DigestInit_ex(context, digest_sha256(), NULL) == 1);
	add_text(context, database->host);
	add_text(context, database->dbname);
	add_text(context, database->user);
	add_text(context, database->connect_query);
	add_text(context, database->auth_dbname);
	add_text(context, database->auth_query);
	INVARIANT(EVP_DigestUpdate(context, &database->port,
	    sizeof(database->port)) == 1);
	INVARIANT(EVP_DigestUpdate(context, &database->load_balance_hosts,
	    sizeof(database->load_balance_hosts)) == 1);
	digest_tls(context, config);
	INVARIANT(EVP_DigestFinal_ex(context, digest, &length) == 1 &&
	    length == 32);
	EVP_MD_CTX_free(context);
}

/* Or the row was given back, and what is in it is another pool. */
static bool
is_of_now(struct sessions *sessions, const struct pool_view *view)
{
	return view->generation == atomic_load(&segment_pool(
	    sessions->segment, view->pool)->generation);
}

/* Each worker that sees the change marks what it was opened by before. */
static void
note_place(struct sessions *sessions, struct pool_view *view)
{
	struct pool_caller caller = sessions_caller(sessions);
	uint8_t place[32];

	digest_place(sessions->config, view->database, place);
	if (view->is_placed && is_of_now(sessions, view) &&
	    memcmp(view->place, place, sizeof(place)) != 0)
		pool_mark_all(&caller, view->pool);
	memcpy(view->place, place, sizeof(place));
	view->is_placed = true;
}

static uint32_t
at_least_0(int number)
{
	return number > 0 ? (uint32_t)number : 0;
}

void
pool_view_refresh(struct sessions *sessions, struct pool_view *view)
{
	const struct config *config = sessions->config;

	view->database = pool_view_database(config, view->database_name);
	view->user = config_find_user(config, view->user_name);
	view->policy.removed = view->database == NULL;
	if (view->database == NULL)
		return;
	note_place(sessions, view);
	view->mode = config_pool_mode(config, view->database, view->user);
	view->policy = (struct pool_policy){
		.generation = view->generation,
		.size = at_least_0(config_pool_size(config, view->database,
		    view->user)),
		.reserve = at_least_0(config_reserve_pool_size(config,
		    view->database, view->user)),
		.reserve_after = config->reserve_pool_timeout,
		.min_size = at_least_0(config_min_pool_size(config,
		    view->database)),
		.database_limit = at_least_0(config_max_db_connections(
		    config, view->database)),
		.user_limit = at_least_0(config_max_user_connections(config,
		    view->user)),
		.opening_most = (uint32_t)config->max_connecting_servers,
		.round_robin = config->server_round_robin != 0,
		.login_retry = config->server_login_retry,
		.lifetime = config_server_lifetime(config, view->database),
		.idle_timeout = config->server_idle_timeout,
	};
	view->query_wait_timeout = config_query_wait_timeout(config,
	    view->database, view->user);
	view->query_timeout = config_query_timeout(config, view->user);
	view->idle_transaction_timeout =
	    config_idle_transaction_timeout(config, view->user);
	view->transaction_timeout = config_transaction_timeout(config,
	    view->user);
	view->client_idle_timeout = config_client_idle_timeout(config,
	    view->user);
}

struct pool_view *
pool_view_get(struct sessions *sessions, uint32_t pool)
{
	struct segment *segment = sessions->segment;
	struct pool_row *row = segment_pool(segment, pool);
	struct pool_view *view = sessions->views[pool];

	if (view != NULL && is_of_now(sessions, view))
		return view;
	if (view == NULL)
		view = memory_get(sizeof(*view));
	/* The row was given back, and is another pool's now. */
	memset(view, 0, sizeof(*view));
	view->pool = pool;
	view->generation = atomic_load(&row->generation);
	view->database_name = segment->databases[row->database].name;
	view->user_name = segment->users[row->user].name;
	view->stats = stats_of(segment, sessions->worker, pool);
	pool_view_refresh(sessions, view);
	sessions->views[pool] = view;
	return view;
}
