#include "session_world.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/fdpass.h"
#include "net/loop.h"
#include "pool/repair.h"
#include "session/client.h"
#include "session/sessions.h"
#include "session_clock.h"
#include "wire/messages.h"

/* Longest that anything may take. */
#define PATIENCE_MSEC 20000
#define TICK (10 * USEC_PER_MSEC)

struct session_shared {
	_Atomic unsigned	pings[SESSION_WORKERS];
	_Atomic usec_t		time;		/* the workers' */
};

/* --- the child ----------------------------------------------------------- */

/* Tells a worker what comes through its door. */
enum door_message { DOOR_UNIX = 1, DOOR_TCP, DOOR_PING, DOOR_SUSPEND };

struct descriptor_note {
	uint32_t row, generation;
};

struct name_note {		/* a question, or its answer */
	uint32_t		row;
	char			name[64];
	bool			is_missing;
	struct address_list	list;
};

struct side {
	struct session_world	*world;
	struct sessions		*sessions;
	struct loop		*loop;
	uint32_t		 slot;
	uint32_t		 epoch;
	usec_t			 next_tick, next_real_tick;
	unsigned		 pings;		/* answered in this turn */
	struct watch		 door, inbox, bell;
};

static void
publish_server(void *context, uint32_t row, int fd)
{
	struct side *side = context;
	struct descriptor_note note = { row, atomic_load(
	    &side->world->segment->servers[row].generation) };

	for (unsigned i = 0; i < side->world->segment->size.workers; i++)
		if (i != side->slot)
			(void)!fdpass_send(side->world->inboxes[i][1], &note,
			    sizeof(note), fd);
}

static void
collect_descriptors(void *context)
{
	struct side *side = context;
	struct descriptor_note note;
	int fd;

	while (fdpass_receive(side->world->inboxes[side->slot][0], &note,
	    sizeof(note), &fd) == sizeof(note))
		sessions_receive_server(side->sessions, note.row,
		    note.generation, fd);
}

static bool
ask_host(void *context, uint32_t host, const char *name)
{
	struct side *side = context;
	struct name_note note = { .row = host };

	snprintf(note.name, sizeof(note.name), "%s", name);
	return fdpass_send(side->world->questions[1], &note, sizeof(note),
	    -1);
}

static void
take_answer(struct side *side, const struct name_note *note)
{
	const struct host_answer answer = { note->name,
	    note->is_missing ? EAI_NONAME : 0, note->is_missing,
	    &note->list };

	sessions_take_host(side->sessions, note->row, &answer);
}

static bool
may_enter_console(void *context, const char *user)
{
	return strcmp(user, "admin") == 0;
}

static void
greet_console(void *context, struct buffer *reply)
{
}

/* The console of this test repeats what it is told. */
static void
on_console(void *context, struct client *client, uint8_t type,
    const uint8_t *body, size_t length)
{
	uint8_t memory[1024];
	struct writer writer = writer_of(memory, sizeof(memory));

	writer_begin(&writer, type);
	writer_bytes(&writer, body, length);
	writer_end(&writer);
	(void)!client_send(client, writer.bytes, writer.used);
}

static void
on_console_gone(void *context, struct client *client)
{
}

/* It answers to that as well. */
static void
on_console_cancel(void *context, struct client *client)
{
	static const uint8_t canceled[] = { 'c', 0, 0, 0, 4 };

	(void)!client_send(client, canceled, sizeof(canceled));
}

static void
on_door(void *context, uint32_t events)
{
	struct side *side = context;
	union {
		uint8_t			kind;
		struct name_note	note;
	} message;
	size_t length;
	int fd;

	while ((length = fdpass_receive(side->world->doors[side->slot][0],
	    &message, sizeof(message), &fd)) > 0) {
		if (length == sizeof(message.note))
			take_answer(side, &message.note);
		else if (message.kind == DOOR_PING)
			side->pings++;
		else if (message.kind == DOOR_SUSPEND)
			raise(SIGSTOP);
		else
			sessions_accept(side->sessions, fd,
			    message.kind == DOOR_UNIX, NULL);
	}
}

