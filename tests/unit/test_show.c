#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "console_world.h"

#define INI \
	"[databases]\n" \
	"zoo = host=db.example port=5433 dbname=animals pool_size=7 " \
	"pool_mode=statement max_db_connections=9\n" \
	"app = host=a.example,b.example user=forced\n" \
	"[users]\n" \
	"joe = pool_mode=transaction pool_size=12\n" \
	"[peers]\n" \
	"3 = host=peer.example\n" \
	"[pgbouncer]\n" \
	"listen_addr = 127.0.0.1\n" \
	"auth_file = users\n" \
	"admin_users = root\n" \
	"pool_mode = session\n" \
	"default_pool_size = 20\n" \
	"min_pool_size = 2\n" \
	"reserve_pool_size = 5\n" \
	"server_lifetime = 1800\n" \
	"server_check_delay = 30\n" \
	"max_user_connections = 50\n"
#define INI_WITH_TEMPLATE \
	"[databases]\n" \
	"app = host=db.example\n" \
	"* = host=other.example\n" \
	"[pgbouncer]\n" \
	"listen_addr = 127.0.0.1\n" \
	"server_check_query =\n"
#define USERS "\"root\" \"x\"\n\"joe\" \"y\"\n"

static struct world world;

static void
start(void)
{
	log_configure(&(struct log_settings){ .file_fd = -1 });
	world_start(&world, INI, USERS);
}

static void
stop(void)
{
	world_stop(&world);
}

static void
ck_cell(unsigned row, const char *column, const char *wanted)
{
	const char *cell = world_cell(&world, row, column);

	if (wanted == NULL)
		ck_assert_msg(cell == NULL, "%s is %s", column, cell);
	else
		ck_assert_msg(cell != NULL && strcmp(cell, wanted) == 0,
		    "%s is %s, not %s", column, cell, wanted);
}

/* --- columns: names, order, types ---------------------------------------- */

#define CONNECTION "type=s user=s database=s replication=s state=s addr=s " \
	"port=i local_addr=s local_port=i connect_time=s request_time=s " \
	"wait=i wait_us=i close_needed=i ptr=s link=s remote_pid=i tls=s " \
	"application_name=s prepared_statements=i id=i "

static const struct {
	const char *text, *columns;
	unsigned width;
} shapes[] = {
	{ "SHOW CLIENTS", CONNECTION, 21 },
	{ "SHOW SERVERS", CONNECTION, 21 },
	{ "SHOW SOCKETS", CONNECTION "recv_pos=i pkt_pos=i pkt_remain=i "
	    "send_pos=i send_remain=i pkt_avail=i send_avail=i ", 28 },
	{ "SHOW ACTIVE_SOCKETS", CONNECTION "recv_pos=i pkt_pos=i "
	    "pkt_remain=i send_pos=i send_remain=i pkt_avail=i send_avail=i ",
	    28 },
	{ "SHOW MEM", "name=s size=i used=i free=i memtotal=i ", 5 },
	{ "SHOW FDS", "fd=i task=s user=s database=s addr=s port=i cancel=q "
	    "link=i client_encoding=s std_strings=s datestyle=s timezone=s "
	    "password=s scram_client_key=b scram_server_key=b ", 15 },
	{ "SHOW POOLS", "database=s user=s cl_active=i cl_waiting=i "
	    "cl_active_cancel_req=i cl_waiting_cancel_req=i sv_active=i "
	    "sv_active_cancel=i sv_being_canceled=i sv_idle=i sv_used=i "
	    "sv_tested=i sv_login=i maxwait=i maxwait_us=i pool_mode=s "
	    "load_balance_hosts=s ", 17 },
	{ "SHOW DATABASES", "name=s host=s port=i database=s force_user=s "
	    "pool_size=i min_pool_size=i reserve_pool_size=i "
	    "server_lifetime=i pool_mode=s load_balance_hosts=s "
	    "max_connections=i current_connections=i "
	    "max_client_connections=i current_client_connections=i paused=i "
	    "disabled=i ", 17 },
	{ "SHOW USERS", "name=s pool_size=s reserve_pool_size=s pool_mode=s "
	    "max_user_connections=i current_connections=i "
	    "max_user_client_connections=i current_client_connections=i ",
	    8 },
	{ "SHOW LISTS", "list=s items=i ", 2 },
	{ "SHOW CONFIG", "key=s value=s default=s changeable=s ", 4 },
	{ "SHOW STATS", "database=s total_server_assignment_count=N "
	    "total_xact_count=N total_query_count=N total_received=N "
	    "total_sent=N total_xact_time=N total_query_time=N "
	    "total_wait_time=N total_client_parse_count=N "
	    "total_server_parse_count=N total_bind_count=N "
	    "avg_server_assignment_count=N avg_xact_count=N "
	    "avg_query_count=N avg_recv=N avg_sent=N avg_xact_time=N "
	    "avg_query_time=N avg_wait_time=N avg_client_parse_count=N "
	    "avg_server_parse_count=N avg_bind_count=N ", 23 },
	{ "SHOW STATS_TOTALS", "database=s server_assignment_count=N "
	    "xact_count=N query_count=N bytes_received=N bytes_sent=N "
	    "xact_time=N query_time=N wait_time=N client_parse_count=N "
	    "server_parse_count=N bind_count=N ", 12 },
	{ "SHOW STATS_AVERAGES", "database=s server_assignment_count=N "
	    "xact_count=N query_count=N bytes_received=N bytes_sent=N "
	    "xact_time=N query_time=N wait_time=N avg_client_parse_count=N "
	    "avg_server_parse_count=N avg_bind_count=N ", 12 },
	{ "SHOW TOTALS", "name=s value=N ", 2 },
	{ "SHOW STATE", "key=s value=s ", 2 },
	{ "SHOW VERSION", "version=s ", 1 },
	{ "SHOW PEERS", "peer_id=i host=s port=i pool_size=i ", 4 },
	{ "SHOW PEER_POOLS", "peer_id=i cl_active_cancel_req=i "
	    "cl_waiting_cancel_req=i sv_active_cancel=i sv_login=i ", 5 },
	{ "SHOW DNS_HOSTS", "hostname=s ttl=q addrs=s ", 3 },
	{ "SHOW DNS_ZONES", "zonename=s serial=q count=i ", 3 },
	{ "SHOW WORKERS", "slot=i pid=i state=s clients=i servers=i xacts=q "
	    "queries=q cpu_ms=q restarts=i uptime=i ", 10 },
	{ "SHOW HISTOGRAMS", "database=s user=s timing=s at_most_us=q "
	    "count=q ", 5 },
};

