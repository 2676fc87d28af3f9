/*
 * SHOW LISTS: how many there are of everything.
 */
#include "admin/census.h"
#include "admin/names.h"
#include "admin/show.h"

static const struct report_column columns[] = {
	{ "list", REPORT_TEXT },
	{ "items", REPORT_INT },
};

static void
show_items(struct report *report, const char *list, size_t items)
{
	report_text(report, list);
	report_int(report, (int32_t)items);
	report_end_row(report);
}

/* Free is a row that was in use before and waits for its next owner. */
static void
show_connections(const struct console_env *env, struct report *report,
    const struct census *census)
{
	const struct state *state = env->segment->state;
	uint32_t clients = atomic_load(&state->clients_used);
	uint32_t servers = atomic_load(&state->servers_used);

	show_items(report, "free_clients", clients < census->all_clients ?
	    0 : clients - census->all_clients);
	show_items(report, "used_clients", census->all_clients);
	show_items(report, "login_clients",
	    census->clients[CLIENT_STATE_LOGIN]);
	show_items(report, "free_servers", servers < census->all_servers ?
	    0 : servers - census->all_servers);
	show_items(report, "used_servers", census->all_servers);
}

static void
show_all(const struct console_env *env, struct report *report,
    const struct census *census, const struct names names[2])
{
	show_items(report, "databases", names[0].count);
	show_items(report, "users", names[1].count);
	show_items(report, "peers", env->config->peer_count);
	show_items(report, "pools", census->count);
	show_items(report, "peer_pools", env->config->peer_count);
	show_connections(env, report, census);
	show_items(report, "dns_names", hosts_count(env->segment));
	show_items(report, "dns_zones", 0);
	show_items(report, "dns_queries",
	    hosts_count_questions(env->segment));
	show_items(report, "dns_pending", 0);
}

static bool
fill_lists(const struct console_env *env, struct report *report)
{
	struct names names[2] = { { NULL, 0 }, { NULL, 0 } };
	struct census census = { .pools = NULL };
	bool done = census_take(env, &census) &&
	    names_of_databases(env, &names[0]) &&
	    names_of_users(env, &names[1]);

	if (done)
		show_all(env, report, &census, names);
	names_free(&names[1]);
	names_free(&names[0]);
	census_free(&census);
	return done;
}

const struct show show_LISTS = {
	columns, ARRAY_LENGTH(columns), fill_lists, NULL
};
