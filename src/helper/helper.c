#include "helper/helper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/log.h"
#include "base/memory.h"
#include "helper/ldap.h"
#include "helper/line.h"
#include "helper/pam.h"
#include "helper/peer.h"
#include "helper/resolve.h"
#include "net/fdpass.h"

/* How long one may take; resolvers try several servers for 5 s each. */
#define PATIENCE (20 * USEC_PER_SEC)
/* Who was killed is looked after that soon. */
#define REAP_MSEC 20

struct office {
	const struct helper	*helper;
	struct line		*line;
	struct errand		 errands[LINE_ERRANDS];
	usec_t			 now;
};

static struct errand *
find_vacant(struct office *office)
{
	for (unsigned i = 0; i < LINE_ERRANDS; i++)
		if (office->errands[i].phase == ERRAND_VACANT)
			return &office->errands[i];
	return NULL;
}

/* Who does not take its answer asks again. */
static void
send_answer(const struct office *office, uint32_t slot,
    const struct answer *answer)
{
	if (!fdpass_send(office->helper->outbox_fds[slot], answer,
	    sizeof(*answer), -1))
		log_warning("worker %u does not take the answer about '%s'",
		    slot, answer->text);
}

static bool
ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool
is_sound(const struct question *question, size_t length)
{
	const struct login_matter *login = &question->login;

	if (length < offsetof(struct question, login) ||
	    question->kind >= QUESTION_KINDS ||
	    question->slot >= ROSTER_SLOTS ||
	    !ends(question->text, sizeof(question->text)))
		return false;
	if (length == offsetof(struct question, login))
		return length == question_length(question);
	return length > offsetof(struct question, login.password) &&
	    ends(login->user, sizeof(login->user)) &&
	    ends(login->host, sizeof(login->host)) &&
	    ends(login->options, sizeof(login->options)) &&
	    ends(login->password, sizeof(login->password)) &&
	    length == question_length(question);
}

static void
refuse(const struct office *office, const struct question *question,
    const char *why)
{
	struct answer answer;

	errand_fail(question, &office->helper->kinds[question->kind],
	    &answer);
	if (question->kind != QUESTION_HOST)
		snprintf(answer.text, sizeof(answer.text), "%s", why);
	send_answer(office, question->slot, &answer);
}

static void
send_out(struct office *office, struct errand *errand,
    const struct question *question)
{
	const struct errand_kind *kind =
	    &office->helper->kinds[question->kind];
	usec_t patience = kind->patience != 0 ? kind->patience :
	    office->helper->patience;
	struct error error;

	if (errand_begin(errand, question, kind, office->now + patience,
	    &error))
		return;
	log_error("helper: %s", error.text);
	refuse(office, question, error.text);
}

static void
take_questions(struct office *office)
{
	struct question question;
	size_t length;
	int fd;

	while ((length = fdpass_receive(office->helper->questions_fd,
	    &question, sizeof(question), &fd)) > 0) {
		INVARIANT(fd == -1);
		if (!is_sound(&question, length))
			log_warning("helper: a question that is none");
		else if (!line_add(office->line, &question, office->now))
			refuse(office, &question, "too many wait");
		memory_wipe(&question, sizeof(question));
	}
}

static void
send_out_all(struct office *office)
{
	struct question question;
	struct errand *errand;

	while (line_take_late(office->line, office->now -
	    office->helper->patience, &question))
		refuse(office, &question, "too many wait");
	while ((errand = find_vacant(office)) != NULL &&
	    line_take(office->line, office->errands, &question))
		send_out(office, errand, &question);
	memory_wipe(&question, sizeof(question));
}

static void
finish(struct office *office, struct errand *errand)
{
	uint32_t slot = errand->question.slot;
	struct answer answer;

	errand_end(errand, &office->helper->kinds[errand->question.kind],
	    &answer);
	send_answer(office, slot, &answer);
}

/* --- the loop ------------------------------------------------------------ */

static int
next_look(const struct office *office)
{
	usec_t until = line_oldest(office->line);

	if (until != INT64_MAX)
		until += office->helper->patience;
	for (unsigned i = 0; i < LINE_ERRANDS; i++) {
		const struct errand *errand = &office->errands[i];

		if (errand->phase == ERRAND_ENDING)
			return REAP_MSEC;
		if (errand->phase == ERRAND_OUT && errand->deadline < until)
			until = errand->deadline;
	}
	if (until == INT64_MAX)
		return -1;
	if (until <= office->now)
		return 0;
	return (int)((until - office->now) / USEC_PER_MSEC) + 1;
}

enum place { PLACE_LIFELINE = 0, PLACE_QUESTIONS, PLACE_ERRANDS };

/* poll() passes over what is -1. */
static void
sleep_until_news(struct office *office, struct pollfd *news)
{
	news[PLACE_LIFELINE] = (struct pollfd){
	    office->helper->lifeline_fd, POLLIN, 0 };
	news[PLACE_QUESTIONS] = (struct pollfd){
	    office->helper->questions_fd, POLLIN, 0 };
	for (unsigned i = 0; i < LINE_ERRANDS; i++)
		news[PLACE_ERRANDS + i] = (struct pollfd){
		    office->errands[i].phase == ERRAND_OUT ?
		    office->errands[i].fd : -1, POLLIN, 0 };
	if (poll(news, PLACE_ERRANDS + LINE_ERRANDS, next_look(office)) == -1)
		INVARIANT(errno == EINTR);
	office->now = clock_now();
}

static void
look_after_errands(struct office *office, const struct pollfd *news)
{
	for (unsigned i = 0; i < LINE_ERRANDS; i++) {
		struct errand *errand = &office->errands[i];

		if (errand->phase == ERRAND_OUT &&
		    (news[i].revents != 0 || office->now >= errand->deadline))
			finish(office, errand);
		else
			errand_reap(errand);
	}
}

int
helper_serve(const struct helper *helper)
{
	static struct office office;
	struct pollfd news[PLACE_ERRANDS + LINE_ERRANDS];

	office = (struct office){ .helper = helper, .now = clock_now(),
	    .line = line_create() };
	for (;;) {
		sleep_until_news(&office, news);
		if (news[PLACE_LIFELINE].revents != 0)
			return 1;	/* the supervisor is gone */
		look_after_errands(&office, news + PLACE_ERRANDS);
		take_questions(&office);
		send_out_all(&office);
	}
}

int
helper_run(const struct inheritance *inheritance)
{
	const struct errand_kind kinds[QUESTION_KINDS] = {
		[QUESTION_HOST] = resolve_kind,
		[QUESTION_PEER] = peer_kind,
		[QUESTION_PAM] = pam_kind,
		[QUESTION_LDAP] = ldap_kind,
	};
	const struct helper helper = {
		.questions_fd = inheritance->helper_fd,
		.lifeline_fd = inheritance->lifeline_fd,
		.outbox_fds = inheritance->outbox_fds,
		.kinds = kinds,
		.patience = PATIENCE,
	};

	return helper_serve(&helper);
}
