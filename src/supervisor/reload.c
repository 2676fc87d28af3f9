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
#include "supervisor/tls_check.h"

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

/*
 * Parses what the files are, checks it, packs the bundle, and opens what it
 * needs: last, as connections come to what is open.  NULL: nothing has
 * changed.  On success the bundle is the caller's.
 */
static struct config *
parse(struct supervisor *supervisor, struct files *files, const char *path,
    int *bundle_out, struct error *error)
{
	struct config *config = config_load(files, path, error);

	if (config == NULL)
		return NULL;
	if (!has_room(supervisor, config, error) ||
	    !tls_check(config, error) ||
	    !files_pack(files, bundle_out, error)) {
		config_free(config);
		return NULL;
	}
	if (http_sockets_prepare(&supervisor->http_sockets,
	    config->metrics_listen, error) &&
	    staff_make_room(supervisor, boot_count_workers(config), error))
		return config;
	http_sockets_discard(&supervisor->http_sockets);
	close(*bundle_out);
	config_free(config);
	return NULL;
}

/* To one slot, unless it was nobody who asked. */
static void
tell(struct supervisor *supervisor, const struct asker *asker,
    struct order *order)
{
	order->id = asker->id;
	if (asker->slot != ASKER_NOBODY && !children_order(
	    &supervisor->children, asker->slot, order, -1))
		log_warning("worker %u did not take the answer to its console",
		    asker->slot);
}

