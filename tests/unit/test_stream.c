#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/err.h>

#include "base/memory.h"
#include "tls_world.h"

static struct stream *const here = &tls_world.here;
static struct stream *const there = &tls_world.there;
static char got[STREAM_RECEIVE_LEAST];

static void
expect_text(struct stream *stream, const char *text)
{
	ck_assert_int_eq(receive(stream, got), (ssize_t)strlen(text));
	ck_assert_int_eq(memcmp(got, text, strlen(text)), 0);
}

static void
say(struct stream *stream, const char *text)
{
	ck_assert_int_eq(stream_send(stream, text, strlen(text)),
	    (ssize_t)strlen(text));
	ck_assert(!stream_has_unsent(stream));
}

START_TEST(in_the_clear_bytes_are_what_they_are)
{
	char raw[16];

	link_ends();
	ck_assert(stream_is_established(here));
	say(here, "hello");
	ck_assert_int_eq(recv(there->fd, raw, sizeof(raw), 0), 5);
	ck_assert_int_eq(memcmp(raw, "hello", 5), 0);
	say(there, "and back");
	expect_text(here, "and back");
	stream_finish(here, "bye", 3);
	expect_text(there, "bye");
	ck_assert_str_eq(stream_problem(here), "");
	ck_assert(stream_flush(here));
}
END_TEST

START_TEST(with_tls_nothing_is_in_the_clear)
{
	char raw[256];
	ssize_t length;

	link_with_tls();
	ck_assert_int_eq(stream_send(here, "a secret", 8), 8);
	length = recv(there->fd, raw, sizeof(raw), 0);
	ck_assert_int_gt(length, 8);
	ck_assert_ptr_null(memmem(raw, (size_t)length, "a secret", 8));
}
END_TEST

START_TEST(both_ends_talk_with_tls)
{
	link_with_tls();
	say(here, "ready");
	expect_text(there, "ready");
	say(there, "query");
	expect_text(here, "query");
	/* Many records come in one go, as one text. */
	say(there, "one ");
	say(there, "two ");
	say(there, "three");
	await_records(here, TLS_DATA, 3);
	expect_text(here, "one two three");
}
END_TEST

START_TEST(parts_are_one_text)
{
	char one[] = "one ", two[] = "two";
	struct iovec parts[] = { { one, 4 }, { one, 0 }, { two, 3 } };

	link_with_tls();
	ck_assert_int_eq(stream_send_parts(here, parts, 3), 7);
	expect_text(there, "one two");
	link_ends();
	ck_assert_int_eq(stream_send_parts(here, parts, 3), 7);
	expect_text(there, "one two");
}
END_TEST

