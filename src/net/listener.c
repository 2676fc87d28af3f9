#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/invariant.h"
#include "base/log.h"

struct bind_address {
	struct sockaddr_storage	sa;
	socklen_t		length;
	char			text[ADDRESS_TEXT_BYTES];
	bool			optional;	/* half of "*" */
};

/*
 * A predecessor that was killed may need a moment until the last of its
 * processes is gone; so who is in our way is asked again a few times.
 */
#define PATIENCE 5		/* times */
#define PAUSE_NSEC 100000000

/* What is being opened: grows while the list is walked through. */
struct opening {
	const struct listener_options	*options;
	struct listener			*listeners;
	unsigned			 count, most;
};

static void
wait_a_moment(void)
{
	const struct timespec moment = { .tv_nsec = PAUSE_NSEC };

	nanosleep(&moment, NULL);
}

static void
fill_port(struct bind_address *address, uint16_t port)
{
	struct address plain;

	if (address->sa.ss_family == AF_INET)
		((struct sockaddr_in *)&address->sa)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)&address->sa)->sin6_port = htons(port);
	address_from((struct sockaddr *)&address->sa, port, &plain);
	address_format(&plain, 0, address->text, sizeof(address->text));
}

static bool
switch_on(int fd, int level, int name, const char *what, struct error *error)
{
	int on = 1;

	if (setsockopt(fd, level, name, &on, sizeof(on)) == 0)
		return true;
	return error_system(error, "setsockopt(%s)", what);
}

