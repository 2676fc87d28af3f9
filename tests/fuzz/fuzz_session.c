/*
 * Whatever two clients and PostgreSQL say to a worker, in whatever order and
 * in whatever pieces, and whoever hangs up: nothing breaks, and when all
 * have gone no row is in use, no lock is held, and the pool is in order.
 *
 * The first byte chooses the pool mode.  Then come steps, of a byte that
 * says who, and unless that one hangs up a byte that says how many bytes of
 * the input follow that he sends:
 *
 *	'a' 'b'  a client          'A' 'B'  hangs up, and another one comes
 *	's' 't'  one of the pool's server connections      'S' 'T'  hangs up
 *
 * All of it happens in this process, a turn of the loop after each step.
 * Everyone is logged in first: fuzz_startup and fuzz_scram play with that.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/log.h"
#include "net/socket.h"
#include "pool/repair.h"
#include "session/sessions.h"
#include "shm/mailbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define CLIENTS 2
#define SERVERS 2
#define TICK (333 * USEC_PER_MSEC)
/* Closing waits for PostgreSQL, which hangs up at once. */
#define PATIENCE (20 * USEC_PER_SEC)

static const char *const modes[] = { "transaction", "session", "statement" };

struct server_end {
	int	fd;		/* -1: none */
	bool	is_in;		/* has let the pooler in */
};

/* A worker of its own for each mode, made once. */
struct world {
	struct segment		*segment;
	struct files		*files;
	struct config		*config;
	struct loop		*loop;
	struct sessions		*sessions;
	uint32_t		 epoch;
	usec_t			 next_tick;
	int			 listen_fd;
	int			 clients[CLIENTS];
	struct server_end	 servers[SERVERS];
};

static struct world worlds[sizeof(modes) / sizeof(modes[0])];

/* --- what a worker offers its sessions ----------------------------------- */

static void
publish_server(void *context, uint32_t row, int fd)
{
}

static void
collect_descriptors(void *context)
{
}

static bool
may_enter_console(void *context, const char *user)
{
	return false;
}

static void
greet_console(void *context, struct buffer *reply)
{
}

static void
on_console(void *context, struct client *client, uint8_t type,
    const uint8_t *body, size_t length)
{
}

static void
on_console_gone(void *context, struct client *client)
{
}

static bool
ask_host(void *context, uint32_t host, const char *name)
{
	return false;
}

static int
before_sleep(void *context)
{
	return 0;
}

static void
after_wake(void *context)
{
	struct world *world = context;
	struct segment *segment = world->segment;
	uint32_t epoch = atomic_load(&segment->state->epoch);
	struct mail letter;

	if (epoch != world->epoch) {
		world->epoch = epoch;
		sessions_on_order(world->sessions);
	}
	while (mailbox_collect(segment, 0, &letter, 1) == 1)
		sessions_take_mail(world->sessions, &letter);
	if (loop_now(world->loop) < world->next_tick)
		return;
	world->next_tick = loop_now(world->loop) + TICK;
	sessions_tick(world->sessions);
}

static void
end_of_turn(void *context)
{
	struct world *world = context;

	sessions_end_of_turn(world->sessions);
}

/* --- the world ----------------------------------------------------------- */

static uint16_t
open_postgresql(struct world *world)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	world->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	INVARIANT(bind(world->listen_fd, (struct sockaddr *)&address,
	    length) == 0 && listen(world->listen_fd, 16) == 0 &&
	    getsockname(world->listen_fd, (struct sockaddr *)&address,
	    &length) == 0);
	return ntohs(address.sin_port);
}

static void
configure(struct world *world, const char *mode)
{
	struct error error;
	char ini[1024];
	int length = snprintf(ini, sizeof(ini), "[databases]\n"
	    "db = host=127.0.0.1 port=%u\n"
	    "[pgbouncer]\nlisten_addr = 127.0.0.1\nauth_type = trust\n"
	    "server_tls_sslmode = disable\n"
	    "auth_file = users\npool_mode = %s\ndefault_pool_size = 1\n"
	    "server_reset_query_always = %d\n"
	    "max_prepared_statements = 3\nserver_login_retry = 0\n"
	    "log_connections = 0\nlog_disconnections = 0\n"
	    "max_packet_size = 100000\nserver_check_delay = 1000\n",
	    open_postgresql(world), mode, strcmp(mode, "statement") == 0);

	world->files = files_memory();
	files_put(world->files, "pgusher.ini", ini, (size_t)length);
	files_put(world->files, "users", "\"u\" \"\"\n", 7);
	world->config = config_load(world->files, "pgusher.ini", &error);
	INVARIANT(world->config != NULL);
}