static void
on_inbox(void *context, uint32_t events)
{
	collect_descriptors(context);
}

static void
on_bell(void *context, uint32_t events)
{
	struct side *side = context;
	uint64_t count;

	(void)!read(side->world->segment->wake_fds[side->slot], &count,
	    sizeof(count));
}

static int
before_sleep(void *context)
{
	struct side *side = context;

	atomic_store(&side->world->segment->roster[side->slot].sleeping, 1);
	if (mailbox_has_mail(side->world->segment, side->slot) ||
	    atomic_load(&side->world->segment->state->epoch) != side->epoch)
		return 0;
	return (int)(TICK / USEC_PER_MSEC);
}

/* By both clocks: what it looks after must not stand still as well. */
static void
tick(struct side *side)
{
	usec_t now = loop_now(side->loop), real = session_clock_real();

	if (now < side->next_tick && real < side->next_real_tick)
		return;
	side->next_tick = now + TICK;
	side->next_real_tick = real + TICK;
	sessions_tick(side->sessions);
}

static void
after_wake(void *context)
{
	struct side *side = context;
	struct segment *segment = side->world->segment;
	struct roster_row *roster = &segment->roster[side->slot];
	uint32_t epoch = atomic_load(&segment->state->epoch);
	struct mail letter;

	atomic_store(&roster->sleeping, 0);
	if (epoch != side->epoch) {
		side->epoch = epoch;
		sessions_on_order(side->sessions);
	}
	while (mailbox_collect(segment, side->slot, &letter, 1) == 1)
		sessions_take_mail(side->sessions, &letter);
	if (atomic_exchange(&roster->recheck, 0) != 0)
		sessions_recheck(side->sessions);
	tick(side);
}

static void
end_of_turn(void *context)
{
	struct side *side = context;

	sessions_end_of_turn(side->sessions);
	atomic_fetch_add(&side->world->shared->pings[side->slot],
	    side->pings);
	side->pings = 0;
}

NORETURN static void
run_side(struct session_world *world, unsigned slot)
{
	struct side side = { .world = world, .slot = slot };
	const struct sessions_owner owner = { &side, publish_server,
	    collect_descriptors, may_enter_console, greet_console,
	    on_console, on_console_gone, ask_host, NULL,
	    on_console_cancel };
	const struct loop_hooks hooks = { &side, before_sleep, after_wake,
	    end_of_turn };
	struct error error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	session_clock_follow(&world->shared->time);
	close(world->listen_fd);
	side.loop = loop_create(&hooks, &error);
	side.sessions = sessions_create(world->segment, world->config,
	    side.loop, slot, &owner);
	if (!loop_add(side.loop, &side.door, world->doors[slot][0], EPOLLIN,
	    on_door, &side) || !loop_add(side.loop, &side.inbox,
	    world->inboxes[slot][0], EPOLLIN, on_inbox, &side) ||
	    !loop_add(side.loop, &side.bell, world->segment->wake_fds[slot],
	    EPOLLIN, on_bell, &side))
		_exit(1);
	atomic_store(&world->segment->roster[slot].phase, ROSTER_SERVING);
	loop_run(side.loop);
	_exit(0);
}

/* --- beginning and end --------------------------------------------------- */

/* A socket that is bound there; port 0 becomes one that was free. */
static int
take_port(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
	    sizeof(on)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)address, length), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address,
	    &length), 0);
	return fd;
}

/*
 * A port that was asked for by its number stays taken when the socket listens
 * no longer: one that the kernel chose would be given to somebody else.
 */
static void
open_postgresql(struct session_world *world)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int chosen = take_port(&address);

	world->listen_fd = take_port(&address);
	ck_assert_int_eq(listen(world->listen_fd, 64), 0);
	close(chosen);
	world->port = ntohs(address.sin_port);
}

