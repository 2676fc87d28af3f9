#include "live/crowd.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live/ask.h"
#include "live/world.h"

struct member {
	struct crowd		*crowd;
	pthread_t		 thread;
	PGconn			*conn;
	unsigned		 seed;
	uint16_t		 port;		/* ours */
	_Atomic unsigned long long done;
	_Atomic unsigned long long done_before;	/* the mark */
	atomic_bool		 marked;
	unsigned		 wrong, errors, refused, cut_off, lost;
	_Atomic unsigned long long longest_turns;
	char			 why[256];
	uint32_t	 names;		/* bits: prepared on this connection */
};

struct crowd {
	struct crowd_plan	 plan;
	char			 login[400];
	atomic_bool		 stopping;
	_Atomic unsigned long long turns;	/* transactions of all */
	pthread_mutex_t		 lock;
	uint16_t		 lost_ports[CROWD_MOST_LOST];
	unsigned		 lost_count;
	struct member		 members[];
};

static void
note(struct member *member, const char *what)
{
	snprintf(member->why, sizeof(member->why), "%s: %s", what,
	    PQerrorMessage(member->conn));
}

static bool
log_in(struct member *member)
{
	struct sockaddr_storage own = { 0 };
	socklen_t length = sizeof(own);

	PQfinish(member->conn);
	member->names = 0;
	member->conn = PQconnectdb(member->crowd->login);
	if (PQstatus(member->conn) != CONNECTION_OK) {
		note(member, "login");
		if (strstr(member->why, "FATAL") != NULL ||
		    strstr(member->why, "refused") != NULL)
			member->refused++;
		else
			member->cut_off++;
		return false;
	}
	getsockname(PQsocket(member->conn), (struct sockaddr *)&own, &length);
	if (own.ss_family == AF_INET)
		member->port = ntohs(((struct sockaddr_in *)&own)->sin_port);
	return true;
}

static void
note_loss(struct member *member)
{
	struct crowd *crowd = member->crowd;

	member->lost++;
	pthread_mutex_lock(&crowd->lock);
	if (crowd->lost_count < CROWD_MOST_LOST)
		crowd->lost_ports[crowd->lost_count++] = member->port;
	pthread_mutex_unlock(&crowd->lock);
}

/* True: it worked, as far as it goes. */
static bool
did(struct member *member, PGresult *result, const char *sql,
    const char *wanted)
{
	ExecStatusType status = PQresultStatus(result);
	bool well = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (!well && PQstatus(member->conn) == CONNECTION_OK) {
		member->errors++;
		note(member, sql);
	} else if (!well) {
		note(member, sql);
		note_loss(member);
	} else if (wanted != NULL && (PQntuples(result) != 1 ||
	    strcmp(PQgetvalue(result, 0, 0), wanted) != 0)) {
		member->wrong++;
		snprintf(member->why, sizeof(member->why),
		    "%s: got %s", sql, PQntuples(result) == 1 ?
		    PQgetvalue(result, 0, 0) : "no row");
		well = false;
	}
	PQclear(result);
	return well;
}

/* Each name stands for another text, and for the same with all members. */
static bool
do_prepared(struct member *member)
{
	unsigned which = (unsigned)rand_r(&member->seed) %
	    member->crowd->plan.prepared;
	int number = rand_r(&member->seed) % 1000000;
	char name[16], sql[64], given[32], wanted[32];
	const char *values[] = { given };

	snprintf(name, sizeof(name), "n%u", which);
	snprintf(sql, sizeof(sql), "select $1::int + %u", which);
	snprintf(given, sizeof(given), "%d", number);
	snprintf(wanted, sizeof(wanted), "%u", (unsigned)number + which);
	if (!(member->names & UINT32_C(1) << which)) {
		if (!did(member, PQprepare(member->conn, name, sql, 0, NULL),
		    sql, NULL))
			return false;
		member->names |= UINT32_C(1) << which;
	}
	return did(member, PQexecPrepared(member->conn, name, 1, values, NULL,
	    NULL, 0), sql, wanted);
}

static bool
do_statement(struct member *member)
{
	int number = rand_r(&member->seed);
	const struct crowd_plan *plan = &member->crowd->plan;
	char sql[128], wanted[32];
	PGresult *result;

	if (plan->prepared > 0)
		return do_prepared(member);
	snprintf(wanted, sizeof(wanted), "%d", number);
	if (plan->hold_ms > 0)
		snprintf(sql, sizeof(sql),
		    "select %d from pg_sleep(%u * 0.001)", number,
		    plan->hold_ms);
	else
		snprintf(sql, sizeof(sql), "select %d", number);
	result = plan->extended ? PQexecParams(member->conn, sql, 0, NULL,
	    NULL, NULL, NULL, 0) : PQexec(member->conn, sql);
	return did(member, result, sql, wanted);
}

