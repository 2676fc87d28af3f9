#include "ctl/health.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct health_limits health_limits_default = {
	.waiting = { 5, 20 },
	.maxwait = { 5, 10 },
	.xact_time = { 2, 5 },
	.usage = { 0.8, 0.95 },
};

static const char *const names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

bool
health_read_limit(const char *text, double limit_out[2])
{
	char *end;

	limit_out[0] = strtod(text, &end);
	if (end == text || *end != ',')
		return false;
	text = end + 1;
	limit_out[1] = strtod(text, &end);
	return end != text && *end == '\0' && limit_out[0] >= 0 &&
	    limit_out[0] <= limit_out[1];
}

/* What others say may have several lines; a monitoring system reads one. */
static void
fold(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		bool blank = (unsigned char)*from <= ' ';

		if (!blank)
			*to++ = *from;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	}
	*to = '\0';
}

/* A place for it; where all are taken, that of one which is less bad. */
static unsigned
place_for(const struct health_findings *findings, enum health health)
{
	if (findings->count < HEALTH_FINDINGS_MOST)
		return findings->count;
	for (unsigned i = HEALTH_FINDINGS_MOST; i-- > 0;)
		if (findings->finding[i].health < health)
			return i;
	return HEALTH_FINDINGS_MOST;
}

void
health_add(struct health_findings *findings, enum health health,
    const char *format, ...)
{
	unsigned place = place_for(findings, health);
	va_list arguments;

	findings->count++;
	if (health > findings->worst)
		findings->worst = health;
	if (place == HEALTH_FINDINGS_MOST)
		return;
	findings->finding[place].health = health;
	va_start(arguments, format);
	vsnprintf(findings->finding[place].text,
	    sizeof(findings->finding[place].text), format, arguments);
	va_end(arguments);
	fold(findings->finding[place].text);
}

static enum health
grade(double value, const double limits[2])
{
	if (value > limits[1])
		return HEALTH_CRITICAL;
	return value > limits[0] ? HEALTH_WARNING : HEALTH_OK;
}

/* pool_size of a database; 0: no limit, or not known. */
static double
pool_size(const PGresult *databases, const char *database)
{
	for (int row = 0; row < PQntuples(databases); row++)
		if (strcmp(row_text(databases, row, "name"), database) == 0)
			return row_number(databases, row, "pool_size");
	return 0;
}

static void
judge_pool(const struct health_limits *limits, const PGresult *pools, int row,
    const PGresult *databases, struct health_findings *out)
{
	const char *database = row_text(pools, row, "database");
	const char *user = row_text(pools, row, "user");
	double waiting = row_number(pools, row, "cl_waiting");
	double active = row_number(pools, row, "sv_active");
	double maxwait = row_number(pools, row, "maxwait") +
	    row_number(pools, row, "maxwait_us") / 1e6;
	double size = pool_size(databases, database);
	enum health health;

	out->pools++;
	out->clients += (unsigned)(row_number(pools, row, "cl_active") +
	    waiting);
	health = grade(waiting, limits->waiting);
	if (health != HEALTH_OK)
		health_add(out, health, "%.0f clients of %s/%s wait for a "
		    "connection", waiting, database, user);
	health = grade(maxwait, limits->maxwait);
	if (health != HEALTH_OK)
		health_add(out, health, "a client of %s/%s has waited %.1f s",
		    database, user, maxwait);
	health = size > 0 ? grade(active / size, limits->usage) : HEALTH_OK;
	if (health != HEALTH_OK)
		health_add(out, health, "%.0f of the %.0f connections of "
		    "%s/%s are in use", active, size, database, user);
}

static void
judge_times(const struct health_limits *limits, const PGresult *stats,
    struct health_findings *out)
{
	for (int row = 0; row < PQntuples(stats); row++) {
		double seconds = row_number(stats, row, "avg_xact_time") /
		    1e6;
		enum health health = grade(seconds, limits->xact_time);

		if (health != HEALTH_OK)
			health_add(out, health, "transactions of %s take "
			    "%.1f s on average",
			    row_text(stats, row, "database"), seconds);
	}
}

