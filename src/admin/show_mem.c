/*
 * SHOW MEM: what the rows of the segment take.  A row is free if it was in
 * use before and waits for its next owner.  PgBouncer's caches that have no
 * rows here are listed with zeros.
 */
#include "admin/census.h"
#include "admin/show.h"

static const struct report_column columns[] = {
	{ "name", REPORT_TEXT },
	{ "size", REPORT_INT },
	{ "used", REPORT_INT },
	{ "free", REPORT_INT },
	{ "memtotal", REPORT_INT },
};

static int32_t
at_most_int(size_t number)
{
	return number > INT32_MAX ? INT32_MAX : (int32_t)number;
}

static void
show_cache(struct report *report, const char *name, size_t size, size_t used,
    size_t ever)
{
	size_t all = ever > used ? ever : used;

	report_text(report, name);
	report_int(report, at_most_int(size));
	report_int(report, at_most_int(used));
	report_int(report, at_most_int(all - used));
	report_int(report, at_most_int(size * all));
	report_end_row(report);
}

static void
show_nothing(struct report *report, const char *name)
{
	show_cache(report, name, 0, 0, 0);
}

static size_t
count_databases(const struct segment *segment, uint32_t ever)
{
	size_t count = 0;

	for (uint32_t row = 0; row < ever; row++)
		count += atomic_load(&segment->databases[row].used) != 0;
	return count;
}

static size_t
count_pools(const struct segment *segment, uint32_t ever)
{
	size_t count = 0;

	for (uint32_t row = 0; row < ever; row++)
		count += atomic_load(&segment->pools[row].used) != 0;
	return count;
}

static void
show_all(const struct segment *segment, struct report *report,
    const struct census *census)
{
	const struct state *state = segment->state;
	uint32_t users = atomic_load(&state->users_used);
	uint32_t databases = atomic_load(&state->databases_used);
	uint32_t pools = atomic_load(&state->pools_used);

	show_cache(report, "user_cache", sizeof(struct user_row), users,
	    users);
	show_nothing(report, "credentials_cache");
	show_cache(report, "db_cache", sizeof(struct database_row),
	    count_databases(segment, databases), databases);
	show_nothing(report, "peer_cache");
	show_nothing(report, "peer_pool_cache");
	show_cache(report, "pool_cache", sizeof(struct pool_row),
	    count_pools(segment, pools), pools);
	show_nothing(report, "outstanding_request_cache");
	show_cache(report, "server_cache", sizeof(struct server_row),
	    census->all_servers, atomic_load(&state->servers_used));
	show_cache(report, "client_cache", sizeof(struct client_row),
	    census->all_clients, atomic_load(&state->clients_used));
	show_nothing(report, "iobuf_cache");
	show_nothing(report, "var_list_cache");
	show_nothing(report, "server_prepared_statement_cache");
}

static bool
fill_mem(const struct console_env *env, struct report *report)
{
	struct census census;

	if (!census_take(env, &census))
		return false;
	show_all(env->segment, report, &census);
	census_free(&census);
	return true;
}

const struct show show_MEM = {
	columns, ARRAY_LENGTH(columns), fill_mem, NULL
};