static void
configure(struct session_world *world, const char *settings)
{
	static const char users[] = "\"u\" \"secret\"\n\"v\" \"other\"\n"
	    "\"admin\" \"secret\"\n";
	struct error error = { .text = "" };
	char ini[4096], *place;
	int length;

	length = snprintf(ini, sizeof(ini), "[databases]\n"
	    "db = host=127.0.0.1 port=%u dbname=realdb\n"
	    "[pgbouncer]\n"
	    "listen_port = 6432\nauth_type = trust\nauth_file = users\n"
	    "pool_mode = transaction\nlog_connections = 0\n"
	    "log_disconnections = 0\nlog_pooler_errors = 0\n"
	    "server_tls_sslmode = disable\n"
	    "admin_users = admin\n%s\n", world->port, settings);
	ck_assert_int_lt(length, (int)sizeof(ini) - 8);
	if ((place = strstr(ini, "PORT")) != NULL) {
		char port[8];

		snprintf(port, sizeof(port), "%4u", world->port);
		memmove(place + strlen(port), place + 4, strlen(place + 4) +
		    1);
		memcpy(place, port, strlen(port));
		length = (int)strlen(ini);
	}
	world->files = files_memory();
	files_put(world->files, "pgusher.ini", ini, (size_t)length);
	files_put(world->files, "users", users, sizeof(users) - 1);
	world->config = config_load(world->files, "pgusher.ini", &error);
	ck_assert_msg(world->config != NULL, "%s", error.text);
}

void
session_start_workers(struct session_world *world, unsigned workers,
    const char *settings)
{
	const struct segment_size size = { .workers = workers, .clients = 64,
	    .servers = 16, .pools = 4, .databases = 4, .users = 8,
	    .hosts = 4 };
	struct error error = { .text = "" };

	memset(world, 0, sizeof(*world));
	signal(SIGPIPE, SIG_IGN);
	world->segment = segment_create(&size, &error);
	ck_assert_msg(world->segment != NULL, "%s", error.text);
	world->shared = mmap(NULL, sizeof(*world->shared), PROT_READ |
	    PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(world->shared, MAP_FAILED);
	atomic_store(&world->shared->time, clock_now());
	open_postgresql(world);
	configure(world, settings);
	ck_assert(fdpass_pair(world->questions, &error));
	for (unsigned i = 0; i < workers; i++)
		ck_assert(fdpass_pair(world->doors[i], &error) &&
		    fdpass_pair(world->inboxes[i], &error));
	for (unsigned i = 0; i < workers; i++) {
		world->pids[i] = fork();
		ck_assert_int_ne(world->pids[i], -1);
		if (world->pids[i] == 0)
			run_side(world, i);
	}
	session_settle(world);
}

void
session_start(struct session_world *world, const char *settings)
{
	session_start_workers(world, 1, settings);
}

void
session_stop(struct session_world *world)
{
	struct segment *segment = world->segment;
	const char *what = "";

	session_settle(world);
	for (unsigned i = 0; i < segment->size.workers; i++)
		session_suspend(world, i);
	for (uint32_t row = 0; row < segment->state->pools_used; row++) {
		ck_assert_msg(lock_is_free(&segment->pools[row].lock),
		    "a pool's lock is held");
		ck_assert_msg(repair_check_pool(segment, row, &what), "%s",
		    what);
	}
	for (unsigned i = 0; i < segment->size.workers; i++) {
		int status;

		kill(world->pids[i], SIGKILL);
		ck_assert_int_eq(waitpid(world->pids[i], &status, 0),
		    world->pids[i]);
		ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) ==
		    SIGKILL, "worker %u ended by itself: %x", i,
		    (unsigned)status);
		for (int j = 0; j < 2; j++) {
			close(world->doors[i][j]);
			close(world->inboxes[i][j]);
		}
	}
	close(world->listen_fd);
	munmap(world->shared, sizeof(*world->shared));
	config_free(world->config);
	files_free(world->files);
	segment_destroy(segment);
}