static void
start(struct world *world, const char *mode)
{
	static const struct segment_size size = { .workers = 1, .clients = 8,
	    .servers = 8, .pools = 2, .databases = 2, .users = 2,
	    .hosts = 2 };
	struct loop_hooks hooks = { world, before_sleep, after_wake,
	    end_of_turn };
	struct sessions_owner owner = { world, publish_server,
	    collect_descriptors, may_enter_console, greet_console,
	    on_console, on_console_gone, ask_host, NULL,
	    on_console_gone };
	struct sessions_owner *kept = malloc(sizeof(owner));
	struct error error;

	INVARIANT(kept != NULL);
	*kept = owner;
	signal(SIGPIPE, SIG_IGN);
	log_configure(&(struct log_settings){ .file_fd = -1 });
	world->segment = segment_create(&size, &error);
	configure(world, mode);
	world->loop = loop_create(&hooks, &error);
	INVARIANT(world->segment != NULL && world->loop != NULL);
	world->sessions = sessions_create(world->segment, world->config,
	    world->loop, 0, kept);
	atomic_store(&world->segment->roster[0].phase, ROSTER_SERVING);
	for (int i = 0; i < CLIENTS; i++)
		world->clients[i] = -1;
	for (int i = 0; i < SERVERS; i++)
		world->servers[i].fd = -1;
	loop_turn(world->loop);
}

/* --- the pooler's peers -------------------------------------------------- */

/*
 * Who does not read would only test the kernel's buffers.  What is read short
 * is empty; a hang-up is seen at the next turn.
 */
static bool
drain(int fd)
{
	static uint8_t memory[64 * 1024];
	ssize_t length;

	do
		length = recv(fd, memory, sizeof(memory), MSG_DONTWAIT);
	while (length == sizeof(memory));
	return length > 0 || (length == -1 && errno == EAGAIN);
}

static void
hang_up(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
let_in(struct server_end *server)
{
	static const char welcome[] =
	    "R\0\0\0\10\0\0\0\0"
	    "S\0\0\0\31client_encoding\0UTF8\0"
	    "S\0\0\0\22DateStyle\0ISO\0"
	    "S\0\0\0\21TimeZone\0UTC\0"
	    "K\0\0\0\14\0\0\0\1\0\0\0\2"
	    "Z\0\0\0\5I";
	uint8_t start[2048];
	ssize_t length = recv(server->fd, start, sizeof(start),
	    MSG_DONTWAIT);

	if (length == -1 && errno == EAGAIN)
		return;
	/* 80877102 is a cancel request: PostgreSQL hangs up. */
	if (length < 8 || memcmp(start + 4, "\4\322\26\056", 4) == 0) {
		hang_up(&server->fd);
		return;
	}
	server->is_in = true;
	(void)!send(server->fd, welcome, sizeof(welcome) - 1, MSG_DONTWAIT |
	    MSG_NOSIGNAL);
}

/* The pooler has connected, or it may be a cancel request. */
static bool
may_accept(const struct world *world)
{
	const struct segment *segment = world->segment;

	for (uint32_t row = 0; row < segment->size.servers; row++)
		if (segment->servers[row].phase != SERVER_FREE)
			return true;
	return false;
}

static int
accept_server(struct world *world)
{
	int on = 1, fd = accept4(world->listen_fd, NULL, NULL, SOCK_CLOEXEC |
	    SOCK_NONBLOCK);

	if (fd != -1)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void
tend_servers(struct world *world)
{
	bool may_come = may_accept(world);

	for (int i = 0; i < SERVERS; i++) {
		struct server_end *server = &world->servers[i];

		if (server->fd == -1 && may_come) {
			server->fd = accept_server(world);
			server->is_in = false;
			may_come = server->fd != -1;
		}
		if (server->fd == -1)
			continue;
		if (!server->is_in)
			let_in(server);
		else if (!drain(server->fd))
			hang_up(&server->fd);
	}
}

static void
turn(struct world *world)
{
	loop_turn(world->loop);
	tend_servers(world);
	for (int i = 0; i < CLIENTS; i++)
		if (world->clients[i] != -1 && !drain(world->clients[i]))
			hang_up(&world->clients[i]);
}

static void
come(struct world *world, int *client)
{
	static const char start[] = "\0\0\0\34\0\3\0\0user\0u\0"
	    "database\0db\0";
	int pair[2];

	INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, pair) == 0);
	(void)!send(pair[0], start, sizeof(start), MSG_NOSIGNAL);
	sessions_accept(world->sessions, pair[1], true, NULL);
	*client = pair[0];
}

