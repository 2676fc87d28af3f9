#include "console_world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "admin/sql.h"
#include "admin/visit.h"
#include "base/clock.h"
#include "wire/reader.h"

void
world_start(struct world *world, const char *ini, const char *users)
{
	struct segment_size size = { .workers = 2, .clients = 2000,
	    .servers = 200, .pools = 64, .databases = 64, .users = 64,
	    .hosts = 8 };
	struct error error = { .text = "" };

	memset(world, 0, sizeof(*world));
	world->segment = segment_create(&size, &error);
	ck_assert_msg(world->segment != NULL, "%s", error.text);
	world->files = files_memory();
	files_put(world->files, "pgusher.ini", ini, strlen(ini));
	files_put(world->files, "users", users, strlen(users));
	world->config = config_load(world->files, "pgusher.ini", &error);
	ck_assert_msg(world->config != NULL, "%s", error.text);
	world->env = (struct console_env){ .segment = world->segment,
	    .config = world->config, .worker = 1, .client_row = NO_ROW,
	    .is_admin = true, .is_stats = true, .now = WORLD_NOW,
	    .listen_port = 6432, .user = "joe", .sql = sql_create(),
	    .visit = visit_create() };
	ck_assert_ptr_nonnull(world->env.sql);
	ck_assert_ptr_nonnull(world->env.visit);
}

void
world_stop(struct world *world)
{
	free(world->text);
	buffer_clear(&world->reply);
	sql_destroy(world->env.sql);
	visit_destroy(world->env.visit);
	config_free(world->config);
	files_free(world->files);
	segment_destroy(world->segment);
}

uint32_t
world_add_client(struct world *world, const char *database, const char *user,
    enum client_phase phase)
{
	struct segment *segment = world->segment;
	uint32_t row = clients_claim(segment, 0);
	struct client_row *client = &segment->clients[row];

	ck_assert_uint_ne(row, NO_ROW);
	client->server = NO_ROW;
	atomic_store(&client->pool, database == NULL ? NO_ROW :
	    pools_make(segment, database, user, false));
	atomic_store(&client->user, user == NULL ? NO_ROW :
	    users_make(segment, user));
	client->connect_at = client->request_at = WORLD_NOW;
	client->id = row + 1;
	atomic_store(&client->phase, phase);
	return row;
}

uint32_t
world_add_server(struct world *world, const char *database, const char *user,
    enum server_phase phase)
{
	struct segment *segment = world->segment;
	uint32_t pool = pools_make(segment, database, user, false);
	uint32_t row = servers_claim(segment, 1, pool, SERVER_OPENING);
	struct server_row *server = &segment->servers[row];

	ck_assert_uint_ne(row, NO_ROW);
	server->client = NO_ROW;
	server->connected_at = server->request_at = WORLD_NOW;
	server->idle_since = WORLD_NOW;
	server->id = 100 + row;
	if (phase != SERVER_CANCEL_LINK)
		segment->pools[pool].server_count++;
	atomic_store(&server->phase, phase);
	return row;
}

/* --- taking a reply apart ------------------------------------------------ */

/* A copy that ends in a NUL. */
static const char *
keep(struct world *world, const uint8_t *bytes, size_t length)
{
	char *copy = world->text + world->text_used;

	if (length > 0)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	world->text_used += length + 1;
	return copy;
}

static const char *
keep_string(struct world *world, struct reader *body)
{
	const char *text = reader_string(body);

	return keep(world, (const uint8_t *)text, strlen(text));
}

static void
read_columns(struct world *world, struct reader *body)
{
	world->width = reader_u16(body);
	ck_assert_uint_le(world->width, 64);
	for (unsigned i = 0; i < world->width; i++) {
		world->names[i] = keep_string(world, body);
		ck_assert_uint_eq(reader_u32(body), 0);
		ck_assert_uint_eq(reader_u16(body), 0);
		world->oids[i] = reader_u32(body);
		reader_take(body, 8);
	}
}