static char
type_letter(uint32_t oid)
{
	switch (oid) {
	case 25:
		return 's';
	case 23:
		return 'i';
	case 20:
		return 'q';
	case 1700:
		return 'N';
	case 17:
		return 'b';
	default:
		return '?';
	}
}

START_TEST(columns)			/* for each of shapes */
{
	char found[1024] = "";
	size_t used = 0;

	world_query(&world, shapes[_i].text);
	ck_assert_int_eq(world.outcome, CONSOLE_DONE);
	ck_assert_str_eq(world.tag, "SHOW");
	ck_assert_int_eq(world.kinds[0], 'T');
	ck_assert_int_eq(world.kinds[strlen(world.kinds) - 1], 'Z');
	ck_assert_uint_eq(world.width, shapes[_i].width);
	for (unsigned i = 0; i < world.width; i++)
		used += (size_t)snprintf(found + used, sizeof(found) - used,
		    "%s=%c ", world.names[i], type_letter(world.oids[i]));
	ck_assert_str_eq(found, shapes[_i].columns);
}
END_TEST

/* --- POOLS --------------------------------------------------------------- */

START_TEST(pools_are_sorted_and_the_console_is_one)
{
	pools_make(world.segment, "zoo", "joe", false);
	pools_make(world.segment, "app", "zed", false);
	pools_make(world.segment, "app", "ann", false);

	world_query(&world, "show pools;");
	ck_assert_uint_eq(world.rows, 4);
	ck_cell(0, "database", "app");
	ck_cell(0, "user", "ann");
	ck_cell(1, "user", "zed");
	ck_cell(2, "database", "pgbouncer");
	ck_cell(2, "user", "pgbouncer");
	ck_cell(2, "pool_mode", "statement");
	ck_cell(3, "database", "zoo");
	ck_cell(3, "pool_mode", "transaction");	/* the user's wins */
	ck_cell(0, "pool_mode", "session");
	ck_cell(0, "load_balance_hosts", "round-robin");
	ck_cell(3, "load_balance_hosts", NULL);
}
END_TEST

START_TEST(pools_count_clients_by_state)
{
	static const enum client_phase phases[] = {
		CLIENT_STARTUP, CLIENT_AUTH, CLIENT_WELCOME, CLIENT_IDLE,
		CLIENT_IDLE, CLIENT_WAITING, CLIENT_GIVEN, CLIENT_LINKED,
		CLIENT_CANCEL, CLIENT_CLOSED,
	};
	uint32_t canceling;

	for (size_t i = 0; i < ARRAY_LENGTH(phases); i++)
		world_add_client(&world, "zoo", "joe", phases[i]);
	canceling = world_add_client(&world, "zoo", "joe", CLIENT_CANCEL);
	world.segment->clients[canceling].server = 0;
	world_add_client(&world, NULL, "root", CLIENT_CONSOLE);
	world_add_client(&world, NULL, NULL, CLIENT_STARTUP);

	world_query(&world, "SHOW POOLS");
	ck_assert_uint_eq(world.rows, 2);
	ck_cell(1, "cl_active", "4");
	ck_cell(1, "cl_waiting", "2");
	ck_cell(1, "cl_active_cancel_req", "1");
	ck_cell(1, "cl_waiting_cancel_req", "1");
	ck_cell(0, "database", "pgbouncer");
	ck_cell(0, "cl_active", "1");
	ck_cell(0, "cl_waiting", "0");
}
END_TEST