START_TEST(nothing_is_sent_before_the_handshake_is_over)
{
	struct tls_settings settings = server_settings();
	struct tls_context *context = server_context(&settings);

	link_ends();
	ck_assert(stream_accept_tls(here, context, NULL, 0));
	ck_assert(!stream_is_established(here));
	ck_assert_int_eq(stream_send(here, "x", 1), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	stream_finish(here, "x", 1);
	shutdown(here->fd, SHUT_WR);
	ck_assert_int_eq(receive(there, got), 0);
	tls_context_release(context);
}
END_TEST

/* A client that begins with TLS at once: its first bytes were read. */
START_TEST(what_was_read_before_belongs_to_the_handshake)
{
	struct tls_settings server = server_settings();
	struct tls_settings client = client_settings();
	struct tls_context *for_server = server_context(&server);
	struct tls_context *for_client = client_context(&client);
	struct error error;
	ssize_t length;

	link_ends();
	ck_assert(stream_connect_tls(there, for_client, "localhost", &error));
	length = receive(here, got);
	ck_assert_int_gt(length, 0);
	ck_assert_int_eq(got[0], 0x16);
	ck_assert(stream_accept_tls(here, for_server, got, (size_t)length));
	ck_assert_int_eq(stream_receive(here, got, sizeof(got)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(shake_hands());
	say(there, "hello");
	expect_text(here, "hello");
	tls_context_release(for_server);
	tls_context_release(for_client);
}
END_TEST

START_TEST(more_than_any_handshake_begins_with_is_refused)
{
	struct tls_settings settings = server_settings();
	struct tls_context *context = server_context(&settings);

	link_ends();
	ck_assert(!stream_accept_tls(here, context, got, sizeof(got)));
	ck_assert_ptr_null(here->tls);
	tls_context_release(context);
}
END_TEST

/* Each byte of both sides comes alone. */
START_TEST(a_handshake_may_come_byte_by_byte)
{
	struct tls_settings server = server_settings();
	struct tls_settings client = client_settings();
	int relay[2];
	struct pollfd ends[] = { { 200, POLLIN, 0 }, { 201, POLLIN, 0 },
		{ -1, POLLIN, 0 }, { -1, POLLIN, 0 } };
	const int on = 1;
	char byte;

	begin_tls(server_context(&server), client_context(&client),
	    "localhost");
	/* There's bytes go through our hands. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, relay), 0);
	relay[0] = (dup2(relay[0], 200), close(relay[0]), 200);
	ck_assert_int_eq(dup2(there->fd, 201), 201);
	ck_assert_int_eq(setsockopt(201, IPPROTO_TCP, TCP_NODELAY, &on,
	    sizeof(on)), 0);
	ck_assert_int_eq(dup2(relay[1], there->fd), there->fd);
	close(relay[1]);
	ends[2].fd = here->fd;
	ends[3].fd = there->fd;
	while (!stream_is_established(here) || !stream_is_established(there)) {
		if (recv(relay[0], &byte, 1, MSG_DONTWAIT) == 1)
			ck_assert_int_eq(send(201, &byte, 1, 0), 1);
		if (recv(201, &byte, 1, MSG_DONTWAIT) == 1)
			ck_assert_int_eq(send(relay[0], &byte, 1, 0), 1);
		(void)!stream_receive(here, got, sizeof(got));
		(void)!stream_receive(there, got, sizeof(got));
		if (!stream_is_established(here) ||
		    !stream_is_established(there))
			ck_assert_int_gt(poll(ends, 4, 5000), 0);
	}
	close(200);
	close(201);
}
END_TEST

#define LARGE ((size_t)8 * 1024 * 1024)

/* How much is sent until the other side must read. */
static size_t
send_all_that_fits(const char *bytes)
{
	size_t sent = 0;
	ssize_t part;

	while ((part = stream_send(here, bytes + sent, LARGE - sent)) > 0) {
		ck_assert_int_le(part, 64 * 1024);
		sent += (size_t)part;
		ck_assert_uint_lt(sent, LARGE);
	}
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(stream_has_unsent(here));
	return sent;
}

START_TEST(who_does_not_read_costs_little_and_gets_all_of_it)
{
	char *bytes = malloc(LARGE);
	size_t sent, taken = 0;
	ssize_t part;

	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	link_with_tls();
	sent = send_all_that_fits(bytes);
	while (taken < LARGE) {
		part = receive(there, got);
		ck_assert_int_gt(part, 0);
		ck_assert_int_eq(memcmp(got, bytes + taken, (size_t)part), 0);
		taken += (size_t)part;
		ck_assert(stream_flush(here));
		if (sent < LARGE && (part = stream_send(here, bytes + sent,
		    LARGE - sent)) > 0)
			sent += (size_t)part;
	}
	ck_assert(stream_flush(here));
	ck_assert(!stream_has_unsent(here));
	free(bytes);
}
END_TEST

START_TEST(the_last_words_come_before_the_end)
{
	struct pollfd news;

	link_with_tls();
	stream_finish(there, "goodbye", 7);
	await_records(here, TLS_DATA, 2);
	expect_text(here, "goodbye");
	/* The socket itself is open; epoll has to say so nevertheless. */
	news = (struct pollfd){ here->fd, POLLIN, 0 };
	ck_assert_int_eq(poll(&news, 1, 1000), 1);
	ck_assert_int_eq(stream_receive(here, got, sizeof(got)), 0);
	ck_assert_str_eq(stream_problem(here), "");
	/* The other direction still works. */
	say(here, "well");
	expect_text(there, "well");
	stream_finish(here, NULL, 0);
	ck_assert_int_eq(receive(there, got), 0);
}
END_TEST

START_TEST(who_just_goes_has_gone)
{
	link_with_tls();
	close(there->fd);
	there->fd = -1;
	ck_assert_int_eq(receive(here, got), 0);
}
END_TEST

START_TEST(what_is_not_tls_is_a_fault)
{
	struct tls_settings settings = server_settings();
	struct tls_context *context = server_context(&settings);

	link_ends();
	ck_assert(stream_accept_tls(here, context, NULL, 0));
	ck_assert_int_eq(send(there->fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	ck_assert_int_eq(receive(here, got), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_str_eq(stream_problem(here), "http request");
	/* And it stays one. */
	ck_assert_int_eq(stream_receive(here, got, sizeof(got)), -1);
	ck_assert_int_eq(errno, EPROTO);
	tls_context_release(context);
}
END_TEST

START_TEST(a_record_that_was_changed_is_a_fault_behind_the_good_ones)
{
	static const char forged[] = "\x17\x03\x03\x00\x20"
	    "0123456789abcdef0123456789abcdef";
	struct pollfd news;

	link_with_tls();
	say(there, "good");
	ck_assert_int_eq(send(there->fd, forged, 37, 0), 37);
	await_records(here, TLS_DATA, 2);
	expect_text(here, "good");
	news = (struct pollfd){ here->fd, POLLIN, 0 };
	ck_assert_int_eq(poll(&news, 1, 1000), 1);
	ck_assert_int_eq(stream_receive(here, got, sizeof(got)), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_ptr_nonnull(strstr(stream_problem(here), "bad record mac"));
	ck_assert_int_eq(stream_send(here, "x", 1), -1);
	ck_assert_int_eq(errno, EPROTO);
}
END_TEST

/* Each makes us answer; what is not read must not pile up for ever. */
START_TEST(who_asks_for_keys_without_end_is_cut_off)
{
	struct tls_settings settings = server_settings();
	struct tls_context *context = server_context(&settings);
	bool cut_off = false;
	SSL *raw;

	link_ends();
	ck_assert(stream_accept_tls(here, context, NULL, 0));
	raw = raw_client(SSL_CTX_new(TLS_client_method()));
	ck_assert(shake_hands_with(raw));
	for (unsigned i = 0; i < 4 * 1000 * 1000 && !cut_off; i++) {
		size_t written;

		ck_assert_int_eq(SSL_key_update(raw,
		    SSL_KEY_UPDATE_REQUESTED), 1);
		ERR_clear_error();
		cut_off = SSL_write_ex(raw, "x", 1, &written) != 1 &&
		    SSL_get_error(raw, 0) != SSL_ERROR_WANT_WRITE;
		if (!cut_off && stream_receive(here, got, sizeof(got)) == -1)
			cut_off = errno != EAGAIN;
	}
	ck_assert(cut_off);
	SSL_free(raw);
	tls_context_release(context);
}
END_TEST

START_TEST(a_stream_keeps_the_context_that_it_began_with)
{
	link_with_tls();	/* it has released both */
	say(there, "still here");
	expect_text(here, "still here");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tcase = tcase_create("core");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, tls_world_begin, tls_world_end);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, in_the_clear_bytes_are_what_they_are);
	tcase_add_test(tcase, with_tls_nothing_is_in_the_clear);
	tcase_add_test(tcase, both_ends_talk_with_tls);
	tcase_add_test(tcase, parts_are_one_text);
	tcase_add_test(tcase, nothing_is_sent_before_the_handshake_is_over);
	tcase_add_test(tcase, what_was_read_before_belongs_to_the_handshake);
	tcase_add_test(tcase, more_than_any_handshake_begins_with_is_refused);
	tcase_add_test(tcase, a_handshake_may_come_byte_by_byte);
	tcase_add_test(tcase,
	    who_does_not_read_costs_little_and_gets_all_of_it);
	tcase_add_test(tcase, the_last_words_come_before_the_end);
	tcase_add_test(tcase, who_just_goes_has_gone);
	tcase_add_test(tcase, what_is_not_tls_is_a_fault);
	tcase_add_test(tcase,
	    a_record_that_was_changed_is_a_fault_behind_the_good_ones);
	tcase_add_test(tcase, who_asks_for_keys_without_end_is_cut_off);
	tcase_add_test(tcase, a_stream_keeps_the_context_that_it_began_with);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