/* REUSEADDR: connections of a former life may still be in TIME_WAIT. */
static bool
prepare(int fd, int family, bool share, struct error *error)
{
	if (!switch_on(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR", error))
		return false;
	if (share && !switch_on(fd, SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT",
	    error))
		return false;
	/* IPv4 has sockets of its own. */
	return family != AF_INET6 || switch_on(fd, IPPROTO_IPV6, IPV6_V6ONLY,
	    "IPV6_V6ONLY", error);
}

static bool
open_bound(const struct bind_address *address, bool share, int *fd_out,
    struct error *error)
{
	int family = address->sa.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int reason;

	if (fd == -1)
		return error_system(error, "socket()");
	if (prepare(fd, family, share, error)) {
		if (bind(fd, (const struct sockaddr *)&address->sa,
		    address->length) == 0) {
			*fd_out = fd;
			return true;
		}
		error_system(error, "bind()");
	}
	reason = errno;
	close(fd);
	errno = reason;
	return false;
}

static void
defer_accept(int fd, int seconds)
{
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
	    sizeof(seconds));
}

static bool
open_slot(const struct bind_address *address,
    const struct listener_options *options, int *fd_out, struct error *error)
{
	if (!open_bound(address, true, fd_out, error))
		return false;
	defer_accept(*fd_out, options->defer_accept_sec);
	if (listen(*fd_out, options->backlog) == 0)
		return true;
	error_system(error, "listen()");
	close(*fd_out);
	return false;
}

/*
 * The kernel lets any process of our user into a SO_REUSEPORT group, and then
 * gives it a share of our connections.  One attempt without SO_REUSEPORT
 * fails if anybody at all listens there.
 */
static bool
nobody_listens(const struct bind_address *address, struct error *error)
{
	int fd;

	for (int i = 0; !open_bound(address, false, &fd, error); i++) {
		if (errno != EADDRINUSE || i == PATIENCE)
			return false;
		wait_a_moment();
	}
	if (listen(fd, 1) == -1) {
		error_system(error, "listen()");
		close(fd);
		return false;
	}
	close(fd);
	return true;
}

static void
note_in_group(struct listener *listener, unsigned slot)
{
	INVARIANT(listener->group_count < LISTENER_SLOTS);
	listener->group[listener->group_count++] = slot;
}

static bool
open_group(const struct bind_address *address,
    const struct listener_options *options, struct listener *listener,
    struct error *error)
{
	memset(listener, 0, sizeof(*listener));
	snprintf(listener->text, sizeof(listener->text), "%s", address->text);
	if (!options->port_may_be_shared && !nobody_listens(address, error))
		return false;
	for (unsigned slot = 0; slot < options->slots; slot++) {
		if (!open_slot(address, options, &listener->fds[slot],
		    error)) {
			listener_close(listener);
			return false;
		}
		listener->fd_count++;
		note_in_group(listener, slot);
	}
	return true;
}

static bool
is_open_already(const struct opening *opening, const char *text)
{
	for (unsigned i = 0; i < opening->count; i++)
		if (strcmp(opening->listeners[i].text, text) == 0)
			return true;
	return false;
}

/* A host without IPv6 (or IPv4) listens on all that it has with "*". */
static bool
is_no_such_family(void)
{
	return errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL ||
	    errno == EPROTONOSUPPORT;
}

static void
open_address(struct opening *opening, struct bind_address *address)
{
	struct error error;

	fill_port(address, opening->options->port);
	if (is_open_already(opening, address->text))
		return;
	if (opening->count == opening->most) {
		log_warning("cannot listen on %s: more than %u addresses",
		    address->text, opening->most);
		return;
	}
	if (open_group(address, opening->options,
	    &opening->listeners[opening->count], &error)) {
		log_info("listening on %s", address->text);
		opening->count++;
	} else if (address->optional && is_no_such_family()) {
		log_debug("cannot listen on %s: %s", address->text,
		    error.text);
	} else {
		log_warning("cannot listen on %s: %s", address->text,
		    error.text);
	}
}

static void
open_everything(struct opening *opening)
{
	struct bind_address any4 = { .length = sizeof(struct sockaddr_in),
	    .optional = true };
	struct bind_address any6 = { .length = sizeof(struct sockaddr_in6),
	    .optional = true };

	any4.sa.ss_family = AF_INET;
	any6.sa.ss_family = AF_INET6;
	((struct sockaddr_in6 *)&any6.sa)->sin6_addr = in6addr_any;
	open_address(opening, &any4);
	open_address(opening, &any6);
}

static void
open_name(struct opening *opening, const char *name)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found, *each;
	int rc = getaddrinfo(name, NULL, &hints, &found);

	if (rc != 0) {
		log_warning("cannot listen on %s: getaddrinfo(): %s", name,
		    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return;
	}
	for (each = found; each != NULL; each = each->ai_next) {
		struct bind_address address = { .length = each->ai_addrlen };

		if (each->ai_family != AF_INET && each->ai_family != AF_INET6)
			continue;
		memcpy(&address.sa, each->ai_addr, each->ai_addrlen);
		open_address(opening, &address);
	}
	freeaddrinfo(found);
}

struct network {
	int	family;
	uint8_t	bytes[16];
	int	bits;
};

/* "10.0.0.0/8". Host bits may be set: they do not count. */
static bool
parse_network(const char *text, struct network *network_out)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t length = (size_t)(slash - text);
	char *end;
	long bits;

	if (length >= sizeof(host) || slash[1] < '0' || slash[1] > '9')
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	network_out->family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	bits = strtol(slash + 1, &end, 10);
	if (*end != '\0' || bits > (network_out->family == AF_INET ? 32 : 128))
		return false;
	network_out->bits = (int)bits;
	return inet_pton(network_out->family, host, network_out->bytes) == 1;
}

static bool
is_in_network(const struct sockaddr *sa, const struct network *network)
{
	const uint8_t *bytes;

	if (sa == NULL || sa->sa_family != network->family)
		return false;
	bytes = sa->sa_family == AF_INET ?
	    (const uint8_t *)&((const struct sockaddr_in *)sa)->sin_addr :
	    (const uint8_t *)&((const struct sockaddr_in6 *)sa)->sin6_addr;
	for (int bit = 0; bit < network->bits; bit++)
		if (((bytes[bit / 8] ^ network->bytes[bit / 8]) >>
		    (7 - bit % 8)) & 1)
			return false;
	return true;
}

static unsigned
open_own_addresses_in(struct opening *opening, const struct network *network,
    const struct ifaddrs *own)
{
	unsigned found = 0;

	for (; own != NULL; own = own->ifa_next) {
		struct bind_address address = { .length =
		    network->family == AF_INET ? sizeof(struct sockaddr_in) :
		    sizeof(struct sockaddr_in6) };

		if (!is_in_network(own->ifa_addr, network))
			continue;
		memcpy(&address.sa, own->ifa_addr, address.length);
		open_address(opening, &address);
		found++;
	}
	return found;
}

