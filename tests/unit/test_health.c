/*
 * What pgusherctl health says about what it finds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/health.h"
#include "made_rows.h"

#define POOLS "database:t user:t cl_active:i cl_waiting:i sv_active:i " \
    "maxwait:i maxwait_us:i"
#define QUIET_POOL "shop app 3 0 2 0 0"
#define QUIET_DATABASE "shop 10 0"
#define QUIET_STATS "shop 1500"

static const struct {
	const char	*pool, *database, *stats;
	enum health	 health;
	const char	*text;
} cases[] = {
	{ QUIET_POOL, QUIET_DATABASE, QUIET_STATS, HEALTH_OK,
	    "OK: 1 pool, 3 clients\n" },
	{ "shop app 3 5 2 0 0", QUIET_DATABASE, QUIET_STATS, HEALTH_OK,
	    "OK: 1 pool, 8 clients\n" },
	{ "shop app 3 6 2 0 0", QUIET_DATABASE, QUIET_STATS, HEALTH_WARNING,
	    "WARNING: 6 clients of shop/app wait for a connection\n" },
	{ "shop app 3 20 2 0 0", QUIET_DATABASE, QUIET_STATS, HEALTH_WARNING,
	    "WARNING: 20 clients of shop/app wait for a connection\n" },
	{ "shop app 3 21 2 0 0", QUIET_DATABASE, QUIET_STATS,
	    HEALTH_CRITICAL,
	    "CRITICAL: 21 clients of shop/app wait for a connection\n" },
	{ "shop app 3 1 2 5 100000", QUIET_DATABASE, QUIET_STATS,
	    HEALTH_WARNING, "WARNING: a client of shop/app has waited "
	    "5.1 s\n" },
	{ "shop app 3 1 2 10 500000", QUIET_DATABASE, QUIET_STATS,
	    HEALTH_CRITICAL, "CRITICAL: a client of shop/app has waited "
	    "10.5 s\n" },
	{ "shop app 3 0 8 0 0", QUIET_DATABASE, QUIET_STATS, HEALTH_OK,
	    "OK: 1 pool, 3 clients\n" },
	{ "shop app 3 0 9 0 0", QUIET_DATABASE, QUIET_STATS, HEALTH_WARNING,
	    "WARNING: 9 of the 10 connections of shop/app are in use\n" },
	{ "shop app 3 0 10 0 0", QUIET_DATABASE, QUIET_STATS,
	    HEALTH_CRITICAL,
	    "CRITICAL: 10 of the 10 connections of shop/app are in use\n" },
	{ "shop app 3 0 10 0 0", "shop 0 0", QUIET_STATS, HEALTH_OK,
	    "OK: 1 pool, 3 clients\n" },
	{ QUIET_POOL, QUIET_DATABASE, "shop 2500000", HEALTH_WARNING,
	    "WARNING: transactions of shop take 2.5 s on average\n" },
	{ QUIET_POOL, QUIET_DATABASE, "shop 5500000", HEALTH_CRITICAL,
	    "CRITICAL: transactions of shop take 5.5 s on average\n" },
	{ QUIET_POOL, "shop 10 1", QUIET_STATS, HEALTH_WARNING,
	    "WARNING: database shop is paused\n" },
	{ "pgbouncer pgbouncer 1 50 0 0 0", QUIET_DATABASE, QUIET_STATS,
	    HEALTH_OK, "OK: 0 pools, 0 clients\n" },
	/* The worst comes first. */
	{ "shop app 3 6 10 0 0", QUIET_DATABASE, QUIET_STATS,
	    HEALTH_CRITICAL,
	    "CRITICAL: 10 of the 10 connections of shop/app are in use\n"
	    "WARNING: 6 clients of shop/app wait for a connection\n" },
};

static char *
printed(const struct health_findings *findings)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	health_print(file, findings);
	fclose(file);
	return text;
}

