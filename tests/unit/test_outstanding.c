#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "session/outstanding.h"

static struct outstanding outstanding;

static void
begin(void)
{
	memset(&outstanding, 0, sizeof(outstanding));
}

static void
end(void)
{
	outstanding_free(&outstanding);
	ck_assert_ptr_null(outstanding.ring);
}

/*
 * A talk: ">" and what the client sends, "<" and what the server says, by
 * their letters.  "=" claims that nothing is outstanding here, "!" that the
 * two sides may disagree; between two of those something is outstanding.
 */
static const struct {
	const char	*story;
	const char	*talk;
} talks[] = {
	{ "nothing was asked", "=" },
	{ "a query with rows", ">Q<TDDDC<Z=" },
	{ "a query without rows", ">Q<CZ=" },
	{ "an empty query", ">Q<IZ=" },
	{ "a query that fails", ">Q<EZ=" },
	{ "several statements in one query", ">Q<TDCCTDCZ=" },
	{ "a query that fails behind rows", ">Q<TDDEZ=" },
	{ "a function call", ">F<VZ=" },
	{ "a function call that fails", ">F<EZ=" },
	{ "Sync alone", ">S<Z=" },
	{ "Flush asks for nothing", ">H=" },
	{ "notices, settings and notifications are no answers",
	    ">Q<NSACSNZ=NSA=" },
	{ "two queries at once", ">QQ<CZCZ=" },
	{ "parse, bind, describe, execute, sync", ">PBDES<12TDDCZ=" },
	{ "describe finds no rows", ">PBDES<12nCZ=" },
	{ "a statement described", ">PDS<1tTZ=" },
	{ "a statement described without rows", ">PDS<1tnZ=" },
	{ "close", ">CS<3Z=" },
	{ "a portal in pieces", ">PBEH<12DDs" "=>EH<DDs=>ES<DCZ=" },
	{ "an empty statement", ">PBES<12IZ=" },
	{ "Execute without Describe has no T", ">BES<2DDCZ=" },
	{ "without Sync the server is not released", ">PBEH<12DC=>S<Z=" },
	{ "each Sync has its Z", ">PBESBES<12CZ2CZ=" },
	{ "an error skips to Sync", ">PBDES<EZ=" },
	{ "an error in the middle skips the rest", ">PBDES<12EZ=" },
	{ "an error at Execute", ">PBDES<12TDEZ=" },
	{ "an error skips nothing behind Sync", ">PBESPBES<EZ12CZ=" },
	{ "each part has its own error", ">PBESPBESS<1EZ1EZZ=" },
	{ "an error before Sync was sent", ">PBE<E>S<Z=" },
	{ "what is sent after an error and before Sync is skipped",
	    ">PB<E>DECPQFBS<Z=" },
	{ "Flush does not end it", ">PBH<E>HEH>S<Z=" },
	{ "after an error all goes on as before",
	    ">PB<E>ES<Z=>PBES<12CZ=" },
	{ "an error at Sync itself, when it commits", ">PBES<12CEZ=" },
	{ "a query behind an extended error is skipped, too",
	    ">PQS<EZ=" },
	{ "a query behind Sync is not", ">PSQ<EZCZ=" },
	{ "an extended pipeline behind a query that fails",
	    ">QPBES<EZ12CZ=" },
	{ "COPY in, by query", ">Q<G>dddc<CZ=" },
	{ "COPY in that the client gives up", ">Q<G>ddf<EZ=" },
	{ "COPY in of which the server gives up", ">Q<G>dd<E>dc<Z=" },
	{ "the rest of the data comes after the end",
	    ">Q<G>dd<EZ=>ddc=" },
	{ "two COPY in one query", ">Q<G>dc<CG>dc<CZ=" },
	{ "COPY in, then another query at once", ">Q<G>dcQ<CZTDCZ=" },
	{ "a COPY that failed, then another query at once",
	    ">Q<G>d<E>dcQ<ZTDCZ=" },
	{ "COPY with all data sent ahead", ">Qddc<GCZ=" },
	{ "COPY with all data sent ahead that fails at once",
	    ">Qddc<EZ=" },
	{ "data sent ahead for a COPY and a query behind it",
	    ">QddcQ<GCZTDCZ=" },
	{ "data sent ahead for a COPY that fails, and a query behind it",
	    ">QddcQ<EZTDCZ=" },
	{ "two COPY in one query, all sent ahead", ">Qdcdc<GCGCZ=" },
	{ "COPY out", ">Q<HddddcCZ=" },
	{ "COPY out, extended", ">PBES<12HddcCZ=" },
	{ "COPY in, extended, the client knows", ">PBEH<12G>ddcS<CZ=" },
	{ "COPY in, extended, Sync sent early", ">PBES<12G>ddcS<CZ=" },
	{ "and with two", ">PBESS<12G>ddcS<CZ=" },
	{ "COPY in, extended, all sent ahead", ">PBEddcS<12GCZ=" },
	{ "COPY in, extended, Sync early and all sent ahead",
	    ">PBESddcS<12GCZ=" },
	{ "COPY in, extended, it fails before it begins",
	    ">PBES<12EZ=" },
	{ "COPY in, extended, fails before it begins, all sent ahead",
	    ">PBEddcS<12EZ=" },
	{ "COPY in, extended, given up by the client",
	    ">PBEH<12G>dfS<EZ=" },
	{ "COPY in, extended, fails in the middle; the server wants Sync",
	    ">PBEH<12G>d<E>dcS<Z=" },
	{ "the same with an early Sync, which was read as data",
	    ">PBES<12G>d<E>dcS<Z=" },
	{ "COPY in, extended, a second portal behind it",
	    ">PBEH<12G>dcBES<C2CZ=" },
	{ "COPY both", ">Q<W>dd<dd>c<cCCZ=" },
	{ "Sync while it copies: did the server see it as data?",
	    ">PBEH<12G>dS!" },
	{ "an answer to nothing", "<Z!" },
	{ "ReadyForQuery before the rest is answered", ">PBES<1Z!" },
	{ "one answer too many", ">Q<CZ=<Z!" },
};

