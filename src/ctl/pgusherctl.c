/*
 * The operator's tool: a client of the console, over libpq.
 *
 * Each command is a line in commands.def; options may stand before it and
 * behind it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/base.h"
#include "base/version.h"
#include "ctl/console_link.h"
#include "ctl/health.h"
#include "ctl/orders.h"
#include "ctl/output.h"
#include "ctl/top.h"
#include "ctl/userlist_file.h"

#define EXIT_USAGE 3	/* for monitoring systems: not known */
#define STATEMENT_BYTES 512
#define HEALTH_TIMEOUT 10	/* what monitoring systems give a check */

/* What the command line says. */
struct call {
	struct console_place	 place;
	const char		*command;
	const char *const	*arguments;	/* ends with NULL */
	enum output_format	 format;
	const char		*database;	/* --database */
	const char		*file;		/* -o */
	const char		*from;		/* --from */
	struct health_limits	 limits;
	struct top_plan		 top;
	double			 timeout;	/* seconds; 0: none */
	bool			 quiet;
	bool			 wait;		/* drain: for the end */
};

typedef int run_command(struct call *call);

static run_command run_show, run_sql, run_top, run_health, run_userlist,
    run_order, run_config;

static const struct command {
	const char	*name;
	run_command	*run;
	const char	*arguments, *what;
} commands[] = {
#define COMMAND(name, run, arguments, what) { name, run, arguments, what },
#include "ctl/commands.def"
#undef COMMAND
};

static int
complain(const char *what, const char *about)
{
	fprintf(stderr, "pgusherctl: %s%s%s\n"
	    "Try 'pgusherctl --help'.\n", what, about == NULL ? "" : ": ",
	    about == NULL ? "" : about);
	return EXIT_USAGE;
}

static unsigned
count(const char *const *arguments)
{
	unsigned n = 0;

	while (arguments[n] != NULL)
		n++;
	return n;
}

/* --- reports ------------------------------------------------------------- */

/* All answers of a text of one or more statements. */
static int
print_answers(const struct call *call, const char *text)
{
	struct error error;
	PGconn *conn = console_connect(&call->place, &error);
	PGresult *result;
	int status = 0;

	if (conn == NULL) {
		fprintf(stderr, "pgusherctl: %s\n", error.text);
		return 1;
	}
	if (PQsendQuery(conn, text) != 1)
		status = 1;
	while ((result = PQgetResult(conn)) != NULL) {
		if (PQresultStatus(result) == PGRES_TUPLES_OK) {
			output_rows(stdout, result, call->format);
		} else if (PQresultStatus(result) == PGRES_COMMAND_OK) {
			if (call->format == OUTPUT_ALIGNED)
				puts(PQcmdStatus(result));
		} else {
			fputs(PQresultErrorMessage(result), stderr);
			status = 1;
		}
		PQclear(result);
	}
	PQfinish(conn);
	return status;
}

static int
run_show(struct call *call)
{
	char text[STATEMENT_BYTES];

	if (count(call->arguments) != 1)
		return complain("show takes the name of one report", NULL);
	if (strspn(call->arguments[0], "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
	    strlen(call->arguments[0]))
		return complain("not the name of a report",
		    call->arguments[0]);
	snprintf(text, sizeof(text), "SHOW %.400s", call->arguments[0]);
	return print_answers(call, text);
}

static int
run_sql(struct call *call)
{
	if (call->arguments[0] == NULL)
		return complain("sql takes at least one query", NULL);
	for (int i = 0; call->arguments[i] != NULL; i++) {
		int status = print_answers(call, call->arguments[i]);

		if (status != 0)
			return status;
	}
	return 0;
}

static int
run_top(struct call *call)
{
	if (call->arguments[0] != NULL)
		return complain("too many arguments", call->arguments[0]);
	return top_run(&call->place, &call->top);
}

static int
run_health(struct call *call)
{
	if (call->arguments[0] != NULL)
		return complain("too many arguments", call->arguments[0]);
	if (call->timeout > 0)
		call->place.deadline = console_now() + call->timeout;
	return (int)health_run(&call->place, &call->limits, call->database,
	    stdout);
}

/* --- changes ------------------------------------------------------------- */

/* What the console calls it. */
static const char *
console_word(const char *command)
{
	static const char *const words[][2] = {
		{ "drain", "SHUTDOWN WAIT_FOR_CLIENTS" },
		{ "shutdown", "SHUTDOWN IMMEDIATE" },
		{ "wait-close", "WAIT_CLOSE" },
	};
	static char upper[32];
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(words); i++)
		if (strcmp(command, words[i][0]) == 0)
			return words[i][1];
	for (i = 0; command[i] != '\0' && i + 1 < sizeof(upper); i++)
		upper[i] = (char)(command[i] & ~0x20);
	upper[i] = '\0';
	return upper;
}

