/*
 * Named prepared statements of clients that share servers: what goes to the
 * server and what the client is told.
 *
 * What a server gets is written as a line: a letter for each message, and
 * for those with a name it and what follows, "P(A|select 1)".  Names of ours
 * are A, B, ... in the order in which they are seen first.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_world.h"
#include "wire/writer.h"

static struct session_world world;
static int client, server;
static char seen[26][64];

static void
begin_with(const char *settings)
{
	memset(seen, 0, sizeof(seen));
	session_start(&world, settings);
	client = session_login_first(&world, 0, &server);
}

static void
begin(void)
{
	begin_with("default_pool_size = 1");
}

static void
end(void)
{
	session_stop(&world);
	close(client);
	close(server);
}

/* --- what a client says -------------------------------------------------- */

static uint8_t said[8192];
static struct writer to_say;

static void
put_parse(const char *name, const char *query)
{
	writer_begin(&to_say, 'P');
	writer_string(&to_say, name);
	writer_string(&to_say, query);
	writer_u16(&to_say, 0);
	writer_end(&to_say);
}

static void
put_bind(const char *name)
{
	writer_begin(&to_say, 'B');
	writer_string(&to_say, "");
	writer_string(&to_say, name);
	writer_u16(&to_say, 0);
	writer_u16(&to_say, 0);
	writer_u16(&to_say, 0);
	writer_end(&to_say);
}

static void
put_about(char type, const char *name)
{
	writer_begin(&to_say, (uint8_t)type);
	writer_u8(&to_say, 'S');
	writer_string(&to_say, name);
	writer_end(&to_say);
}

static void
put_execute(void)
{
	writer_begin(&to_say, 'E');
	writer_string(&to_say, "");
	writer_u32(&to_say, 0);
	writer_end(&to_say);
}

static void
put_sync(void)
{
	writer_begin(&to_say, 'S');
	writer_end(&to_say);
}

static void
put_query(const char *text)
{
	writer_begin(&to_say, 'Q');
	writer_string(&to_say, text);
	writer_end(&to_say);
}

/* "P s1 select 1", "B s1", "D s1", "C s1", "E", "S", "Q text"; ";" between. */
static void
put_one(const char *one)
{
	char name[64] = "", text[128] = "";

	(void)sscanf(one + 1, " %63s %127[^\n]", name, text);
	if (strcmp(name, "-") == 0)
		name[0] = '\0';
	switch (*one) {
	case 'P':
		put_parse(name, text);
		break;
	case 'B':
		put_bind(name);
		break;
	case 'D':
	case 'C':
		put_about(*one, name);
		break;
	case 'E':
		put_execute();
		break;
	case 'S':
		put_sync();
		break;
	default:
		put_query(one + 2);
	}
}

static void
say_as(int fd, const char *script)
{
	char copy[1024], *rest = copy, *one;

	to_say = writer_of(said, sizeof(said));
	snprintf(copy, sizeof(copy), "%s", script);
	while ((one = strtok_r(rest, ";", &rest)) != NULL)
		put_one(one + strspn(one, " "));
	ck_assert(!to_say.failed);
	send_bytes(fd, said, to_say.used);
}

static void
say(const char *script)
{
	say_as(client, script);
}

/* --- what a server gets -------------------------------------------------- */

static const char *
short_name(const char *name)
{
	static char letters[26][2];
	int i = 0;

	if (strncmp(name, "PGUSHER_", 8) != 0)
		return name;
	ck_assert_uint_eq(strlen(name), 40);
	while (seen[i][0] != '\0' && strcmp(seen[i], name) != 0)
		i++;
	snprintf(seen[i], sizeof(seen[i]), "%s", name);
	letters[i][0] = (char)('A' + i);
	return letters[i];
}

static void
add_message(char *line, size_t size, uint8_t type, const char *body)
{
	size_t used = strlen(line);	/* below 2048 */
	const char *second = body + strlen(body) + 1;

	if (type == 'P')
		snprintf(line + used, size - used, "P(%s|%.500s)",
		    short_name(body), second);
	else if (type == 'B')
		snprintf(line + used, size - used, "B(%.500s)",
		    short_name(second));
	else if (type == 'D' || type == 'C')
		snprintf(line + used, size - used, "%c(%.500s)", type,
		    short_name(body + 1));
	else if (type == 'Q')
		snprintf(line + used, size - used, "Q(%.500s)", body);
	else
		snprintf(line + used, size - used, "%c", type);
}

