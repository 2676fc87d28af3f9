#include "net/loop.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/memory.h"

#define EVENTS_PER_TURN 128

struct loop {
	struct loop_hooks	hooks;
	int			epoll_fd;
	usec_t			now;
	uint64_t		turns;
	bool			stopped;
	bool			holds;
};

struct loop *
loop_create(const struct loop_hooks *hooks, struct error *error)
{
	struct loop *loop = memory_get(sizeof(*loop));

	loop->hooks = *hooks;
	loop->now = clock_now();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd == -1) {
		error_system(error, "could not create an epoll set");
		memory_free(loop);
		return NULL;
	}
	return loop;
}

void
loop_destroy(struct loop *loop)
{
	close(loop->epoll_fd);
	memory_free(loop);
}

static bool
control(struct loop *loop, int operation, struct watch *watch)
{
	struct epoll_event event = { .events = watch->events,
	    .data.ptr = watch };

	if (UNLIKELY(loop->holds && watch->is_traffic))
		event.events &= ~(uint32_t)EPOLLIN;
	return epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) == 0;
}

bool
loop_add(struct loop *loop, struct watch *watch, int fd, uint32_t events,
    on_event *callback, void *context)
{
	INVARIANT(watch->callback == NULL);
	watch->callback = callback;
	watch->context = context;
	watch->fd = fd;
	watch->events = events;
	if (control(loop, EPOLL_CTL_ADD, watch))
		return true;
	watch->callback = NULL;
	return false;
}

void
loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
	INVARIANT(watch->callback != NULL);
	if (watch->events == events)
		return;
	watch->events = events;
	INVARIANT(control(loop, EPOLL_CTL_MOD, watch));
}

void
loop_remove(struct loop *loop, struct watch *watch)
{
	if (watch->callback == NULL)
		return;
	INVARIANT(control(loop, EPOLL_CTL_DEL, watch));
	watch->callback = NULL;
}

void
loop_hold(struct loop *loop, bool holds)
{
	loop->holds = holds;
}

void
loop_refresh(struct loop *loop, struct watch *watch)
{
	if (watch->callback != NULL)
		INVARIANT(control(loop, EPOLL_CTL_MOD, watch));
}

void
loop_turn(struct loop *loop)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int timeout = loop->hooks.before_sleep(loop->hooks.context);
	int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN,
	    timeout);

	INVARIANT(count != -1 || errno == EINTR);
	loop->now = clock_now();
	loop->turns++;
	loop->hooks.after_wake(loop->hooks.context);
	for (int i = 0; i < count; i++) {
		struct watch *watch = events[i].data.ptr;

		if (watch->callback != NULL)
			watch->callback(watch->context, events[i].events);
	}
	loop->hooks.end_of_turn(loop->hooks.context);
}

void
loop_run(struct loop *loop)
{
	while (!loop->stopped)
		loop_turn(loop);
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

usec_t
loop_now(const struct loop *loop)
{
	return loop->now;
}

uint64_t
loop_turns(const struct loop *loop)
{
	return loop->turns;
}
