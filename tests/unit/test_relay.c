/*
 * Bytes between client and server, cut anywhere.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_world.h"

static struct session_world world;
static int client, server;

static void
begin(void)
{
	session_start(&world, "default_pool_size = 1");
	client = session_login_first(&world, 0, &server);
}

static void
end(void)
{
	session_stop(&world);
	close(client);
	close(server);
}

static bool
is_released(void)
{
	return session_servers(&world, SERVER_IDLE) == 1 &&
	    session_clients(&world, CLIENT_IDLE) == 1;
}

/* --- cut at every byte --------------------------------------------------- */

/* What the client says and what is answered, in turn; then it is over. */
static const struct {
	const char	*story;
	const char	*said[3], *answered[3];
} talks[] = {
	{ "a query", { "Q" }, { "TDDCZ" } },
	{ "an empty query", { "Q()" }, { "IZ" } },
	{ "a query that fails", { "Q" }, { "E(42601=syntax error)Z" } },
	{ "an extended query", { "PBDES" }, { "12TDDCZ" } },
	{ "a prepared statement", { "PDS", "BES", "CS" },
	    { "1tTZ(T)", "2DCZ(T)", "3Z" } },
	{ "a transaction", { "Q(begin)", "Q", "Q(commit)" },
	    { "CZ(T)", "TDCZ(T)", "CZ" } },
	{ "a transaction that fails", { "Q(begin)", "Q", "Q(rollback)" },
	    { "CZ(T)", "E(22012=division by zero)Z(E)", "CZ" } },
	{ "COPY in", { "Q", "dddc" }, { "G", "CZ" } },
	{ "COPY in that the client gives up", { "Q", "ddf" },
	    { "G", "E(57014=given up)Z" } },
	{ "COPY out", { "Q" }, { "HdddcCZ" } },
	{ "a pipeline of two", { "QQ" }, { "TDCZTDCZ" } },
	{ "a pipeline that fails", { "PBESPBES" },
	    { "1E(22012=division by zero)Z12CZ" } },
	{ "a function call", { "F" }, { "VZ" } },
	{ "settings and notices in between", { "Q" },
	    { "NS(TimeZone=GMT)TDS(TimeZone=UTC)CS(is_superuser=on)Z" } },
	{ "Flush", { "PBEH", "S" }, { "12DC", "Z" } },
};

static size_t
length_of(const char *text)
{
	struct talk talk = talk_of(text);

	return talk.length;
}

/* In one piece, or in two that are read one after the other. */
static void
pass_on(int from, int to, const char *text, size_t cut, const char *story)
{
	struct talk talk = talk_of(text);

	if (cut >= talk.length)
		cut = talk.length - 1;
	if (cut > 0) {
		send_bytes(from, talk.bytes, cut);
		session_settle(&world);
	}
	send_bytes(from, talk.bytes + cut, talk.length - cut);
	expect_bytes(to, talk.bytes, talk.length, story);
}

/* Every part is cut at this byte, or near its end if it is shorter. */
static void
talk_once(int which, size_t cut)
{
	for (int turn = 0; turn < 3 && talks[which].said[turn] != NULL;
	    turn++) {
		bool last = turn == 2 || talks[which].said[turn + 1] == NULL;

		pass_on(client, server, talks[which].said[turn], cut,
		    talks[which].story);
		ck_assert_msg(!is_released(), "%s: released before the "
		    "answer", talks[which].story);
		pass_on(server, client, talks[which].answered[turn], cut,
		    talks[which].story);
		session_settle(&world);
		ck_assert_msg(is_released() == last, "%s: turn %d, cut at "
		    "%zu: %s", talks[which].story, turn, cut, last ?
		    "not released" : "released too early");
	}
}

START_TEST(messages_may_be_cut_anywhere)
{
	size_t longest = 0;

	for (int turn = 0; turn < 3 && talks[_i].said[turn] != NULL; turn++) {
		if (longest < length_of(talks[_i].said[turn]))
			longest = length_of(talks[_i].said[turn]);
		if (longest < length_of(talks[_i].answered[turn]))
			longest = length_of(talks[_i].answered[turn]);
	}
	for (size_t cut = 0; cut < longest; cut++)
		talk_once(_i, cut);
}
END_TEST