static void
read_row(struct world *world, struct reader *body)
{
	unsigned width = reader_u16(body);

	if (strchr(world->kinds, 'T') == NULL)	/* told by Describe before */
		world->width = width;
	ck_assert_uint_eq(width, world->width);
	for (unsigned i = 0; i < world->width; i++) {
		int32_t length = reader_i32(body);
		unsigned at = world->rows * world->width + i;

		ck_assert_uint_lt(at, WORLD_CELLS);
		world->cells[at] = length == -1 ? NULL :
		    keep(world, reader_take(body, (size_t)length),
		    (size_t)length);
	}
	world->rows++;
}

static void
read_fields(struct world *world, struct reader *body)
{
	for (uint8_t field; (field = reader_u8(body)) != 0;) {
		const char *text = keep_string(world, body);

		switch (field) {
		case 'S':
			world->severity = text;
			break;
		case 'V':
			ck_assert_str_eq(text, world->severity);
			break;
		case 'C':
			world->sqlstate = text;
			break;
		case 'M':
			world->message = text;
			break;
		case 'D':
			world->detail = text;
			break;
		default:
			ck_abort_msg("field %c", field);
		}
	}
}

static void
read_message(struct world *world, uint8_t type, struct reader *body)
{
	size_t seen = strlen(world->kinds);

	if (type != 'D' || seen == 0 || world->kinds[seen - 1] != 'D')
		world->kinds[seen] = (char)type;
	switch (type) {
	case 'T':
		read_columns(world, body);
		break;
	case 'D':
		read_row(world, body);
		break;
	case 'C':
		world->tag = keep_string(world, body);
		break;
	case 'E':
	case 'N':
		read_fields(world, body);
		break;
	case 'S':
		keep_string(world, body);
		keep_string(world, body);
		break;
	case 'Z':
		world->status = (char)reader_u8(body);
		break;
	case 't':
		reader_take(body, 4 * (size_t)reader_u16(body));
		break;
	case '1':
	case '2':
	case '3':
	case 'I':
	case 'n':
	case 's':
		break;
	default:
		ck_abort_msg("message %c", type);
	}
}

static void
forget_reply(struct world *world)
{
	free(world->text);
	/* Each text needs at most one byte more than in its message. */
	world->text = malloc(2 * buffer_length(&world->reply) + 1);
	world->text_used = 0;
	memset(world->kinds, 0, sizeof(world->kinds));
	world->width = world->rows = 0;
	world->tag = world->severity = world->sqlstate = NULL;
	world->message = world->detail = NULL;
}

void
world_read(struct world *world)
{
	struct reader reply;

	forget_reply(world);
	reply = reader_of(buffer_length(&world->reply) == 0 ? NULL :
	    buffer_front(&world->reply), buffer_length(&world->reply));
	while (reader_left(&reply) > 0) {
		uint8_t type = reader_u8(&reply);
		size_t length = reader_u32(&reply);
		struct reader body;

		ck_assert_uint_ge(length, 4);
		ck_assert_uint_le(length - 4, reader_left(&reply));
		body = reader_of(reply.at, length - 4);
		reader_take(&reply, length - 4);
		read_message(world, type, &body);
		ck_assert_msg(reader_done(&body), "message %c", type);
	}
	ck_assert(!reply.failed);
	buffer_clear(&world->reply);
}

void
world_query_bytes(struct world *world, const void *bytes, size_t length)
{
	world->outcome = console_query(&world->env, bytes, length,
	    &world->reply, &world->order);
	world_read(world);
}

void
world_query(struct world *world, const char *text)
{
	world_query_bytes(world, text, strlen(text));
}

static unsigned
find_column(const struct world *world, const char *column)
{
	unsigned i = 0;

	while (i < world->width && strcmp(world->names[i], column) != 0)
		i++;
	ck_assert_msg(i < world->width, "no column %s", column);
	return i;
}

const char *
world_cell(const struct world *world, unsigned row, const char *column)
{
	ck_assert_uint_lt(row, world->rows);
	return world->cells[row * world->width +
	    find_column(world, column)];
}

unsigned
world_row(const struct world *world, const char *column, const char *text)
{
	unsigned at = find_column(world, column);

	for (unsigned row = 0; row < world->rows; row++) {
		const char *cell = world->cells[row * world->width + at];

		if (cell != NULL && strcmp(cell, text) == 0)
			return row;
	}
	ck_abort_msg("no row with %s in %s", text, column);
}
