#include "supervisor/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/invariant.h"

static const int ours[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGQUIT,
    SIGUSR1, SIGUSR2 };

static const int not_for_children[] = { SIGHUP, SIGINT, SIGUSR1, SIGUSR2,
    SIGPIPE };

static void
fill_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_LENGTH(ours); i++)
		sigaddset(set, ours[i]);
}

static void
dispose(int number, void (*how)(int))
{
	struct sigaction action = { .sa_handler = how };

	sigemptyset(&action.sa_mask);
	INVARIANT(sigaction(number, &action, NULL) == 0);
}

bool
signals_open(struct signals *signals, struct error *error)
{
	sigset_t set;

	fill_set(&set);
	/* nohup and the like leave some ignored; those would never come. */
	for (size_t i = 0; i < ARRAY_LENGTH(ours); i++)
		dispose(ours[i], SIG_DFL);
	dispose(SIGPIPE, SIG_IGN);
	INVARIANT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	signals->noted = 0;
	signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals->fd == -1)
		return error_system(error, "could not create a signalfd");
	return true;
}

void
signals_close(struct signals *signals)
{
	sigset_t set;

	fill_set(&set);
	close(signals->fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void
signals_read(struct signals *signals)
{
	struct signalfd_siginfo news;

	while (read(signals->fd, &news, sizeof(news)) == sizeof(news))
		signals->noted |= UINT64_C(1) << news.ssi_signo;
}

bool
signals_take(struct signals *signals, int number)
{
	uint64_t bit = UINT64_C(1) << number;
	bool came = (signals->noted & bit) != 0;

	signals->noted &= ~bit;
	return came;
}

void
signals_leave(struct signals *signals)
{
	/* Before they are let in again: what is pending is dropped. */
	for (size_t i = 0; i < ARRAY_LENGTH(not_for_children); i++)
		dispose(not_for_children[i], SIG_IGN);
	signals_close(signals);
}