static int
run_order(struct call *call)
{
	char statement[STATEMENT_BYTES];
	unsigned given = count(call->arguments), most = 1;

	if (strcmp(call->command, "reload") == 0 ||
	    strcmp(call->command, "suspend") == 0 ||
	    strcmp(call->command, "drain") == 0 ||
	    strcmp(call->command, "shutdown") == 0)
		most = 0;
	if (given > most)
		return complain("too many arguments", call->arguments[most]);
	if (given == 0 && (strcmp(call->command, "kill") == 0 ||
	    strcmp(call->command, "disable") == 0 ||
	    strcmp(call->command, "enable") == 0))
		return complain("which database?", NULL);
	if (!orders_statement(console_word(call->command), call->arguments[0],
	    statement, sizeof(statement)))
		return complain("name too long", call->arguments[0]);
	if (call->wait && strcmp(call->command, "drain") != 0)
		return complain("--wait is for drain", NULL);
	return orders_run(&call->place, statement, call->wait, stderr);
}

static int
run_userlist(struct call *call)
{
	return userlist_run(call->from == NULL ? "" : call->from,
	    call->place.no_password,
	    call->file == NULL ? "userlist.txt" : call->file,
	    call->arguments, call->quiet ? fopen("/dev/null", "w") : stdout);
}

/* The daemon checks it itself: the one beside us, else that of the PATH. */
static int
run_config(struct call *call)
{
	char own[4096], path[sizeof(own) + 16];
	const char *file = count(call->arguments) == 2 ? call->arguments[1] :
	    NULL;
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	if (file == NULL || strcmp(call->arguments[0], "check") != 0)
		return complain("config check takes one file", NULL);
	if (length > 0) {
		own[length] = '\0';
		slash = strrchr(own, '/');
		*slash = '\0';
		snprintf(path, sizeof(path), "%s/pgusher", own);
		execl(path, "pgusher", "-t", file, (char *)NULL);
		if ((slash = strrchr(own, '/')) != NULL) {
			*slash = '\0';
			snprintf(path, sizeof(path), "%s/sbin/pgusher", own);
			execl(path, "pgusher", "-t", file, (char *)NULL);
		}
	}
	execlp("pgusher", "pgusher", "-t", file, (char *)NULL);
	fprintf(stderr, "pgusherctl: no program pgusher here\n");
	return 1;
}

/* --- the command line ---------------------------------------------------- */

static const char usage[] =
    "Usage: pgusherctl [OPTION]... COMMAND [ARGUMENT]...\n"
    "\n"
    "Asks a running pgusher, or orders it about.\n"
    "\n"
    "Where it is, as with psql (environment PGHOST, PGPORT, PGUSER ...):\n"
    "  -h, --host HOST          host, or directory of its Unix socket\n"
    "  -p, --port PORT          port (6432)\n"
    "  -U, --user USER          user of the console\n"
    "  -d, --dbname CONNINFO    connection string or URI\n"
    "  -w, --no-password        never ask for a password\n"
    "Output:\n"
    "      --csv, --json        instead of an aligned table\n"
    "  -q, --quiet              userlist: says nothing\n"
    "Of single commands:\n"
    "      --database NAME      health: this one has to answer, too\n"
    "      --waiting, --maxwait, --xact-time, --usage WARN,CRIT\n"
    "                           health: limits (5,20  5,10  2,5  0.8,0.95)\n"
    "      --timeout SECONDS    health: critical after so long; 0: never (10)\n"
    "      --wait               drain: until the pooler has ended\n"
    "  -i, --interval SECONDS   top: time between two screens (1)\n"
    "  -n, --count NUMBER       top: so many, then end\n"
    "  -b, --batch              top: print, take no keys\n"
    "      --page pools|clients|servers|times\n"
    "                           top: what to begin with\n"
    "  -o, --output FILE        userlist: the auth file (userlist.txt)\n"
    "      --from CONNINFO      userlist: where PostgreSQL is\n"
    "\n"
    "  -V, --version            --help\n"
    "\n"
    "Commands:\n";

static int
print_usage(void)
{
	fputs(usage, stdout);
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
		char head[40];

		snprintf(head, sizeof(head), "%s %s", commands[i].name,
		    commands[i].arguments);
		printf("  %-24s %s\n", head, commands[i].what);
	}
	return 0;
}

enum long_option {
	OPTION_CSV = 256,
	OPTION_JSON,
	OPTION_DATABASE,
	OPTION_WAITING,
	OPTION_MAXWAIT,
	OPTION_XACT_TIME,
	OPTION_USAGE,
	OPTION_TIMEOUT,
	OPTION_WAIT,
	OPTION_PAGE,
	OPTION_FROM,
	OPTION_HELP
};

