#include "live/http.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <check.h>

#include "live/process.h"

#define ANSWER_MOST (4 * 1024 * 1024)

int
http_connect(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { 60, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd != -1 && connect(fd, (struct sockaddr *)&address,
	    sizeof(address)) == -1) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* The last answer lives until the next. */
struct http_answer
http_say(int port, const char *bytes, size_t length)
{
	static char answer[ANSWER_MOST + 1];
	struct http_answer parsed = { 0, "", "" };
	int fd = http_connect(port);
	size_t used = 0;
	ssize_t got;
	char *end;

	if (fd == -1)
		return parsed;
	(void)!send(fd, bytes, length, MSG_NOSIGNAL);
	while (used < ANSWER_MOST && (got = recv(fd, answer + used,
	    ANSWER_MOST - used, 0)) > 0)
		used += (size_t)got;
	close(fd);
	answer[used] = '\0';
	end = strstr(answer, "\r\n\r\n");
	if (end == NULL || sscanf(answer, "HTTP/1.%*d %d", &parsed.status) !=
	    1)
		return parsed;
	*end = '\0';
	parsed.headers = answer;
	parsed.body = end + 4;
	return parsed;
}

struct http_answer
http_get(int port, const char *path, const char *headers)
{
	const char *request = text("GET %s HTTP/1.1\r\nHost: localhost\r\n"
	    "Connection: close\r\n%s\r\n", path, headers);

	return http_say(port, request, strlen(request));
}

double
metric_value(const char *metrics, const char *sample)
{
	const char *line = text("\n%s ", sample);
	const char *at = strstr(metrics, line);

	return at == NULL ? NAN : strtod(at + strlen(line), NULL);
}

void
http_await(int port)
{
	wait_until(http_get(port, "/healthz", "").status == 200);
}