START_TEST(pools_count_servers_by_state)
{
	uint32_t old;

	for (int phase = SERVER_OPENING; phase < SERVER_PHASES; phase++)
		world_add_server(&world, "zoo", "joe",
		    (enum server_phase)phase);
	old = world_add_server(&world, "zoo", "joe", SERVER_IDLE);
	world.segment->servers[old].idle_since -= 31 * USEC_PER_SEC;

	world_query(&world, "SHOW POOLS");
	ck_cell(1, "sv_active", "2");
	ck_cell(1, "sv_active_cancel", "1");
	ck_cell(1, "sv_being_canceled", "1");
	ck_cell(1, "sv_idle", "1");
	ck_cell(1, "sv_used", "1");
	ck_cell(1, "sv_tested", "1");
	ck_cell(1, "sv_login", "1");
}
END_TEST

START_TEST(without_a_check_query_no_server_is_used)
{
	uint32_t old;

	stop();
	world_start(&world, INI_WITH_TEMPLATE, USERS);
	old = world_add_server(&world, "app", "joe", SERVER_IDLE);
	world.segment->servers[old].idle_since = 0;
	world_query(&world, "SHOW POOLS");
	ck_cell(0, "sv_idle", "1");
	ck_cell(0, "sv_used", "0");
}
END_TEST

START_TEST(maxwait_is_of_the_client_that_waits_longest)
{
	uint32_t row = world_add_client(&world, "zoo", "joe", CLIENT_WAITING);
	uint32_t other = world_add_client(&world, "zoo", "joe",
	    CLIENT_WAITING);
	uint32_t served = world_add_client(&world, "zoo", "joe",
	    CLIENT_LINKED);

	world.segment->clients[row].wait_since = WORLD_NOW - 2500000;
	world.segment->clients[other].wait_since = WORLD_NOW - 7;
	world.segment->clients[served].wait_since = 1;
	world_query(&world, "SHOW POOLS");
	ck_cell(1, "maxwait", "2");
	ck_cell(1, "maxwait_us", "500000");
	ck_cell(0, "maxwait", "0");
}
END_TEST

START_TEST(rows_with_wild_indexes_do_no_harm)
{
	uint32_t client = world_add_client(&world, "zoo", "joe",
	    CLIENT_LINKED);
	uint32_t server = world_add_server(&world, "zoo", "joe",
	    SERVER_ACTIVE);
	static const char *const reports[] = {
		"SHOW POOLS", "SHOW CLIENTS", "SHOW SERVERS", "SHOW SOCKETS",
		"SHOW USERS", "SHOW DATABASES", "SHOW LISTS", "SHOW WORKERS",
		"SHOW MEM", "SHOW FDS", "SHOW ACTIVE_SOCKETS",
	};

	world.segment->clients[client].server = 0x7fffffff;
	atomic_store(&world.segment->clients[client].user, 0x7fffffff);
	world.segment->servers[server].client = 0x7fffffff;
	atomic_store(&world.segment->servers[server].worker, 0x7fffffff);
	for (int i = 0; i < 2; i++) {
		for (size_t j = 0; j < ARRAY_LENGTH(reports); j++) {
			world_query(&world, reports[j]);
			ck_assert_str_eq(world.tag, "SHOW");
		}
		atomic_store(&world.segment->clients[client].pool, 63 + i);
		atomic_store(&world.segment->servers[server].pool, 63 + i);
	}
}
END_TEST

/* --- CLIENTS, SERVERS, SOCKETS ------------------------------------------- */

START_TEST(a_client_and_its_server_point_at_each_other)
{
	uint32_t row = world_add_client(&world, "app", "joe", CLIENT_LINKED);
	uint32_t other = world_add_server(&world, "app", "forced",
	    SERVER_ACTIVE);
	struct client_row *client = &world.segment->clients[row];
	struct server_row *server = &world.segment->servers[other];
	char pointer[32], link[32];

	atomic_store(&client->pool,
	    pools_find(world.segment, "app", "forced"));
	client->server = other;
	client->query_at = WORLD_NOW - 3000001;
	client->remote = (struct address){ .family = ADDRESS_IPV4,
	    .bytes = { 10, 0, 0, 1 }, .port = 54321 };
	client->close_needed = 1;
	strcpy(client->application_name, "psql");
	server->client = row;
	server->client_generation = client->generation;
	server->backend_pid = 4711;

	world_query(&world, "SHOW CLIENTS");
	ck_assert_uint_eq(world.rows, 1);
	ck_cell(0, "type", "C");
	ck_cell(0, "user", "joe");		/* who logged in */
	ck_cell(0, "database", "app");
	ck_cell(0, "replication", "none");
	ck_cell(0, "state", "active");
	ck_cell(0, "addr", "10.0.0.1");
	ck_cell(0, "port", "54321");
	ck_cell(0, "local_addr", "unix");
	ck_cell(0, "wait", "3");
	ck_cell(0, "wait_us", "1");
	ck_cell(0, "close_needed", "1");
	ck_cell(0, "application_name", "psql");
	ck_cell(0, "tls", "");
	ck_cell(0, "id", "1");
	strcpy(pointer, world_cell(&world, 0, "ptr"));
	strcpy(link, world_cell(&world, 0, "link"));
	ck_assert_int_eq(strncmp(pointer, "0x", 2), 0);

	world_query(&world, "SHOW SERVERS");
	ck_assert_uint_eq(world.rows, 1);
	ck_cell(0, "type", "S");
	ck_cell(0, "user", "forced");
	ck_cell(0, "remote_pid", "4711");
	ck_cell(0, "ptr", link);
	ck_cell(0, "link", pointer);
	ck_assert_str_ne(pointer, link);

	client->generation++;		/* another client by now */
	world_query(&world, "SHOW SERVERS");
	ck_cell(0, "link", "");
}
END_TEST

