#include "supervisor/http_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define BACKLOG 64

static bool
same_place(const struct listen_place *one, const struct listen_place *other)
{
	return one->everywhere == other->everywhere &&
	    one->address.port == other->address.port &&
	    address_same_host(&one->address, &other->address);
}

static bool
set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static int
make_socket(const struct listen_place *place, bool share)
{
	struct sockaddr_storage address;
	socklen_t length;
	int fd, kept_errno;

	address_to(&place->address, &address, &length);
	fd = socket(address.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
	    (!share || set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
	    (address.ss_family != AF_INET6 || set(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, !place->everywhere)) &&
	    bind(fd, (const struct sockaddr *)&address, length) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	kept_errno = errno;
	close(fd);
	errno = kept_errno;
	return -1;
}

/* Where there is no IPv6 at all, everywhere is IPv4's. */
static int
make_somehow(const struct listen_place *place, bool share)
{
	struct listen_place old = { .everywhere = true };
	int fd = make_socket(place, share);

	if (fd != -1 || !place->everywhere || errno != EAFNOSUPPORT)
		return fd;
	if (!address_parse_host("0.0.0.0", &old.address))
		return -1;
	old.address.port = place->address.port;
	return make_socket(&old, share);
}

/*
 * Moving from one address to all of them, or back, the port is in use by
 * ourselves: for that moment it is shared with what is open already.
 */
static int
open_place(struct http_sockets *sockets, const struct listen_place *place)
{
	int fd = make_somehow(place, false);

	if (fd != -1 || errno != EADDRINUSE || sockets->places.count == 0)
		return fd;
	for (unsigned i = 0; i < sockets->places.count; i++)
		(void)set(sockets->fds[i], SOL_SOCKET, SO_REUSEPORT, 1);
	fd = make_somehow(place, true);
	for (unsigned i = 0; i < sockets->places.count; i++)
		(void)set(sockets->fds[i], SOL_SOCKET, SO_REUSEPORT, 0);
	if (fd != -1)
		(void)set(fd, SOL_SOCKET, SO_REUSEPORT, 0);
	return fd;
}

static int
find(const struct http_sockets *sockets, const struct listen_place *place)
{
	for (unsigned i = 0; i < sockets->places.count; i++)
		if (same_place(&sockets->places.list[i], place))
			return sockets->fds[i];
	return -1;
}

static bool
is_kept(const struct http_sockets *sockets, int fd)
{
	for (unsigned i = 0; i < sockets->places.count; i++)
		if (sockets->fds[i] == fd)
			return true;
	return false;
}

void
http_sockets_discard(struct http_sockets *sockets)
{
	for (unsigned i = 0; i < sockets->next_places.count; i++)
		if (sockets->next_fds[i] != -1 &&
		    !is_kept(sockets, sockets->next_fds[i]))
			close(sockets->next_fds[i]);
	sockets->next_places.count = 0;
	sockets->is_prepared = false;
}

static bool
could_not_listen(const struct listen_place *place, struct error *error)
{
	char text[ADDRESS_TEXT_BYTES];

	address_format(&place->address, 0, text, sizeof(text));
	return error_system(error, "could not listen on %s (metrics_listen)",
	    text);
}

bool
http_sockets_prepare(struct http_sockets *sockets, const char *text,
    struct error *error)
{
	http_sockets_discard(sockets);
	if (!places_parse(text, &sockets->next_places, error)) {
		sockets->next_places.count = 0;
		return false;
	}
	for (unsigned i = 0; i < PLACES_MOST; i++)
		sockets->next_fds[i] = -1;
	for (unsigned i = 0; i < sockets->next_places.count; i++) {
		const struct listen_place *place = &sockets->next_places.list[i];
		int fd = find(sockets, place);

		if (fd == -1)
			fd = open_place(sockets, place);
		if (fd == -1) {
			(void)could_not_listen(place, error);
			http_sockets_discard(sockets);
			return false;
		}
		sockets->next_fds[i] = fd;
	}
	sockets->is_prepared = true;
	return true;
}

static bool
is_next(const struct http_sockets *sockets, int fd)
{
	for (unsigned i = 0; i < sockets->next_places.count; i++)
		if (sockets->next_fds[i] == fd)
			return true;
	return false;
}

static void
tell(const struct listen_place *place)
{
	char text[ADDRESS_TEXT_BYTES];

	address_format(&place->address, 0, text, sizeof(text));
	log_info("metrics: listening on %s", text);
}

void
http_sockets_adopt(struct http_sockets *sockets)
{
	if (!sockets->is_prepared)
		return;
	for (unsigned i = 0; i < sockets->next_places.count; i++)
		if (!is_kept(sockets, sockets->next_fds[i]))
			tell(&sockets->next_places.list[i]);
	for (unsigned i = 0; i < sockets->places.count; i++)
		if (!is_next(sockets, sockets->fds[i]))
			close(sockets->fds[i]);
	sockets->places = sockets->next_places;
	memcpy(sockets->fds, sockets->next_fds, sizeof(sockets->fds));
	sockets->next_places.count = 0;
	sockets->is_prepared = false;
}

void
http_sockets_close(struct http_sockets *sockets)
{
	http_sockets_discard(sockets);
	for (unsigned i = 0; i < sockets->places.count; i++)
		close(sockets->fds[i]);
	sockets->places.count = 0;
}