START_TEST(each_threshold_of_the_guide)
{
	PGresult *pools = made_rows(POOLS, cases[_i].pool, NULL);
	PGresult *databases = made_rows("name:t pool_size:i paused:i",
	    cases[_i].database, NULL);
	PGresult *stats = made_rows("database:t avg_xact_time:i",
	    cases[_i].stats, NULL);
	struct health_findings findings;
	char *text;

	health_judge(&health_limits_default, pools, databases, stats,
	    &findings);
	text = printed(&findings);
	ck_assert_str_eq(text, cases[_i].text);
	ck_assert_int_eq(findings.worst, cases[_i].health);
	free(text);
	PQclear(pools);
	PQclear(databases);
	PQclear(stats);
}
END_TEST

START_TEST(more_than_can_be_told_is_counted)
{
	struct health_findings findings = { .worst = HEALTH_OK };
	char *text;

	for (int i = 0; i < HEALTH_FINDINGS_MOST + 3; i++)
		health_add(&findings, HEALTH_WARNING, "number %d", i);
	text = printed(&findings);
	ck_assert_ptr_nonnull(strstr(text, "WARNING: number 31\n"));
	ck_assert_ptr_null(strstr(text, "number 32"));
	ck_assert_ptr_nonnull(strstr(text, "and 3 more\n"));
	free(text);
}
END_TEST

START_TEST(a_pause_of_all_is_a_warning)
{
	struct health_findings findings = { .worst = HEALTH_OK };
	PGresult *state = made_rows("key:t value:t", "active yes",
	    "paused no", "suspended no", NULL);
	char *text;

	health_judge_state(state, &findings);
	ck_assert_int_eq(findings.worst, HEALTH_OK);
	PQclear(state);
	state = made_rows("key:t value:t", "active no", "paused yes",
	    "suspended no", NULL);
	health_judge_state(state, &findings);
	text = printed(&findings);
	ck_assert_str_eq(text, "WARNING: all databases are paused\n");
	free(text);
	PQclear(state);
}
END_TEST

/* The exit status says that it is critical; so does the first line. */
START_TEST(the_worst_is_told_however_many_there_are)
{
	struct health_findings findings = { .worst = HEALTH_OK };
	char *text;

	for (int i = 0; i < HEALTH_FINDINGS_MOST; i++)
		health_add(&findings, HEALTH_WARNING, "number %d", i);
	health_add(&findings, HEALTH_CRITICAL, "the last");
	text = printed(&findings);
	ck_assert_int_eq(strncmp(text, "CRITICAL: the last\nWARNING: ", 28),
	    0);
	ck_assert_ptr_nonnull(strstr(text, "and 1 more\n"));
	free(text);
}
END_TEST

START_TEST(a_finding_is_one_line)
{
	struct health_findings findings = { .worst = HEALTH_OK };
	char *text;

	health_add(&findings, HEALTH_CRITICAL, "%s", "refused\n\tIs it "
	    "running?");
	text = printed(&findings);
	ck_assert_str_eq(text, "CRITICAL: refused Is it running?\n");
	free(text);
}
END_TEST

static const struct {
	const char	*text;
	bool		 good;
	double		 warning, critical;
} limits[] = {
	{ "5,20", true, 5, 20 }, { "0.5,0.5", true, 0.5, 0.5 },
	{ "20,5", false, 0, 0 }, { "5", false, 0, 0 }, { "", false, 0, 0 },
	{ "5,", false, 0, 0 }, { "-1,5", false, 0, 0 },
	{ "5,20x", false, 0, 0 },
};

START_TEST(limits_are_two_numbers)
{
	double limit[2];

	ck_assert(health_read_limit(limits[_i].text, limit) ==
	    limits[_i].good);
	if (!limits[_i].good)
		return;
	ck_assert(limit[0] == limits[_i].warning);
	ck_assert(limit[1] == limits[_i].critical);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("health");
	TCase *tests = tcase_create("health");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, each_threshold_of_the_guide, 0,
	    (int)ARRAY_LENGTH(cases));
	tcase_add_test(tests, more_than_can_be_told_is_counted);
	tcase_add_test(tests, a_pause_of_all_is_a_warning);
	tcase_add_test(tests, the_worst_is_told_however_many_there_are);
	tcase_add_test(tests, a_finding_is_one_line);
	tcase_add_loop_test(tests, limits_are_two_numbers, 0,
	    (int)ARRAY_LENGTH(limits));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