static void
gets(const char *wanted)
{
	char line[4096] = "";
	uint8_t body[1024];
	size_t length;

	while (strlen(line) < strlen(wanted)) {
		uint8_t type;

		memset(body, 0, sizeof(body));
		type = receive_message(server, body, sizeof(body) - 2,
		    &length);
		add_message(line, sizeof(line), type, (const char *)body);
	}
	ck_assert_str_eq(line, wanted);
	session_settle(&world);
	expect_silence(server);
}

/* The server says the one; the client gets the other. */
static void
answer(const char *from_server, const char *to_client)
{
	send_talk(server, from_server);
	expect_talk(client, to_client);
	session_settle(&world);
	expect_silence(client);
}

/* The client has s1 and the server A. */
static void
prepare(void)
{
	say("P s1 select 1; S");
	gets("P(A|select 1)S");
	answer("1Z", "1Z");
}

static bool
is_released(void)
{
	return session_servers(&world, SERVER_IDLE) == 1;
}

/* --- tests --------------------------------------------------------------- */

START_TEST(a_name_is_replaced)
{
	prepare();
	ck_assert(is_released());
	say("B s1; D s1; E; S");
	gets("B(A)D(A)ES");
	answer("2tTDCZ", "2tTDCZ");
	ck_assert(is_released());
}
END_TEST

START_TEST(what_the_server_has_is_not_parsed_again)
{
	int other;

	prepare();
	other = session_login(&world, 0);
	say_as(other, "P mine select 1; B mine; E; S");
	gets("B(A)ES");
	send_talk(server, "2CZ");
	expect_talk(other, "12CZ");
	close(other);
}
END_TEST

START_TEST(all_answers_may_be_ours_but_one)
{
	prepare();
	say("C s1; P s1 select 1; P s2 select 1; S");
	gets("S");
	answer("Z", "311Z");
	ck_assert(is_released());
}
END_TEST

START_TEST(the_one_used_longest_ago_makes_room)
{
	say("P s1 select 1; P s2 select 2; S");
	gets("P(A|select 1)P(B|select 2)S");
	answer("11Z", "11Z");
	say("P s3 select 3; S");
	gets("C(A)P(C|select 3)S");
	answer("31Z", "1Z");
	say("B s1; E; S");
	gets("C(B)P(A|select 1)B(A)ES");
	answer("312CZ", "2CZ");
}
END_TEST

START_TEST(a_parse_that_fails_leaves_no_trace)
{
	say("P s1 selekt; B s1; S");
	gets("P(A|selekt)B(A)S");
	answer("E(42601=syntax error)Z", "E(42601=syntax error)Z");
	say("P s1 select 1; S");
	gets("P(B|select 1)S");
	answer("1Z", "1Z");
	say("P s2 selekt; S");
	gets("P(A|selekt)S");
	answer("E(42601=syntax error)Z", "E(42601=syntax error)Z");
	say("B s2; S");
	gets("B(s2)S");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
}
END_TEST

/* Close and Parse behind an error are as if they had not been said. */
START_TEST(what_is_skipped_did_not_happen)
{
	prepare();
	say("B nosuch; C s1; P s2 select 2; S");
	gets("B(nosuch)P(B|select 2)S");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
	say("B s1; B s2; S");
	gets("B(A)B(s2)S");
	answer("2E(26000=it does not exist)Z",
	    "2E(26000=it does not exist)Z");
	say("P s2 select 2; S");
	gets("P(B|select 2)S");
	answer("1Z", "1Z");
}
END_TEST

START_TEST(a_name_in_use_is_refused_by_the_server)
{
	prepare();
	say("P s1 select 2; B s1; S");
	gets("P(A|select 2)B(s1)S");
	send_talk(server, "E(42P05=it exists)Z");
	expect_talk(client, "E(42P05=it exists)Z");
	say("B s1; E; S");
	gets("B(A)ES");
	answer("2CZ", "2CZ");
}
END_TEST

START_TEST(an_error_speaks_of_the_clients_name)
{
	char text[256];

	prepare();
	say("B s1; S");
	gets("B(A)S");
	snprintf(text, sizeof(text), "E(08P01=to \"%s\" or %s)Z", seen[0],
	    seen[0]);
	send_talk(server, text);
	expect_talk(client, "E(08P01=to \"s1\" or s1)Z");
}
END_TEST