static const struct option options[] = {
	{ "host", required_argument, NULL, 'h' },
	{ "port", required_argument, NULL, 'p' },
	{ "user", required_argument, NULL, 'U' },
	{ "username", required_argument, NULL, 'U' },
	{ "dbname", required_argument, NULL, 'd' },
	{ "no-password", no_argument, NULL, 'w' },
	{ "csv", no_argument, NULL, OPTION_CSV },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "quiet", no_argument, NULL, 'q' },
	{ "database", required_argument, NULL, OPTION_DATABASE },
	{ "waiting", required_argument, NULL, OPTION_WAITING },
	{ "maxwait", required_argument, NULL, OPTION_MAXWAIT },
	{ "xact-time", required_argument, NULL, OPTION_XACT_TIME },
	{ "usage", required_argument, NULL, OPTION_USAGE },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "wait", no_argument, NULL, OPTION_WAIT },
	{ "interval", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'n' },
	{ "batch", no_argument, NULL, 'b' },
	{ "page", required_argument, NULL, OPTION_PAGE },
	{ "output", required_argument, NULL, 'o' },
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 }
};

static bool
read_page(const char *name, enum top_page *out)
{
	static const char *const pages[TOP_PAGES] = { "pools", "clients",
	    "servers", "times" };

	for (int i = 0; i < TOP_PAGES; i++)
		if (strcmp(name, pages[i]) == 0) {
			*out = (enum top_page)i;
			return true;
		}
	return false;
}

static bool
read_number(const char *text, double least, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out >= least && *out <= 1e6;
}

/* False: its value is none. */
static bool
take_option(struct call *call, int option, const char *value)
{
	double number;

	switch (option) {
	case 'h':
		call->place.host = value;
		return true;
	case 'p':
		call->place.port = value;
		return true;
	case 'U':
		call->place.user = value;
		return true;
	case 'd':
		call->place.conninfo = value;
		return true;
	case 'w':
		call->place.no_password = true;
		return true;
	case 'q':
		call->quiet = true;
		return true;
	case 'b':
		call->top.batch = true;
		return true;
	case 'o':
		call->file = value;
		return true;
	case 'i':
		return read_number(value, 0.1, &call->top.interval);
	case 'n':
		if (!read_number(value, 1, &number))
			return false;
		call->top.count = (int)number;
		return true;
	case OPTION_CSV:
		call->format = OUTPUT_CSV;
		return true;
	case OPTION_JSON:
		call->format = OUTPUT_JSON;
		return true;
	case OPTION_DATABASE:
		call->database = value;
		return true;
	case OPTION_FROM:
		call->from = value;
		return true;
	case OPTION_WAITING:
		return health_read_limit(value, call->limits.waiting);
	case OPTION_MAXWAIT:
		return health_read_limit(value, call->limits.maxwait);
	case OPTION_XACT_TIME:
		return health_read_limit(value, call->limits.xact_time);
	case OPTION_USAGE:
		return health_read_limit(value, call->limits.usage);
	case OPTION_WAIT:
		call->wait = true;
		return true;
	case OPTION_TIMEOUT:
		return read_number(value, 0, &call->timeout);
	default:
		return read_page(value, &call->top.options.page);
	}
}

/* Asked for on a console's name (-V, --help), or wrong: *status_out. */
static bool
read_command_line(int argc, char **argv, struct call *call, int *status_out)
{
	int option;

	*status_out = 0;
	while ((option = getopt_long(argc, argv, "h:p:U:d:wqbi:n:o:V", options,
	    NULL)) != -1) {
		if (option == 'V') {
			printf("pgusherctl, %s\n", version_text());
			return false;
		}
		if (option == OPTION_HELP) {
			(void)print_usage();
			return false;
		}
		if (option == '?' || !take_option(call, option, optarg)) {
			*status_out = complain(option == '?' ?
			    "bad command line" : "bad value", option == '?' ?
			    NULL : optarg);
			return false;
		}
	}
	if (optind == argc) {
		*status_out = complain("no command", NULL);
		return false;
	}
	call->command = argv[optind];
	call->arguments = (const char *const *)argv + optind + 1;
	return true;
}

/* What could not be written was not done. */
static int
finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "pgusherctl: could not write the output\n");
	return status == 0 ? 1 : status;
}

int
main(int argc, char **argv)
{
	struct call call = { .limits = health_limits_default,
	    .timeout = HEALTH_TIMEOUT, .top = { .interval = 1 } };
	int status;

	if (!read_command_line(argc, argv, &call, &status))
		return status;
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
		if (strcmp(commands[i].name, call.command) == 0)
			return finish(commands[i].run(&call));
	return complain("no such command", call.command);
}