START_TEST(messages_may_come_byte_by_byte)
{
	struct talk said = talk_of("PBDES"), answered = talk_of(
	    "12S(TimeZone=UTC)TDDCZ");

	for (size_t i = 0; i < said.length; i++) {
		send_bytes(client, said.bytes + i, 1);
		session_settle(&world);
	}
	expect_bytes(server, said.bytes, said.length, "said");
	for (size_t i = 0; i < answered.length; i++) {
		ck_assert(!is_released());
		send_bytes(server, answered.bytes + i, 1);
		session_settle(&world);
	}
	expect_bytes(client, answered.bytes, answered.length, "answered");
	ck_assert(is_released());
}
END_TEST

/* What follows belongs to the next transaction, on whichever server. */
START_TEST(half_a_header_keeps_no_server)
{
	struct talk next = talk_of("Q(select 2)");

	for (size_t cut = 1; cut < 5; cut++) {
		send_talk(client, "Q");
		expect_talk(server, "Q");
		send_bytes(client, next.bytes, cut);
		session_settle(&world);
		send_talk(server, "CZ");
		expect_talk(client, "CZ");
		session_settle(&world);
		ck_assert(is_released());
		expect_silence(server);
		send_bytes(client, next.bytes + cut, next.length - cut);
		expect_bytes(server, next.bytes, next.length, "the next");
		send_talk(server, "CZ");
		expect_talk(client, "CZ");
	}
}
END_TEST

START_TEST(half_a_message_keeps_the_server)
{
	struct talk next = talk_of("Q(select 2)");

	send_talk(client, "Q");
	expect_talk(server, "Q");
	send_bytes(client, next.bytes, 8);
	expect_bytes(server, next.bytes, 8, "half");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	session_settle(&world);
	ck_assert(!is_released());
	send_bytes(client, next.bytes + 8, next.length - 8);
	expect_bytes(server, next.bytes + 8, next.length - 8, "the rest");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	session_settle(&world);
	ck_assert(is_released());
}
END_TEST

/* The rest of the data of a COPY that has failed comes after its end. */
START_TEST(the_rest_of_a_failed_copy_is_dropped)
{
	send_talk(client, "Q");
	expect_talk(server, "Q");
	send_talk(server, "G");
	expect_talk(client, "G");
	send_talk(client, "d");
	expect_talk(server, "d");
	send_talk(server, "E(22P02=bad data)Z");
	expect_talk(client, "E(22P02=bad data)Z");
	session_settle(&world);
	ck_assert(is_released());
	send_talk(client, "dddc");
	session_settle(&world);
	expect_silence(server);
	session_query(client, server);
}
END_TEST

/* Cut in the middle of CopyData while it fails. */
START_TEST(a_copy_that_fails_in_half_a_message_is_released_behind_it)
{
	struct talk data = talk_of("d(0123456789)");

	send_talk(client, "Q");
	expect_talk(server, "Q");
	send_talk(server, "G");
	expect_talk(client, "G");
	send_bytes(client, data.bytes, 9);
	expect_bytes(server, data.bytes, 9, "half");
	send_talk(server, "E(22P02=bad data)Z");
	expect_talk(client, "E(22P02=bad data)Z");
	session_settle(&world);
	ck_assert(!is_released());
	send_bytes(client, data.bytes + 9, data.length - 9);
	expect_bytes(server, data.bytes + 9, data.length - 9, "the rest");
	session_settle(&world);
	ck_assert(is_released());
	session_query(client, server);
}
END_TEST

/* --- what is refused ----------------------------------------------------- */

START_TEST(an_unknown_message_ends_the_client)
{
	send_talk(client, "Q(begin)");
	expect_talk(server, "Q(begin)");
	send_talk(server, "CZ(T)");
	expect_talk(client, "CZ(T)");
	send_talk(client, "y");
	expect_fatal(client, "unknown pkt");
	expect_talk(server, "Q(ROLLBACK)");
}
END_TEST