START_TEST(deallocate_all_forgets_all)
{
	prepare();
	say("Q deallocate all");
	gets("Q(deallocate all)");
	answer("C(DEALLOCATE ALL)Z", "C(DEALLOCATE ALL)Z");
	say("P s1 select 1; S");
	gets("P(A|select 1)S");
	answer("1Z", "1Z");
	say("Q  Discard All; B s1; S");
	gets("Q( Discard All)");
	answer("C(DISCARD ALL)Z", "C(DISCARD ALL)Z");
	gets("B(s1)S");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
	say("P s1 select 1; S");
	gets("P(A|select 1)S");
	answer("1Z", "1Z");
}
END_TEST

/* Of another client: this one's are prepared anew. */
START_TEST(discard_all_of_another_takes_nothing_from_this)
{
	int other;

	prepare();
	other = session_login(&world, 0);
	say_as(other, "Q discard all");
	gets("Q(discard all)");
	send_talk(server, "C(DISCARD ALL)Z");
	expect_talk(other, "C(DISCARD ALL)Z");
	session_settle(&world);
	say("B s1; E; S");
	gets("P(A|select 1)B(A)ES");
	answer("12CZ", "2CZ");
	close(other);
}
END_TEST

/* Sent in one go: what is behind it is not gone. */
START_TEST(deallocate_all_in_a_pipeline_takes_what_came_before)
{
	prepare();
	say("P - deallocate all; B -; E; P s2 select 2; P s3 select 1; S");
	gets("P(|deallocate all)B()EP(B|select 2)S");
	answer("12C(DEALLOCATE ALL)1Z", "12C(DEALLOCATE ALL)11Z");
	ck_assert(is_released());
	say("B s2; B s3; S");
	gets("B(B)P(A|select 1)B(A)S");
	answer("212Z", "22Z");
	say("B s1; S");
	gets("B(s1)S");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
}
END_TEST

/* Its Close is undone, but it had been gone by then. */
START_TEST(an_error_brings_nothing_back_that_deallocate_all_took)
{
	prepare();
	say("P - deallocate all; B -; E; C s1; P s2 select 2; B nosuch; S");
	gets("P(|deallocate all)B()EP(B|select 2)B(nosuch)S");
	answer("12C(DEALLOCATE ALL)E(42601=syntax error)Z",
	    "12C(DEALLOCATE ALL)3E(42601=syntax error)Z");
	say("B s1; S");
	gets("B(s1)S");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
	say("P s2 select 2; P s1 select 1; S");
	gets("P(B|select 2)P(A|select 1)S");
	answer("11Z", "11Z");
}
END_TEST

/* What is parsed behind it and closed again is back after an error. */
START_TEST(an_error_brings_back_what_came_behind_deallocate_all)
{
	say("P - deallocate all; B -; E; P s1 select 1; C s1; B nosuch; S");
	gets("P(|deallocate all)B()EP(A|select 1)B(nosuch)S");
	answer("12C(DEALLOCATE ALL)1", "12C(DEALLOCATE ALL)13");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
	say("P s1 select 1; S");
	gets("S");
	answer("Z", "1Z");
	ck_assert(is_released());
}
END_TEST

/* The empty statement that makes the server refuse is not the client's. */
START_TEST(a_stand_in_behind_deallocate_all_is_used_by_nobody)
{
	int other;

	prepare();
	other = session_login(&world, 0);
	say_as(other, "Q deallocate all");
	gets("Q(deallocate all)");
	send_talk(server, "C(DEALLOCATE ALL)Z");
	expect_talk(other, "C(DEALLOCATE ALL)Z");
	session_settle(&world);
	say("P - deallocate all; B -; E; P s1 select 2; S");
	gets("P(|deallocate all)B()EP(A|)P(A|select 2)S");
	answer("12C(DEALLOCATE ALL)1E(42P05=it exists)Z",
	    "12C(DEALLOCATE ALL)E(42P05=it exists)Z");
	say_as(other, "P mine select 1; B mine; E; S");
	gets("C(A)P(A|select 1)B(A)ES");
	send_talk(server, "312CZ");
	expect_talk(other, "12CZ");
	close(other);
}
END_TEST

START_TEST(deallocate_by_name_reaches_the_protocols)
{
	prepare();
	say("Q deallocate \"s1\"");
	gets("C(s1)P(s1|)Q(deallocate \"s1\")");
	answer("31C(DEALLOCATE)Z", "C(DEALLOCATE)Z");
	say("B s1; S");
	gets("B(s1)S");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
}
END_TEST