static void
open_network(struct opening *opening, const char *text)
{
	struct network network;
	struct ifaddrs *own;

	if (!parse_network(text, &network)) {
		log_warning("cannot listen on %s: not a network", text);
		return;
	}
	if (getifaddrs(&own) == -1) {
		log_warning("cannot listen on %s: getifaddrs(): %s", text,
		    strerror(errno));
		return;
	}
	if (open_own_addresses_in(opening, &network, own) == 0)
		log_warning("cannot listen on %s: this host has no address "
		    "in that network", text);
	freeifaddrs(own);
}

static void
open_entry(struct opening *opening, const char *entry)
{
	if (strcmp(entry, "*") == 0)
		open_everything(opening);
	else if (strchr(entry, '/') != NULL)
		open_network(opening, entry);
	else
		open_name(opening, entry);
}

unsigned
listener_open_list(const char *list, const struct listener_options *options,
    struct listener *listeners_out, unsigned most)
{
	struct opening opening = { options, listeners_out, 0, most };
	char entry[256];

	INVARIANT(options->slots >= 1 && options->slots <= LISTENER_SLOTS);
	while (*(list += strspn(list, ", \t\n")) != '\0') {
		size_t length = strcspn(list, ",");
		size_t used = length;

		while (used > 0 && strchr(" \t\n", list[used - 1]) != NULL)
			used--;
		snprintf(entry, sizeof(entry), "%.*s", (int)used, list);
		open_entry(&opening, entry);
		list += length;
	}
	return opening.count;
}

/* An abstract name begins with a NUL where the configuration has an @. */
static bool
fill_unix(const struct listener_unix *unix_socket, struct sockaddr_un *sun,
    socklen_t *length_out, struct error *error)
{
	int length;

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	length = snprintf(sun->sun_path, sizeof(sun->sun_path),
	    "%s/.s.PGSQL.%u", unix_socket->directory, unix_socket->port);
	if (length >= (int)sizeof(sun->sun_path))
		return error_set(error, "unix socket path is too long: %s",
		    unix_socket->directory);
	*length_out = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    (size_t)length);
	if (sun->sun_path[0] == '@')
		sun->sun_path[0] = '\0';
	else
		*length_out += 1;
	return true;
}

static bool
somebody_answers(const struct sockaddr_un *sun, socklen_t length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	bool answers;

	if (fd == -1)
		return false;
	/* A full queue says EAGAIN: somebody is there, if only slow. */
	answers = connect(fd, (const struct sockaddr *)sun, length) == 0 ||
	    errno == EAGAIN;
	close(fd);
	return answers;
}

static bool
has_lock_file(const struct sockaddr_un *sun)
{
	char path[sizeof(sun->sun_path) + sizeof(".lock")];
	struct stat status;

	if (sun->sun_path[0] == '\0')
		return false;
	snprintf(path, sizeof(path), "%s.lock", sun->sun_path);
	return lstat(path, &status) == 0;
}

static bool
is_unix_free(const struct listener_unix *unix_socket,
    const struct sockaddr_un *sun, socklen_t length, struct error *error)
{
	if (has_lock_file(sun)) {
		error_set(error, "unix port %u is in use", unix_socket->port);
		return error_hint(error, "a PostgreSQL server has it: there "
		    "is %s.lock", sun->sun_path);
	}
	for (int i = 0; somebody_answers(sun, length); i++) {
		if (i == PATIENCE)
			return error_set(error,
			    "unix socket is in use, cannot continue");
		wait_a_moment();
	}
	return true;
}

bool
listener_check_unix(const struct listener_unix *unix_socket,
    struct error *error)
{
	struct sockaddr_un sun;
	socklen_t length;

	return fill_unix(unix_socket, &sun, &length, error) &&
	    is_unix_free(unix_socket, &sun, length, error);
}

static bool
find_group(const char *name, gid_t *gid_out, struct error *error)
{
	struct group *group;
	char *end;
	long number;

	*gid_out = (gid_t)-1;
	if (name == NULL || name[0] == '\0')
		return true;
	group = getgrnam(name);
	if (group != NULL) {
		*gid_out = group->gr_gid;
		return true;
	}
	number = strtol(name, &end, 10);
	if (*end != '\0' || number < 0)
		return error_set(error, "unix_socket_group: there is no group "
		    "\"%s\"", name);
	*gid_out = (gid_t)number;
	return true;
}

