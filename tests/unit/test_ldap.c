/*
 * What a directory may say that a real one cannot be made to: one is played,
 * in BER (RFC 4511) of which every length fits into a byte.
 */
#include "build.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helper/ldap.h"

/* Tags of RFC 4511, and where the start of a message has what. */
#define BIND_REQUEST 0x60
#define SEARCH_REQUEST 0x63
#define BIND_RESPONSE 0x61
#define SEARCH_DONE 0x65
#define AT_ID 4
#define AT_TAG 5

#define SUCCESS 0
#define SIZE_LIMIT_EXCEEDED 4

struct directory {
	const char	*story;
	int		 entries;
	uint8_t		 result;	/* of the search */
	enum answer_verdict verdict;
};

static const struct directory directories[] = {
	{ "one entry is who it is", 1, SUCCESS, ANSWER_YES },
	{ "no entry is nobody", 0, SUCCESS, ANSWER_NO },
	{ "two entries are nobody", 2, SUCCESS, ANSWER_NO },
	{ "one, and others kept back, are nobody", 1, SIZE_LIMIT_EXCEEDED,
	    ANSWER_NO },
	{ "some, all kept back, are nobody", 0, SIZE_LIMIT_EXCEEDED,
	    ANSWER_NO },
};

/* --- the directory ------------------------------------------------------- */

static void
put(int fd, const uint8_t *bytes, size_t length)
{
	if (write(fd, bytes, length) != (ssize_t)length)
		_exit(1);
}

static void
put_result(int fd, uint8_t id, uint8_t tag, uint8_t result)
{
	const uint8_t message[] = { 0x30, 12, 2, 1, id, tag, 7, 10, 1,
	    result, 4, 0, 4, 0 };

	put(fd, message, sizeof(message));
}

/* uid=0, uid=1 …, without attributes. */
static void
put_entry(int fd, uint8_t id, int number)
{
	const uint8_t message[] = { 0x30, 14, 2, 1, id, 0x64, 9, 4, 5, 'u',
	    'i', 'd', '=', (uint8_t)('0' + number), 0x30, 0 };

	put(fd, message, sizeof(message));
}

/* Everybody may bind; a request comes in one piece. */
static void
serve(int listener, const struct directory *directory)
{
	int fd = accept(listener, NULL, NULL);
	uint8_t request[256];

	while (read(fd, request, sizeof(request)) > AT_TAG) {
		uint8_t id = request[AT_ID];

		if (request[AT_TAG] == BIND_REQUEST)
			put_result(fd, id, BIND_RESPONSE, SUCCESS);
		if (request[AT_TAG] != SEARCH_REQUEST)
			continue;
		for (int i = 0; i < directory->entries; i++)
			put_entry(fd, id, i);
		put_result(fd, id, SEARCH_DONE, directory->result);
	}
	_exit(0);
}

/* Its port. */
static int
start(const struct directory *directory)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length),
	    0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address,
	    &length), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		serve(listener, directory);
	close(listener);
	return ntohs(address.sin_port);
}

/* --- who is asked -------------------------------------------------------- */

START_TEST(only_one_entry_is_somebody)
{
	const struct directory *directory = &directories[_i];
	struct question question = { .kind = QUESTION_LDAP,
	    .login = { .user = "u", .password = "secret" } };
	struct answer answer = { 0 };

	snprintf(question.login.options, sizeof(question.login.options),
	    "ldapserver=127.0.0.1 ldapport=%d ldapbasedn=\"dc=x\"",
	    start(directory));
	ldap_kind.run(&question, &answer);
	ck_assert_msg(answer.verdict == directory->verdict, "%s: %s",
	    directory->story, answer.text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ldap");
	TCase *tcase = tcase_create("ldap");
	SRunner *runner;
	int failed;

#ifndef HAVE_LDAP
	return 77;
#endif
	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, only_one_entry_is_somebody, 0,
	    ARRAY_LENGTH(directories));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
