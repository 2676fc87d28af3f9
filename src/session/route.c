#include "session/route.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"

/* Longer names there are none. */
#define HOST_TEXT_BYTES HOST_NAME_BYTES

static const char *
host_list(const struct pool_view *view)
{
	const char *list = view->database->host;

	return list != NULL ? list : "";
}

/* The words of a comma list; an empty list has one, too. */
static unsigned
count_hosts(const char *list)
{
	unsigned count = 1;

	for (; *list != '\0'; list++)
		count += *list == ',';
	return count;
}

static void
copy_host(const char *list, unsigned at, char *host, size_t size)
{
	size_t length;

	for (; at > 0; at--)
		list = strchr(list, ',') + 1;
	list += strspn(list, " \t");
	length = strcspn(list, ", \t");
	snprintf(host, size, "%.*s", (int)length, list);
}

/* The default of the configuration is a socket as well. */
static bool
is_socket(const char *host)
{
	return host[0] == '\0' || host[0] == '/' || host[0] == '@';
}

bool
route_unix_in(const char *directory, int port,
    struct sockaddr_storage *address_out, socklen_t *length_out)
{
	struct sockaddr_un *address = (void *)address_out;
	int length;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	length = snprintf(address->sun_path, sizeof(address->sun_path),
	    "%s/.s.PGSQL.%d", directory, port);
	if (length >= (int)sizeof(address->sun_path)) {
		log_error("the path of the Unix socket is too long: "
		    "%s/.s.PGSQL.%d", directory, port);
		return false;
	}
	*length_out = sizeof(*address);
	if (directory[0] == '@') {
		address->sun_path[0] = '\0';
		*length_out = (socklen_t)(offsetof(struct sockaddr_un,
		    sun_path) + (size_t)length);
	}
	return true;
}

static bool
unix_of(struct sessions *sessions, const struct pool_view *view,
    const char *host, struct sockaddr_storage *address_out,
    socklen_t *length_out)
{
	const char *directory = host[0] != '\0' ? host :
	    sessions->config->unix_socket_dir;

	return route_unix_in(directory != NULL ? directory : "",
	    view->database->port, address_out, length_out);
}

bool
route_unix(struct sessions *sessions, const struct pool_view *view,
    const struct address *remote, struct sockaddr_storage *address_out,
    socklen_t *length_out)
{
	char host[HOST_TEXT_BYTES];
	unsigned at = remote->bytes[0];

	if (view->database == NULL || at >= count_hosts(host_list(view)))
		return false;
	copy_host(host_list(view), at, host, sizeof(host));
	return is_socket(host) && unix_of(sessions, view, host, address_out,
	    length_out);
}

/* --- the places of one host ---------------------------------------------- */

static enum route_step
go_to_socket(struct sessions *sessions, const struct pool_view *view,
    const char *host, unsigned at, struct place *place_out)
{
	place_out->remote = (struct address){ .family = ADDRESS_UNIX,
	    .bytes = { (uint8_t)at },
	    .port = (uint16_t)view->database->port };
	place_out->host = NO_ROW;
	return unix_of(sessions, view, host, &place_out->address,
	    &place_out->length) ? ROUTE_PLACE : ROUTE_END;
}

static enum route_step
go_to_address(const struct pool_view *view, const struct address *address,
    uint32_t host, struct place *place_out)
{
	place_out->remote = *address;
	place_out->remote.port = (uint16_t)view->database->port;
	place_out->host = host;
	address_to(&place_out->remote, &place_out->address,
	    &place_out->length);
	return ROUTE_PLACE;
}

static enum route_step
go_to_name(struct sessions *sessions, const struct pool_view *view,
    const char *name, struct route *route, struct place *place_out,
    uint32_t *host_out)
{
	struct host_wish wish = {
		.row = hosts_find(sessions->segment, name,
		    loop_now(sessions->loop)),
		.worker = sessions->worker,
		.now = loop_now(sessions->loop),
		.retry = sessions->config->server_login_retry,
		.tried = &route->tried,
	};
	struct address address;

	if (wish.row == NO_ROW) {
		log_error("no room for the host name %s", name);
		return ROUTE_END;
	}
	*host_out = wish.row;
	switch (hosts_choose(sessions->segment, &wish, &address)) {
	case HOST_WAIT:
		return ROUTE_WAIT;
	case HOST_NONE:
		return ROUTE_END;
	case HOST_CHOSEN:
		break;
	}
	address_list_add(&route->tried, &address);
	return go_to_address(view, &address, wish.row, place_out);
}

static enum route_step
go_to_host(struct sessions *sessions, const struct pool_view *view,
    struct route *route, struct place *place_out, uint32_t *host_out)
{
	unsigned count = count_hosts(host_list(view));
	unsigned at = (route->first + route->done) % count;
	char host[HOST_TEXT_BYTES];
	struct address address;

	copy_host(host_list(view), at, host, sizeof(host));
	snprintf(place_out->name, sizeof(place_out->name), "%s",
	    is_socket(host) ? "" : host);
	if (!is_socket(host) && !address_parse_host(host, &address))
		return go_to_name(sessions, view, host, route, place_out,
		    host_out);
	if (route->was_tried)
		return ROUTE_END;
	route->was_tried = true;
	if (is_socket(host))
		return go_to_socket(sessions, view, host, at, place_out);
	return go_to_address(view, &address, NO_ROW, place_out);
}

/* --- from host to host --------------------------------------------------- */

static void
begin(struct sessions *sessions, const struct pool_view *view,
    struct route *route)
{
	_Atomic uint32_t *turn =
	    &sessions->segment->pools[view->pool].host_turn;

	route->begun = true;
	if (view->database->load_balance_hosts == LOAD_BALANCE_ROUND_ROBIN)
		route->first = atomic_fetch_add(turn, 1);
	else
		route->first = atomic_load(turn);
}

/* Of several that fail at the same host, one moves the turn. */
void
route_give_up(struct sessions *sessions, const struct pool_view *view,
    const struct route *route)
{
	uint32_t failed = route->first + route->done;

	if (view->database != NULL && route->begun &&
	    view->database->load_balance_hosts != LOAD_BALANCE_ROUND_ROBIN)
		atomic_compare_exchange_strong(
		    &sessions->segment->pools[view->pool].host_turn, &failed,
		    failed + 1);
}

enum route_step
route_next(struct sessions *sessions, struct pool_view *view,
    struct route *route, struct place *place_out, uint32_t *host_out)
{
	enum route_step step;

	if (!route->begun)
		begin(sessions, view, route);
	while (route->done < count_hosts(host_list(view))) {
		step = go_to_host(sessions, view, route, place_out, host_out);
		if (step == ROUTE_PLACE)
			route->connected = true;
		if (step != ROUTE_END)
			return step;
		route_give_up(sessions, view, route);
		route->done++;
		route->was_tried = false;
		route->tried.count = 0;
	}
	return ROUTE_END;
}
