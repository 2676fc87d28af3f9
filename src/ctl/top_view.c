#include "ctl/top_view.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/output.h"

#define LINE_MOST 400
#define BAR_MOST 20
/* A screen of that many columns has room for all but names. */
#define WIDE 100
#define NARROWEST_NAME 22	/* a pool's, so that 80 columns hold the rest */
#define WIDEST_NAME 64
/* With fewer lines pools come first: they are what one looks for. */
#define HIGH 16

/* --- samples ------------------------------------------------------------- */

bool
top_sample_take(PGconn *conn, enum top_page page, struct top_sample *out,
    struct error *error)
{
	struct {
		const char	*statement;
		PGresult	**rows;
	} wanted[] = {
		{ "SHOW POOLS", &out->pools },
		{ "SHOW DATABASES", &out->databases },
		{ "SHOW WORKERS", &out->workers },
		{ "SHOW STATS_TOTALS", &out->totals },
		{ "SHOW LISTS", &out->lists },
		{ page == TOP_CLIENTS ? "SHOW CLIENTS" : NULL, &out->clients },
		{ page == TOP_SERVERS ? "SHOW SERVERS" : NULL, &out->servers },
		{ page == TOP_TIMES ? "SHOW HISTOGRAMS" : NULL,
		    &out->histograms },
	};
	struct timespec now;
	PGresult *version;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		if (wanted[i].statement == NULL)
			continue;
		*wanted[i].rows = console_rows(conn, wanted[i].statement,
		    error);
		if (*wanted[i].rows == NULL) {
			top_sample_free(out);
			return false;
		}
	}
	version = console_rows(conn, "SHOW VERSION", error);
	snprintf(out->version, sizeof(out->version), "%s", version != NULL &&
	    PQntuples(version) == 1 ? PQgetvalue(version, 0, 0) : "");
	PQclear(version);
	clock_gettime(CLOCK_MONOTONIC, &now);
	out->at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	return true;
}

void
top_sample_free(struct top_sample *sample)
{
	PQclear(sample->pools);
	PQclear(sample->databases);
	PQclear(sample->workers);
	PQclear(sample->totals);
	PQclear(sample->lists);
	PQclear(sample->clients);
	PQclear(sample->servers);
	PQclear(sample->histograms);
	memset(sample, 0, sizeof(*sample));
}

/* --- numbers ------------------------------------------------------------- */

void
top_short_number(double number, char out[8])
{
	static const char units[] = " kMGTP";
	int unit = 0;

	while (number >= 999.5 && units[unit + 1] != '\0') {
		number /= 1000;
		unit++;
	}
	if (unit == 0)
		snprintf(out, 8, "%.0f", number);
	else
		snprintf(out, 8, "%.*f%c", number < 9.995 ? 2 : number < 99.95
		    ? 1 : 0, number, units[unit]);
}

/* The console's own pool is none. */
static bool
is_console(const PGresult *pools, int row)
{
	return strcmp(row_text(pools, row, "database"), "pgbouncer") == 0;
}

static double
sum(const PGresult *pools, const char *column)
{
	double total = 0;

	for (int row = 0; row < PQntuples(pools); row++)
		if (!is_console(pools, row))
			total += row_number(pools, row, column);
	return total;
}

/* The row whose column has this value, or -1. */
static int
find_row(const PGresult *rows, const char *column, const char *value)
{
	for (int row = 0; row < PQntuples(rows); row++)
		if (strcmp(row_text(rows, row, column), value) == 0)
			return row;
	return -1;
}

struct rates {
	const struct top_sample	*now, *before;
	double			 seconds;	/* between them; 0: unknown */
};

/* How much a counter of this key's row grew per second. */
static double
rate(const struct rates *rates, const PGresult *now, const PGresult *before,
    const char *key, const char *value, const char *column)
{
	int here = find_row(now, key, value);
	int there = before != NULL ? find_row(before, key, value) : -1;
	double grown;

	if (here == -1 || there == -1)
		return 0;
	grown = row_number(now, here, column) -
	    row_number(before, there, column);
	return grown > 0 && rates->seconds > 0 ? grown / rates->seconds : 0;
}

static double
database_rate(const struct rates *rates, const char *database,
    const char *column)
{
	return rate(rates, rates->now->totals, rates->before != NULL ?
	    rates->before->totals : NULL, "database", database, column);
}

/* --- a screen ------------------------------------------------------------ */

struct screen {
	FILE				*file;
	const struct top_options	*options;
	int				 lines;
};

enum tone { PLAIN, HEADING, GOOD, WARN, BAD };