/* A later batch whose meaning depends on how an earlier one ends waits. */
START_TEST(what_is_uncertain_is_held_back)
{
	say("P s1 select 1; S; B s1; E; S");
	gets("P(A|select 1)S");
	answer("E(42601=syntax error)Z", "E(42601=syntax error)Z");
	gets("B(s1)ES");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
	ck_assert(is_released());
}
END_TEST

START_TEST(what_is_certain_is_not_held_back)
{
	prepare();
	say("B s1; E; S; B s1; E; S; Q select 1");
	gets("B(A)ESB(A)ESQ(select 1)");
	answer("2CZ2CZCZ", "2CZ2CZCZ");
}
END_TEST

/* On another's server an unnamed statement must not be somebody else's. */
START_TEST(the_unnamed_one_is_its_own)
{
	int other;

	say("P - select 1; B -; E; S");
	gets("P(|select 1)B()ES");
	answer("12CZ", "12CZ");
	other = session_login(&world, 0);
	say_as(other, "B -; E; S");
	gets("C()B()ES");
	send_talk(server, "3E(26000=there is none)Z");
	expect_talk(other, "E(26000=there is none)Z");
	session_settle(&world);
	say("B -; E; S");
	gets("P(|select 1)B()ES");
	answer("12CZ", "2CZ");
	close(other);
}
END_TEST

/* A shared one may mean something else by now, and is planned otherwise. */
START_TEST(an_unnamed_one_is_parsed_each_time)
{
	prepare();
	for (int i = 0; i < 3; i++) {
		say("P - select 1; B -; E; S");
		gets("P(|select 1)B()ES");
		answer("12CZ", "12CZ");
	}
	say("B s1; E; S");
	gets("B(A)ES");
	answer("2CZ", "2CZ");
}
END_TEST

/* A failed transaction: what the server would refuse goes there. */
START_TEST(a_failed_transaction_is_the_servers)
{
	prepare();
	say("Q begin");
	gets("Q(begin)");
	answer("CZ(E)", "CZ(E)");
	say("P s2 select 1; S");
	gets("C(A)P(A|select 1)S");
	answer("3E(25P02=aborted)Z(E)", "E(25P02=aborted)Z(E)");
	say("Q rollback");
	gets("Q(rollback)");
	answer("CZ", "CZ");
	say("B s2; S");
	gets("B(s2)S");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
}
END_TEST

START_TEST(a_server_that_answers_out_of_turn_is_closed)
{
	prepare();
	say("B s1; E; S");
	gets("B(A)ES");
	send_talk(server, "1");
	expect_fatal(client, "unexpected response from server");
	expect_goodbye(server);
}
END_TEST

static void
begin_off(void)
{
	begin_with("default_pool_size = 1\nmax_prepared_statements = 0");
}

static void
begin_session(void)
{
	begin_with("default_pool_size = 1\npool_mode = session");
}

static void
begin_two(void)
{
	begin_with("default_pool_size = 1\nmax_prepared_statements = 2");
}

START_TEST(nothing_is_rewritten)
{
	say("P s1 select 1; B s1; D s1; E; C s1; S");
	gets("P(s1|select 1)B(s1)D(s1)EC(s1)S");
	answer("12tTC3Z", "12tTC3Z");
}
END_TEST

static void
add_case(Suite *suite, const char *name, SFun setup, const TTest *const *list)
{
	TCase *tests = tcase_create(name);

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, end);
	for (; *list != NULL; list++)
		tcase_add_test(tests, *list);
	suite_add_tcase(suite, tests);
}

static bool
drain(int fd)
{
	static uint8_t heard[65536];
	bool any = false;

	while (recv(fd, heard, sizeof(heard), MSG_DONTWAIT) > 0)
		any = true;
	return any;
}

/* Both sides in turn, or the buffers of the kernel are full. */
static void
send_and_drain(int from, int to, const uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		size_t part = length - at < 16384 ? length - at : 16384;

		send_bytes(from, bytes + at, part);
		at += part;
		(void)drain(to);
	}
	do {
		session_settle(&world);
	} while (drain(to));
}

/* The worker has others to look after. */
START_TEST(many_parses_that_an_error_skips_take_no_time)
{
	enum { MANY = 150000 };
	static uint8_t many[MANY * 9];
	struct writer writer = writer_of(many, sizeof(many));

	for (int i = 0; i < MANY; i++) {
		writer_begin(&writer, 'P');
		writer_string(&writer, "");
		writer_string(&writer, "");
		writer_u16(&writer, 0);
		writer_end(&writer);
	}
	ck_assert(!writer.failed);
	send_and_drain(client, server, writer.bytes, writer.used);
	send_talk(server, "E(42601=syntax error)");
	session_settle(&world);		/* within its patience: 5 s */
	send_talk(client, "S");
	expect_talk(server, "S");
	send_talk(server, "Z");
	expect_talk(client, "E(42601=syntax error)Z");
}
END_TEST

