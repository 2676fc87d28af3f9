#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shm/segment.h"

static const struct segment_size size = { .workers = 4, .clients = 4,
    .servers = 4, .pools = 4, .databases = 4, .users = 4 };
static struct segment *segment;

static void
begin(void)
{
	struct error error;

	segment = segment_create(&size, &error);
	ck_assert_ptr_nonnull(segment);
}

static void
end(void)
{
	segment_destroy(segment);
}

START_TEST(a_total_is_the_sum_over_all_workers)
{
	events_count(segment, 0, EVENT_evictions_all);
	events_count(segment, 3, EVENT_evictions_all);
	events_count(segment, 3, EVENT_evictions_all);
	events_count(segment, 3, EVENT_cancel_requests_all);
	ck_assert_uint_eq(events_total(segment, EVENT_evictions_all), 3);
	ck_assert_uint_eq(events_total(segment, EVENT_cancel_requests_all),
	    1);
	ck_assert_uint_eq(events_total(segment, EVENT_server_connects_all),
	    0);
}
END_TEST

static const struct {
	const char		*story;
	enum event_family	 family;
	const char		*reason;
	enum event		 event;
} reasons[] = {
	{ "a text of its own", FAMILY_client_closes, "client_idle_timeout",
	    EVENT_client_closes_client_idle_timeout },
	{ "the beginning counts", FAMILY_login_failures,
	    "no such database: shop", EVENT_login_failures_no_database },
	{ "the second of several", FAMILY_login_failures,
	    "SASL authentication failed", EVENT_login_failures_password },
	{ "the same text in another family", FAMILY_client_closes,
	    "server conn crashed?", EVENT_client_closes_server },
	{ "and that of servers", FAMILY_server_closes,
	    "server conn crashed?", EVENT_server_closes_gone },
	{ "something new", FAMILY_server_closes, "the moon is full",
	    EVENT_server_closes_other },
	{ "nothing at all", FAMILY_client_closes, "",
	    EVENT_client_closes_other },
	{ "half of a text is not it", FAMILY_server_closes, "evict",
	    EVENT_server_closes_other },
};

START_TEST(a_reason_belongs_to_one_member_of_its_family)
{
	ck_assert_msg(events_of_reason(reasons[_i].family,
	    reasons[_i].reason) == reasons[_i].event, "%s",
	    reasons[_i].story);
}
END_TEST

START_TEST(every_member_follows_its_family)
{
	for (unsigned i = 1; i < EVENTS; i++)
		ck_assert_int_le(event_family_of((enum event)(i - 1)),
		    event_family_of((enum event)i));
	ck_assert_str_eq(event_family_name(FAMILY_evictions), "evictions");
	ck_assert_ptr_null(event_family_label(FAMILY_evictions));
	ck_assert_str_eq(event_family_label(FAMILY_tls_handshakes), "side");
	ck_assert_str_eq(event_member_name(EVENT_tls_handshakes_server),
	    "server");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("events");
	TCase *tests = tcase_create("events");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_total_is_the_sum_over_all_workers);
	tcase_add_loop_test(tests,
	    a_reason_belongs_to_one_member_of_its_family, 0,
	    (int)ARRAY_LENGTH(reasons));
	tcase_add_test(tests, every_member_follows_its_family);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