static void
put_line(struct screen *screen, enum tone tone, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Cut at the width of the screen; below its end nothing is drawn. */
static void
put_line(struct screen *screen, enum tone tone, const char *format, ...)
{
	static const char *const tones[] = { "", "\033[7m", "\033[32m",
	    "\033[33m", "\033[1;31m" };
	const struct top_options *options = screen->options;
	char line[LINE_MOST];
	va_list arguments;

	if (options->height > 0 && screen->lines >= options->height)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (options->width > 0)
		line[output_cut(line, options->width)] = '\0';
	if (options->color)
		fputs(tones[tone], screen->file);
	output_plain(screen->file, line);
	if (tone == HEADING && options->width > 0)
		fprintf(screen->file, "%*s", options->width -
		    output_width(line), "");
	if (options->color && tone != PLAIN)
		fputs("\033[0m", screen->file);
	if (options->color)
		fputs("\033[K", screen->file);
	fputc('\n', screen->file);
	screen->lines++;
}

/* Names may be longer in bytes than in characters; printf pads by bytes. */
struct cell {
	char	text[4 * WIDEST_NAME + 1];
};

static struct cell
fit(const char *text, int width)
{
	struct cell cell;
	size_t length = output_cut(text, width);
	int blanks = width - output_width(text);

	snprintf(cell.text, sizeof(cell.text), "%.*s%*s", (int)length, text,
	    blanks > 0 ? blanks : 0, "");
	return cell;
}

/* What a screen is wider than it has to be is given to a name. */
static int
name_width(const struct screen *screen, int usual, int narrow)
{
	int width = screen->options->width;

	if (width == 0)
		return usual;
	if (width < WIDE)
		return narrow;
	return narrow + width - WIDE < WIDEST_NAME ? narrow + width - WIDE :
	    WIDEST_NAME;
}

static bool
is_narrow(const struct screen *screen)
{
	return screen->options->width > 0 && screen->options->width < WIDE;
}

static void
put_head(struct screen *screen, const struct rates *rates)
{
	const struct top_sample *now = rates->now;
	double waiting = sum(now->pools, "cl_waiting");
	double xacts = 0;
	char xact_rate[8], clock[32];
	time_t seconds = time(NULL);
	struct tm local;

	for (int row = 0; row < PQntuples(now->totals); row++)
		xacts += database_rate(rates, row_text(now->totals, row,
		    "database"), "xact_count");
	top_short_number(xacts, xact_rate);
	strftime(clock, sizeof(clock), "%H:%M:%S",
	    localtime_r(&seconds, &local));
	if (screen->options->width == 0 || screen->options->width >= 50)
		put_line(screen, PLAIN, "%s   %s", now->version, clock);
	else
		put_line(screen, PLAIN, "%s   %s transactions/s", clock,
		    xact_rate);
	put_line(screen, waiting > 0 ? WARN : GOOD, "clients %.0f, waiting "
	    "%.0f   servers %.0f active, %.0f idle   %s transactions/s",
	    sum(now->pools, "cl_active") + waiting, waiting,
	    sum(now->pools, "sv_active"), sum(now->pools, "sv_idle"),
	    xact_rate);
	put_line(screen, PLAIN, "%s", "");
}

static void
put_databases(struct screen *screen, const struct rates *rates)
{
	const PGresult *totals = rates->now->totals;
	int name_room = name_width(screen, 20, NARROWEST_NAME);

	put_line(screen, HEADING, "%-*s %7s %7s %7s %7s %9s %9s", name_room,
	    "DATABASE", "XACT/S", "QUERY/S", "IN/S", "OUT/S", "XACT MS",
	    "WAIT MS");
	for (int row = 0; row < PQntuples(totals); row++) {
		const char *name = row_text(totals, row, "database");
		double xacts = database_rate(rates, name, "xact_count");
		double queries = database_rate(rates, name, "query_count");
		char text[4][8];

		if (is_console(totals, row))
			continue;
		top_short_number(xacts, text[0]);
		top_short_number(queries, text[1]);
		top_short_number(database_rate(rates, name, "bytes_received"),
		    text[2]);
		top_short_number(database_rate(rates, name, "bytes_sent"),
		    text[3]);
		put_line(screen, PLAIN, "%s %7s %7s %7s %7s %9.2f %9.2f",
		    fit(name, name_room).text, text[0], text[1], text[2],
		    text[3], xacts > 0 ? database_rate(rates, name,
		    "xact_time") / xacts / 1e3 : 0, queries > 0 ?
		    database_rate(rates, name, "wait_time") / queries / 1e3 :
		    0);
	}
	put_line(screen, PLAIN, "%s", "");
}

/* --- pools --------------------------------------------------------------- */

static const PGresult *sorted_rows;	/* qsort has no context */
static enum top_order sorted_by;

static double
weight_of(int row)
{
	if (sorted_by == TOP_BY_ACTIVE)
		return row_number(sorted_rows, row, "sv_active") * 1e6 +
		    row_number(sorted_rows, row, "cl_active");
	return row_number(sorted_rows, row, "cl_waiting") * 1e6 +
	    row_number(sorted_rows, row, "maxwait");
}

static int
compare_pools(const void *left, const void *right)
{
	int a = *(const int *)left, b = *(const int *)right;
	double difference = sorted_by == TOP_BY_NAME ? 0 :
	    weight_of(b) - weight_of(a);
	int names;

	if (difference != 0)
		return difference > 0 ? 1 : -1;
	names = strcmp(row_text(sorted_rows, a, "database"),
	    row_text(sorted_rows, b, "database"));
	return names != 0 ? names : strcmp(row_text(sorted_rows, a, "user"),
	    row_text(sorted_rows, b, "user"));
}

/* "######....": how much of the pool is in use. */
static void
draw_bar(double used, double size, char out[BAR_MOST + 1])
{
	int full = size <= 0 ? 0 : (int)(used / size * BAR_MOST + 0.5);

	for (int i = 0; i < BAR_MOST; i++)
		out[i] = i < full ? '#' : '.';
	out[size <= 0 ? 0 : BAR_MOST] = '\0';
}

static void
put_pool(struct screen *screen, const struct top_sample *now, int row)
{
	const PGresult *pools = now->pools;
	const char *database = row_text(pools, row, "database");
	int of_database = find_row(now->databases, "name", database);
	double size = of_database == -1 ? 0 :
	    row_number(now->databases, of_database, "pool_size");
	double waiting = row_number(pools, row, "cl_waiting");
	double maxwait = row_number(pools, row, "maxwait") +
	    row_number(pools, row, "maxwait_us") / 1e6;
	int name_room = name_width(screen, 24, NARROWEST_NAME);
	char name[512], bar[BAR_MOST + 1];

	snprintf(name, sizeof(name), "%.250s/%.250s", database,
	    row_text(pools, row, "user"));
	draw_bar(row_number(pools, row, "sv_active"), size, bar);
	put_line(screen, maxwait > 5 || waiting > 20 ? BAD : waiting > 0 ?
	    WARN : PLAIN, "%s %-11.11s %6.0f %5.0f %7.2f %6.0f %5.0f "
	    "%5.0f %5.0f %s", fit(name, name_room).text,
	    row_text(pools, row, "pool_mode"),
	    row_number(pools, row, "cl_active"), waiting, maxwait,
	    row_number(pools, row, "sv_active"),
	    row_number(pools, row, "sv_idle"),
	    row_number(pools, row, "sv_used"),
	    row_number(pools, row, "sv_login"), bar);
}

static void
put_pools(struct screen *screen, const struct top_sample *now)
{
	int count = PQntuples(now->pools);
	int *rows = calloc((size_t)count + 1, sizeof(*rows));

	put_line(screen, HEADING, "%-*s %-11s %6s %5s %7s %6s %5s %5s %5s "
	    "%s", name_width(screen, 24, NARROWEST_NAME), "POOL", "MODE",
	    "CLIENT", "WAIT", "WAIT S", "ACTIVE", "IDLE", "USED", "LOGIN",
	    "IN USE");
	if (rows == NULL)
		return;
	for (int i = 0; i < count; i++)
		rows[i] = i;
	sorted_rows = now->pools;
	sorted_by = screen->options->order;
	qsort(rows, (size_t)count, sizeof(*rows), compare_pools);
	for (int i = 0; i < count; i++)
		if (!is_console(now->pools, rows[i]))
			put_pool(screen, now, rows[i]);
	free(rows);
	put_line(screen, PLAIN, "%s", "");
}

/* --- workers, clients, servers ------------------------------------------- */

static void
put_workers(struct screen *screen, const struct rates *rates)
{
	const PGresult *workers = rates->now->workers;
	const PGresult *before = rates->before != NULL ?
	    rates->before->workers : NULL;

	put_line(screen, HEADING, "%-6s %8s %-10s %7s %7s %7s %7s %8s",
	    "WORKER", "PID", "STATE", "CLIENTS", "SERVERS", "XACT/S", "CPU %",
	    "RESTARTS");
	for (int row = 0; row < PQntuples(workers); row++) {
		const char *slot = PQgetvalue(workers, row, 0);
		const char *key = PQfname(workers, 0);
		char xacts[8];

		top_short_number(rate(rates, workers, before, key, slot,
		    "xacts"), xacts);
		put_line(screen, PLAIN, "%-6s %8s %-10.10s %7s %7s %7s %7.1f "
		    "%8s", slot, row_text(workers, row, "pid"),
		    row_text(workers, row, "state"),
		    row_text(workers, row, "clients"),
		    row_text(workers, row, "servers"), xacts,
		    rate(rates, workers, before, key, slot, "cpu_ms") / 10,
		    row_text(workers, row, "restarts"));
	}
}

/* On a narrow screen the time of day must do, and there are no applications. */
static void
put_connection(struct screen *screen, const PGresult *rows, int row)
{
	double wait = row_number(rows, row, "wait") +
	    row_number(rows, row, "wait_us") / 1e6;
	const char *state = row_text(rows, row, "state");
	const char *since = row_text(rows, row, "connect_time");
	enum tone tone = strcmp(state, "waiting") == 0 ? WARN : PLAIN;
	char address[80];

	snprintf(address, sizeof(address), "%s:%s",
	    row_text(rows, row, "addr"), row_text(rows, row, "port"));
	if (is_narrow(screen))
		put_line(screen, tone, "%-8.8s %s %s %-20.20s %8.2f %-8.8s",
		    state, fit(row_text(rows, row, "database"), 14).text,
		    fit(row_text(rows, row, "user"), 14).text, address, wait,
		    strlen(since) >= 19 ? since + 11 : since);
	else
		put_line(screen, tone, "%-8.8s %s %s %-20.20s %8.2f "
		    "%-19.19s %s", state,
		    fit(row_text(rows, row, "database"), 16).text,
		    fit(row_text(rows, row, "user"), 16).text, address, wait,
		    since,
		    row_text(rows, row, "application_name"));
}

static void
put_connections(struct screen *screen, const PGresult *rows,
    const char *what)
{
	if (is_narrow(screen))
		put_line(screen, HEADING, "%-8s %-14s %-14s %-20s %8s %s",
		    what, "DATABASE", "USER", "ADDRESS", "WAIT S", "SINCE");
	else
		put_line(screen, HEADING, "%-8s %-16s %-16s %-20s %8s %-19s "
		    "%s", what, "DATABASE", "USER", "ADDRESS", "WAIT S",
		    "SINCE", "APPLICATION");
	for (int row = 0; row < PQntuples(rows); row++)
		put_connection(screen, rows, row);
}

/* --- how long things take ------------------------------------------------ */

/* Classes that double, from 64 microseconds on, and one above them. */
#define CLASSES 22
#define SHORTEST 64.0

static const struct {
	const char	*name, *heading;
} timings[] = {
	{ "wait", "WAIT" },
	{ "query", "QUERY" },
	{ "transaction", "TRANSACTION" },
};

#define TIMINGS ARRAY_LENGTH(timings)

struct times {
	double	count[TIMINGS][CLASSES], all[TIMINGS];
};

static double
bound_of(unsigned class)
{
	return SHORTEST * (double)(UINT64_C(1) << class);
}

static unsigned
class_of(const PGresult *rows, int row)
{
	double bound = row_number(rows, row, "at_most_us");
	unsigned class = 0;

	if (row_text(rows, row, "at_most_us")[0] == '\0')
		return CLASSES - 1;
	while (class + 1 < CLASSES && bound_of(class) < bound)
		class++;
	return class;
}

static void
add_times(struct times *times, const PGresult *rows, double sign)
{
	for (int row = 0; row < PQntuples(rows); row++)
		for (size_t i = 0; i < TIMINGS; i++)
			if (strcmp(row_text(rows, row, "timing"),
			    timings[i].name) == 0)
				times->count[i][class_of(rows, row)] += sign *
				    row_number(rows, row, "count");
}

/* What came since the sample before; of a first one, all since the start. */
static void
take_times(const struct rates *rates, struct times *out)
{
	memset(out, 0, sizeof(*out));
	add_times(out, rates->now->histograms, 1);
	if (rates->before != NULL && rates->before->histograms != NULL)
		add_times(out, rates->before->histograms, -1);
	for (size_t i = 0; i < TIMINGS; i++)
		for (unsigned class = 0; class < CLASSES; class++) {
			double *count = &out->count[i][class];

			/* A pool that was forgotten takes its counts along. */
			if (*count < 0)
				*count = 0;
			out->all[i] += *count;
		}
}

static void
format_bound(unsigned class, char out[16])
{
	double bound = bound_of(class);

	if (class == CLASSES - 1)
		snprintf(out, 16, "longer");
	else if (bound < 1e3)
		snprintf(out, 16, "%.0f us", bound);
	else if (bound < 1e6)
		snprintf(out, 16, "%.3g ms", bound / 1e3);
	else
		snprintf(out, 16, "%.3g s", bound / 1e6);
}

/* Three columns share the screen; a bar and a count are in each. */
static int
bar_width(const struct screen *screen)
{
	int width = screen->options->width == 0 ? BAR_MOST :
	    (screen->options->width - 8) / (int)TIMINGS - 8;

	return width < 4 ? 4 : width > BAR_MOST ? BAR_MOST : width;
}

/* That share of them took no longer. */
static void
put_quantile(struct screen *screen, const struct times *times,
    const char *name, double share)
{
	char bound[TIMINGS][16];
	int width = bar_width(screen) + 6;

	for (size_t i = 0; i < TIMINGS; i++) {
		double sum = 0;

		snprintf(bound[i], sizeof(bound[i]), "-");
		for (unsigned class = 0; class < CLASSES &&
		    sum < share * times->all[i]; class++) {
			sum += times->count[i][class];
			format_bound(class, bound[i]);
		}
	}
	put_line(screen, PLAIN, "%-8s %-*s  %-*s  %s", name, width, bound[0],
	    width, bound[1], bound[2]);
}

static void
put_class(struct screen *screen, const struct times *times, unsigned class)
{
	char name[16], count[TIMINGS][8];
	char bar[TIMINGS][BAR_MOST + 1];
	int width = bar_width(screen);

	for (size_t i = 0; i < TIMINGS; i++) {
		double here = times->count[i][class];
		int full = times->all[i] == 0 ? 0 :
		    (int)(here / times->all[i] * width + 0.5);

		/* Few are not none: what is rare is what one looks for. */
		if (full == 0 && here > 0)
			full = 1;
		memset(bar[i], '#', (size_t)full);
		bar[i][full] = '\0';
		top_short_number(here, count[i]);
	}
	format_bound(class, name);
	put_line(screen, PLAIN, "%-8s %5s %-*s  %5s %-*s  %5s %s", name,
	    count[0], width, bar[0], count[1], width, bar[1], count[2],
	    bar[2]);
}

static bool
is_empty(const struct times *times, unsigned class)
{
	for (size_t i = 0; i < TIMINGS; i++)
		if (times->count[i][class] > 0)
			return false;
	return true;
}

static void
put_times(struct screen *screen, const struct rates *rates)
{
	unsigned first = 0, last = CLASSES;
	struct times times;
	int width = bar_width(screen) + 6;

	take_times(rates, &times);
	put_line(screen, HEADING, "%-8s %-*s  %-*s  %s", "NO MORE", width,
	    timings[0].heading, width, timings[1].heading,
	    timings[2].heading);
	put_quantile(screen, &times, "half", 0.5);
	put_quantile(screen, &times, "95 %", 0.95);
	put_quantile(screen, &times, "99 %", 0.99);
	put_quantile(screen, &times, "all", 1);
	put_line(screen, PLAIN, "%s", "");
	put_line(screen, HEADING, "%-8s %-*s  %-*s  %s", "UP TO", width,
	    timings[0].heading, width, timings[1].heading,
	    timings[2].heading);
	while (first < last && is_empty(&times, first))
		first++;
	while (last > first && is_empty(&times, last - 1))
		last--;
	for (unsigned class = first; class < last; class++)
		put_class(screen, &times, class);
}

void
top_draw(FILE *file, const struct top_sample *now,
    const struct top_sample *before, const struct top_options *options)
{
	struct screen screen = { .file = file, .options = options };
	struct rates rates = { .now = now, .before = before,
	    .seconds = before == NULL ? 0 : now->at - before->at };

	put_head(&screen, &rates);
	switch (options->page) {
	case TOP_CLIENTS:
		put_connections(&screen, now->clients, "CLIENT");
		return;
	case TOP_SERVERS:
		put_connections(&screen, now->servers, "SERVER");
		return;
	case TOP_TIMES:
		put_times(&screen, &rates);
		return;
	default:
		if (options->height == 0 || options->height >= HIGH)
			put_databases(&screen, &rates);
		put_pools(&screen, now);
		put_workers(&screen, &rates);
	}
}
