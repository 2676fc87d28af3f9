#include "ctl/top.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/output.h"

/* How long it may take to log in, at first and when the pooler was away. */
#define CONNECT_SECONDS 5

static const char help[] =
    "p pools  c clients  s servers  t times  by: w waiting  a active  n name  "
    "q quit";

/* Noted by the handler: the terminal is put right, then we go. */
static volatile sig_atomic_t over;

static struct termios usual;		/* how the terminal was */
static bool is_raw;

static void
on_end(int number)
{
	(void)number;
	over = 1;
}

static void
leave_screen(void)
{
	if (!is_raw)
		return;
	is_raw = false;
	tcsetattr(STDIN_FILENO, TCSANOW, &usual);
	/* Cursor, and what was there before. */
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
}

static void
enter_screen(void)
{
	struct sigaction action = { .sa_handler = on_end };
	struct termios raw;

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	if (tcgetattr(STDIN_FILENO, &usual) == -1)
		return;
	raw = usual;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == -1)
		return;
	is_raw = true;
	atexit(leave_screen);
	fputs("\033[?1049h\033[?25l\033[2J", stdout);
}

static void
look_at_size(struct top_options *options)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1 ||
	    size.ws_col == 0)
		return;
	options->width = size.ws_col;
	options->height = size.ws_row > 2 ? size.ws_row - 2 : 1;
}

/* False: that is all. */
static bool
take_key(struct top_plan *plan, char key)
{
	struct top_options *options = &plan->options;

	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'p':
		options->page = TOP_POOLS;
		break;
	case 'c':
		options->page = TOP_CLIENTS;
		break;
	case 's':
		options->page = TOP_SERVERS;
		break;
	case 't':
		options->page = TOP_TIMES;
		break;
	case 'w':
		options->order = TOP_BY_WAITING;
		break;
	case 'a':
		options->order = TOP_BY_ACTIVE;
		break;
	case 'n':
		options->order = TOP_BY_NAME;
		break;
	default:
		break;
	}
	return true;
}

/* Until the next sample is due or a key says otherwise. False: over. */
static bool
pause_for(struct top_plan *plan)
{
	struct pollfd keys = { STDIN_FILENO, POLLIN, 0 };
	char typed[16];
	ssize_t got;

	if (!is_raw) {
		usleep((useconds_t)(plan->interval * 1e6));
		return over == 0;
	}
	if (poll(&keys, 1, (int)(plan->interval * 1000)) <= 0)
		return over == 0;
	got = read(STDIN_FILENO, typed, sizeof(typed));
	if (got <= 0)
		return false;		/* the terminal is gone */
	for (ssize_t i = 0; i < got; i++)
		if (!take_key(plan, typed[i]))
			return false;
	return over == 0;
}

static void
show(const struct top_plan *plan, const struct top_sample *now,
    const struct top_sample *before)
{
	if (is_raw)
		fputs("\033[H", stdout);
	top_draw(stdout, now, before, &plan->options);
	if (is_raw)
		printf("\033[J\033[%d;1H%.*s\033[K", plan->options.height + 2,
		    plan->options.width, help);
	else
		putchar('\n');
	fflush(stdout);
}

static bool
is_good_for(const struct top_sample *sample, enum top_page page)
{
	return (page != TOP_CLIENTS || sample->clients != NULL) &&
	    (page != TOP_SERVERS || sample->servers != NULL) &&
	    (page != TOP_TIMES || sample->histograms != NULL);
}

/* A pooler that is restarted comes back; keys are obeyed in between. */
static void
try_again(PGconn *conn, const struct top_plan *plan, const char *why)
{
	int width = plan->options.width;

	fputs("\033[H", stdout);
	fwrite(why, 1, output_cut(why, width < (int)strcspn(why, "\n") ?
	    width : (int)strcspn(why, "\n")), stdout);
	fputs("\033[K\033[J", stdout);
	printf("\033[%d;1H%.*s\033[K", plan->options.height + 2, width, help);
	fflush(stdout);
	PQreset(conn);
}

static int
run(PGconn *conn, struct top_plan *plan)
{
	struct top_sample now, before = { 0 };
	struct error error;
	bool has_before = false;

	for (int i = 0; plan->count == 0 || i < plan->count; i++) {
		if (i > 0 && !pause_for(plan))
			break;
		if (is_raw)
			look_at_size(&plan->options);
		if (!top_sample_take(conn, plan->options.page, &now, &error)) {
			top_sample_free(&before);
			if (is_raw && PQstatus(conn) == CONNECTION_BAD) {
				has_before = false;
				try_again(conn, plan, error.text);
				continue;
			}
			leave_screen();
			fprintf(stderr, "pgusherctl: %s\n", error.text);
			return 1;
		}
		if (is_good_for(&now, plan->options.page))
			show(plan, &now, has_before ? &before : NULL);
		top_sample_free(&before);
		before = now;
		has_before = true;
	}
	top_sample_free(&before);
	return 0;
}

int
top_run(const struct console_place *place, struct top_plan *plan)
{
	struct console_place soon = *place;
	struct error error;
	PGconn *conn;
	int status;

	soon.deadline = console_now() + CONNECT_SECONDS;
	conn = console_connect(&soon, &error);
	if (conn == NULL) {
		fprintf(stderr, "pgusherctl: %s\n", error.text);
		return 1;
	}
	if (!plan->batch && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
		enter_screen();
		plan->options.color = is_raw && getenv("NO_COLOR") == NULL;
	}
	status = run(conn, plan);
	leave_screen();
	PQfinish(conn);
	return status;
}