static bool
do_transaction(struct member *member)
{
	unsigned statements = member->crowd->plan.statements;

	if (statements <= 1)
		return do_statement(member);
	if (!did(member, PQexec(member->conn, "begin"), "begin", NULL))
		return false;
	while (statements-- > 0)
		if (!do_statement(member))
			return false;
	return did(member, PQexec(member->conn, "commit"), "commit", NULL);
}

static void *
live_on(void *context)
{
	struct member *member = context;
	struct crowd *crowd = member->crowd;
	const struct crowd_plan *plan = &crowd->plan;
	bool inside = log_in(member);

	while (!crowd->stopping && (plan->transactions == 0 ||
	    member->done < plan->transactions)) {
		unsigned long long before = atomic_load(&crowd->turns);
		unsigned long long turns;

		if (!inside || PQstatus(member->conn) != CONNECTION_OK) {
			if (!plan->comes_back)
				break;
			inside = log_in(member);
			if (!inside)
				nap();
			continue;
		}
		if (!do_transaction(member))
			continue;
		turns = atomic_fetch_add(&crowd->turns, 1) - before;
		if (atomic_exchange(&member->marked, false)) {
			member->longest_turns = 0;
			member->done_before = member->done;
			turns = 0;	/* from before the mark */
		}
		if (turns > member->longest_turns)
			member->longest_turns = turns;
		member->done++;
	}
	PQfinish(member->conn);
	return NULL;
}

struct crowd *
crowd_start(struct pooler *pooler, const struct crowd_plan *plan)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd) +
	    plan->clients * sizeof(crowd->members[0]));

	ck_assert_ptr_nonnull(crowd);
	crowd->plan = *plan;
	snprintf(crowd->login, sizeof(crowd->login), "%s",
	    login_string(pooler, plan->login != NULL ? plan->login :
	    "user=app dbname=shop"));
	pthread_mutex_init(&crowd->lock, NULL);
	for (unsigned i = 0; i < plan->clients; i++) {
		struct member *member = &crowd->members[i];

		member->crowd = crowd;
		member->seed = i + 1;
		ck_assert_int_eq(pthread_create(&member->thread, NULL,
		    live_on, member), 0);
	}
	return crowd;
}

unsigned long long
crowd_progress(struct crowd *crowd)
{
	unsigned long long sum = 0;

	for (unsigned i = 0; i < crowd->plan.clients; i++)
		sum += crowd->members[i].done;
	return sum;
}

void
crowd_mark(struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->plan.clients; i++)
		crowd->members[i].marked = true;
}

void
crowd_await_progress(struct crowd *crowd, unsigned transactions)
{
	unsigned long long goals[crowd->plan.clients];

	for (unsigned i = 0; i < crowd->plan.clients; i++)
		goals[i] = crowd->members[i].done + transactions;
	for (unsigned i = 0; i < crowd->plan.clients; i++)
		wait_until(crowd->members[i].done >= goals[i]);
}

unsigned
crowd_lost_ports(struct crowd *crowd, const uint16_t **ports_out)
{
	unsigned count;

	pthread_mutex_lock(&crowd->lock);
	count = crowd->lost_count;
	pthread_mutex_unlock(&crowd->lock);
	*ports_out = crowd->lost_ports;
	return count;
}

static void
compare(const struct member *member, struct crowd_result *result)
{
	unsigned long long done = member->done - member->done_before;

	if (member->longest_turns > result->longest_turns)
		result->longest_turns = member->longest_turns;
	if (done < result->least)
		result->least = done;
	if (done > result->most)
		result->most = done;
}

struct crowd_result
crowd_compare(struct crowd *crowd)
{
	struct crowd_result result = { .least = ~0ull };

	for (unsigned i = 0; i < crowd->plan.clients; i++)
		compare(&crowd->members[i], &result);
	return result;
}

static void
add_up(const struct member *member, struct crowd_result *result)
{
	compare(member, result);
	result->transactions += member->done;
	result->wrong += member->wrong;
	result->errors += member->errors;
	result->refused += member->refused;
	result->cut_off += member->cut_off;
	result->lost += member->lost;
	if (member->why[0] != '\0')
		memcpy(result->why, member->why, sizeof(result->why));
}

struct crowd_result
crowd_join(struct crowd *crowd)
{
	struct crowd_result result = { .least = ~0ull };

	for (unsigned i = 0; i < crowd->plan.clients; i++) {
		pthread_join(crowd->members[i].thread, NULL);
		add_up(&crowd->members[i], &result);
	}
	free(crowd);
	return result;
}

struct crowd_result
crowd_stop(struct crowd *crowd)
{
	crowd->stopping = true;
	return crowd_join(crowd);
}

void
ck_crowd_well(const struct crowd_result *result)
{
	ck_assert_msg(result->wrong + result->errors + result->refused +
	    result->cut_off + result->lost == 0, "%u wrong, %u errors, "
	    "%u refused, %u cut off, %u lost; the last: %s", result->wrong,
	    result->errors, result->refused, result->cut_off, result->lost,
	    result->why);
}