static bool
are_let_in(const struct world *world)
{
	const struct segment *segment = world->segment;
	int count = 0;

	for (uint32_t row = 0; row < segment->size.clients; row++)
		count += atomic_load(&segment->clients[row].phase) ==
		    CLIENT_IDLE;
	return count == CLIENTS;
}

/* --- an input ------------------------------------------------------------ */

static bool
is_all_over(const struct world *world)
{
	const struct segment *segment = world->segment;

	for (uint32_t row = 0; row < segment->size.clients; row++)
		if (atomic_load(&segment->clients[row].phase) != CLIENT_FREE)
			return false;
	for (uint32_t row = 0; row < segment->size.servers; row++)
		if (segment->servers[row].phase != SERVER_FREE)
			return false;
	return true;
}

static void
end(struct world *world)
{
	usec_t until = clock_now() + PATIENCE;
	const char *what = "";

	for (int i = 0; i < CLIENTS; i++)
		hang_up(&world->clients[i]);
	turn(world);
	do {
		INVARIANT(clock_now() < until);
		for (int i = 0; i < SERVERS; i++)
			hang_up(&world->servers[i].fd);
		turn(world);
	} while (!is_all_over(world));
	for (uint32_t row = 0; row < world->segment->state->pools_used;
	    row++) {
		INVARIANT(lock_is_free(&world->segment->pools[row].lock));
		INVARIANT(repair_check_pool(world->segment, row, &what));
	}
}

static void
await_welcome(struct world *world)
{
	usec_t until = clock_now() + PATIENCE;

	do {
		INVARIANT(clock_now() < until);
		turn(world);
	} while (!are_let_in(world));
}

/* Whose descriptor; NULL: nobody's. */
static int *
peer(struct world *world, uint8_t who)
{
	switch (who | 0x20) {
	case 'a':
	case 'b':
		return &world->clients[(who | 0x20) - 'a'];
	case 's':
	case 't':
		return &world->servers[(who | 0x20) - 's'].fd;
	default:
		return NULL;
	}
}

/* Returns how much of the input it took. */
static size_t
step(struct world *world, const uint8_t *bytes, size_t length)
{
	int *fd = peer(world, bytes[0]);
	size_t count;

	if (fd == NULL)
		return 1;
	if (bytes[0] < 'a') {
		hang_up(fd);
		turn(world);
		if (fd == &world->clients[0] || fd == &world->clients[1])
			come(world, fd);
		for (int i = 0; i < 4; i++)
			turn(world);
		return 1;
	}
	if (length < 2)
		return 1;
	count = bytes[1] < length - 2 ? bytes[1] : length - 2;
	if (*fd != -1)
		(void)!send(*fd, bytes + 2, count, MSG_DONTWAIT |
		    MSG_NOSIGNAL);
	turn(world);
	turn(world);
	return 2 + count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	unsigned mode;
	struct world *world;
	size_t at = 1;

	if (length < 2)
		return 0;
	mode = bytes[0] % (sizeof(modes) / sizeof(modes[0]));
	world = &worlds[mode];
	if (world->sessions == NULL)
		start(world, modes[mode]);
	for (int i = 0; i < CLIENTS; i++)
		come(world, &world->clients[i]);
	await_welcome(world);
	while (at < length)
		at += step(world, bytes + at, length - at);
	end(world);
	return 0;
}
