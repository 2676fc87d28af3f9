#include "fake/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LEAST_PORT 20000
#define PORTS 12000

/*
 * A name of the abstract kind stands for the port: it vanishes with the last
 * process that has the socket, whatever happens.  SO_REUSEPORT would let two
 * poolers share a port without a word.
 */
static bool
claim(int port)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int holder = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;
	bool claimed;

	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
	    "pgusher-live-port-%d", port);
	setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	claimed = bind(holder, (struct sockaddr *)&name, sizeof(name)) == 0 &&
	    bind(probe, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(probe);
	if (!claimed)
		close(holder);
	return claimed;
}

int
port_claim(void)
{
	static int next = -1;

	if (next == -1)
		next = (int)getpid() * 37 % PORTS;
	for (int tries = 0; tries < PORTS; tries++) {
		int port = LEAST_PORT + next;

		next = (next + 1) % PORTS;
		if (claim(port))
			return port;
	}
	abort();
}