static void
claim(size_t at, size_t talk, char what)
{
	if (what == '=')
		ck_assert_msg(outstanding_none(&outstanding) &&
		    !outstanding.doubtful, "%s: %.*s: something is "
		    "outstanding%s", talks[talk].story, (int)at,
		    talks[talk].talk, outstanding.doubtful ? " (doubtful)" :
		    "");
	else if (what == '!')
		ck_assert_msg(outstanding.doubtful, "%s: %.*s: no doubt",
		    talks[talk].story, (int)at, talks[talk].talk);
	else
		ck_assert_msg(!outstanding_none(&outstanding) ||
		    outstanding.doubtful, "%s: %.*s: nothing is outstanding",
		    talks[talk].story, (int)at, talks[talk].talk);
}

/* Must something be outstanding behind this letter? */
static bool
is_under_way(const char *at)
{
	while (*at == '>' || *at == '<')
		at++;
	return *at != '=' && *at != '!' && *at != '\0' && at[-1] != '<' &&
	    at[-1] != '>';
}

START_TEST(what_is_outstanding_in_a_talk)
{
	const char *talk = talks[_i].talk;
	bool asks = true, began = false;

	for (const char *at = talk; *at != '\0'; at++) {
		size_t here = (size_t)(at - talk);

		if (*at == '>' || *at == '<') {
			asks = *at == '>';
		} else if (*at == '=' || *at == '!') {
			claim(here, (size_t)_i, *at);
			began = false;
		} else if (asks) {
			ck_assert(outstanding_ask(&outstanding,
			    (uint8_t)*at));
			began |= strchr("QFPBDECS", *at) != NULL;
		} else {
			outstanding_answer(&outstanding, (uint8_t)*at);
		}
		if (began && is_under_way(at + 1))
			claim(here + 1, (size_t)_i, '>');
	}
}
END_TEST

/* Thousands of requests at once, twice around the ring. */
START_TEST(deep_pipelines_are_remembered)
{
	enum { DEEP = 5000 };

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < DEEP; i++) {
			ck_assert(outstanding_ask(&outstanding, 'P'));
			ck_assert(outstanding_ask(&outstanding, 'B'));
			ck_assert(outstanding_ask(&outstanding, 'E'));
			/* Some are answered while others are sent. */
			if (i % 3 == 0)
				outstanding_answer(&outstanding,
				    "12C"[i / 3 % 3]);
		}
		ck_assert(outstanding_ask(&outstanding, 'S'));
		ck_assert_uint_ge(outstanding.size, 2 * DEEP);
		ck_assert_uint_eq(outstanding.size & (outstanding.size - 1),
		    0);
		for (int i = (DEEP + 2) / 3; i < 3 * DEEP; i++) {
			ck_assert(!outstanding_none(&outstanding));
			outstanding_answer(&outstanding, "12C"[i % 3]);
		}
		outstanding_answer(&outstanding, 'Z');
		ck_assert(outstanding_none(&outstanding));
		ck_assert(!outstanding.doubtful);
	}
	/* So much is not kept for the next one. */
	ck_assert_ptr_null(outstanding.ring);
}
END_TEST

