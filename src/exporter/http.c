#include "build.h"

#include "exporter/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

#ifdef HAVE_MICROHTTPD

#include <microhttpd.h>

#define CONNECTIONS_MOST 64
#define CONNECTION_BYTES (16 * 1024)	/* request line, headers, answer's */
#define CONNECTION_SECONDS 15

struct http {
	struct http_plan	 plan;
	struct MHD_Daemon	*daemons[PLACES_MOST];
	unsigned		 under_way;
};

static struct MHD_Response *
make_response(const struct response *response)
{
	const struct buffer *body = &response->body.buffer;
	struct MHD_Response *made = MHD_create_response_from_buffer(
	    buffer_length(body), (void *)(uintptr_t)buffer_front(body),
	    MHD_RESPMEM_MUST_COPY);
	const char *headers[][2] = {
		{ "Content-Type", response->type },
		{ "Content-Security-Policy", response->security },
		{ "WWW-Authenticate", response->challenge },
		{ "Allow", response->allow },
		{ "Cache-Control", "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
	};

	for (size_t i = 0; made != NULL && i < ARRAY_LENGTH(headers); i++)
		if (headers[i][1] != NULL)
			(void)MHD_add_response_header(made, headers[i][0],
			    headers[i][1]);
	return made;
}

static enum MHD_Result
answer(struct http *http, struct MHD_Connection *connection,
    const char *path, const char *method)
{
	const struct request request = {
		.method = method,
		.path = path,
		.accept = MHD_lookup_connection_value(connection,
		    MHD_HEADER_KIND, "Accept"),
		.authorization = MHD_lookup_connection_value(connection,
		    MHD_HEADER_KIND, "Authorization"),
	};
	struct response response;
	struct MHD_Response *made;
	enum MHD_Result result = MHD_NO;

	http->plan.handle(http->plan.context, &request, &response);
	made = make_response(&response);
	if (made != NULL) {
		result = MHD_queue_response(connection, response.status,
		    made);
		MHD_destroy_response(made);
	}
	text_clear(&response.body);
	return result;
}

/*
 * Called first when the headers are there, and again with what comes behind
 * them, which nobody wants.
 */
static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection,
    const char *path, const char *method, const char *version,
    const char *body, size_t *body_length, void **state)
{
	struct http *http = context;

	if (*state == NULL) {
		*state = http;
		http->under_way++;
		return MHD_YES;
	}
	if (*body_length > 0) {
		*body_length = 0;
		return MHD_YES;
	}
	return answer(http, connection, path, method);
}

static void
on_completed(void *context, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode how)
{
	struct http *http = context;

	if (*state != NULL)
		http->under_way--;
	*state = NULL;
}

static void on_log(void *context, const char *format, va_list arguments)
    PRINTF_LIKE(2, 0);

static void
on_log(void *context, const char *format, va_list arguments)
{
	char text[256];

	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	log_debug("exporter: %s", text);
}

static struct MHD_Daemon *
start_daemon(struct http *http, int fd)
{
	const struct tls_settings *tls = http->plan.tls;
	bool with_tls = tls->certificate.length > 0;
	struct MHD_OptionItem of_tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0,
		    (void *)(uintptr_t)tls->certificate.content },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0,
		    (void *)(uintptr_t)tls->key.content },
		{ MHD_OPTION_END, 0, NULL },
	};
	static struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG |
	    (with_tls ? (unsigned)MHD_USE_TLS : 0), 0, NULL, NULL,
	    on_request, http,
	    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MOST,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SECONDS,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
	    MHD_OPTION_ARRAY, with_tls ? of_tls : none, MHD_OPTION_END);
}

struct http *
http_start(const struct http_plan *plan, struct error *error)
{
	struct http *http = memory_get(sizeof(*http));

	http->plan = *plan;
	if (plan->tls->certificate.length > 0 &&
	    MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
		error_set(error, "libmicrohttpd has no TLS here, which "
		    "metrics_tls_cert_file needs");
		memory_free(http);
		return NULL;
	}
	for (unsigned i = 0; i < plan->count; i++) {
		http->daemons[i] = start_daemon(http, plan->fds[i]);
		if (http->daemons[i] == NULL) {
			error_set(error, "libmicrohttpd does not start");
			http_stop(http);
			return NULL;
		}
	}
	return http;
}

void
http_quiesce(struct http *http)
{
	for (unsigned i = 0; i < http->plan.count; i++)
		(void)MHD_quiesce_daemon(http->daemons[i]);
}

unsigned
http_under_way(const struct http *http)
{
	return http->under_way;
}

unsigned
http_poll_fds(struct http *http, struct pollfd *fds_out)
{
	for (unsigned i = 0; i < http->plan.count; i++) {
		const union MHD_DaemonInfo *info = MHD_get_daemon_info(
		    http->daemons[i], MHD_DAEMON_INFO_EPOLL_FD);

		fds_out[i] = (struct pollfd){ info == NULL ? -1 :
		    info->epoll_fd, POLLIN, 0 };
	}
	return http->plan.count;
}

int
http_timeout(struct http *http)
{
	int shortest = -1;

	for (unsigned i = 0; i < http->plan.count; i++) {
		MHD_UNSIGNED_LONG_LONG timeout;

		if (MHD_get_timeout(http->daemons[i], &timeout) != MHD_YES)
			continue;
		if (timeout > 60000)
			timeout = 60000;
		if (shortest == -1 || (int)timeout < shortest)
			shortest = (int)timeout;
	}
	return shortest;
}

static unsigned
connections(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon,
	    MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info == NULL ? 0 : info->num_connections;
}

/*
 * With all its places taken, the library stops to listen, and listens again
 * at the beginning of a run in which there is one. The run that frees the
 * last of them is not followed by another by itself: nothing would wake us.
 */
void
http_run(struct http *http)
{
	for (unsigned i = 0; i < http->plan.count; i++) {
		struct MHD_Daemon *daemon = http->daemons[i];
		unsigned before = connections(daemon);

		(void)MHD_run(daemon);
		if (connections(daemon) < before)
			(void)MHD_run(daemon);
	}
}

void
http_stop(struct http *http)
{
	for (unsigned i = 0; i < http->plan.count; i++)
		if (http->daemons[i] != NULL)
			MHD_stop_daemon(http->daemons[i]);
	memory_free(http);
}

const char *
http_support(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "libmicrohttpd %s%s", MHD_get_version(),
	    MHD_is_feature_supported(MHD_FEATURE_TLS) == MHD_YES ?
	    ", with TLS" : "");
	return text;
}

#else /* !HAVE_MICROHTTPD */

struct http *
http_start(const struct http_plan *plan, struct error *error)
{
	error_set(error, "this pgusher was built without libmicrohttpd");
	return NULL;
}

void
http_quiesce(struct http *http)
{
}

unsigned
http_under_way(const struct http *http)
{
	return 0;
}

unsigned
http_poll_fds(struct http *http, struct pollfd *fds_out)
{
	return 0;
}

int
http_timeout(struct http *http)
{
	return -1;
}

void
http_run(struct http *http)
{
}

void
http_stop(struct http *http)
{
}

const char *
http_support(void)
{
	return "no";
}

#endif