static void
ping(struct session_world *world, unsigned worker)
{
	unsigned before = atomic_load(&world->shared->pings[worker]);
	usec_t until = clock_now() + PATIENCE_MSEC * USEC_PER_MSEC;
	uint8_t message = DOOR_PING;

	ck_assert(fdpass_send(world->doors[worker][1], &message, 1, -1));
	for (int i = 0; atomic_load(&world->shared->pings[worker]) == before;
	    i++) {
		ck_assert_msg(waitpid(world->pids[worker], NULL, WNOHANG) ==
		    0, "worker %u has ended", worker);
		ck_assert_msg(clock_now() < until, "worker %u hangs", worker);
		if (i < 1000)
			sched_yield();
		else		/* others may need the processor */
			usleep(100);
	}
}

/*
 * A ping is answered at the end of its turn, and what was there before it is
 * read in that turn as well.  The second ping is for a socket that came in
 * with the first; what one worker has caused for another takes a third.
 */
void
session_settle(struct session_world *world)
{
	int times = world->segment->size.workers == 1 ? 2 : 3;

	for (int i = 0; i < times; i++)
		for (unsigned j = 0; j < world->segment->size.workers; j++)
			if (!world->suspended[j])
				ping(world, j);
}

void
session_pass(struct session_world *world, usec_t span)
{
	session_settle(world);
	atomic_fetch_add(&world->shared->time, span);
	session_settle(world);
}

void
session_suspend(struct session_world *world, unsigned worker)
{
	uint8_t message = DOOR_SUSPEND;
	int status;

	ck_assert(fdpass_send(world->doors[worker][1], &message, 1, -1));
	ck_assert_int_eq(waitpid(world->pids[worker], &status, WUNTRACED),
	    world->pids[worker]);
	ck_assert_msg(WIFSTOPPED(status), "worker %u ended by itself: %x",
	    worker, (unsigned)status);
	world->suspended[worker] = true;
}

void
session_resume(struct session_world *world, unsigned worker)
{
	world->suspended[worker] = false;
	kill(world->pids[worker], SIGCONT);
}

void
session_order(struct session_world *world)
{
	segment_proclaim(world->segment);
	session_settle(world);
}

static void
hand_in(struct session_world *world, unsigned worker, uint8_t kind, int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	ck_assert(fdpass_send(world->doors[worker][1], &kind, 1, fd));
	close(fd);
}

int
session_connect(struct session_world *world, unsigned worker)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	hand_in(world, worker, DOOR_UNIX, pair[1]);
	return pair[0];
}