START_TEST(an_error_in_a_deep_pipeline_skips_all_of_it)
{
	for (int i = 0; i < 1000; i++)
		ck_assert(outstanding_ask(&outstanding, "PBE"[i % 3]));
	outstanding_answer(&outstanding, '1');
	outstanding_answer(&outstanding, 'E');
	ck_assert(!outstanding_none(&outstanding));
	ck_assert(outstanding_ask(&outstanding, 'S'));
	outstanding_answer(&outstanding, 'Z');
	ck_assert(outstanding_none(&outstanding));
}
END_TEST

enum { VERY_DEEP = 300000 };

/* One check for all: it costs more than what it looks at. */
static void
ask_many(const char *types)
{
	bool good = true;

	for (int i = 0; i < VERY_DEEP; i++)
		for (const char *at = types; *at != '\0'; at++)
			good &= outstanding_ask(&outstanding, (uint8_t)*at);
	ck_assert(good);
}

/*
 * The worker has others to look after: a step for each request that is behind
 * each of them would take minutes, and these are over in a moment.
 */
START_TEST(a_copy_behind_which_many_syncs_wait_takes_no_time)
{
	ck_assert(outstanding_ask(&outstanding, 'E'));
	ask_many("S");
	outstanding_answer(&outstanding, 'G');
	ck_assert(outstanding.copying_in);
	ck_assert_uint_eq(outstanding.count, 1);
	ck_assert_uint_eq(outstanding.batches, 0);
	ck_assert(outstanding_ask(&outstanding, 'c'));
	outstanding_answer(&outstanding, 'C');
	ck_assert(outstanding_none(&outstanding));
}
END_TEST

static void
on_end(void *context, struct request *request, enum request_end how)
{
	++*(unsigned *)context;
	request->changes = 0;
}

START_TEST(many_copies_each_with_a_sync_too_early_take_no_time)
{
	bool good = true;

	ask_many("EScS");
	for (unsigned i = VERY_DEEP; i > 0; i--) {
		good &= outstanding.batches == 2 * i;
		outstanding_answer(&outstanding, 'G');
		good &= outstanding.batches == 2 * i - 1;
		outstanding_answer(&outstanding, 'C');
		outstanding_answer(&outstanding, 'Z');
	}
	ck_assert(good);
	ck_assert(outstanding_none(&outstanding));
	ck_assert(!outstanding.doubtful);
	ck_assert_uint_eq(outstanding.batches, 0);
}
END_TEST

static void
expect_changes(uint32_t closed, uint32_t open)
{
	ck_assert_uint_eq(outstanding.changes[CHANGE_OF_NAMED].closed, closed);
	ck_assert_uint_eq(outstanding.changes[CHANGE_OF_NAMED].open, open);
}

/* A Sync that is no end after all: what was closed is open again. */
START_TEST(a_copy_takes_the_end_of_its_batch)
{
	const struct request execute = { .type = 'E',
	    .changes = CHANGES_NAME_REMOVED }, parse = { .type = 'P',
	    .changes = CHANGES_NAME_ADDED };
	unsigned ends = 0;

	outstanding.on_end = on_end;
	outstanding.context = &ends;
	ck_assert(outstanding_add(&outstanding, &execute));
	ck_assert(outstanding_ask(&outstanding, 'S'));
	ck_assert(outstanding_ask(&outstanding, 'c'));
	ck_assert(outstanding_add(&outstanding, &parse));
	expect_changes(1, 1);
	outstanding_answer(&outstanding, 'G');
	expect_changes(0, 2);
	ck_assert_uint_eq(outstanding.batches, 0);
	ck_assert(outstanding_is_open(&outstanding));
	ck_assert(outstanding_ask(&outstanding, 'S'));
	expect_changes(2, 0);
	outstanding_answer(&outstanding, 'C');
	outstanding_answer(&outstanding, '1');
	expect_changes(0, 0);
	ck_assert_uint_eq(ends, 2);
	outstanding_answer(&outstanding, 'Z');
	ck_assert(outstanding_none(&outstanding));
}
END_TEST

START_TEST(many_batches_that_all_fail_take_no_time)
{
	bool good = true;

	ask_many("PS");
	for (unsigned i = VERY_DEEP; i > 0; i--) {
		good &= outstanding.batches == i;
		outstanding_answer(&outstanding, 'E');
		outstanding_answer(&outstanding, 'Z');
	}
	ck_assert(good);
	ck_assert(outstanding_none(&outstanding));
	ck_assert(!outstanding.doubtful);
}
END_TEST

