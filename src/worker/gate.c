#include "worker/gate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "contract/orders.h"
#include "net/fdpass.h"

/* Accepted in one go before other work gets its turn, in a crowd. */
#define ACCEPT_MOST 16
/* Let in before a socket is closed: more than any queue holds. */
#define QUEUE_MOST 4096
/* What PgBouncer waits, too, when accept() fails. */
#define PAUSE (5 * USEC_PER_SEC)
/* More clients than the least busy worker by this, plus a quarter. */
#define SLACK 1

struct door {
	struct gate	*gate;
	struct watch	 watch;
	int		 fd;
	bool		 is_unix;
	bool		 is_shared;	/* with the other workers */
	unsigned	 burst;		/* accepted in its last turn, if there */
	uint64_t	 turn;		/* of the loop; 0: all were let in */
};

struct gate {
	const struct inheritance *inheritance;
	struct loop		*loop;
	struct sessions		*sessions;
	struct door		 doors[LISTENERS_MOST];
	unsigned		 count;
	usec_t			 closed_until;	/* 0: open */
	bool			 retires;
	bool			 suspended;
};

static on_event on_door;

static bool
open_door(struct door *door)
{
	/* One of the workers is woken for a client, not all. */
	uint32_t events = EPOLLIN | (door->is_shared ? EPOLLEXCLUSIVE : 0);

	return loop_add(door->gate->loop, &door->watch, door->fd, events,
	    on_door, door);
}

struct gate *
gate_open(const struct inheritance *inheritance, struct loop *loop,
    struct sessions *sessions, struct error *error)
{
	struct gate *gate = memory_get(sizeof(*gate));

	gate->inheritance = inheritance;
	gate->loop = loop;
	gate->sessions = sessions;
	gate->count = inheritance->listener_count;
	for (unsigned i = 0; i < gate->count; i++) {
		struct door *door = &gate->doors[i];

		door->gate = gate;
		door->fd = inheritance->listeners[i].fd;
		door->is_unix = inheritance->listeners[i].is_unix;
		door->is_shared = inheritance->listeners[i].is_shared;
		if (!open_door(door)) {
			error_system(error, "could not watch a listening "
			    "socket");
			memory_free(gate);
			return NULL;
		}
	}
	return gate;
}

/* Those on their way count, or a burst would all go to the same worker. */
static uint32_t
load_of(const struct roster_row *roster)
{
	return atomic_load(&roster->clients) + atomic_load(&roster->coming);
}

/* Who has the fewest clients, if clearly fewer than this worker. */
static unsigned
choose_worker(const struct gate *gate)
{
	const struct segment *segment = gate->inheritance->segment;
	unsigned chosen = gate->inheritance->slot;
	uint32_t mine = load_of(&segment->roster[chosen]);
	uint32_t least = gate->retires ? UINT32_MAX : mine;

	for (unsigned i = 0; i < segment_slots(segment); i++) {
		uint32_t clients = load_of(&segment->roster[i]);

		if (clients < least && atomic_load(
		    &segment->roster[i].phase) == ROSTER_SERVING) {
			least = clients;
			chosen = i;
		}
	}
	if (!gate->retires && mine <= least + SLACK + least / 4)
		return gate->inheritance->slot;
	return chosen;
}

static bool
pass_on(struct gate *gate, unsigned worker, int fd, bool is_unix)
{
	struct inbox_message message = { .kind = INBOX_CLIENT,
	    .is_unix = is_unix };
	struct roster_row *roster =
	    &gate->inheritance->segment->roster[worker];

	atomic_fetch_add(&roster->coming, 1);
	if (fdpass_send(gate->inheritance->outbox_fds[worker], &message,
	    sizeof(message), fd))
		return true;
	atomic_fetch_sub(&roster->coming, 1);
	return false;
}