static void
answer(struct supervisor *supervisor, bool ok, const char *text)
{
	struct reload *reload = &supervisor->reload;
	struct order order = { .kind = ORDER_ANSWER, .ok = ok };

	snprintf(order.text, sizeof(order.text), "%.*s",
	    (int)sizeof(order.text) - 1, text);
	for (unsigned i = 0; i < reload->asker_count; i++)
		tell(supervisor, &reload->askers[i], &order);
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
	order.ok = fd != -1;
	for (unsigned i = 0; i < supervisor->workers; i++)
		if (!children_order(&supervisor->children, i, &order, fd) &&
		    supervisor->children.row[i].pid != 0)
			log_warning("worker %u did not take the new log file",
			    i);
	boot_configure_log(supervisor, fd);
	companion_renew(supervisor, COMPANION_HELPER);
	companion_renew(supervisor, COMPANION_EXPORTER);
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

/*
 * What is not in the file any more is neither paused nor disabled, so that
 * its row can be given back when its last client is gone (pool/retire.h).
 */
static void
let_go(struct supervisor *supervisor, const struct config *config)
{
	struct segment *segment = supervisor->segment;
	uint32_t used = atomic_load(&segment->state->databases_used);

	for (uint32_t row = 0; config->autodb == NULL && row < used; row++) {
		char name[DATABASE_NAME_BYTES];

		/* Another one by now: that one is found by its name. */
		memcpy(name, segment->databases[row].name, sizeof(name));
		name[sizeof(name) - 1] = '\0';
		if (config_find_database(config, name) != NULL)
			continue;
		(void)databases_release(segment, name, DATABASE_PAUSED);
		(void)databases_release(segment, name, DATABASE_DISABLED);
	}
}

static void
log_dropped_peers(const struct config *before, const struct config *now)
{
	for (size_t i = 0; i < before->peer_count; i++)
		if (config_find_peer(now, before->peers[i].id) == NULL)
			log_info("dropping peer %d as it does not exist "
			    "anymore", before->peers[i].id);
}

/* What the supervisor itself works with. `tell`: what cannot change. */
static void
adopt(struct supervisor *supervisor, struct config *config, bool tell)
{
	const char *user = supervisor->options->user;
	int clients = supervisor->config->max_client_conn;

	/* The command line's was chosen at start: nothing has changed. */
	if (user != NULL)
		config->user = arena_copy_string(config->arena, user);
	config_carry_over(supervisor->config, config, tell);
	log_dropped_peers(supervisor->config, config);
	let_go(supervisor, config);
	config_free(supervisor->config);
	supervisor->config = config;
	if (tell)
		config_warn_of_no_effect(config);
	if (config->max_client_conn > clients)
		boot_check_fd_limit(supervisor);
	for (unsigned i = 0; i < supervisor->listener_count; i++)
		listener_defer_accept(&supervisor->listeners[i],
		    config->tcp_defer_accept);
}

/* To the same file, perhaps in another form. */
static void
adjust_log(struct supervisor *supervisor, bool has_changed)
{
	boot_configure_log(supervisor, supervisor->log_fd);
	if (has_changed)
		companion_renew(supervisor, COMPANION_HELPER);
	companion_renew(supervisor, COMPANION_EXPORTER);
}

/* It is good: the supervisor, and then all workers, work with it. */
static void
put_into_force(struct supervisor *supervisor, struct config *config,
    int bundle, bool tell)
{
	struct reload *reload = &supervisor->reload;
	bool log_changes = config->verbose != supervisor->config->verbose ||
	    config->log_format != supervisor->config->log_format ||
	    config->syslog != supervisor->config->syslog;

	adopt(supervisor, config, tell);
	http_sockets_adopt(&supervisor->http_sockets);
	if (tell)
		reopen_log(supervisor);
	else
		adjust_log(supervisor, log_changes);
	reload->generation = atomic_fetch_add(
	    &supervisor->segment->state->config_generation, 1) + 1;
	reload->began_at = clock_now();
	send_bundle(supervisor, bundle);
	staff_resize(supervisor, boot_count_workers(supervisor->config));
	close(bundle);
}

static void
log_failure(const struct error *error)
{
	log_error("%s", error->text);
	if (error->hint[0] != '\0')
		log_error("hint: %s", error->hint);
}

static void
replace_files(struct supervisor *supervisor, struct files *files)
{
	files_free(supervisor->reload.files);
	supervisor->reload.files = files;
}

/* --- RELOAD -------------------------------------------------------------- */

static void
note_overrides(struct reload *reload)
{
	char list[400];

	if (reload->overrides.count == 0)
		return;
	overrides_describe(&reload->overrides, list, sizeof(list));
	snprintf(reload->notice, sizeof(reload->notice),
	    "still as SET, not as the file says: %s", list);
	log_info("%s", reload->notice);
}

/* SET conffile says which; RESET goes back to the first. */
static const char *
path_to_read(const struct supervisor *supervisor)
{
	const struct reload *reload = &supervisor->reload;
	const char *path = overrides_find(&reload->overrides, "conffile");

	if (path != NULL)
		return path;
	return reload->is_elsewhere ? supervisor->options->config_path :
	    supervisor->config->conffile;
}

static void
run_reload(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;
	struct files *files = files_live();
	struct config *config;
	struct error error;
	int bundle;

	service_reloading(&supervisor->service, clock_now());
	overrides_put(&reload->overrides, files);
	config = parse(supervisor, files, path_to_read(supervisor), &bundle,
	    &error);
	if (config == NULL) {
		files_free(files);
		log_failure(&error);
		log_error("config file loading failed");
		/* Rotation must work nevertheless. */
		reopen_log(supervisor);
		answer(supervisor, false, error.text);
		return;
	}
	replace_files(supervisor, files);
	reload->is_elsewhere = overrides_find(&reload->overrides,
	    "conffile") != NULL;
	note_overrides(reload);
	put_into_force(supervisor, config, bundle, true);
}

/* --- SET, RESET ---------------------------------------------------------- */

/* What SET says about itself, beside its tag. */
static void
note_setting(struct reload *reload, const struct config *config,
    const char *key)
{
	if (config_has_no_effect(config, key))
		snprintf(reload->notice, sizeof(reload->notice),
		    "%s has no effect yet", key);
	else if (strcmp(key, "conffile") == 0)
		snprintf(reload->notice, sizeof(reload->notice),
		    "the next RELOAD reads that file");
}

static void
refuse_setting(struct supervisor *supervisor, const struct error *error)
{
	char text[sizeof(error->text) + sizeof(error->hint) + 4];

	log_failure(error);
	snprintf(text, sizeof(text), "%s", error->text);
	if (error->hint[0] != '\0')
		snprintf(text, sizeof(text), "%s (%s)", error->text,
		    error->hint);
	answer(supervisor, false, text);
}

/*
 * The files as they were read last, with other overrides.  All or nothing:
 * what does not work is taken back.
 */
static void
override(struct supervisor *supervisor, struct overrides *wanted,
    const char *key)
{
	struct reload *reload = &supervisor->reload;
	const char *path = supervisor->config->path;
	struct config *config;
	struct error error;
	int bundle;

	overrides_put(wanted, reload->files);
	config = parse(supervisor, reload->files, path, &bundle, &error);
	if (config == NULL) {
		overrides_put(&reload->overrides, reload->files);
		overrides_free(wanted);
		refuse_setting(supervisor, &error);
		return;
	}
	overrides_free(&reload->overrides);
	reload->overrides = *wanted;
	note_setting(reload, config, key);
	put_into_force(supervisor, config, bundle, false);
}

static void
run_set(struct supervisor *supervisor, const struct order *order)
{
	struct reload *reload = &supervisor->reload;
	const char *key = order->text, *value;
	struct overrides wanted;
	struct error error;
	size_t length = strnlen(key, sizeof(order->text) / 2);

	value = order->text + length + 1;
	switch (order->mode == SET_ALL_DEFAULT ? CONFIG_APPLIES_ON_RELOAD :
	    config_applies(key)) {
	case CONFIG_APPLIES_NEVER:
		error_set(&error, "unknown parameter: %s", key);
		refuse_setting(supervisor, &error);
		return;
	case CONFIG_APPLIES_ON_RESTART:
		/* PgBouncer says OK as well, and nothing happens. */
		snprintf(reload->notice, sizeof(reload->notice),
		    "%.64s cannot change without a restart", key);
		return;
	default:
		break;
	}
	overrides_copy(&reload->overrides, &wanted);
	if (order->mode == SET_VALUE)
		overrides_set(&wanted, key, value);
	else if (order->mode == SET_DEFAULT)
		overrides_drop(&wanted, key);
	else
		overrides_free(&wanted);
	override(supervisor, &wanted, key);
}

/* --- the auth file alone ------------------------------------------------- */

/* PAM and such have none. */
static const struct file *
auth_file_in_use(const struct supervisor *supervisor)
{
	const char *path = supervisor->config->auth_file;

	return path == NULL || path[0] == '\0' ? NULL :
	    files_known(supervisor->reload.files, path);
}

static void
run_auth_file(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;
	const struct file *file = auth_file_in_use(supervisor);
	struct config *config;
	struct files *files;
	struct error error;
	int bundle;

	if (file == NULL)
		return;
	files = files_copy_without(reload->files, file->path);
	config = parse(supervisor, files, supervisor->config->path, &bundle,
	    &error);
	if (config == NULL) {
		reload->auth_failed = reload->auth_stamp;
		files_free(files);
		log_failure(&error);
		log_error("the auth file has changed and is broken, keeping "
		    "what was read before");
		return;
	}
	log_info("the auth file has changed, read it again");
	replace_files(supervisor, files);
	put_into_force(supervisor, config, bundle, false);
}

static bool
is_queued(const struct reload *reload, enum request_kind kind)
{
	for (unsigned i = 0; i < reload->queued; i++)
		if (reload->queue[i].kind == kind)
			return true;
	return false;
}

/* --- one after the other ------------------------------------------------- */

static void
run(struct supervisor *supervisor, const struct request *request)
{
	supervisor->reload.notice[0] = '\0';
	switch (request->kind) {
	case REQUEST_RELOAD:
		run_reload(supervisor);
		return;
	case REQUEST_SET:
		run_set(supervisor, &request->order);
		return;
	case REQUEST_AUTH_FILE:
		run_auth_file(supervisor);
		return;
	}
}

/* The first in the queue, and with a RELOAD those right behind it. */
static void
take_requests(struct reload *reload, struct request *first_out)
{
	unsigned taken = 0;

	*first_out = reload->queue[0];
	do
		reload->askers[taken] = reload->queue[taken].asker;
	while (++taken < reload->queued && first_out->kind == REQUEST_RELOAD &&
	    reload->queue[taken].kind == REQUEST_RELOAD);
	reload->asker_count = taken;
	reload->queued -= taken;
	memmove(reload->queue, reload->queue + taken,
	    reload->queued * sizeof(*reload->queue));
}

static void
finish_if_done(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;
	struct request request;

	while ((reload->waits_for | reload->births) == 0) {
		answer(supervisor, true, reload->notice);
		if (reload->queued == 0)
			return;
		take_requests(reload, &request);
		run(supervisor, &request);
	}
}

static void
queue(struct supervisor *supervisor, const struct request *request)
{
	struct reload *reload = &supervisor->reload;
	struct order refusal = { .kind = ORDER_ANSWER,
	    .text = "too many reloads at one time" };

	if (reload->queued < REQUESTS_MOST)
		reload->queue[reload->queued++] = *request;
	else
		tell(supervisor, &request->asker, &refusal);
	finish_if_done(supervisor);
}

void
reload_begin(struct supervisor *supervisor)
{
	struct request request = { .kind = REQUEST_RELOAD,
	    .asker = { ASKER_NOBODY, 0 } };

	queue(supervisor, &request);
}

void
reload_ask(struct supervisor *supervisor, unsigned slot,
    const struct order *order)
{
	struct request request = { .asker = { slot, order->id },
	    .kind = order->kind == ORDER_ASK_SET ? REQUEST_SET :
	    REQUEST_RELOAD, .order = *order };

	queue(supervisor, &request);
}

/*
 * A file that is being written changes between two looks, so it is read only
 * when it has stayed the same from one to the next.
 */
void
reload_look_at_files(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;
	const struct file *file = auth_file_in_use(supervisor);
	struct request request = { .kind = REQUEST_AUTH_FILE,
	    .asker = { ASKER_NOBODY, 0 } };
	struct file_stamp stamp;
	bool settled;

	if (file == NULL || is_queued(reload, REQUEST_AUTH_FILE))
		return;
	files_look(file->path, &stamp);
	settled = files_same(&stamp, &reload->auth_stamp);
	reload->auth_stamp = stamp;
	if (settled && !files_same(&stamp, &file->stamp) &&
	    !files_same(&stamp, &reload->auth_failed))
		queue(supervisor, &request);
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

/* What is queued runs nevertheless; there is nobody to tell. */
void
reload_forget(struct supervisor *supervisor, unsigned slot)
{
	struct reload *reload = &supervisor->reload;

	for (unsigned i = 0; i < reload->asker_count; i++)
		if (reload->askers[i].slot == slot)
			reload->askers[i].slot = ASKER_NOBODY;
	for (unsigned i = 0; i < reload->queued; i++)
		if (reload->queue[i].asker.slot == slot)
			reload->queue[i].asker.slot = ASKER_NOBODY;
	reload->waits_for &= ~(UINT64_C(1) << slot);
	if (slot >= supervisor->wanted)	/* else another one will be born */
		reload->births &= ~(UINT64_C(1) << slot);
	finish_if_done(supervisor);
}

void
reload_end(struct supervisor *supervisor)
{
	files_free(supervisor->reload.files);
	overrides_free(&supervisor->reload.overrides);
}

void
reload_check(struct supervisor *supervisor, usec_t now)
{
	struct reload *reload = &supervisor->reload;
	static const char late[] =
	    "not all workers have taken the configuration yet";

	if ((reload->waits_for | reload->births) == 0 ||
	    now - reload->began_at < PATIENCE)
		return;
	log_warning("%s", late);
	answer(supervisor, false, late);
	reload->waits_for = reload->births = 0;
	finish_if_done(supervisor);
}
