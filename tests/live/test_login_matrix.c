/*
 * Who gets in: every auth_type, with the right and the wrong secret, of each
 * kind of stored secret, by TCP, TLS and the Unix socket, as the first client
 * of a pool and as later ones, by each of four workers.
 */
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/authority.h"
#include "live/ask.h"
#include "live/world.h"

#define WORKERS 4
/* At one time, after the first, until each worker has had one. */
#define LATER 8

#define NO_PASSWORD "password authentication failed"
#define NO_SASL "SASL authentication failed"
#define NO_CERTIFICATE "certificate authentication failed"
#define NO_TLS "SSL required"
#define NO_RULE "no authentication method is found"
#define NO_PEER "unix socket login rejected"

enum { TCP, TLS, UNIX, WAYS };
enum { PLAIN, HASHED, SCRAMMED, KINDS };

static const char *const ways[WAYS] = { "tcp", "tls", "unix" };
static const char *const kinds[KINDS] = { "plain", "hashed", "scrammed" };

/* --- what has to come out ------------------------------------------------ */

struct outcome {		/* by kind of secret; NULL: comes in */
	const char	*right[KINDS], *wrong[KINDS];
};

#define ALL(text) { (text), (text), (text) }
#define EVERYBODY { ALL(NULL), ALL(NULL) }
#define NOBODY(text) { ALL(text), ALL(text) }
#define BY_PASSWORD { ALL(NULL), ALL(NO_PASSWORD) }
#define BY_MD5 { ALL(NULL), { NO_PASSWORD, NO_PASSWORD, NO_SASL } }
#define BY_SCRAM { { NULL, NO_SASL, NULL }, ALL(NO_SASL) }
#define BY_NAME(text) { ALL(NULL), ALL(text) }

static const struct {
	const char	*story, *auth_type, *tls, *rules;
	struct outcome	 by[WAYS];
} methods[] = {
	{ "trust", "trust", "prefer", NULL,
	  { EVERYBODY, EVERYBODY, EVERYBODY } },
	{ "any", "any", "prefer", NULL, { EVERYBODY, EVERYBODY, EVERYBODY } },
	{ "plain", "plain", "prefer", NULL,
	  { BY_PASSWORD, BY_PASSWORD, BY_PASSWORD } },
	{ "md5", "md5", "prefer", NULL, { BY_MD5, BY_MD5, BY_MD5 } },
	{ "scram-sha-256", "scram-sha-256", "prefer", NULL,
	  { BY_SCRAM, BY_SCRAM, BY_SCRAM } },
	{ "hba", "hba", "prefer",
	  "hostssl all all 127.0.0.0/8 scram-sha-256\n"
	  "hostnossl all all 127.0.0.0/8 password\n"
	  "local all all md5\n", { BY_PASSWORD, BY_SCRAM, BY_MD5 } },
	{ "cert", "cert", "verify-full", NULL,
	  { NOBODY(NO_TLS), BY_NAME(NO_CERTIFICATE),
	    NOBODY(NO_CERTIFICATE) } },
	{ "cert by a rule", "hba", "verify-full",
	  "hostssl all all 127.0.0.0/8 cert\nlocal all all peer map=m\n",
	  { NOBODY(NO_TLS), BY_NAME(NO_CERTIFICATE), BY_NAME(NO_PEER) } },
	{ "peer", "hba", "prefer", "local all all peer map=m\n",
	  { NOBODY(NO_RULE), NOBODY(NO_RULE), BY_NAME(NO_PEER) } },
};

/* --- papers -------------------------------------------------------------- */

static struct authority *authority;
static char place[160];

static const char *
file_at(const char *name)
{
	return text("%s/%s", place, name);
}

static void
issue(const char *file, const char *name)
{
	struct paper_wish wish = { .name = name,
	    .others = "DNS:localhost,IP:127.0.0.1" };
	struct paper *paper = authority_issue(authority, &wish);
	const char *key = file_at(text("%s.key", file));

	ck_assert(file_write(file_at(text("%s.crt", file)),
	    paper->certificate));
	ck_assert(file_write(key, paper->key));
	ck_assert_int_eq(chmod(key, 0600), 0);
	paper_free(paper);
}

