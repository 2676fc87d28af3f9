#include "pool/lists.h"

#include "base/invariant.h"

/* Puts `row` before `next` (NO_ROW: at the end). */
static void
link_server(struct segment *segment, struct pool_row *pool, uint32_t row,
    uint32_t next)
{
	struct server_row *server = segment_server(segment, row);
	uint32_t prev = next == NO_ROW ? pool->idle_tail :
	    segment->servers[next].prev;

	server->next = next;
	server->prev = prev;
	if (prev == NO_ROW)
		pool->idle_head = row;
	else
		segment_server(segment, prev)->next = row;
	if (next == NO_ROW)
		pool->idle_tail = row;
	else
		segment_server(segment, next)->prev = row;
	pool->idle_count++;
}

void
lists_push_idle(struct segment *segment, struct pool_row *pool,
    uint32_t server)
{
	link_server(segment, pool, server, pool->idle_head);
}

void
lists_insert_idle(struct segment *segment, struct pool_row *pool,
    uint32_t server)
{
	usec_t since = segment_server(segment, server)->idle_since;
	uint32_t next = pool->idle_head;

	while (next != NO_ROW &&
	    segment_server(segment, next)->idle_since > since)
		next = segment->servers[next].next;
	link_server(segment, pool, server, next);
}

void
lists_remove_idle(struct segment *segment, struct pool_row *pool, uint32_t row)
{
	struct server_row *server = segment_server(segment, row);

	INVARIANT(pool->idle_count > 0);
	if (server->prev == NO_ROW)
		pool->idle_head = server->next;
	else
		segment_server(segment, server->prev)->next = server->next;
	if (server->next == NO_ROW)
		pool->idle_tail = server->prev;
	else
		segment_server(segment, server->next)->prev = server->prev;
	server->next = server->prev = NO_ROW;
	pool->idle_count--;
}

static void
link_client(struct segment *segment, struct pool_row *pool, uint32_t row,
    uint32_t prev)
{
	struct client_row *client = segment_client(segment, row);
	uint32_t next = prev == NO_ROW ? pool->wait_head :
	    segment->clients[prev].next;

	client->next = next;
	client->prev = prev;
	if (prev == NO_ROW)
		pool->wait_head = row;
	else
		segment_client(segment, prev)->next = row;
	if (next == NO_ROW)
		pool->wait_tail = row;
	else
		segment_client(segment, next)->prev = row;
	pool->wait_count++;
}

void
lists_push_waiting(struct segment *segment, struct pool_row *pool,
    uint32_t client)
{
	link_client(segment, pool, client, pool->wait_tail);
}

void
lists_insert_waiting(struct segment *segment, struct pool_row *pool,
    uint32_t client)
{
	usec_t since = segment_client(segment, client)->wait_since;
	uint32_t prev = pool->wait_tail;

	while (prev != NO_ROW &&
	    segment_client(segment, prev)->wait_since > since)
		prev = segment->clients[prev].prev;
	link_client(segment, pool, client, prev);
}

void
lists_remove_waiting(struct segment *segment, struct pool_row *pool,
    uint32_t row)
{
	struct client_row *client = segment_client(segment, row);

	INVARIANT(pool->wait_count > 0);
	if (client->prev == NO_ROW)
		pool->wait_head = client->next;
	else
		segment_client(segment, client->prev)->next = client->next;
	if (client->next == NO_ROW)
		pool->wait_tail = client->prev;
	else
		segment_client(segment, client->next)->prev = client->prev;
	client->next = client->prev = NO_ROW;
	pool->wait_count--;
}