START_TEST(clients_come_by_pool_and_state_and_only_when_logged_in)
{
	static const char *const wanted[][2] = {
		{ "app", "waiting" }, { "pgbouncer", "idle" },
		{ "zoo", "active" }, { "zoo", "active" }, { "zoo", "idle" },
		{ "zoo", "waiting" }, { "zoo", "waiting_cancel_req" },
	};

	world_add_client(&world, "zoo", "joe", CLIENT_CANCEL);
	world_add_client(&world, "zoo", "joe", CLIENT_IDLE);
	world_add_client(&world, "zoo", "joe", CLIENT_WELCOME);
	world_add_client(&world, "zoo", "joe", CLIENT_GIVEN);
	world_add_client(&world, "zoo", "joe", CLIENT_LINKED);
	world_add_client(&world, NULL, "root", CLIENT_CONSOLE);
	world_add_client(&world, "app", "joe", CLIENT_WAITING);
	world_add_client(&world, NULL, NULL, CLIENT_STARTUP);
	world_add_client(&world, NULL, "joe", CLIENT_AUTH);
	world_add_client(&world, "app", "joe", CLIENT_CLOSED);

	world_query(&world, "SHOW CLIENTS");
	ck_assert_uint_eq(world.rows, ARRAY_LENGTH(wanted));
	for (unsigned i = 0; i < world.rows; i++) {
		ck_cell(i, "database", wanted[i][0]);
		ck_cell(i, "state", wanted[i][1]);
	}
	ck_cell(1, "user", "root");

	world_query(&world, "SHOW SOCKETS");
	ck_assert_uint_eq(world.rows, 8);	/* with two at their login */
	ck_cell(0, "state", "cl_waiting");
	ck_cell(1, "state", "cl_active");
	ck_cell(6, "state", "cl_login");
	ck_cell(6, "database", "(nodb)");
	ck_cell(6, "user", "(nouser)");
	ck_cell(7, "user", "joe");
	ck_cell(7, "send_avail", "0");
}
END_TEST

START_TEST(descriptors_come_without_secrets)
{
	static const char *const empty[] = { "fd", "cancel", "link",
	    "client_encoding", "password", "scram_client_key",
	    "scram_server_key" };
	uint32_t server = world_add_server(&world, "zoo", "joe",
	    SERVER_ACTIVE);

	world.segment->servers[server].backend_secret = 4711;
	world_add_client(&world, "zoo", "joe", CLIENT_IDLE);
	world_query(&world, "SHOW FDS");
	ck_assert_uint_eq(world.rows, 2);
	ck_cell(0, "task", "client");
	ck_cell(1, "task", "server");
	for (unsigned i = 0; i < 2; i++) {
		ck_cell(i, "user", "joe");
		ck_cell(i, "database", "zoo");
		for (size_t k = 0; k < ARRAY_LENGTH(empty); k++)
			ck_cell(i, empty[k], NULL);
	}
}
END_TEST

START_TEST(memory_is_that_of_rows)
{
	static const char *const names[] = { "user_cache",
	    "credentials_cache", "db_cache", "peer_cache", "peer_pool_cache",
	    "pool_cache", "outstanding_request_cache", "server_cache",
	    "client_cache", "iobuf_cache", "var_list_cache",
	    "server_prepared_statement_cache" };
	char size[24];

	world_add_server(&world, "zoo", "joe", SERVER_ACTIVE);
	clients_free(world.segment, world_add_client(&world, "zoo", "joe",
	    CLIENT_IDLE));
	world_query(&world, "SHOW MEM");
	ck_assert_uint_eq(world.rows, ARRAY_LENGTH(names));
	for (unsigned i = 0; i < world.rows; i++)
		ck_cell(i, "name", names[i]);
	snprintf(size, sizeof(size), "%zu", sizeof(struct server_row));
	ck_cell(7, "size", size);
	ck_cell(7, "used", "1");
	ck_cell(7, "memtotal", size);
	ck_cell(8, "used", "0");
	ck_cell(8, "free", "1");
	ck_cell(9, "memtotal", "0");
}
END_TEST