START_TEST(a_length_that_cannot_be_ends_the_client)
{
	send_talk(client, "Q(begin)");
	expect_talk(server, "Q(begin)");
	send_talk(server, "CZ(T)");
	expect_talk(client, "CZ(T)");
	send_bytes(client, "Q\0\0\0\3", 5);
	expect_fatal(client, "bad packet header: '5100000003'");
	expect_talk(server, "Q(ROLLBACK)");
}
END_TEST

START_TEST(a_server_that_talks_nonsense_is_closed)
{
	send_talk(client, "Q");
	expect_talk(server, "Q");
	send_bytes(server, "T\377\377\377\377", 5);
	expect_fatal(client, "bad pkt header");
	expect_end(server);
}
END_TEST

START_TEST(a_ready_that_is_none_closes_the_server)
{
	send_talk(client, "Q");
	expect_talk(server, "Q");
	send_talk(server, "Z(?)");
	expect_fatal(client, "bad pkt header");
}
END_TEST

START_TEST(terminate_behind_a_query_lets_it_run)
{
	send_talk(client, "QX");
	expect_talk(server, "Q");
	expect_end(client);
}
END_TEST

/* --- big things and slow readers ----------------------------------------- */

#define MEGABYTE (1024 * 1024)

static uint8_t *
big_message(uint8_t type, size_t body)
{
	uint8_t *bytes = malloc(body + 5);

	ck_assert_ptr_nonnull(bytes);
	bytes[0] = type;
	for (int i = 0; i < 4; i++)
		bytes[1 + i] = (uint8_t)((body + 4) >> (24 - 8 * i));
	for (size_t i = 0; i < body; i++)
		bytes[5 + i] = (uint8_t)(i * 31 >> 3);
	return bytes;
}

