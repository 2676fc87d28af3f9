#include "helper/errand.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/memory.h"
#include "contract/orders.h"

static void
begin_answer(const struct question *question, struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->kind = INBOX_ANSWER;
	answer->question = question->kind;
	answer->id = question->id;
	answer->ticket = question->ticket;
	if (question->kind == QUESTION_HOST)
		memcpy(answer->text, question->text, sizeof(answer->text));
}

void
errand_fail(const struct question *question, const struct errand_kind *kind,
    struct answer *answer_out)
{
	begin_answer(question, answer_out);
	answer_out->verdict = ANSWER_FAILED;
	answer_out->result = kind->failed;
}

/* An answer is shorter than PIPE_BUF: it comes whole or not at all. */
static NORETURN void
run(const struct question *question, const struct errand_kind *kind, int fd,
    pid_t parent)
{
	struct answer answer;

	prctl(PR_SET_NAME, "pgusher/errand", 0, 0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1 ||
	    getppid() != parent)
		_exit(1);
	begin_answer(question, &answer);
	kind->run(question, &answer);
	_exit(write(fd, &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
}

bool
errand_begin(struct errand *errand, const struct question *question,
    const struct errand_kind *kind, usec_t deadline, struct error *error)
{
	pid_t parent = getpid(), pid;
	int ends[2];

	INVARIANT(errand->phase == ERRAND_VACANT);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return error_system(error, "could not create a pipe");
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		run(question, kind, ends[1], parent);
	}
	if (pid == -1)
		error_system(error, "could not fork");
	close(ends[1]);
	if (pid == -1) {
		close(ends[0]);
		return false;
	}
	*errand = (struct errand){ .phase = ERRAND_OUT, .pid = pid,
	    .fd = ends[0], .deadline = deadline, .question = *question };
	return true;
}

static bool
is_to_the_point(const struct answer *answer, const struct question *question)
{
	return answer->kind == INBOX_ANSWER &&
	    answer->question == question->kind &&
	    answer->id == question->id &&
	    answer->ticket == question->ticket &&
	    answer->addresses.count <= ADDRESSES_MOST;
}

void
errand_end(struct errand *errand, const struct errand_kind *kind,
    struct answer *answer_out)
{
	INVARIANT(errand->phase == ERRAND_OUT);
	if (read(errand->fd, answer_out, sizeof(*answer_out)) !=
	    sizeof(*answer_out) ||
	    !is_to_the_point(answer_out, &errand->question))
		errand_fail(&errand->question, kind, answer_out);
	memory_wipe(&errand->question, sizeof(errand->question));
	close(errand->fd);
	errand->fd = -1;
	errand->phase = ERRAND_ENDING;
	/* Not reaped yet, so the number is still its own. */
	kill(errand->pid, SIGKILL);
	errand_reap(errand);
}

void
errand_reap(struct errand *errand)
{
	if (errand->phase == ERRAND_ENDING &&
	    waitpid(errand->pid, NULL, WNOHANG) != 0)
		errand->phase = ERRAND_VACANT;
}