static void
make_papers(void)
{
	snprintf(place, sizeof(place), "%s", world_make_directory("matrix"));
	authority = authority_create("Seats");
	ck_assert(file_write(file_at("root.crt"),
	    authority_certificate(authority)));
	issue("server", "pooler");
	for (unsigned k = 0; k < KINDS; k++)
		issue(kinds[k], kinds[k]);
	issue("wrong", "wrong");
}

static void
drop_papers(void)
{
	authority_free(authority);
}

/* --- the house ----------------------------------------------------------- */

/* Each kind twice: what others call wrong is another name for peer. */
static const char *
guests(void)
{
	PGconn *direct = world_direct();
	const char *md5, *other_md5, *scram;

	ck_query_ok(direct, "set password_encryption = 'md5';"
	    "create role hashed password 'right';"
	    "create role other_hashed password 'right';"
	    "set password_encryption = 'scram-sha-256';"
	    "create role scrammed password 'right'");
	md5 = world_secret("hashed");
	other_md5 = world_secret("other_hashed");
	scram = world_secret("scrammed");
	ck_query_ok(direct, "drop role hashed; drop role other_hashed;"
	    "drop role scrammed");
	disconnect(direct);
	return text("\"plain\" \"right\"\n\"other_plain\" \"right\"\n"
	    "\"hashed\" \"%s\"\n\"other_hashed\" \"%s\"\n"
	    "\"scrammed\" \"%s\"\n\"other_scrammed\" \"%s\"\n"
	    "\"admin\" \"\"\n", md5, other_md5, scram, scram);
}

/* A pool for each cell of the table, so that each has a first client. */
static const char *
databases(void)
{
	const char *lines = text("shop = %s user=app\n", world_place());

	for (unsigned w = 0; w < WAYS; w++)
		for (unsigned k = 0; k < KINDS; k++)
			lines = text("%s%s_%s = %s user=app pool_size=2\n",
			    lines, ways[w], kinds[k], world_place());
	return lines;
}

static const char *
rules_of(unsigned method)
{
	struct passwd *me = getpwuid(geteuid());

	ck_assert_ptr_nonnull(me);
	ck_assert(file_write(file_at("hba"), methods[method].rules));
	ck_assert(file_write(file_at("maps"), text("m %s plain\nm %s hashed\n"
	    "m %s scrammed\n", me->pw_name, me->pw_name, me->pw_name)));
	return text("auth_hba_file = %s\nauth_ident_file = %s\n",
	    file_at("hba"), file_at("maps"));
}

static struct pooler *
start(const char *test, unsigned method)
{
	return pooler_start_for(test, &(struct recipe){ .workers = WORKERS,
	    .databases = databases(), .userlist = guests(),
	    .settings = text("auth_type = %s\nclient_tls_sslmode = %s\n"
	    "client_tls_key_file = %s\nclient_tls_cert_file = %s\n"
	    "client_tls_ca_file = %s\n%s", methods[method].auth_type,
	    methods[method].tls, file_at("server.key"),
	    file_at("server.crt"), file_at("root.crt"),
	    methods[method].rules == NULL ? "" : rules_of(method)) });
}

/* --- a login ------------------------------------------------------------- */

/*
 * What is right or wrong is all of it: password, certificate; the name, where
 * only that counts.
 */
static const char *
login(const struct pooler *pooler, unsigned way, unsigned kind, bool right)
{
	bool by_name = strcmp(ways[way], "unix") == 0 && !right;
	const char *paper = right ? kinds[kind] : "wrong";

	return text("host=%s port=%d dbname=%s_%s user=%s%s password=%s "
	    "sslmode=%s sslcert=%s sslkey=%s", way == UNIX ?
	    pooler->directory : "127.0.0.1", pooler->port, ways[way],
	    kinds[kind], by_name ? "other_" : "", kinds[kind],
	    right ? "right" : "wrong", way == TLS ? "require" : "disable",
	    file_at(text("%s.crt", paper)), file_at(text("%s.key", paper)));
}

