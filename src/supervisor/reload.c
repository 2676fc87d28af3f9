#include "supervisor/reload.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/carry_over.h"
#include "supervisor/boot.h"
#include "supervisor/log_file.h"
#include "supervisor/staff.h"

/* Longer than any worker takes to parse; then it hangs. */
#define PATIENCE (15 * USEC_PER_SEC)

/* Client rows for what max_client_conn does not count; see segment.c. */
#define ROWS_BESIDE 1024

static bool
has_room(const struct supervisor *supervisor, const struct config *config,
    struct error *error)
{
	uint32_t most = supervisor->segment->size.clients - ROWS_BESIDE;

	if ((uint32_t)config->max_client_conn <= most)
		return true;
	error_set(error, "%s: max_client_conn = %d: there is room for %u "
	    "until the next restart", config->path, config->max_client_conn,
	    most);
	return error_hint(error, "restart to go beyond");
}

/* NULL: nothing has changed. On success the bundle is the caller's. */
static struct config *
load(struct supervisor *supervisor, int *bundle_out, struct error *error)
{
	struct files *files = files_live();
	const char *path = supervisor->config->path;
	struct config *config = config_load(files, path, error);

	if (config != NULL && (!has_room(supervisor, config, error) ||
	    !staff_make_room(supervisor, boot_count_workers(config), error) ||
	    !files_pack(files, bundle_out, error))) {
		config_free(config);
		config = NULL;
	}
	files_free(files);
	return config;
}

static void
answer(struct supervisor *supervisor, bool ok, const struct error *error)
{
	struct reload *reload = &supervisor->reload;
	struct order order = { .kind = ORDER_ANSWER, .ok = ok };

	if (!ok)
		snprintf(order.text, sizeof(order.text), "%s", error->text);
	for (unsigned i = 0; i < reload->asker_count; i++) {
		order.id = reload->askers[i].id;
		if (!children_order(&supervisor->children,
		    reload->askers[i].slot, &order, -1))
			log_warning("worker %u did not take the answer to "
			    "its RELOAD", reload->askers[i].slot);
	}
	reload->asker_count = 0;
	service_reloaded(&supervisor->service);
}

static void
reopen_log(struct supervisor *supervisor)
{
	struct order order = { .kind = ORDER_LOG_FILE };
	struct error error;
	int fd;

	if (!log_file_open(supervisor->config->logfile, &supervisor->identity,
	    &fd, &error)) {
		log_error("%s", error.text);
		return;
	}
	for (unsigned i = 0; i < supervisor->workers; i++)
		if (!children_order(&supervisor->children, i, &order, fd) &&
		    supervisor->children.row[i].pid != 0)
			log_warning("worker %u did not take the new log file",
			    i);
	boot_configure_log(supervisor, fd);
	companion_renew(supervisor);
}

static void
send_bundle(struct supervisor *supervisor, int bundle)
{
	struct order order = { .kind = ORDER_CONFIG,
	    .id = supervisor->reload.generation,
	    .mode = (uint32_t)log_verbose() };

	for (unsigned i = 0; i < supervisor->workers; i++) {
		if (children_order(&supervisor->children, i, &order, bundle))
			supervisor->reload.waits_for |= UINT64_C(1) << i;
		else if (supervisor->children.row[i].pid != 0)
			log_warning("worker %u did not take the new "
			    "configuration", i);
	}
}

/* What the supervisor itself works with. */
static void
adopt(struct supervisor *supervisor, struct config *config)
{
	const char *user = supervisor->options->user;
	int clients = supervisor->config->max_client_conn;

	/* The command line's was chosen at start: nothing has changed. */
	if (user != NULL)
		config->user = arena_copy_string(config->arena, user);
	config_carry_over(supervisor->config, config, true);
	config_free(supervisor->config);
	supervisor->config = config;
	config_warn_of_no_effect(config);
	if (config->max_client_conn > clients)
		boot_check_fd_limit(supervisor);
	for (unsigned i = 0; i < supervisor->listener_count; i++)
		listener_defer_accept(&supervisor->listeners[i],
		    config->tcp_defer_accept);
}

static void
run(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;
	struct error error;
	struct config *config;
	int bundle;

	service_reloading(&supervisor->service, clock_now());
	config = load(supervisor, &bundle, &error);
	if (config == NULL) {
		log_error("%s", error.text);
		if (error.hint[0] != '\0')
			log_error("hint: %s", error.hint);
		log_error("config file loading failed");
		/* Rotation must work nevertheless. */
		reopen_log(supervisor);
		answer(supervisor, false, &error);
		return;
	}
	adopt(supervisor, config);
	reopen_log(supervisor);
	reload->generation = atomic_fetch_add(
	    &supervisor->segment->state->config_generation, 1) + 1;
	reload->began_at = clock_now();
	send_bundle(supervisor, bundle);
	staff_resize(supervisor, boot_count_workers(supervisor->config));
	close(bundle);
}

static void
finish_if_done(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;

	while ((reload->waits_for | reload->births) == 0) {
		answer(supervisor, true, NULL);
		if (!reload->again)
			return;
		reload->again = false;
		memcpy(reload->askers, reload->later, sizeof(reload->later));
		reload->asker_count = reload->later_count;
		reload->later_count = 0;
		run(supervisor);
	}
}

void
reload_begin(struct supervisor *supervisor)
{
	supervisor->reload.again = true;
	finish_if_done(supervisor);
}

void
reload_ask(struct supervisor *supervisor, unsigned slot, uint32_t id)
{
	struct reload *reload = &supervisor->reload;
	struct order refusal = { .kind = ORDER_ANSWER, .id = id,
	    .text = "too many reloads at one time" };

	if (reload->later_count < ASKERS_MOST)
		reload->later[reload->later_count++] =
		    (struct asker){ slot, id };
	else if (!children_order(&supervisor->children, slot, &refusal, -1))
		log_warning("worker %u did not take the answer to its RELOAD",
		    slot);
	reload_begin(supervisor);
}

void
reload_note_done(struct supervisor *supervisor, unsigned slot,
    uint32_t generation)
{
	if (generation != supervisor->reload.generation)
		return;
	supervisor->reload.waits_for &= ~(UINT64_C(1) << slot);
	finish_if_done(supervisor);
}

void
reload_note_ready(struct supervisor *supervisor, unsigned slot)
{
	supervisor->reload.births &= ~(UINT64_C(1) << slot);
	finish_if_done(supervisor);
}

static void
drop_askers(struct asker *askers, unsigned *count, unsigned slot)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < *count; i++)
		if (askers[i].slot != slot)
			askers[kept++] = askers[i];
	*count = kept;
}

void
reload_forget(struct supervisor *supervisor, unsigned slot)
{
	struct reload *reload = &supervisor->reload;

	drop_askers(reload->askers, &reload->asker_count, slot);
	drop_askers(reload->later, &reload->later_count, slot);
	reload->waits_for &= ~(UINT64_C(1) << slot);
	reload->births &= ~(UINT64_C(1) << slot);
	finish_if_done(supervisor);
}

void
reload_check(struct supervisor *supervisor, usec_t now)
{
	struct reload *reload = &supervisor->reload;
	struct error error;

	if ((reload->waits_for | reload->births) == 0 ||
	    now - reload->began_at < PATIENCE)
		return;
	error_set(&error, "not all workers have taken the configuration yet");
	log_warning("%s", error.text);
	answer(supervisor, false, &error);
	reload->waits_for = reload->births = 0;
	finish_if_done(supervisor);
}
