#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"

static int tube[2];
static char syslog_text[8192];
static int syslog_priority;

/* In the place of the C library's, which nobody could look at. */
void
syslog(int priority, const char *format, ...)
{
	va_list arguments;

	syslog_priority = priority;
	va_start(arguments, format);
	vsnprintf(syslog_text, sizeof(syslog_text), format, arguments);
	va_end(arguments);
}

/* Its name where the compiler was told to harden (_FORTIFY_SOURCE). */
void __syslog_chk(int priority, int flag, const char *format, ...)
    PRINTF_LIKE(3, 4);

void
__syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list arguments;

	syslog_priority = priority;
	va_start(arguments, format);
	vsnprintf(syslog_text, sizeof(syslog_text), format, arguments);
	va_end(arguments);
}

static void
begin(void)
{
	struct log_settings settings;

	ck_assert_int_eq(pipe2(tube, O_NONBLOCK), 0);
	settings = (struct log_settings){ .file_fd = tube[1] };
	log_configure(&settings);
}

static void
end(void)
{
	log_set_file(-1);
	close(tube[0]);
}

static const char *
logged(void)
{
	static char text[8192];
	ssize_t got = read(tube[0], text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void
expect(const char *pattern)
{
	const char *text = logged();
	regex_t regex;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB),
	    0);
	ck_assert_msg(regexec(&regex, text, 0, NULL, 0) == 0, "%s: %s",
	    pattern, text);
	regfree(&regex);
}

START_TEST(a_line_has_pgbouncers_form)
{
	char pattern[128];

	setenv("TZ", "UTC", 1);
	log_info("hello %d", 1);
	snprintf(pattern, sizeof(pattern), "^[0-9]{4}-[0-9]{2}-[0-9]{2} "
	    "[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} UTC \\[%d\\] LOG hello 1\n$",
	    (int)getpid());
	expect(pattern);
}
END_TEST

static const struct {
	const char	*story;
	int		 verbose;
	enum log_level	 level;
	const char	*name;		/* NULL: not logged */
} levels[] = {
	{ "fatal, always", 0, LOG_LEVEL_FATAL, "FATAL" },
	{ "error, always", 0, LOG_LEVEL_ERROR, "ERROR" },
	{ "warning, always", 0, LOG_LEVEL_WARNING, "WARNING" },
	{ "log, always", 0, LOG_LEVEL_LOG, "LOG" },
	{ "no debug without -v", 0, LOG_LEVEL_DEBUG, NULL },
	{ "debug with -v", 1, LOG_LEVEL_DEBUG, "DEBUG" },
	{ "no noise with -v", 1, LOG_LEVEL_NOISE, NULL },
	{ "noise with -vv", 2, LOG_LEVEL_NOISE, "NOISE" },
	{ "debug with -vv", 2, LOG_LEVEL_DEBUG, "DEBUG" },
};

START_TEST(verbosity_decides)
{
	char wanted[32];
	const char *text;

	log_adjust(&(struct log_settings){ .verbose = levels[_i].verbose });
	ck_assert_int_eq(log_verbose(), levels[_i].verbose);
	log_write(levels[_i].level, "x");
	text = logged();
	if (levels[_i].name == NULL) {
		ck_assert_msg(text[0] == '\0', "%s: %s", levels[_i].story,
		    text);
		return;
	}
	snprintf(wanted, sizeof(wanted), "] %s x\n", levels[_i].name);
	ck_assert_msg(strstr(text, wanted) != NULL, "%s: %s",
	    levels[_i].story, text);
}
END_TEST

static int asked;

static int
count_asking(void)
{
	return ++asked;
}

START_TEST(what_is_not_wanted_is_not_formatted)
{
	log_debug("%d", count_asking());
	log_noise("%d", count_asking());
	ck_assert_int_eq(asked, 0);
	log_adjust(&(struct log_settings){ .verbose = 2 });
	log_debug("%d", count_asking());
	log_noise("%d", count_asking());
	ck_assert_int_eq(asked, 2);
}
END_TEST

START_TEST(a_line_break_is_followed_by_a_tab)
{
	log_info("one\ntwo\nthree");
	expect("LOG one\n\ttwo\n\tthree\n$");
}
END_TEST

