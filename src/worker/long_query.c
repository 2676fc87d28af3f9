#include "worker/long_query.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

#define CHILD_FD 3		/* the pipe, in the child */
#define CPU_SECONDS 10		/* SQL_MOST ends it long before */
#define NICENESS 10
#define READ_BYTES 65536
#define ANSWER_MOST (32u << 20)

struct long_query {
	struct long_query	*next;
	struct long_queries	*all;
	struct client		*client;	/* NULL: nobody's any more */
	struct watch		 watch;
	struct buffer		 answer;
	pid_t			 pid;
	int			 fd;		/* -1: it has ended */
};

struct long_queries {
	struct loop		*loop;
	on_long_query		*callback;
	void			*context;
	struct console_detach	 detach;
	struct long_query	*first;		/* the newest */
	int			 child_fd;	/* in a child */
};

/* Without an answer the pipe just ends, and the worker knows. */
static void
deliver(void *context, const void *bytes, size_t length)
{
	const struct long_queries *queries = context;
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t done = write(queries->child_fd, at, length);

		if (done == -1 && errno == EINTR)
			continue;
		if (done <= 0)
			break;
		at += done;
		length -= (size_t)done;
	}
	_exit(0);
}

/*
 * A client that the worker closes must see that, and a listening socket must
 * not stay open here: nothing is kept.
 */
static bool
become_child(struct long_queries *queries, int fd, pid_t parent)
{
	struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS }, none = { 0, 0 };

	log_configure(&(struct log_settings){ .file_fd = -1 });
	queries->child_fd = CHILD_FD;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1 ||
	    getppid() != parent || dup2(fd, CHILD_FD) == -1 ||
	    syscall(SYS_close_range, CHILD_FD + 1, ~0u, 0) == -1)
		return false;
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	signal(SIGTERM, SIG_DFL);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &none);
	/* Of a busy processor a tenth: somebody waits for it. */
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	return true;
}

static unsigned
count_running(const struct long_queries *queries)
{
	unsigned count = 0;

	for (const struct long_query *query = queries->first; query != NULL;
	    query = query->next)
		count += query->fd != -1;
	return count;
}

static void on_answer(void *context, uint32_t events);

static bool
watch_child(struct long_queries *queries, pid_t pid, int fd)
{
	struct long_query *query = memory_get(sizeof(*query));

	query->all = queries;
	query->pid = pid;
	query->fd = fd;
	query->next = queries->first;
	queries->first = query;
	return loop_add(queries->loop, &query->watch, fd, EPOLLIN, on_answer,
	    query);
}

static void
stop(struct long_query *query)
{
	if (query->fd == -1)
		return;
	loop_remove(query->all->loop, &query->watch);
	close(query->fd);
	query->fd = -1;
	query->client = NULL;
	buffer_clear(&query->answer);
	/* Not waited for yet, so the number is still its own. */
	kill(query->pid, SIGKILL);
}

static enum console_side
split(void *context)
{
	struct long_queries *queries = context;
	pid_t parent = getpid(), pid;
	int fds[2];

	if (count_running(queries) >= LONG_QUERIES_MOST ||
	    pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return CONSOLE_SPLIT_FAILED;
	pid = fork();
	if (pid == 0) {
		/* The child has nothing else to do than to write. */
		fcntl(fds[1], F_SETFL, 0);
		if (become_child(queries, fds[1], parent))
			return CONSOLE_CHILD;
		_exit(1);
	}
	close(fds[1]);
	if (pid == -1) {
		log_warning("could not fork for a query of the console");
		close(fds[0]);
		return CONSOLE_SPLIT_FAILED;
	}
	if (watch_child(queries, pid, fds[0]))
		return CONSOLE_PARENT;
	stop(queries->first);
	return CONSOLE_SPLIT_FAILED;
}

/* What is told lives as long as the callback. */
static void
finish(struct long_query *query)
{
	struct long_queries *queries = query->all;
	struct client *client = query->client;
	struct buffer answer = query->answer;

	query->answer = (struct buffer){ 0 };
	stop(query);
	if (client != NULL)
		queries->callback(queries->context, client,
		    buffer_length(&answer) == 0 ? NULL :
		    buffer_front(&answer), buffer_length(&answer));
	buffer_clear(&answer);
}

static void
on_answer(void *context, uint32_t events)
{
	struct long_query *query = context;
	uint8_t bytes[READ_BYTES];
	ssize_t length = read(query->fd, bytes, sizeof(bytes));

	if (length == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length > 0 && buffer_length(&query->answer) < ANSWER_MOST &&
	    buffer_append(&query->answer, bytes, (size_t)length))
		return;
	if (length != 0)
		buffer_clear(&query->answer);	/* not the whole of it */
	finish(query);
}

struct long_queries *
long_queries_create(struct loop *loop, on_long_query *callback, void *context)
{
	struct long_queries *queries = memory_get(sizeof(*queries));

	queries->loop = loop;
	queries->callback = callback;
	queries->context = context;
	queries->detach = (struct console_detach){ split, deliver, queries };
	return queries;
}

const struct console_detach *
long_queries_detach(struct long_queries *queries)
{
	return &queries->detach;
}

void
long_queries_assign(struct long_queries *queries, struct client *client)
{
	queries->first->client = client;
}

void
long_queries_end(struct long_queries *queries, const struct client *client)
{
	for (struct long_query *query = queries->first; query != NULL;
	    query = query->next)
		if (query->fd != -1 && query->client == client)
			stop(query);
}

/* It has ended, and is waited for. */
static bool
is_buried(const struct long_query *query)
{
	pid_t pid;

	if (query->fd != -1)
		return false;
	pid = waitpid(query->pid, NULL, WNOHANG);
	return pid == query->pid || (pid == -1 && errno == ECHILD);
}

void
long_queries_tick(struct long_queries *queries)
{
	struct long_query **at = &queries->first;

	while (*at != NULL) {
		struct long_query *query = *at;

		if (!is_buried(query)) {
			at = &query->next;
			continue;
		}
		*at = query->next;
		memory_free(query);
	}
}