/* Or the second of two small parts would wait for an acknowledgement. */
static void
send_at_once(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int
session_connect_narrow(struct session_world *world, unsigned worker)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(address);
	int bytes = 16 * 1024;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(door, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(door, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	ck_assert_int_eq(bind(door, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(listen(door, 1), 0);
	ck_assert_int_eq(getsockname(door, (struct sockaddr *)&address,
	    &length), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, length),
	    0);
	hand_in(world, worker, DOOR_TCP, accept(door, NULL, NULL));
	send_at_once(fd);
	close(door);
	return fd;
}

static bool
is_readable(int fd, int msec)
{
	struct pollfd poll_fd = { fd, POLLIN, 0 };

	return poll(&poll_fd, 1, msec) == 1;
}

uint32_t
session_question(struct session_world *world, const char *name)
{
	struct pollfd news = { world->questions[0], POLLIN, 0 };
	struct name_note note;
	int fd;

	ck_assert_msg(poll(&news, 1, PATIENCE_MSEC) == 1,
	    "nobody asks for %s", name);
	ck_assert_uint_eq(fdpass_receive(world->questions[0], &note,
	    sizeof(note), &fd), sizeof(note));
	ck_assert_str_eq(note.name, name);
	return note.row;
}

void
session_asks_nothing(struct session_world *world)
{
	struct pollfd news = { world->questions[0], POLLIN, 0 };

	session_settle(world);
	ck_assert_int_eq(poll(&news, 1, 0), 0);
}

void
session_answer(struct session_world *world, unsigned worker, uint32_t host,
    const char *name, const char *address)
{
	struct name_note note = { .row = host,
	    .is_missing = address == NULL, .list.count = address != NULL };

	snprintf(note.name, sizeof(note.name), "%s", name);
	if (address != NULL)
		ck_assert(address_parse_host(address, &note.list.address[0]));
	ck_assert(fdpass_send(world->doors[worker][1], &note, sizeof(note),
	    -1));
}

int
session_accept(struct session_world *world)
{
	int fd;

	ck_assert_msg(is_readable(world->listen_fd, PATIENCE_MSEC),
	    "no connection comes");
	fd = accept(world->listen_fd, NULL, NULL);
	ck_assert_int_ne(fd, -1);
	send_at_once(fd);
	return fd;
}

void
session_accepts_nothing(struct session_world *world)
{
	session_settle(world);
	ck_assert_msg(!is_readable(world->listen_fd, 0),
	    "there is one more connection");
}

/* --- talks --------------------------------------------------------------- */

static void
write_default(struct writer *writer, char type)
{
	static const char filler[] = "any text";

	switch (type) {
	case 'Z':
		writer_u8(writer, 'I');
		return;
	case 'S':
	case 'H':
	case 'c':
	case '1':
	case '2':
	case '3':
	case 'X':
	case 'I':
	case 'n':
	case 's':
		return;
	default:
		writer_bytes(writer, filler, 1 + (size_t)type % sizeof(filler));
		return;
	}
}

/* "a=b": the two are strings of their own. */
static void
write_strings(struct writer *writer, const char *from, size_t length)
{
	for (size_t i = 0; i < length; i++)
		writer_u8(writer, from[i] == '=' ? 0 : (uint8_t)from[i]);
	writer_u8(writer, 0);
}

static void
write_error(struct writer *writer, bool fatal, const char *from,
    size_t length)
{
	char state[6] = "", text[256];
	struct notice notice = { fatal ? "FATAL" : "ERROR", state, text,
	    NULL, NULL };

	snprintf(state, sizeof(state), "%.5s", from);
	snprintf(text, sizeof(text), "%.*s", (int)length - 6, from + 6);
	write_error_response(writer, &notice);
}

struct talk
talk_of(const char *text)
{
	struct talk talk = { .length = 0 };
	struct writer writer = writer_of(talk.bytes, sizeof(talk.bytes));

	for (; *text != '\0'; text++) {
		char type = *text;
		const char *body = text + 2, *end;

		if (text[1] != '(') {
			writer_begin(&writer, (uint8_t)type);
			write_default(&writer, type);
			writer_end(&writer);
			continue;
		}
		end = strchr(body, ')');
		ck_assert_ptr_nonnull(end);
		if (type == 'E' || type == 'F') {
			write_error(&writer, type == 'F', body,
			    (size_t)(end - body));
		} else {
			writer_begin(&writer, (uint8_t)type);
			if (type == 'Z')
				writer_u8(&writer, (uint8_t)*body);
			else
				write_strings(&writer, body,
				    (size_t)(end - body));
			writer_end(&writer);
		}
		text = end;
	}
	ck_assert(!writer.failed);
	talk.length = writer.used;
	return talk;
}

void
send_bytes(int fd, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		struct pollfd poll_fd = { fd, POLLOUT, 0 };
		ssize_t sent;

		ck_assert_msg(poll(&poll_fd, 1, PATIENCE_MSEC) == 1,
		    "nobody reads");
		sent = send(fd, at, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		ck_assert_msg(sent > 0, "could not send: %s",
		    strerror(errno));
		at += sent;
		length -= (size_t)sent;
	}
}

void
send_talk(int fd, const char *text)
{
	struct talk talk = talk_of(text);

	send_bytes(fd, talk.bytes, talk.length);
}

/* False: the end comes first. */
static bool
receive(int fd, void *bytes, size_t length, const char *story)
{
	uint8_t *at = bytes;

	while (length > 0) {
		ssize_t got;

		ck_assert_msg(is_readable(fd, PATIENCE_MSEC),
		    "%s: nothing comes", story);
		got = recv(fd, at, length, 0);
		if (got <= 0)
			return false;
		at += got;
		length -= (size_t)got;
	}
	return true;
}

void
expect_bytes(int fd, const void *bytes, size_t length, const char *story)
{
	uint8_t *got = malloc(length + 1);
	size_t same = 0;

	ck_assert_ptr_nonnull(got);
	ck_assert_msg(receive(fd, got, length, story), "%s: the end comes",
	    story);
	/* Each assertion is a write(). */
	while (same < length && got[same] == ((const uint8_t *)bytes)[same])
		same++;
	ck_assert_msg(same == length, "%s: byte %zu of %zu is %02x, not %02x",
	    story, same, length, got[same], ((const uint8_t *)bytes)[same]);
	free(got);
}

void
expect_talk(int fd, const char *text)
{
	struct talk talk = talk_of(text);

	expect_bytes(fd, talk.bytes, talk.length, text);
}

void
expect_silence(int fd)
{
	uint8_t byte;

	ck_assert_msg(recv(fd, &byte, 1, MSG_DONTWAIT) == -1 &&
	    errno == EAGAIN, "something comes");
}

void
expect_end(int fd)
{
	uint8_t byte;

	ck_assert_msg(is_readable(fd, PATIENCE_MSEC), "it stays open");
	ck_assert_msg(recv(fd, &byte, 1, 0) <= 0, "0x%02x comes", byte);
}

void
expect_goodbye(int fd)
{
	static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };
	uint8_t bytes[16];
	ssize_t got;

	ck_assert_msg(is_readable(fd, PATIENCE_MSEC), "it stays open");
	got = recv(fd, bytes, sizeof(bytes), 0);
	if (got <= 0)
		return;
	ck_assert_int_eq(got, sizeof(terminate));
	ck_assert_mem_eq(bytes, terminate, sizeof(terminate));
	expect_end(fd);
}

void
expect_fatal(int fd, const char *text)
{
	uint8_t memory[512];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_fatal(&writer, text);
	expect_bytes(fd, writer.bytes, writer.used, text);
	expect_end(fd);
}

uint8_t
receive_message(int fd, uint8_t *body, size_t size, size_t *length_out)
{
	uint8_t header[5];
	uint32_t word;

	ck_assert_msg(receive(fd, header, sizeof(header), "a message"),
	    "the end comes");
	memcpy(&word, header + 1, sizeof(word));
	*length_out = ntohl(word) - 4;
	ck_assert_uint_le(*length_out, size);
	ck_assert(receive(fd, body, *length_out, "a body"));
	return header[0];
}

/* --- logins -------------------------------------------------------------- */

void
send_startup_with(int fd, const char *const *parameters)
{
	uint8_t memory[2048];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_startup_begin(&writer, PROTOCOL_3_0);
	for (; parameters[0] != NULL; parameters += 2)
		write_startup_parameter(&writer, parameters[0],
		    parameters[1]);
	write_startup_end(&writer);
	ck_assert(!writer.failed);
	send_bytes(fd, writer.bytes, writer.used);
}

void
send_startup(int fd, const char *user, const char *database)
{
	const char *parameters[] = { "user", user, "database", database,
	    NULL };

	send_startup_with(fd, parameters);
}

void
expect_startup(int fd)
{
	uint8_t bytes[2048];
	uint32_t word;

	ck_assert(receive(fd, &word, sizeof(word), "startup"));
	word = ntohl(word) - 4;
	ck_assert_uint_le(word, sizeof(bytes));
	ck_assert(receive(fd, bytes, word, "startup"));
	ck_assert_mem_eq(bytes, "\0\3\0\0", 4);
}

#define WELCOME "S(server_version=16.4)S(client_encoding=UTF8)" \
    "S(DateStyle=ISO, MDY)S(TimeZone=UTC)" \
    "S(standard_conforming_strings=on)S(application_name=)"

void
let_in(int fd)
{
	static const uint8_t ok[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0 };
	const struct backend_key key = { .pid = SESSION_BACKEND_PID,
	    .secret = SESSION_BACKEND_SECRET };
	uint8_t memory[64];
	struct writer writer = writer_of(memory, sizeof(memory));

	send_bytes(fd, ok, sizeof(ok));
	send_talk(fd, WELCOME);
	write_backend_key_data(&writer, &key);
	send_bytes(fd, writer.bytes, writer.used);
	send_talk(fd, "Z");
}

void
expect_welcome(int fd)
{
	static const uint8_t ok[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0 };
	uint8_t body[64];
	size_t length;

	expect_bytes(fd, ok, sizeof(ok), "AuthenticationOk");
	expect_talk(fd, WELCOME);
	ck_assert_int_eq(receive_message(fd, body, sizeof(body), &length),
	    'K');
	ck_assert_uint_eq(length, 8);
	expect_talk(fd, "Z");
}

int
session_login(struct session_world *world, unsigned worker)
{
	int client = session_connect(world, worker);

	send_startup(client, "u", "db");
	expect_welcome(client);
	return client;
}

int
session_login_first(struct session_world *world, unsigned worker,
    int *server_out)
{
	int client = session_connect(world, worker);

	send_startup(client, "u", "db");
	*server_out = session_accept(world);
	expect_startup(*server_out);
	let_in(*server_out);
	expect_welcome(client);
	session_settle(world);
	return client;
}

void
session_query(int client, int server)
{
	send_talk(client, "Q(select 1)");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "TDCZ");
	expect_talk(client, "TDCZ");
}

/* --- rows ---------------------------------------------------------------- */

struct pool_row *
session_pool(struct session_world *world)
{
	ck_assert_uint_eq(world->segment->state->pools_used, 1);
	return &world->segment->pools[0];
}

unsigned
session_clients(struct session_world *world, enum client_phase phase)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < world->segment->size.clients; i++)
		count += world->segment->clients[i].phase == phase;
	return count;
}