/* Sends and reads by turns, so that no side blocks for ever. */
static void
stream(int from, int to, const uint8_t *bytes, size_t length)
{
	uint8_t got[65536];
	size_t sent = 0, received = 0;

	while (received < length) {
		ssize_t done = 0;

		if (sent < length)
			done = send(from, bytes + sent, length - sent,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += done > 0 ? (size_t)done : 0;
		done = recv(to, got, sizeof(got), MSG_DONTWAIT);
		if (done <= 0) {
			usleep(50);
			continue;
		}
		ck_assert_mem_eq(got, bytes + received, (size_t)done);
		received += (size_t)done;
	}
}

START_TEST(a_big_query_and_a_big_row_pass_through)
{
	uint8_t *query = big_message('Q', 3 * MEGABYTE + 17);
	uint8_t *row = big_message('D', 5 * MEGABYTE + 3);

	stream(client, server, query, 3 * MEGABYTE + 22);
	stream(server, client, row, 5 * MEGABYTE + 8);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	session_settle(&world);
	ck_assert(is_released());
	free(query);
	free(row);
}
END_TEST

/* What fits into sockets and buffers on the way, until nothing moves. */
static size_t
fill(int from, const uint8_t *bytes, size_t length)
{
	size_t sent = 0;
	int tries = 0;

	while (sent < length && tries < 50) {
		ssize_t done = send(from, bytes + sent, length - sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (done > 0) {
			sent += (size_t)done;
			tries = 0;
		} else {
			session_settle(&world);
			tries++;
		}
	}
	return sent;
}

static void
drain(int from, int to, const uint8_t *bytes, size_t sent, size_t length)
{
	uint8_t got[65536];
	size_t received = 0;

	while (received < length) {
		ssize_t done = 0;

		if (sent < length)
			done = send(from, bytes + sent, length - sent,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += done > 0 ? (size_t)done : 0;
		done = recv(to, got, sizeof(got), MSG_DONTWAIT);
		if (done <= 0) {
			usleep(50);
			continue;
		}
		ck_assert_mem_eq(got, bytes + received, (size_t)done);
		received += (size_t)done;
	}
}

START_TEST(a_client_that_does_not_read_stops_the_server)
{
	const size_t length = 48 * MEGABYTE;
	uint8_t *row = big_message('D', length - 5);
	int narrow = session_connect_narrow(&world, 0);
	size_t sent;

	send_startup(narrow, "u", "db");
	expect_welcome(narrow);
	send_talk(narrow, "Q");
	expect_talk(server, "Q");
	sent = fill(server, row, length);
	ck_assert_msg(sent < length / 2, "%zu bytes were taken", sent);
	/* Others are served meanwhile. */
	send_talk(client, "H");
	session_settle(&world);
	drain(server, narrow, row, sent, length);
	send_talk(server, "CZ");
	expect_talk(narrow, "CZ");
	close(narrow);
	free(row);
	await_clients(&world, CLIENT_IDLE, 1);
	session_query(client, server);
}
END_TEST

START_TEST(a_server_that_does_not_read_stops_the_client)
{
	const size_t length = 48 * MEGABYTE;
	uint8_t *query = big_message('Q', length - 5);
	size_t sent = fill(client, query, length);

	ck_assert_msg(sent < length / 2, "%zu bytes were taken", sent);
	drain(client, server, query, sent, length);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	session_settle(&world);
	ck_assert(is_released());
	free(query);
}
END_TEST

/* Its answers wait in the pooler; its queries wait in its socket. */
START_TEST(a_client_that_only_writes_is_not_read_without_end)
{
	int narrow = session_connect_narrow(&world, 0);
	struct talk end = talk_of("CZ");
	size_t length = MEGABYTE + end.length;
	uint8_t *row = big_message('D', length);
	int answers = 0;

	row[3] = row[4] = 0;		/* a megabyte with its end behind it */
	memcpy(row + 1 + MEGABYTE, end.bytes, end.length);
	send_startup(narrow, "u", "db");
	expect_welcome(narrow);
	while (answers < 20) {
		uint8_t byte;

		if (send(narrow, "Q\0\0\0\5", 6, MSG_DONTWAIT) != 6)
			break;
		session_settle(&world);
		if (recv(server, &byte, 1, MSG_DONTWAIT) != 1)
			break;		/* its queries are not read any more */
		expect_bytes(server, "\0\0\0\5", 5, "the rest");
		if (fill(server, row, 1 + length) < 1 + length)
			break;
		answers++;
	}
	ck_assert_msg(answers < 20, "%d answers were taken", answers);
	close(narrow);
	free(row);
	session_settle(&world);
}
END_TEST

static const uint8_t parse[] = { 'P', 0, 0, 0, 9, 'a', 0, 0, 0, 0 };
static const uint8_t closing[] = { 'C', 0, 0, 0, 7, 'S', 'a', 0 };
static const uint8_t answers[] = { '3', 0, 0, 0, 4, '1', 0, 0, 0, 4 };

/* What the server has is parsed and closed without it. */
static uint8_t *
pairs_of_ours(size_t count)
{
	size_t pair = sizeof(closing) + sizeof(parse);
	uint8_t *bytes = malloc(count * pair);

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < count; i++) {
		memcpy(bytes + i * pair, closing, sizeof(closing));
		memcpy(bytes + i * pair + sizeof(closing), parse,
		    sizeof(parse));
	}
	return bytes;
}

/* They come from no server that could be held back. */
START_TEST(a_client_that_reads_no_answer_of_ours_is_not_read_without_end)
{
	const size_t count = MEGABYTE / 4, pair = sizeof(closing) +
	    sizeof(parse);
	uint8_t *pairs = pairs_of_ours(count), body[4096];
	int narrow = session_connect_narrow(&world, 0);
	size_t sent, got = 0;

	send_startup(narrow, "u", "db");
	expect_welcome(narrow);
	send_bytes(narrow, parse, sizeof(parse));
	send_talk(narrow, "S");
	ck_assert_int_eq(receive_message(server, body, sizeof(body), &got),
	    'P');
	expect_talk(server, "S");
	send_talk(server, "1Z");
	expect_talk(narrow, "1Z");
	sent = fill(narrow, pairs, count * pair);
	ck_assert_msg(sent < count * pair / 2, "%zu bytes were taken", sent);
	/* All are answered once it reads. */
	for (got = 0; got < count * sizeof(answers);) {
		ssize_t done = sent == count * pair ? 0 : send(narrow,
		    pairs + sent, count * pair - sent, MSG_DONTWAIT);

		sent += done > 0 ? (size_t)done : 0;
		done = recv(narrow, body, sizeof(body), MSG_DONTWAIT);
		for (ssize_t i = 0; i < done; i++, got++)
			if (body[i] != answers[got % sizeof(answers)])
				ck_abort_msg("byte %zu", got);
		if (done <= 0)
			usleep(50);
	}
	send_talk(narrow, "S");
	expect_talk(server, "S");
	send_talk(server, "Z");
	expect_talk(narrow, "Z");
	close(narrow);
	free(pairs);
	await_clients(&world, CLIENT_IDLE, 1);
	session_query(client, server);
}
END_TEST

/* --- what is counted ----------------------------------------------------- */

START_TEST(transactions_queries_and_bytes_are_counted_exactly)
{
	uint64_t received = session_count(&world, STAT_received);
	uint64_t sent = session_count(&world, STAT_sent);

	for (int i = 0; i < 5; i++)
		session_query(client, server);
	for (int i = 0; i < 3; i++) {
		pass_on(client, server, "Q(begin)", 0, "begin");
		pass_on(server, client, "CZ(T)", 0, "begin");
		pass_on(client, server, "Q", 0, "in it");
		pass_on(server, client, "CZ(T)", 0, "in it");
		pass_on(client, server, "Q(commit)", 0, "commit");
		pass_on(server, client, "CZ", 0, "commit");
	}
	session_settle(&world);
	ck_assert_uint_eq(session_count(&world, STAT_xact_count), 8);
	ck_assert_uint_eq(session_count(&world, STAT_query_count), 14);
	ck_assert_uint_eq(session_count(&world, STAT_server_assignment_count),
	    8);
	ck_assert_uint_eq(session_count(&world, STAT_received) - received,
	    5 * length_of("Q(select 1)") + 3 * (length_of("Q(begin)") +
	    length_of("Q") + length_of("Q(commit)")));
	ck_assert_uint_eq(session_count(&world, STAT_sent) - sent,
	    5 * length_of("TDCZ") + 9 * length_of("CZ"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("relay");
	TCase *tests = tcase_create("relay");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, messages_may_be_cut_anywhere, 0,
	    ARRAY_LENGTH(talks));
	tcase_add_test(tests, messages_may_come_byte_by_byte);
	tcase_add_test(tests, half_a_header_keeps_no_server);
	tcase_add_test(tests, half_a_message_keeps_the_server);
	tcase_add_test(tests, the_rest_of_a_failed_copy_is_dropped);
	tcase_add_test(tests,
	    a_copy_that_fails_in_half_a_message_is_released_behind_it);
	tcase_add_test(tests, an_unknown_message_ends_the_client);
	tcase_add_test(tests, a_length_that_cannot_be_ends_the_client);
	tcase_add_test(tests, a_server_that_talks_nonsense_is_closed);
	tcase_add_test(tests, a_ready_that_is_none_closes_the_server);
	tcase_add_test(tests, terminate_behind_a_query_lets_it_run);
	tcase_add_test(tests, a_big_query_and_a_big_row_pass_through);
	tcase_add_test(tests, a_client_that_does_not_read_stops_the_server);
	tcase_add_test(tests, a_server_that_does_not_read_stops_the_client);
	tcase_add_test(tests,
	    a_client_that_reads_no_answer_of_ours_is_not_read_without_end);
	tcase_add_test(tests,
	    a_client_that_only_writes_is_not_read_without_end);
	tcase_add_test(tests,
	    transactions_queries_and_bytes_are_counted_exactly);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
