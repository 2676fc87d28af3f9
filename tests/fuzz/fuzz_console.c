/*
 * Whatever is typed on the console gets a reply of whole messages, changes
 * nothing without admin rights, and reads nothing beyond its end.
 *
 * The first byte chooses: who asks, and whether it is a query text or a
 * message of another type.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/console.h"
#include "admin/sql.h"
#include "admin/visit.h"
#include "base/invariant.h"
#include "base/log.h"
#include "config/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define INI \
	"[databases]\n" \
	"app = host=127.0.0.1\n" \
	"my-db = host=127.0.0.1\n" \
	"[pgbouncer]\n" \
	"listen_addr = 127.0.0.1\n" \
	"auth_type = any\n"

#define AS_ADMIN 1
#define AS_MESSAGE 2
#define AS_MESSAGES 4		/* what follows is a sequence of them */

static struct console_env env;
static struct files *files;

static void
start(void)
{
	struct segment_size size = { .workers = 1, .clients = 16,
	    .servers = 16, .pools = 16, .databases = 16, .users = 16 };
	struct error error;

	files = files_memory();
	log_configure(&(struct log_settings){ .file_fd = -1 });
	files_put(files, "pgusher.ini", INI, strlen(INI));
	env.segment = segment_create(&size, &error);
	env.config = config_load(files, "pgusher.ini", &error);
	INVARIANT(env.segment != NULL && env.config != NULL);
	INVARIANT(pools_make(env.segment, "app", "joe", false) != NO_ROW);
	env.client_row = NO_ROW;
	env.sql = sql_create();
	INVARIANT(env.sql != NULL);
	env.is_stats = true;
	env.listen_port = 6432;
}

/* The reply is a sequence of whole messages. */
static void
check_reply(const struct buffer *reply)
{
	size_t left = buffer_length(reply);
	const uint8_t *at = left == 0 ? NULL : buffer_front(reply);

	while (left > 0) {
		size_t size;

		INVARIANT(left >= 5);
		size = (size_t)at[1] << 24 | (size_t)at[2] << 16 |
		    (size_t)at[3] << 8 | at[4];
		INVARIANT(size >= 4 && size + 1 <= left);
		at += size + 1;
		left -= size + 1;
	}
}

/* True: nothing is paused. Undoes what an admin may have done. */
static bool
undo(void)
{
	struct segment *segment = env.segment;
	bool unchanged = atomic_exchange(&segment->state->paused, 0) == 0;

	for (uint32_t row = 0; row < segment->size.databases; row++) {
		struct database_row *database = &segment->databases[row];

		if (atomic_exchange(&database->paused, 0) != 0 ||
		    atomic_exchange(&database->disabled, 0) != 0)
			unchanged = false;
	}
	return unchanged;
}

/* Each has a type, one byte of length, and its body. */
static enum console_outcome
take_messages(const uint8_t *bytes, size_t length, struct buffer *reply,
    struct console_order *order)
{
	enum console_outcome outcome = CONSOLE_DONE;

	while (length >= 2 && outcome == CONSOLE_DONE) {
		size_t size = bytes[1] <= length - 2 ? bytes[1] : length - 2;

		outcome = console_message(&env, &(struct console_message){
		    bytes[0], bytes + 2, size }, reply, order);
		bytes += 2 + size;
		length -= 2 + size;
	}
	return outcome;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct buffer reply = { .bytes = NULL };
	struct console_order order;
	enum console_outcome outcome;
	uint8_t how;

	if (env.segment == NULL)
		start();
	if (length < 2)
		return 0;
	how = bytes[0];
	env.is_admin = how & AS_ADMIN;
	env.visit = how & (AS_MESSAGE | AS_MESSAGES) ? visit_create() : NULL;
	if (how & AS_MESSAGES)
		outcome = take_messages(bytes + 1, length - 1, &reply,
		    &order);
	else if (how & AS_MESSAGE)
		outcome = console_message(&env, &(struct console_message){
		    bytes[1], bytes + 2, length - 2 }, &reply, &order);
	else
		outcome = console_query(&env, (const char *)bytes + 1,
		    length - 1, &reply, &order);
	check_reply(&reply);
	INVARIANT(outcome == CONSOLE_DONE || outcome == CONSOLE_CLOSE ||
	    env.is_admin);
	INVARIANT(undo() || env.is_admin);
	buffer_clear(&reply);
	visit_destroy(env.visit);
	return 0;
}