/* False: errno says why nobody came in. */
static bool
let_in_one(struct door *door)
{
	struct gate *gate = door->gate;
	unsigned worker = choose_worker(gate);
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	int fd;

	memset(&peer, 0, sizeof(peer));
	fd = accept4(door->fd, (struct sockaddr *)&peer, &length,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1)
		return false;
	if (worker != gate->inheritance->slot &&
	    pass_on(gate, worker, fd, door->is_unix))
		close(fd);
	else
		sessions_accept(gate->sessions, fd, door->is_unix, &peer);
	return true;
}

static void
close_doors(struct gate *gate)
{
	for (unsigned i = 0; i < gate->count; i++)
		loop_remove(gate->loop, &gate->doors[i].watch);
}

static bool
is_ours(const struct door *door)
{
	return !door->gate->retires || !door->is_shared;
}

static void
open_doors(struct gate *gate)
{
	for (unsigned i = 0; i < gate->count; i++)
		if (gate->doors[i].fd != -1 && is_ours(&gate->doors[i]) &&
		    !open_door(&gate->doors[i]))
			log_error("could not watch a listening socket: %s",
			    strerror(errno));
}

static void
close_for_a_while(struct gate *gate)
{
	gate->closed_until = loop_now(gate->loop) + PAUSE;
	close_doors(gate);
}

static bool
is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR ||
	    error == ECONNABORTED;
}

/*
 * Most clients come alone, and to ask for another is a system call in vain.
 * Whoever is left the loop reports in its next turn; then there is a crowd.
 */
static unsigned
choose_burst(struct door *door)
{
	uint64_t turn = loop_turns(door->gate->loop);
	bool in_a_row = door->turn != 0 && turn == door->turn + 1;

	door->turn = turn;
	door->burst = !in_a_row ? 1 : door->burst < ACCEPT_MOST ?
	    2 * door->burst : ACCEPT_MOST;
	return door->burst;
}

static void
on_door(void *context, uint32_t events)
{
	struct door *door = context;
	unsigned burst = choose_burst(door);

	for (unsigned i = 0; i < burst; i++) {
		if (let_in_one(door))
			continue;
		door->turn = 0;
		if (!is_passing(errno)) {
			log_error("accept() failed: %s", strerror(errno));
			close_for_a_while(door->gate);
		}
		return;
	}
}

static void
reopen(struct gate *gate, struct door *door)
{
	if (door->fd != -1 && gate->closed_until == 0 && !gate->suspended &&
	    !open_door(door))
		log_error("could not watch a listening socket: %s",
		    strerror(errno));
}

void
gate_retire(struct gate *gate, bool retires)
{
	if (gate->retires == retires)
		return;
	gate->retires = retires;
	for (unsigned i = 0; i < gate->count; i++) {
		struct door *door = &gate->doors[i];

		if (!door->is_shared)
			continue;
		if (retires)
			loop_remove(gate->loop, &door->watch);
		else
			reopen(gate, door);
	}
}

void
gate_tick(struct gate *gate)
{
	if (gate->closed_until == 0 ||
	    loop_now(gate->loop) < gate->closed_until)
		return;
	gate->closed_until = 0;
	if (!gate->suspended)
		open_doors(gate);
}

void
gate_suspend(struct gate *gate, bool suspended)
{
	if (suspended == gate->suspended)
		return;
	gate->suspended = suspended;
	if (gate->closed_until != 0)
		return;			/* they are closed, and stay so */
	if (suspended)
		close_doors(gate);
	else
		open_doors(gate);
}

/*
 * Who is in the queue already is let in, to be told; closing the socket would
 * just reset the connection.
 */
static void
empty_queue(struct door *door)
{
	for (int i = 0; i < QUEUE_MOST && let_in_one(door); i++)
		;
}

void
gate_close_tcp(struct gate *gate)
{
	for (unsigned i = 0; i < gate->count; i++) {
		struct door *door = &gate->doors[i];

		if (door->is_unix || door->fd == -1)
			continue;
		loop_remove(gate->loop, &door->watch);
		/* What the service manager keeps the next of us will serve. */
		if (!door->is_shared)
			empty_queue(door);
		close(door->fd);
		door->fd = -1;
	}
}
