#include "supervisor/server_fds.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "contract/orders.h"
#include "net/fdpass.h"

void
server_fds_create(struct server_fds *kept, struct segment *segment)
{
	uint32_t rows = segment->size.servers;

	kept->segment = segment;
	kept->rows = 0;
	kept->swept_at = 0;
	kept->fds = memory_get(rows * sizeof(*kept->fds));
	kept->generations = memory_get(rows * sizeof(*kept->generations));
	for (uint32_t row = 0; row < rows; row++)
		kept->fds[row] = -1;
}

static void
let_go(struct server_fds *kept, uint32_t row)
{
	if (kept->fds[row] != -1)
		close(kept->fds[row]);
	kept->fds[row] = -1;
}

void
server_fds_destroy(struct server_fds *kept)
{
	for (uint32_t row = 0; row < kept->rows; row++)
		let_go(kept, row);
	memory_free(kept->fds);
	memory_free(kept->generations);
}

static bool
is_current(struct server_fds *kept, uint32_t row, uint32_t generation)
{
	return atomic_load(&kept->segment->servers[row].generation) ==
	    generation;
}

void
server_fds_keep(struct server_fds *kept, uint32_t row, uint32_t generation,
    int fd)
{
	if (row >= kept->segment->size.servers ||
	    !is_current(kept, row, generation)) {
		close(fd);
		return;
	}
	let_go(kept, row);
	kept->fds[row] = fd;
	kept->generations[row] = generation;
	if (row >= kept->rows)
		kept->rows = row + 1;
}

void
server_fds_collect(struct server_fds *kept, int inbox)
{
	struct inbox_message message;
	size_t length;
	int fd;

	while ((length = fdpass_receive(inbox, &message, sizeof(message),
	    &fd)) > 0) {
		if (fd == -1)
			continue;
		if (length == sizeof(message) && message.kind == INBOX_SERVER)
			server_fds_keep(kept, message.row, message.generation,
			    fd);
		else
			close(fd);
	}
}

void
server_fds_sweep(struct server_fds *kept)
{
	uint32_t epoch = atomic_load(&kept->segment->state->servers_epoch);

	if (epoch == kept->swept_at)
		return;
	kept->swept_at = epoch;
	for (uint32_t row = 0; row < kept->rows; row++)
		if (kept->fds[row] != -1 &&
		    !is_current(kept, row, kept->generations[row]))
			let_go(kept, row);
}

void
server_fds_hang_up(struct server_fds *kept)
{
	for (uint32_t row = 0; row < kept->rows; row++)
		if (kept->fds[row] != -1 && atomic_load(
		    &kept->segment->servers[row].phase) == SERVER_CLOSING)
			shutdown(kept->fds[row], SHUT_WR);
}