unsigned
session_servers(struct session_world *world, enum server_phase phase)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < world->segment->size.servers; i++)
		count += world->segment->servers[i].phase == phase;
	return count;
}

static void
await(struct session_world *world, unsigned (*counter)(
    struct session_world *, unsigned), unsigned phase, unsigned count)
{
	usec_t until = clock_now() + PATIENCE_MSEC * USEC_PER_MSEC;

	while (counter(world, phase) != count) {
		ck_assert_msg(clock_now() < until, "%u are in phase %u, not "
		    "%u", counter(world, phase), phase, count);
		session_settle(world);
	}
	/* What is written behind the phase is not there yet. */
	session_settle(world);
}

static unsigned
count_clients(struct session_world *world, unsigned phase)
{
	return session_clients(world, (enum client_phase)phase);
}

static unsigned
count_servers(struct session_world *world, unsigned phase)
{
	return session_servers(world, (enum server_phase)phase);
}

void
await_clients(struct session_world *world, enum client_phase phase,
    unsigned count)
{
	await(world, count_clients, phase, count);
}

void
await_servers(struct session_world *world, enum server_phase phase,
    unsigned count)
{
	await(world, count_servers, phase, count);
}

uint64_t
session_count(struct session_world *world, enum stat_counter counter)
{
	struct stats_totals totals;

	stats_total(world->segment, 0, &totals);
	return totals.counters[counter];
}