START_TEST(many_queries_that_change_something_and_fail_take_no_time)
{
	const struct request request = { .type = 'Q',
	    .changes = CHANGES_UNNAMED };
	const uint32_t *changes =
	    &outstanding.changes[CHANGE_OF_UNNAMED].closed;
	unsigned ends = 0;
	bool good = true;

	outstanding.on_end = on_end;
	outstanding.context = &ends;
	for (int i = 0; i < VERY_DEEP; i++)
		good &= outstanding_add(&outstanding, &request);
	for (unsigned i = VERY_DEEP; i > 0; i--) {
		good &= outstanding.batches == i && *changes == i;
		outstanding_answer(&outstanding, 'E');
		good &= outstanding.batches == i && *changes == i - 1;
		outstanding_answer(&outstanding, 'Z');
	}
	ck_assert(good);
	ck_assert(outstanding_none(&outstanding));
	ck_assert_uint_eq(ends, VERY_DEEP);
	ck_assert_uint_eq(outstanding.batches, 0);
}
END_TEST

/* A server ignores them and never answers: a client may send any number. */
START_TEST(ends_of_a_copy_that_nobody_awaits_take_no_memory)
{
	ck_assert(outstanding_ask(&outstanding, 'P'));
	ask_many("c");
	ck_assert_uint_le(outstanding.size, 16);
	outstanding_answer(&outstanding, '1');
	ck_assert_uint_eq(outstanding.count, 0);
}
END_TEST

/* COPY a FROM STDIN; COPY b FROM STDIN; COPY c ... with all of the data. */
START_TEST(each_copy_of_a_query_has_its_own_end)
{
	ck_assert(outstanding_ask(&outstanding, 'Q'));
	ck_assert(outstanding_ask(&outstanding, 'c'));
	ck_assert(outstanding_ask(&outstanding, 'c'));
	for (int i = 0; i < 2; i++) {
		outstanding_answer(&outstanding, 'G');
		ck_assert(!outstanding.copying_in);
		outstanding_answer(&outstanding, 'C');
	}
	outstanding_answer(&outstanding, 'G');
	ck_assert(outstanding.copying_in);
	ck_assert(outstanding_ask(&outstanding, 'c'));
	outstanding_answer(&outstanding, 'C');
	outstanding_answer(&outstanding, 'Z');
	ck_assert(outstanding_none(&outstanding));
	ck_assert(!outstanding.doubtful);
}
END_TEST

START_TEST(an_idle_server_needs_no_memory)
{
	ck_assert_ptr_null(outstanding.ring);
	ck_assert(outstanding_none(&outstanding));
	ck_assert(outstanding_ask(&outstanding, 'H'));
	ck_assert(outstanding_ask(&outstanding, 'd'));
	ck_assert(outstanding_ask(&outstanding, 'c'));
	ck_assert_ptr_null(outstanding.ring);
}
END_TEST

START_TEST(a_reset_forgets_all_and_keeps_the_memory)
{
	ck_assert(outstanding_ask(&outstanding, 'P'));
	outstanding_answer(&outstanding, 'E');
	outstanding_answer(&outstanding, 'Z');
	ck_assert(outstanding_ask(&outstanding, 'E'));
	outstanding_answer(&outstanding, 'G');
	outstanding_reset(&outstanding);
	ck_assert(outstanding_none(&outstanding));
	ck_assert(!outstanding.doubtful);
	ck_assert(!outstanding.copying_in);
	ck_assert_ptr_nonnull(outstanding.ring);
	ck_assert(outstanding_ask(&outstanding, 'Q'));
	ck_assert(!outstanding_none(&outstanding));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("outstanding");
	TCase *tests = tcase_create("outstanding");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, what_is_outstanding_in_a_talk, 0,
	    ARRAY_LENGTH(talks));
	tcase_add_test(tests, deep_pipelines_are_remembered);
	tcase_add_test(tests, an_error_in_a_deep_pipeline_skips_all_of_it);
	tcase_add_test(tests,
	    a_copy_behind_which_many_syncs_wait_takes_no_time);
	tcase_add_test(tests,
	    many_copies_each_with_a_sync_too_early_take_no_time);
	tcase_add_test(tests, a_copy_takes_the_end_of_its_batch);
	tcase_add_test(tests, many_batches_that_all_fail_take_no_time);
	tcase_add_test(tests,
	    many_queries_that_change_something_and_fail_take_no_time);
	tcase_add_test(tests,
	    ends_of_a_copy_that_nobody_awaits_take_no_memory);
	tcase_add_test(tests, each_copy_of_a_query_has_its_own_end);
	tcase_add_test(tests, an_idle_server_needs_no_memory);
	tcase_add_test(tests, a_reset_forgets_all_and_keeps_the_memory);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