START_TEST(servers_come_by_pool_and_state)
{
	static const char *const wanted[] = {
		"active", "active", "idle", "used", "tested", "new",
		"active_cancel", "being_canceled",
	};
	uint32_t old;

	for (int phase = SERVER_PHASES - 1; phase > SERVER_FREE; phase--)
		world_add_server(&world, "zoo", "joe",
		    (enum server_phase)phase);
	old = world_add_server(&world, "zoo", "joe", SERVER_IDLE);
	world.segment->servers[old].idle_since -= 31 * USEC_PER_SEC;
	world_query(&world, "SHOW SERVERS");
	ck_assert_uint_eq(world.rows, ARRAY_LENGTH(wanted));
	for (unsigned i = 0; i < world.rows; i++)
		ck_cell(i, "state", wanted[i]);
}
END_TEST

START_TEST(freed_rows_are_not_listed)
{
	uint32_t row = world_add_client(&world, "zoo", "joe", CLIENT_IDLE);
	char pointer[32];

	world_query(&world, "SHOW CLIENTS");
	strcpy(pointer, world_cell(&world, 0, "ptr"));
	clients_free(world.segment, row);
	world_query(&world, "SHOW CLIENTS");
	ck_assert_uint_eq(world.rows, 0);
	ck_assert_uint_eq(world_add_client(&world, "zoo", "joe",
	    CLIENT_IDLE), row);
	world_query(&world, "SHOW CLIENTS");
	ck_assert_str_ne(world_cell(&world, 0, "ptr"), pointer);
}
END_TEST

/* Another process: one row, two owners in turn, without a pause. */
static void
change_hands(void)
{
	struct segment *segment = world.segment;
	uint32_t app = pools_make(segment, "app", "ann", false);
	uint32_t zoo = pools_make(segment, "zoo", "joe", false);

	for (unsigned i = 0;; i++) {
		uint32_t row = clients_claim(segment, 0);
		struct client_row *client = &segment->clients[row];

		client->id = i % 2 == 0 ? 1 : 2;
		atomic_store(&client->user, users_find(segment,
		    i % 2 == 0 ? "ann" : "joe"));
		atomic_store(&client->pool, i % 2 == 0 ? app : zoo);
		atomic_store(&client->phase, CLIENT_IDLE);
		clients_free(segment, row);
	}
}