enum { MANY_TAGS = 100000 };

static void
put_many_deallocate_all(void)
{
	char name[16];

	put_parse("", "deallocate all");
	for (int i = 0; i < MANY_TAGS; i++) {
		put_bind("");
		put_execute();
		snprintf(name, sizeof(name), "s%d", i);
		put_parse(name, name);
	}
	writer_begin(&to_say, 'H');
	writer_end(&to_say);
	ck_assert(!to_say.failed);
}

/* From the third on one has to go before the next can come. */
static size_t
answer_many_deallocate_all(uint8_t *bytes, size_t size)
{
	const struct talk parsed = talk_of("1"),
	    gone = talk_of("2C(DEALLOCATE ALL)"), closed = talk_of("3");
	struct writer writer = writer_of(bytes, size);

	writer_bytes(&writer, parsed.bytes, parsed.length);
	for (int i = 0; i < MANY_TAGS; i++) {
		writer_bytes(&writer, gone.bytes, gone.length);
		if (i >= 2)
			writer_bytes(&writer, closed.bytes, closed.length);
		writer_bytes(&writer, parsed.bytes, parsed.length);
	}
	ck_assert(!writer.failed);
	return writer.used;
}

/*
 * Each takes a statement away, and none of the thousands behind it: to look
 * at those each time would take an hour, and this is over in a moment.
 */
START_TEST(many_deallocate_all_in_a_pipeline_take_no_time)
{
	static uint8_t many[MANY_TAGS * 50];

	to_say = writer_of(many, sizeof(many));
	put_many_deallocate_all();
	send_and_drain(client, server, many, to_say.used);
	send_and_drain(server, client, many, answer_many_deallocate_all(many,
	    sizeof(many)));
	say("S; B s99999; S");
	gets("SB(A)S");
	answer("Z2Z", "Z2Z");
	say("B s99998; S");
	gets("B(s99998)S");
	answer("E(26000=it does not exist)Z", "E(26000=it does not exist)Z");
}
END_TEST

/* What is wrong with it the server says, not the next message. */
START_TEST(a_parse_without_a_body_goes_on_at_once)
{
	send_bytes(client, "P\0\0\0\4", 5);
	gets("P(|)");
	say("B s1; S");
	gets("B(s1)S");
	answer("E(08P01=invalid string in message)Z",
	    "E(08P01=invalid string in message)Z");
	ck_assert(is_released());
}
END_TEST

int
main(void)
{
	const TTest *const usual[] = { a_name_is_replaced,
	    what_the_server_has_is_not_parsed_again,
	    all_answers_may_be_ours_but_one,
	    a_parse_that_fails_leaves_no_trace,
	    what_is_skipped_did_not_happen,
	    a_name_in_use_is_refused_by_the_server,
	    an_error_speaks_of_the_clients_name, deallocate_all_forgets_all,
	    discard_all_of_another_takes_nothing_from_this,
	    deallocate_all_in_a_pipeline_takes_what_came_before,
	    an_error_brings_nothing_back_that_deallocate_all_took,
	    an_error_brings_back_what_came_behind_deallocate_all,
	    a_stand_in_behind_deallocate_all_is_used_by_nobody,
	    deallocate_by_name_reaches_the_protocols,
	    what_is_uncertain_is_held_back, what_is_certain_is_not_held_back,
	    the_unnamed_one_is_its_own, an_unnamed_one_is_parsed_each_time,
	    a_failed_transaction_is_the_servers,
	    a_server_that_answers_out_of_turn_is_closed,
	    many_parses_that_an_error_skips_take_no_time,
	    a_parse_without_a_body_goes_on_at_once, NULL };
	const TTest *const two[] = { the_one_used_longest_ago_makes_room,
	    many_deallocate_all_in_a_pipeline_take_no_time, NULL };
	const TTest *const off[] = { nothing_is_rewritten, NULL };
	Suite *suite = suite_create("prepared");
	SRunner *runner;
	int failed;

	add_case(suite, "usual", begin, usual);
	add_case(suite, "two", begin_two, two);
	add_case(suite, "off", begin_off, off);
	add_case(suite, "session", begin_session, off);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