bool
listener_check_group(const char *group, struct error *error)
{
	gid_t gid;

	return find_group(group, &gid, error);
}

/*
 * The mode is set on the socket before it has a name, so there is no moment
 * at which the wrong people may connect, and no path that somebody could
 * swap under us (Linux takes the new file's mode from the socket).
 */
static bool
bind_unix(int fd, const struct listener_unix *unix_socket,
    const struct sockaddr_un *sun, socklen_t length, struct error *error)
{
	mode_t before = umask(0);
	bool bound;

	fchmod(fd, unix_socket->mode & 0777);
	bound = bind(fd, (const struct sockaddr *)sun, length) == 0;
	if (!bound) {
		error_system(error, "failed to create unix socket");
		error_hint(error, "unix_socket_dir = %s",
		    unix_socket->directory);
	}
	umask(before);
	return bound;
}

static bool
give_to(const struct listener_unix *unix_socket, const char *path,
    struct error *error)
{
	gid_t gid;

	if (!find_group(unix_socket->group, &gid, error))
		return false;
	if (path[0] == '\0')
		return true;
	if (unix_socket->owner == (uid_t)-1 && gid == (gid_t)-1)
		return true;
	if (lchown(path, unix_socket->owner, gid) == 0)
		return true;
	return error_system(error, "could not give %s to group \"%s\"", path,
	    unix_socket->group);
}

static void
remove_leftover(const char *path)
{
	struct stat status;

	if (path[0] != '\0' && lstat(path, &status) == 0 &&
	    S_ISSOCK(status.st_mode))
		unlink(path);
}

static void
remember_file(struct listener *listener, const struct sockaddr_un *sun,
    const char *directory)
{
	struct stat status;

	snprintf(listener->path, sizeof(listener->path), "%s", sun->sun_path);
	snprintf(listener->text, sizeof(listener->text), "unix:%s%s",
	    directory[0] == '@' ? "@" : "", directory[0] == '@' ?
	    sun->sun_path + 1 : sun->sun_path);
	if (listener->path[0] == '\0' || lstat(listener->path, &status) == -1)
		return;
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
}

bool
listener_open_unix(const struct listener_unix *unix_socket,
    struct listener *listener_out, struct error *error)
{
	struct sockaddr_un sun;
	socklen_t length;
	int fd;

	memset(listener_out, 0, sizeof(*listener_out));
	if (!fill_unix(unix_socket, &sun, &length, error) ||
	    !is_unix_free(unix_socket, &sun, length, error))
		return false;
	remove_leftover(sun.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return error_system(error, "failed to create unix socket");
	if (!bind_unix(fd, unix_socket, &sun, length, error)) {
		close(fd);
		return false;
	}
	*listener_out = (struct listener){ .is_unix = true,
	    .is_shared = true, .fd_count = 1, .fds = { fd } };
	remember_file(listener_out, &sun, unix_socket->directory);
	if (!give_to(unix_socket, sun.sun_path, error))
		goto undo;
	if (listen(fd, unix_socket->backlog) == -1) {
		error_system(error, "could not listen on %s",
		    listener_out->text);
		goto undo;
	}
	log_info("listening on %s", listener_out->text);
	return true;
undo:
	listener_remove(listener_out);
	listener_close(listener_out);
	return false;
}

static bool
is_listening_stream(int fd)
{
	socklen_t length = sizeof(int);
	int type, listening;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
	    type == SOCK_STREAM && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN,
	    &listening, &length) == 0 && listening;
}

static bool
name_adopted(struct listener *listener, int fd, struct error *error)
{
	struct bind_address address = { .length = sizeof(address.sa) };
	const struct sockaddr_un *sun = (const void *)&address.sa;
	const struct sockaddr_in *in = (const void *)&address.sa;

	if (getsockname(fd, (struct sockaddr *)&address.sa,
	    &address.length) == -1)
		return error_system(error, "getsockname()");
	switch (address.sa.ss_family) {
	case AF_UNIX:
		listener->is_unix = true;
		snprintf(listener->text, sizeof(listener->text), "unix:%s%.*s",
		    sun->sun_path[0] == '\0' ? "@" : "",
		    (int)sizeof(sun->sun_path) - 1, sun->sun_path +
		    (sun->sun_path[0] == '\0'));
		return true;
	case AF_INET:
	case AF_INET6:
		/* The port is at the same place in both. */
		fill_port(&address, ntohs(in->sin_port));
		snprintf(listener->text, sizeof(listener->text), "%s",
		    address.text);
		return true;
	default:
		return error_set(error, "it is neither TCP nor Unix");
	}
}