START_TEST(a_row_that_changes_hands_is_one_client_or_the_other)
{
	unsigned seen = 0;
	pid_t child;

	pools_make(world.segment, "app", "ann", false);
	pools_make(world.segment, "zoo", "joe", false);
	child = fork();
	ck_assert_int_ne(child, -1);
	if (child == 0)
		change_hands();
	/* Until it was met at work, and then some. */
	for (unsigned i = 0; i < 100000 && seen < 200; i++) {
		world_query(&world, "SHOW CLIENTS");
		if (world.rows == 0)
			continue;
		seen++;
		ck_assert_uint_eq(world.rows, 1);
		if (strcmp(world_cell(&world, 0, "database"), "app") == 0) {
			ck_cell(0, "user", "ann");
			ck_cell(0, "id", "1");
		} else {
			ck_cell(0, "user", "joe");
			ck_cell(0, "id", "2");
		}
	}
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

/* --- DATABASES, USERS, LISTS --------------------------------------------- */

START_TEST(databases_show_what_counts)
{
	world_add_server(&world, "zoo", "joe", SERVER_IDLE);
	world_add_server(&world, "zoo", "ann", SERVER_CLOSING);
	world_add_server(&world, "zoo", "ann", SERVER_CANCEL_LINK);
	world_add_client(&world, "zoo", "joe", CLIENT_IDLE);
	world_add_client(&world, NULL, "root", CLIENT_CONSOLE);
	atomic_store(&world.segment->databases[
	    databases_find(world.segment, "zoo")].paused, 1);

	world_query(&world, "SHOW DATABASES");
	ck_assert_uint_eq(world.rows, 3);
	ck_cell(0, "name", "app");
	ck_cell(0, "host", "a.example,b.example");
	ck_cell(0, "port", "5432");
	ck_cell(0, "database", "app");
	ck_cell(0, "force_user", "forced");
	ck_cell(0, "pool_size", "20");
	ck_cell(0, "min_pool_size", "2");
	ck_cell(0, "reserve_pool_size", "5");
	ck_cell(0, "server_lifetime", "1800");
	ck_cell(0, "pool_mode", NULL);
	ck_cell(0, "load_balance_hosts", "round-robin");
	ck_cell(0, "current_connections", "0");
	ck_cell(0, "paused", "0");
	ck_cell(1, "name", "pgbouncer");
	ck_cell(1, "host", NULL);
	ck_cell(1, "port", "6432");
	ck_cell(1, "database", "pgbouncer");
	ck_cell(1, "force_user", "pgbouncer");
	ck_cell(1, "pool_size", "2");
	ck_cell(1, "pool_mode", "statement");
	ck_cell(1, "current_client_connections", "1");
	ck_cell(2, "name", "zoo");
	ck_cell(2, "database", "animals");
	ck_cell(2, "force_user", NULL);
	ck_cell(2, "pool_size", "7");
	ck_cell(2, "pool_mode", "statement");
	ck_cell(2, "max_connections", "9");
	ck_cell(2, "current_connections", "2");
	ck_cell(2, "current_client_connections", "1");
	ck_cell(2, "paused", "1");
	ck_cell(2, "disabled", "0");
}
END_TEST

START_TEST(databases_of_the_template_are_shown_when_they_exist)
{
	stop();
	world_start(&world, INI_WITH_TEMPLATE, USERS);
	world_query(&world, "SHOW DATABASES");
	ck_assert_uint_eq(world.rows, 2);
	world_add_server(&world, "auto", "joe", SERVER_IDLE);
	world_query(&world, "SHOW DATABASES");
	ck_assert_uint_eq(world.rows, 3);
	ck_cell(1, "name", "auto");
	ck_cell(1, "host", "other.example");
	ck_cell(1, "database", "auto");
	ck_cell(1, "current_connections", "1");
}
END_TEST

START_TEST(users_are_all_that_are_known)
{
	world_add_server(&world, "zoo", "joe", SERVER_IDLE);
	world_add_client(&world, "zoo", "joe", CLIENT_IDLE);
	world_add_client(&world, "zoo", "joe", CLIENT_WAITING);
	world_add_client(&world, NULL, "stranger", CLIENT_AUTH);

	world_query(&world, "SHOW USERS");
	ck_assert_uint_eq(world.rows, 4);
	ck_cell(0, "name", "forced");
	ck_cell(0, "pool_size", "");
	ck_cell(0, "pool_mode", NULL);
	ck_cell(0, "max_user_connections", "50");
	ck_cell(1, "name", "joe");
	ck_cell(1, "pool_size", "       12");
	ck_cell(1, "reserve_pool_size", "");
	ck_cell(1, "pool_mode", "transaction");
	ck_cell(1, "current_connections", "1");
	ck_cell(1, "current_client_connections", "2");
	ck_cell(2, "name", "pgbouncer");
	ck_cell(3, "name", "root");
}
END_TEST

START_TEST(lists_count_everything_in_the_usual_order)
{
	static const char *const wanted[][2] = {
		{ "databases", "3" }, { "users", "4" }, { "peers", "1" },
		{ "pools", "2" }, { "peer_pools", "1" },
		{ "free_clients", "1" }, { "used_clients", "2" },
		{ "login_clients", "1" }, { "free_servers", "0" },
		{ "used_servers", "1" }, { "dns_names", "0" },
		{ "dns_zones", "0" }, { "dns_queries", "0" },
		{ "dns_pending", "0" },
	};
	uint32_t gone = world_add_client(&world, "zoo", "joe", CLIENT_IDLE);

	world_add_client(&world, "zoo", "joe", CLIENT_IDLE);
	world_add_client(&world, NULL, NULL, CLIENT_STARTUP);
	world_add_server(&world, "zoo", "joe", SERVER_IDLE);
	clients_free(world.segment, gone);

	world_query(&world, "SHOW LISTS");
	ck_assert_uint_eq(world.rows, ARRAY_LENGTH(wanted));
	for (unsigned i = 0; i < world.rows; i++) {
		ck_cell(i, "list", wanted[i][0]);
		ck_cell(i, "items", wanted[i][1]);
	}
}
END_TEST

START_TEST(host_names_have_their_addresses_and_the_time_left)
{
	const struct host_ttls ttls = { 20 * USEC_PER_SEC, 5 * USEC_PER_SEC };
	struct address_list list = { .count = 2 };
	const struct host_answer answer = { "db.test", 0, false, &list };
	uint32_t host = hosts_find(world.segment, "db.test", world.env.now);
	uint64_t waiting;

	ck_assert(address_parse_host("10.0.0.1", &list.address[0]));
	ck_assert(address_parse_host("::1", &list.address[1]));
	ck_assert(hosts_store(world.segment, host, &answer, &ttls,
	    world.env.now, &waiting));
	host = hosts_find(world.segment, "new.test", world.env.now);
	ck_assert(hosts_claim_question(world.segment, host, world.env.now));
	world_query(&world, "SHOW DNS_HOSTS");
	ck_assert_uint_eq(world.rows, 2);
	ck_cell(0, "hostname", "db.test");
	ck_cell(0, "ttl", "20");
	ck_cell(0, "addrs", "10.0.0.1:0,[::1]:0");
	ck_cell(1, "hostname", "new.test");
	ck_cell(1, "ttl", "0");
	ck_cell(1, "addrs", "");
	world_query(&world, "SHOW LISTS");
	ck_cell(10, "list", "dns_names");
	ck_cell(10, "items", "2");
	ck_cell(12, "list", "dns_queries");
	ck_cell(12, "items", "1");
}
END_TEST

/* --- statistics ---------------------------------------------------------- */

static void
count(const char *database, const char *user, uint32_t worker,
    uint64_t amount)
{
	struct stats_row *row = stats_of(world.segment, worker,
	    pools_make(world.segment, database, user, false));

	for (int stat = 0; stat < STATS; stat++)
		stats_add(row, (enum stat_counter)stat, amount + (unsigned)stat);
}

START_TEST(how_long_things_took_is_summed_over_workers)
{
	uint32_t pool = pools_make(world.segment, "zoo", "joe", false);

	for (uint32_t worker = 0; worker < 2; worker++)
		stats_time(stats_of(world.segment, worker, pool),
		    TIMING_query, STAT_query_time, 100);
	stats_time(stats_of(world.segment, 0, pool), TIMING_query,
	    STAT_query_time, 64);
	stats_time(stats_of(world.segment, 1, pool), TIMING_transaction,
	    STAT_xact_time, 100 * USEC_PER_SEC);

	world_query(&world, "SHOW HISTOGRAMS");
	ck_assert_uint_eq(world.rows, 3);
	ck_cell(0, "database", "zoo");
	ck_cell(0, "user", "joe");
	ck_cell(0, "timing", "query");
	ck_cell(0, "at_most_us", "64");
	ck_cell(0, "count", "1");
	ck_cell(1, "at_most_us", "128");
	ck_cell(1, "count", "2");
	ck_cell(2, "timing", "transaction");
	ck_cell(2, "at_most_us", NULL);
	ck_cell(2, "count", "1");
}
END_TEST

START_TEST(statistics_are_summed_over_workers_and_pools)
{
	count("zoo", "joe", 0, 100);
	count("zoo", "joe", 1, 200);
	count("zoo", "ann", 1, 1000);
	count("app", "ann", 0, 7);

	world_query(&world, "SHOW STATS_TOTALS");
	ck_assert_uint_eq(world.rows, 3);
	ck_cell(0, "database", "app");
	ck_cell(0, "server_assignment_count", "7");
	ck_cell(1, "database", "pgbouncer");
	ck_cell(1, "xact_count", "0");
	ck_cell(2, "server_assignment_count", "1300");
	ck_cell(2, "xact_count", "1303");
	ck_cell(2, "bind_count", "1330");

	world_query(&world, "SHOW STATS");
	ck_cell(2, "total_xact_count", "1303");
	ck_cell(2, "total_bind_count", "1330");

	world_query(&world, "SHOW TOTALS");
	ck_assert_uint_eq(world.rows, 22);
	ck_cell(0, "name", "total_server_assignment_count");
	ck_cell(0, "value", "1307");
	ck_cell(3, "name", "total_client_bytes");
	ck_cell(10, "name", "total_ps_bind_count");
	ck_cell(11, "name", "avg_server_assignment_count");
	ck_cell(21, "name", "avg_ps_bind_count");
}
END_TEST

START_TEST(averages_go_back_to_the_older_snapshot)
{
	uint32_t pool = pools_make(world.segment, "zoo", "joe", false);
	struct stats_row *row = stats_of(world.segment, 0, pool);

	stats_add(row, STAT_xact_count, 1000);
	stats_take_snapshot(world.segment, WORLD_NOW - 60 * USEC_PER_SEC);
	stats_add(row, STAT_xact_count, 500);
	stats_take_snapshot(world.segment, WORLD_NOW - 20 * USEC_PER_SEC);
	stats_add(row, STAT_xact_count, 109);	/* 609 in 60 s */
	stats_add(row, STAT_xact_time, 6699);	/* 11 each */
	stats_add(row, STAT_query_time, 100);	/* of no query */
	stats_add(row, STAT_server_assignment_count, 3);
	stats_add(row, STAT_wait_time, 100);
	stats_add(row, STAT_received, 60000000000000);

	world_query(&world, "SHOW STATS_AVERAGES");
	ck_cell(1, "xact_count", "10");
	ck_cell(1, "xact_time", "11");
	ck_cell(1, "query_time", "0");
	ck_cell(1, "server_assignment_count", "0");
	ck_cell(1, "wait_time", "33");
	ck_cell(1, "bytes_received", "1000000000000");
	ck_cell(0, "xact_count", "0");
	world_query(&world, "SHOW STATS");
	ck_cell(1, "avg_xact_count", "10");
	ck_cell(1, "total_xact_count", "1609");
	world_query(&world, "SHOW TOTALS");
	ck_cell(world_row(&world, "name", "avg_xact_count"), "value", "10");
}
END_TEST

/* --- the rest ------------------------------------------------------------ */

START_TEST(the_state_follows_pause)
{
	world_query(&world, "SHOW STATE");
	ck_assert_uint_eq(world.rows, 3);
	ck_cell(0, "key", "active");
	ck_cell(0, "value", "yes");
	ck_cell(1, "key", "paused");
	ck_cell(1, "value", "no");
	ck_cell(2, "key", "suspended");
	ck_cell(2, "value", "no");
	atomic_store(&world.segment->state->paused, 1);
	world_query(&world, "SHOW STATE");
	ck_cell(0, "value", "no");
	ck_cell(1, "value", "yes");
}
END_TEST

START_TEST(the_version_begins_as_exporters_expect)
{
	world_query(&world, "SELECT version");
	ck_assert_uint_eq(world.rows, 1);
	ck_assert_int_eq(strncmp(world_cell(&world, 0, "version"),
	    "PgBouncer 1.25.2", 16), 0);
}
END_TEST

START_TEST(the_configuration_has_what_exporters_read)
{
	unsigned row;

	world_query(&world, "SHOW CONFIG");
	row = world_row(&world, "key", "max_client_conn");
	ck_cell(row, "value", "100");
	ck_cell(row, "default", "100");
	ck_cell(row, "changeable", "yes");
	row = world_row(&world, "key", "max_user_connections");
	ck_cell(row, "value", "50");
	row = world_row(&world, "key", "listen_port");
	ck_cell(row, "changeable", "no");
	for (row = 0; row < world.rows; row++)
		ck_assert_ptr_nonnull(world_cell(&world, row, "key"));
}
END_TEST

START_TEST(workers_show_what_they_do)
{
	struct roster_row *roster = world.segment->roster;
	uint32_t held = world_add_server(&world, "zoo", "joe",
	    SERVER_ACTIVE);

	world_add_server(&world, "zoo", "joe", SERVER_IDLE);
	atomic_store(&world.segment->servers[held].worker, 1);
	atomic_store(&roster[1].pid, 4321);
	atomic_store(&roster[1].phase, ROSTER_SERVING);
	atomic_store(&roster[1].started_at, WORLD_NOW - 90 * USEC_PER_SEC);
	/* Slot 0 has one that is being replaced; a vacant one is no row. */
	atomic_store(&roster[0].phase, ROSTER_DEAD);
	atomic_store(&roster[1].clients, 17);
	atomic_store(&roster[1].restarts, 2);
	atomic_store(&roster[1].cpu_before, 1500000);
	atomic_store(&roster[1].cpu, 250000);
	count("zoo", "joe", 1, 10);
	count("app", "joe", 1, 10);

	world_query(&world, "SHOW WORKERS");
	ck_assert_uint_eq(world.rows, 2);
	ck_cell(0, "slot", "0");
	ck_cell(0, "servers", "0");
	ck_cell(1, "slot", "1");
	ck_cell(1, "pid", "4321");
	ck_cell(1, "state", "serving");
	ck_cell(1, "clients", "17");
	ck_cell(1, "servers", "1");
	ck_cell(1, "xacts", "22");
	ck_cell(1, "queries", "24");
	ck_cell(1, "cpu_ms", "1750");
	ck_cell(1, "restarts", "2");
	ck_cell(1, "uptime", "90");
}
END_TEST

START_TEST(peers_are_those_of_the_file)
{
	world_query(&world, "SHOW PEERS");
	ck_assert_uint_eq(world.rows, 1);
	ck_cell(0, "peer_id", "3");
	ck_cell(0, "host", "peer.example");
	ck_cell(0, "port", "6432");
	ck_cell(0, "pool_size", "20");
}
END_TEST

START_TEST(many_clients_make_a_long_report)
{
	for (int i = 0; i < 700; i++)
		world_add_client(&world, "zoo", "joe", CLIENT_IDLE);
	world_query(&world, "SHOW CLIENTS");
	ck_assert_uint_eq(world.rows, 700);
	world_query(&world, "SHOW POOLS");
	ck_cell(1, "cl_active", "700");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("show");
	TCase *tests = tcase_create("show");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_loop_test(tests, columns, 0, ARRAY_LENGTH(shapes));
	tcase_add_test(tests, pools_are_sorted_and_the_console_is_one);
	tcase_add_test(tests, pools_count_clients_by_state);
	tcase_add_test(tests, pools_count_servers_by_state);
	tcase_add_test(tests, without_a_check_query_no_server_is_used);
	tcase_add_test(tests, maxwait_is_of_the_client_that_waits_longest);
	tcase_add_test(tests, rows_with_wild_indexes_do_no_harm);
	tcase_add_test(tests, a_client_and_its_server_point_at_each_other);
	tcase_add_test(tests,
	    clients_come_by_pool_and_state_and_only_when_logged_in);
	tcase_add_test(tests, descriptors_come_without_secrets);
	tcase_add_test(tests, memory_is_that_of_rows);
	tcase_add_test(tests, servers_come_by_pool_and_state);
	tcase_add_test(tests, freed_rows_are_not_listed);
	tcase_add_test(tests,
	    a_row_that_changes_hands_is_one_client_or_the_other);
	tcase_add_test(tests, databases_show_what_counts);
	tcase_add_test(tests,
	    databases_of_the_template_are_shown_when_they_exist);
	tcase_add_test(tests, users_are_all_that_are_known);
	tcase_add_test(tests, lists_count_everything_in_the_usual_order);
	tcase_add_test(tests,
	    host_names_have_their_addresses_and_the_time_left);
	tcase_add_test(tests, how_long_things_took_is_summed_over_workers);
	tcase_add_test(tests, statistics_are_summed_over_workers_and_pools);
	tcase_add_test(tests, averages_go_back_to_the_older_snapshot);
	tcase_add_test(tests, the_state_follows_pause);
	tcase_add_test(tests, the_version_begins_as_exporters_expect);
	tcase_add_test(tests, the_configuration_has_what_exporters_read);
	tcase_add_test(tests, workers_show_what_they_do);
	tcase_add_test(tests, peers_are_those_of_the_file);
	tcase_add_test(tests, many_clients_make_a_long_report);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