START_TEST(a_long_message_is_cut_and_stays_one_line)
{
	char much[8192];
	const char *text;

	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	log_info("%s", much);
	text = logged();
	ck_assert_uint_gt(strlen(text), 1024);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	memset(much, '\n', sizeof(much) - 1);
	log_info("%s", much);
	text = logged();
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

START_TEST(errno_survives_a_line)
{
	errno = ENOTTY;
	log_info("x");
	ck_assert_int_eq(errno, ENOTTY);
}
END_TEST

START_TEST(a_new_file_closes_the_old_one)
{
	int other[2];

	ck_assert_int_eq(pipe(other), 0);
	log_set_file(other[1]);
	ck_assert_int_eq(fcntl(tube[1], F_GETFD), -1);
	log_set_file(other[1]);
	ck_assert_int_ne(fcntl(other[1], F_GETFD), -1);
	log_set_file(-1);
	ck_assert_int_eq(fcntl(other[1], F_GETFD), -1);
	log_info("nobody reads this");
	close(other[0]);
}
END_TEST

START_TEST(adjusting_leaves_the_file_alone)
{
	log_adjust(&(struct log_settings){ .verbose = 1,
	    .syslog_ident = "ident", .syslog_facility = "local0" });
	log_debug("still here");
	expect("DEBUG still here\n$");
}
END_TEST

START_TEST(stderr_has_its_own_switch)
{
	struct log_settings settings = { .to_stderr = true, .file_fd = -1 };
	int copy = dup(tube[1]);

	ck_assert_int_eq(dup2(copy, STDERR_FILENO), STDERR_FILENO);
	close(copy);
	log_configure(&settings);
	log_warning("to stderr");
	expect("WARNING to stderr\n$");
	settings.to_stderr = false;
	log_configure(&settings);
	log_warning("to nobody");
	ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_has_an_error)
{
	struct error error;
	int fd;

	ck_assert(!log_open_file("/nowhere/at/all.log", &fd, &error));
	ck_assert_str_eq(error.text, "could not open log file "
	    "\"/nowhere/at/all.log\": No such file or directory");
}
END_TEST

/* Several processes append to one file: no line is torn. */
START_TEST(lines_of_several_processes_never_mix)
{
	enum { PROCESSES = 4, LINES = 500 };
	char path[] = "/tmp/test_log_XXXXXX", line[512];
	struct error error;
	int fd = mkstemp(path), lines = 0;
	FILE *file;

	ck_assert_int_ne(fd, -1);
	close(fd);
	ck_assert(log_open_file(path, &fd, &error));
	log_set_file(fd);
	for (int i = 0; i < PROCESSES; i++) {
		if (fork() != 0)
			continue;
		for (int j = 0; j < LINES; j++)
			log_info("%c%0200d%c", 'a' + i, j, 'a' + i);
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		ck_assert_int_ne(wait(NULL), -1);
	file = fopen(path, "r");
	unlink(path);
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		size_t length = strlen(line);
		const char *text = strstr(line, " LOG ");

		ck_assert_ptr_nonnull(text);
		ck_assert_uint_eq(strlen(text), 5 + 202 + 1);
		ck_assert_int_eq(text[5], line[length - 2]);
		lines++;
	}
	fclose(file);
	ck_assert_int_eq(lines, PROCESSES * LINES);
}
END_TEST

static const struct {
	const char	*name;
	bool		 known;
} facilities[] = {
	{ "daemon", true }, { "DAEMON", true }, { "user", true },
	{ "auth", true }, { "authpriv", true }, { "local0", true },
	{ "local7", true }, { "local8", false }, { "", false },
	{ "mail", false },
};

START_TEST(facilities_are_known_by_name)
{
	ck_assert_msg(log_facility_known(facilities[_i].name) ==
	    facilities[_i].known, "%s", facilities[_i].name);
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
	struct log_settings settings = { .to_stderr = true, .file_fd = -1 };
	struct stat status;
	char stream[64];
	int pair[2], saved = dup(STDERR_FILENO);

	ck_assert_int_eq(pipe2(pair, O_NONBLOCK), 0);
	dup2(pair[1], STDERR_FILENO);
	ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%lu:%lu",
	    (unsigned long)status.st_dev, (unsigned long)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_configure(&settings);
	log_warning("one\ntwo");
	log_info("three");
	dup2(saved, STDERR_FILENO);
	tube[0] = pair[0];
	ck_assert_str_eq(logged(), "<4>one\n<4>\ttwo\n<6>three\n");
}
END_TEST

static const struct log_subject joe = { LOG_SIDE_CLIENT, 0xc00001000007,
    "shop", "joe", "10.0.0.5:4242" };

START_TEST(a_line_about_somebody_begins_with_him)
{
	struct log_subject server = joe, nobody = joe;

	log_write_about(LOG_LEVEL_LOG, &joe, "hello %d", 1);
	expect("\\] LOG C-0xc00001000007: shop/joe@10.0.0.5:4242 hello 1\n$");
	server.side = LOG_SIDE_SERVER;
	log_write_about(LOG_LEVEL_LOG, &server, "bye");
	expect("\\] LOG S-0xc00001000007: shop/joe@10.0.0.5:4242 bye\n$");
	nobody.side = LOG_SIDE_NONE;
	log_write_about(LOG_LEVEL_LOG, &nobody, "who");
	expect("\\] LOG who\n$");
	log_write_about(LOG_LEVEL_DEBUG, &joe, "not wanted");
	ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(records_are_lines_too)
{
	log_adjust(&(struct log_settings){ .format = LOG_FORMAT_JSON });
	log_warning("one\ntwo");
	expect("^\\{\"time\":\"[0-9-]{10}T[0-9:]{8}\\.[0-9]{3}Z\","
	    "\"level\":\"WARNING\",\"pid\":[0-9]+,"
	    "\"message\":\"one\\\\ntwo\"\\}\n$");
	log_set_worker(5);
	log_write_about(LOG_LEVEL_LOG, &joe, "hello %d", 1);
	expect("\"worker\":5,\"side\":\"client\","
	    "\"pointer\":\"0xc00001000007\",\"database\":\"shop\","
	    "\"user\":\"joe\",\"address\":\"10.0.0.5:4242\","
	    "\"message\":\"hello 1\"\\}\n$");
	log_adjust(&(struct log_settings){ .format = LOG_FORMAT_LOGFMT });
	log_info("hello");
	expect("^time=[^ ]+Z level=LOG pid=[0-9]+ worker=5 message=hello\n$");
	log_adjust(&(struct log_settings){ .format = LOG_FORMAT_TEXT });
	log_info("hello");
	expect("\\] LOG hello\n$");
}
END_TEST

START_TEST(the_journal_gets_priorities_of_records)
{
	struct log_settings settings = { .to_stderr = true, .file_fd = -1,
	    .format = LOG_FORMAT_LOGFMT };
	struct stat status;
	char stream[64];
	int saved = dup(STDERR_FILENO), pair[2];

	ck_assert_int_eq(pipe2(pair, O_NONBLOCK), 0);
	dup2(pair[1], STDERR_FILENO);
	ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%lu:%lu",
	    (unsigned long)status.st_dev, (unsigned long)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_configure(&settings);
	log_warning("one\ntwo");
	dup2(saved, STDERR_FILENO);
	tube[0] = pair[0];
	expect("^<4>time=[^ ]+ level=WARNING pid=[0-9]+ "
	    "message=\"one\\\\ntwo\"\n$");
}
END_TEST

START_TEST(syslog_gets_the_record_without_its_end)
{
	log_adjust(&(struct log_settings){ .format = LOG_FORMAT_LOGFMT,
	    .to_syslog = true, .syslog_ident = "x" });
	log_warning("100%%s");
	ck_assert_int_eq(syslog_priority, LOG_WARNING);
	ck_assert_ptr_nonnull(strstr(syslog_text, " message=100%s"));
	ck_assert_ptr_null(strchr(syslog_text, '\n'));
	log_adjust(&(struct log_settings){ .to_syslog = true });
	log_warning("as ever");
	ck_assert_str_eq(syslog_text, "as ever");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tests = tcase_create("log");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_line_has_pgbouncers_form);
	tcase_add_loop_test(tests, verbosity_decides, 0, ARRAY_LENGTH(levels));
	tcase_add_test(tests, what_is_not_wanted_is_not_formatted);
	tcase_add_test(tests, a_line_break_is_followed_by_a_tab);
	tcase_add_test(tests, a_long_message_is_cut_and_stays_one_line);
	tcase_add_test(tests, errno_survives_a_line);
	tcase_add_test(tests, a_new_file_closes_the_old_one);
	tcase_add_test(tests, adjusting_leaves_the_file_alone);
	tcase_add_test(tests, stderr_has_its_own_switch);
	tcase_add_test(tests, the_journal_gets_priorities);
	tcase_add_test(tests, a_line_about_somebody_begins_with_him);
	tcase_add_test(tests, records_are_lines_too);
	tcase_add_test(tests, the_journal_gets_priorities_of_records);
	tcase_add_test(tests, syslog_gets_the_record_without_its_end);
	tcase_add_test(tests, a_file_that_cannot_be_opened_has_an_error);
	tcase_add_test(tests, lines_of_several_processes_never_mix);
	tcase_add_loop_test(tests, facilities_are_known_by_name, 0,
	    ARRAY_LENGTH(facilities));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