/* How it came out is in PQstatus(). */
static void
finish_login(PGconn *conn)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	do {
		struct pollfd poller = { .fd = PQsocket(conn),
		    .events = next == PGRES_POLLING_READING ? POLLIN :
		    POLLOUT };

		ck_assert_msg(poll(&poller, 1, (int)patience_ms()) == 1,
		    "a login gets no answer");
		next = PQconnectPoll(conn);
	} while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED);
}

/*
 * All connect before the first says who it is: a worker passes on what it
 * would have too many of.
 */
static void
try(const char *conninfo, const char *refusal, unsigned count)
{
	PGconn *conns[LATER];

	ck_assert_uint_le(count, LATER);
	for (unsigned i = 0; i < count; i++)
		conns[i] = PQconnectStart(conninfo);
	for (unsigned i = 0; i < count; i++) {
		finish_login(conns[i]);
		if (refusal != NULL)
			ck_assert_msg(PQstatus(conns[i]) != CONNECTION_OK &&
			    strstr(PQerrorMessage(conns[i]), refusal) != NULL,
			    "%s: wanted %s, got %s", conninfo, refusal,
			    PQerrorMessage(conns[i]));
		else
			ck_query_value(conns[i], "select current_user",
			    "app");
	}
	for (unsigned i = 0; i < count; i++)
		PQfinish(conns[i]);
}

/* How many workers have a line with these words. */
static unsigned
count_workers(struct pooler *pooler, const char *log, const char *words)
{
	pid_t workers[WORKERS];
	unsigned count = 0;

	ck_assert_uint_eq(pooler_children(pooler, workers, WORKERS),
	    WORKERS);
	for (unsigned i = 0; i < WORKERS; i++) {
		const char *mark = text(" [%d] ", (int)workers[i]);
		const char *at = log, *end, *found;

		do {
			at = strstr(at, mark);
			if (at == NULL)
				break;
			end = strchrnul(at, '\n');
			found = strstr(at, words);
			at = end;
		} while (found == NULL || found > end);
		count += at != NULL;
	}
	return count;
}

static void
try_by_all(struct pooler *pooler, const char *conninfo, const char *refusal,
    const char *database)
{
	const char *words = refusal == NULL ? text("login attempt: db=%s ",
	    database) : text("pooler error: %s", refusal);
	char *log = file_read(pooler->log);
	size_t before = strlen(log);
	long long end = now_ms() + patience_ms();

	do {
		ck_assert_msg(now_ms() < end, "%s: by %u workers only",
		    conninfo, count_workers(pooler, log + before, words));
		try(conninfo, refusal, LATER);
		free(log);
		log = file_read(pooler->log);
	} while (count_workers(pooler, log + before, words) < WORKERS);
	free(log);
}

START_TEST(each_method_over_each_way_with_each_secret_by_each_worker)
{
	struct pooler *pooler = start(__func__, (unsigned)_i);

	for (unsigned w = 0; w < WAYS; w++) {
		const struct outcome *outcome = &methods[_i].by[w];

		for (unsigned k = 0; k < KINDS; k++) {
			const char *right = login(pooler, w, k, true);
			const char *wrong = login(pooler, w, k, false);
			const char *database = text("%s_%s", ways[w],
			    kinds[k]);

			try(wrong, outcome->wrong[k], 1);
			try(right, outcome->right[k], 1);
			try_by_all(pooler, right, outcome->right[k],
			    database);
			try_by_all(pooler, wrong, outcome->wrong[k],
			    database);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("login_matrix");
	TCase *tests = world_case(suite, "matrix", 60);

	tcase_add_checked_fixture(tests, make_papers, drop_papers);
	tcase_add_loop_test(tests,
	    each_method_over_each_way_with_each_secret_by_each_worker, 0,
	    (int)ARRAY_LENGTH(methods));
	return world_run(suite);
}