void
health_judge(const struct health_limits *limits, const PGresult *pools,
    const PGresult *databases, const PGresult *stats,
    struct health_findings *out)
{
	memset(out, 0, sizeof(*out));
	for (int row = 0; row < PQntuples(pools); row++)
		if (strcmp(row_text(pools, row, "database"), "pgbouncer") != 0)
			judge_pool(limits, pools, row, databases, out);
	for (int row = 0; row < PQntuples(databases); row++)
		if (row_number(databases, row, "paused") > 0)
			health_add(out, HEALTH_WARNING,
			    "database %s is paused",
			    row_text(databases, row, "name"));
	judge_times(limits, stats, out);
}

void
health_judge_state(const PGresult *state, struct health_findings *out)
{
	for (int row = 0; row < PQntuples(state); row++) {
		const char *key = row_text(state, row, "key");

		if (strcmp(key, "active") != 0 &&
		    strcmp(row_text(state, row, "value"), "yes") == 0)
			health_add(out, HEALTH_WARNING, "all databases are "
			    "%s", key);
	}
}

static void
print_all(FILE *file, const struct health_findings *findings,
    enum health health)
{
	unsigned told = findings->count < HEALTH_FINDINGS_MOST ?
	    findings->count : HEALTH_FINDINGS_MOST;

	for (unsigned i = 0; i < told; i++)
		if (findings->finding[i].health == health) {
			fprintf(file, "%s: ", names[health]);
			fprintf(file, "%s\n", findings->finding[i].text);
		}
}

void
health_print(FILE *file, const struct health_findings *findings)
{
	if (findings->worst == HEALTH_OK)
		fprintf(file, "OK: %u pool%s, %u client%s\n",
		    findings->pools, findings->pools == 1 ? "" : "s",
		    findings->clients, findings->clients == 1 ? "" : "s");
	print_all(file, findings, HEALTH_UNKNOWN);
	print_all(file, findings, HEALTH_CRITICAL);
	print_all(file, findings, HEALTH_WARNING);
	if (findings->count > HEALTH_FINDINGS_MOST)
		fprintf(file, "and %u more\n",
		    findings->count - HEALTH_FINDINGS_MOST);
}

static void
look(const struct console_place *place, PGconn *conn,
    const struct health_limits *limits, struct health_findings *out)
{
	static const char *const statements[] = { "SHOW POOLS",
	    "SHOW DATABASES", "SHOW STATS" };
	PGresult *reports[3] = { NULL };
	PGresult *state = NULL;
	struct error error;
	bool good = true;

	for (int i = 0; i < 3 && good; i++) {
		reports[i] = console_rows_in_time(place, conn, statements[i],
		    &error);
		good = reports[i] != NULL;
	}
	if (good) {
		health_judge(limits, reports[0], reports[1], reports[2], out);
		/* An old PgBouncer has none. */
		state = console_rows_in_time(place, conn, "SHOW STATE",
		    &error);
		health_judge_state(state, out);
	} else if (console_is_late(place)) {
		health_add(out, HEALTH_CRITICAL, "pgusher not responding: "
		    "%.250s", error.text);
	} else {
		health_add(out, HEALTH_UNKNOWN, "%.280s", error.text);
	}
	PQclear(state);
	for (int i = 0; i < 3; i++)
		PQclear(reports[i]);
}

static void
try_database(const struct console_place *place, const char *database,
    struct health_findings *out)
{
	struct error error;
	PGconn *conn = console_connect_database(place, database, &error);
	PGresult *rows = conn == NULL ? NULL : console_rows_in_time(place,
	    conn, "SELECT 1", &error);

	if (rows == NULL)
		health_add(out, HEALTH_CRITICAL, "cannot connect to "
		    "PostgreSQL via pgusher: %.240s", error.text);
	PQclear(rows);
	PQfinish(conn);
}

enum health
health_run(const struct console_place *place,
    const struct health_limits *limits, const char *database, FILE *file)
{
	struct health_findings findings = { .worst = HEALTH_OK };
	struct error error;
	PGconn *conn = console_connect(place, &error);

	if (conn == NULL) {
		health_add(&findings, HEALTH_CRITICAL,
		    "pgusher not responding: %.250s", error.text);
	} else {
		look(place, conn, limits, &findings);
		if (database != NULL)
			try_database(place, database, &findings);
	}
	PQfinish(conn);
	health_print(file, &findings);
	return findings.worst;
}