bool
listener_adopt(int fd, struct listener *listener_out, struct error *error)
{
	int flags = fcntl(fd, F_GETFL);

	*listener_out = (struct listener){ .is_shared = true, .fd_count = 1,
	    .fds = { fd } };
	if (!is_listening_stream(fd))
		return error_set(error, "it is not a listening socket");
	if (!name_adopted(listener_out, fd, error))
		return false;
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return error_system(error, "fcntl()");
	log_info("listening on %s", listener_out->text);
	return true;
}

bool
listener_open_slot(struct listener *listener, unsigned slot,
    const struct listener_options *options, struct error *error)
{
	struct bind_address address = { .length = sizeof(address.sa) };

	INVARIANT(!listener->is_shared && listener->fds[0] != -1 &&
	    slot < LISTENER_SLOTS);
	if (slot < listener->fd_count && listener->fds[slot] != -1)
		return true;
	if (getsockname(listener->fds[0], (struct sockaddr *)&address.sa,
	    &address.length) == -1)
		return error_system(error, "getsockname()");
	while (listener->fd_count <= slot)
		listener->fds[listener->fd_count++] = -1;
	if (!open_slot(&address, options, &listener->fds[slot], error)) {
		listener->fds[slot] = -1;
		return false;
	}
	note_in_group(listener, slot);
	return true;
}

/* The kernel puts the last of the group into the place of the one that goes. */
void
listener_close_slot(struct listener *listener, unsigned slot)
{
	if (listener->is_shared || slot >= listener->fd_count ||
	    listener->fds[slot] == -1)
		return;
	close(listener->fds[slot]);
	listener->fds[slot] = -1;
	for (unsigned i = 0; i < listener->group_count; i++)
		if (listener->group[i] == slot) {
			listener->group[i] =
			    listener->group[--listener->group_count];
			return;
		}
}

/* Any of them by chance, then its place in the group. */
static unsigned
write_program(const struct listener *listener, unsigned slots,
    struct sock_filter *program)
{
	unsigned length = 0;

	program[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W |
	    BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
	program[length++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD |
	    BPF_K, slots);
	for (unsigned i = 0; i < listener->group_count; i++) {
		if (listener->group[i] >= slots)
			continue;
		program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP |
		    BPF_JEQ | BPF_K, listener->group[i], 0, 1);
		program[length++] = (struct sock_filter)BPF_STMT(BPF_RET |
		    BPF_K, i);
	}
	program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return length;
}

bool
listener_steer(const struct listener *listener, unsigned slots,
    struct error *error)
{
	struct sock_filter program[3 + 2 * LISTENER_SLOTS];
	struct sock_fprog wanted = { .filter = program };

	INVARIANT(slots >= 1);
	if (listener->is_shared)
		return true;
	wanted.len = (unsigned short)write_program(listener, slots, program);
	if (setsockopt(listener->fds[0], SOL_SOCKET,
	    SO_ATTACH_REUSEPORT_CBPF, &wanted, sizeof(wanted)) == -1)
		return error_system(error, "could not steer connections to "
		    "%s", listener->text);
	return true;
}

void
listener_defer_accept(const struct listener *listener, int seconds)
{
	if (listener->is_unix)
		return;
	for (unsigned i = 0; i < listener->fd_count; i++)
		if (listener->fds[i] != -1)
			defer_accept(listener->fds[i], seconds);
}

void
listener_close(struct listener *listener)
{
	for (unsigned i = 0; i < listener->fd_count; i++)
		if (listener->fds[i] != -1)
			close(listener->fds[i]);
	listener->fd_count = listener->group_count = 0;
}

void
listener_remove(const struct listener *listener)
{
	struct stat status;

	if (!listener->is_unix || listener->path[0] == '\0')
		return;
	if (lstat(listener->path, &status) == 0 &&
	    status.st_dev == listener->device &&
	    status.st_ino == listener->inode)
		unlink(listener->path);
}
