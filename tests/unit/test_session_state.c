#include "session/session_state.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static const struct {
	const char	*text;
	unsigned	 kinds;
} texts[] = {
	{ "", 0 },
	{ "select 1", 0 },
	{ "begin; update t set a = 1; commit", 0 },
	{ "SET work_mem = '1MB'", STATE_SETTING },
	{ "set session work_mem = '1MB'", STATE_SETTING },
	{ "set role other", STATE_SETTING },
	{ "set local work_mem = '1MB'", 0 },
	{ "SET  /* here */ LOCAL work_mem = '1MB'", 0 },
	{ "set transaction read only", 0 },
	{ "set constraints all deferred", 0 },
	{ "begin; set local a.b = '1'; set a.c = '2'", STATE_CUSTOM },
	{ "set session a.b = '1'", STATE_CUSTOM },
	{ "set session characteristics as transaction read only",
	    STATE_SETTING },
	{ "select set_config('work_mem', '1MB', false)", STATE_SETTING },
	{ "select set_config('a.b', '1', false)",
	    STATE_SETTING | STATE_CUSTOM },
	{ "select set_config('a.b', $1, true)", 0 },
	{ "set", 0 },
	{ "set session", 0 },
	{ "reset all", STATE_SETTING },
	{ "/* by /* a */ tool */ set a.b = 1", STATE_CUSTOM },
	{ "-- set\nselect 1; -- listen\n", 0 },
	{ "select '--'; listen news", STATE_LISTEN },
	{ "select '/*'; unlisten *", STATE_LISTEN },
	{ "listen", STATE_LISTEN },
	{ "notify listen", 0 },
	{ "create temp table t (a int)", STATE_TEMPORARY },
	{ "CREATE TEMPORARY VIEW v AS SELECT 1", STATE_TEMPORARY },
	{ "select 1 as a into temp t", STATE_TEMPORARY },
	{ "create table pg_temp.t (a int)", STATE_TEMPORARY },
	{ "create table temperature (a int)", 0 },
	{ "drop table t", STATE_TEMPORARY },
	{ "select pg_advisory_lock(1)", STATE_LOCK },
	{ "select pg_catalog.pg_try_advisory_lock_shared(1)", STATE_LOCK },
	{ "select pg_advisory_unlock_all()", STATE_LOCK },
	{ "select pg_advisory_xact_lock(1)", 0 },
	{ "prepare p as select 1", STATE_PREPARED },
	{ "prepare transaction 'x'", 0 },
	{ "deallocate p", STATE_PREPARED },
	{ "declare c cursor with hold for select 1", STATE_CURSOR },
	{ "declare c cursor for select 1", 0 },
	{ "close c", STATE_CURSOR },
	{ "discard all", STATE_ASKABLE },
	{ ";;; \n ; discard temp", STATE_ASKABLE },
	{ "/* never closed", 0 },
	{ "'never closed; set a.b = 1", STATE_CUSTOM },
	{ "a_word_that_is_far_longer_than_all_that_is_looked_for_here", 0 },
};

/* Nothing behind the end is looked at: the memory is as long as the text. */
START_TEST(words_tell_what_may_be_left)
{
	size_t length = strlen(texts[_i].text);
	char *text = malloc(length + 1);
	unsigned kinds;

	if (length > 0)
		memcpy(text, texts[_i].text, length);
	text = realloc(text, length > 0 ? length : 1);
	ck_assert_ptr_nonnull(text);
	kinds = session_state_words(text, length);
	ck_assert_msg(kinds == texts[_i].kinds, "%s: %u", texts[_i].text,
	    kinds);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("session_state");
	TCase *tests = tcase_create("session_state");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, words_tell_what_may_be_left, 0,
	    sizeof(texts) / sizeof(texts[0]));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
