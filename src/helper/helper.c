#include "helper/helper.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/log.h"
#include "helper/resolve.h"
#include "net/fdpass.h"

/* Questions that are looked into at one time. */
#define ERRANDS_MOST 64
/* How long one may take; resolvers try several servers for 5 s each. */
#define PATIENCE (20 * USEC_PER_SEC)
/* Who was killed is looked after that soon. */
#define REAP_MSEC 20

struct office {
	const struct helper	*helper;
	struct errand		 errands[ERRANDS_MOST];
	usec_t			 now;
};

static struct errand *
find_vacant(struct office *office)
{
	for (unsigned i = 0; i < ERRANDS_MOST; i++)
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
is_sound(const struct question *question)
{
	return question->kind < QUESTION_KINDS &&
	    question->slot < ROSTER_SLOTS &&
	    question->text[sizeof(question->text) - 1] == '\0';
}

static void
send_out(struct office *office, struct errand *errand,
    const struct question *question)
{
	const struct errand_kind *kind =
	    &office->helper->kinds[question->kind];
	struct answer answer;
	struct error error;

	if (errand_begin(errand, question, kind, office->now +
	    office->helper->patience, &error))
		return;
	log_error("helper: %s", error.text);
	errand_fail(question, kind, &answer);
	send_answer(office, question->slot, &answer);
}

/* What there is no errand for stays in the socket. */
static void
take_questions(struct office *office)
{
	struct question question;
	struct errand *errand;
	size_t length;
	int fd;

	while ((errand = find_vacant(office)) != NULL) {
		length = fdpass_receive(office->helper->questions_fd,
		    &question, sizeof(question), &fd);
		INVARIANT(fd == -1);
		if (length == 0)
			return;
		if (length == sizeof(question) && is_sound(&question))
			send_out(office, errand, &question);
		else
			log_warning("helper: a question that is none");
	}
}

static void
finish(struct office *office, struct errand *errand)
{
	struct answer answer;

	errand_end(errand, &office->helper->kinds[errand->question.kind],
	    &answer);
	send_answer(office, errand->question.slot, &answer);
}

/* --- the loop ------------------------------------------------------------ */

static int
next_look(const struct office *office)
{
	usec_t until = INT64_MAX;

	for (unsigned i = 0; i < ERRANDS_MOST; i++) {
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
	    find_vacant(office) != NULL ? office->helper->questions_fd : -1,
	    POLLIN, 0 };
	for (unsigned i = 0; i < ERRANDS_MOST; i++)
		news[PLACE_ERRANDS + i] = (struct pollfd){
		    office->errands[i].phase == ERRAND_OUT ?
		    office->errands[i].fd : -1, POLLIN, 0 };
	if (poll(news, PLACE_ERRANDS + ERRANDS_MOST, next_look(office)) == -1)
		INVARIANT(errno == EINTR);
	office->now = clock_now();
}

static void
look_after_errands(struct office *office, const struct pollfd *news)
{
	for (unsigned i = 0; i < ERRANDS_MOST; i++) {
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
	struct pollfd news[PLACE_ERRANDS + ERRANDS_MOST];

	office = (struct office){ .helper = helper, .now = clock_now() };
	for (;;) {
		sleep_until_news(&office, news);
		if (news[PLACE_LIFELINE].revents != 0)
			return 1;	/* the supervisor is gone */
		look_after_errands(&office, news + PLACE_ERRANDS);
		take_questions(&office);
	}
}

int
helper_run(const struct inheritance *inheritance)
{
	const struct errand_kind kinds[QUESTION_KINDS] = {
		[QUESTION_HOST] = resolve_kind,
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
