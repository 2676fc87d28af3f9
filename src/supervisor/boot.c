#include "build.h"

#include "supervisor/boot.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "supervisor/daemon.h"
#include "supervisor/limits.h"
#include "supervisor/log_file.h"
#include "supervisor/reload.h"
#include "supervisor/sandbox.h"
#include "supervisor/tls_check.h"

void
boot_configure_log(struct supervisor *supervisor, int file_fd)
{
	const struct supervisor_options *options = supervisor->options;
	const struct config *config = supervisor->config;
	struct log_settings settings = {
		.verbose = config->verbose + options->verbose,
		.format = config->log_format,
		.to_stderr = !options->quiet && !supervisor->detached,
		.file_fd = file_fd,
		.to_syslog = config->syslog != 0,
		.syslog_ident = config->syslog_ident,
		.syslog_facility = config->syslog_facility,
	};

	supervisor->log_fd = file_fd;
	log_configure(&settings);
}

static bool
load_configuration(struct supervisor *supervisor, struct error *error)
{
	const struct supervisor_options *options = supervisor->options;
	struct files *files = files_live();

	supervisor->reload.files = files;
	supervisor->config = config_load(files, options->config_path, error);
	if (supervisor->config == NULL ||
	    !tls_check(supervisor->config, error)) {
		log_error("%s", error->text);
		if (error->hint[0] != '\0')
			log_error("hint: %s", error->hint);
		return error_set(error, "cannot load config file");
	}
	if (options->user != NULL)
		supervisor->config->user = arena_copy_string(
		    supervisor->config->arena, options->user);
	return true;
}

static bool
open_log(struct supervisor *supervisor, struct error *error)
{
	int fd;

	if (!log_file_open(supervisor->config->logfile, &supervisor->identity,
	    &fd, error))
		return false;
	boot_configure_log(supervisor, fd);
	config_warn_of_no_effect(supervisor->config);
	return true;
}

static unsigned
count_cpus(void)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == -1)
		return 1;
	return (unsigned)CPU_COUNT(&cpus);
}

unsigned
boot_count_workers(const struct config *config)
{
	unsigned workers = config->workers > 0 ?
	    (unsigned)config->workers : count_cpus();

	if (workers < 1)
		return 1;
	return workers > ROSTER_SLOTS ? ROSTER_SLOTS : workers;
}

static bool
has_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static struct listener_unix
describe_unix(const struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;

	return (struct listener_unix){
		.directory = config->unix_socket_dir,
		.port = (uint16_t)config->listen_port,
		.mode = (mode_t)config->unix_socket_mode,
		.group = config->unix_socket_group,
		.owner = supervisor->identity.switches ?
		    supervisor->identity.uid : (uid_t)-1,
		.backlog = config->listen_backlog,
	};
}

/* Before anything is changed: does somebody else do our work already? */
static bool
is_only_instance(struct supervisor *supervisor, struct error *error)
{
	struct listener_unix unix_socket = describe_unix(supervisor);

	if (has_text(supervisor->config->unix_socket_dir) &&
	    supervisor->service.passed_fds == 0 &&
	    !listener_check_unix(&unix_socket, error))
		return false;
	return pidfile_check(supervisor->config->pidfile, error);
}

static bool
detach(struct supervisor *supervisor, struct error *error)
{
	if (!supervisor->options->daemon)
		return true;
	if (!daemon_detach(&supervisor->ready_fd, error))
		return false;
	supervisor->detached = true;
	boot_configure_log(supervisor, supervisor->log_fd);
	return true;
}

void
boot_check_fd_limit(struct supervisor *supervisor)
{
	uint64_t needed = limits_expected_fds(supervisor->config,
	    supervisor->workers, supervisor->listener_count);
	uint64_t hard, limit = limits_raise(needed, &hard);

	log_info("kernel file descriptor limit: %" PRIu64 " (hard: %" PRIu64
	    "); max_client_conn: %d, max expected fd use: %" PRIu64, limit,
	    hard, supervisor->config->max_client_conn, needed);
	if (limit < needed)
		log_warning("the file descriptor limit is too low: %" PRIu64
		    " are needed, %" PRIu64 " allowed; raise it (ulimit -n, "
		    "LimitNOFILE=), or lower max_client_conn or pool sizes",
		    needed, limit);
}

static bool
share_memory(struct supervisor *supervisor, struct error *error)
{
	struct segment_size size = segment_size_for(supervisor->workers,
	    (uint32_t)supervisor->config->max_client_conn);

	supervisor->segment = segment_create(&size, error);
	if (supervisor->segment == NULL)
		return false;
	server_fds_create(&supervisor->server_fds, supervisor->segment);
	/* For all slots: who was born before another one can talk to it. */
	return channels_open(&supervisor->channels, ROSTER_SLOTS, error);
}

struct listener_options
boot_listener_options(const struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;

	return (struct listener_options){
		.port = (uint16_t)config->listen_port,
		.slots = supervisor->workers,
		.backlog = config->listen_backlog,
		.defer_accept_sec = config->tcp_defer_accept,
		.port_may_be_shared = config->so_reuseport != 0,
	};
}

static bool
listen_on_tcp(struct supervisor *supervisor, struct error *error)
{
	const struct config *config = supervisor->config;
	struct listener_options options = boot_listener_options(supervisor);

	if (!has_text(config->listen_addr))
		return true;
	supervisor->listener_count = listener_open_list(config->listen_addr,
	    &options, supervisor->listeners, LISTENERS_MOST - 1);
	if (supervisor->listener_count > 0)
		return true;
	return error_set(error, "failed to listen on any address in "
	    "listen_addr list: %s", config->listen_addr);
}

static bool
listen_on_unix(struct supervisor *supervisor, struct error *error)
{
	struct listener_unix unix_socket = describe_unix(supervisor);

	if (!has_text(unix_socket.directory))
		return true;
	if (!listener_open_unix(&unix_socket,
	    &supervisor->listeners[supervisor->listener_count], error))
		return false;
	supervisor->listener_count++;
	return true;
}

/* compat, 10.3: what is passed is all that there is. */
static bool
listen_on_passed(struct supervisor *supervisor, struct error *error)
{
	const struct config *config = supervisor->config;
	unsigned count = supervisor->service.passed_fds;
	struct error reason;

	if (has_text(config->listen_addr))
		log_warning("sockets passed from service manager, "
		    "cf_listen_addr ignored");
	if (has_text(config->unix_socket_dir) &&
	    strcmp(config->unix_socket_dir, "/tmp") != 0)
		log_warning("sockets passed from service manager, "
		    "cf_unix_socket_dir ignored");
	if (count > LISTENERS_MOST)
		return error_set(error, "%u sockets passed from service "
		    "manager: more than %d", count, LISTENERS_MOST);
	for (unsigned i = 0; i < count; i++) {
		int fd = SERVICE_FIRST_FD + (int)i;

		log_info("socket passed from service manager (fd %d)", fd);
		if (!listener_adopt(fd, &supervisor->listeners[i], &reason))
			return error_set(error, "cannot listen on fd %d, "
			    "passed from service manager: %s", fd,
			    reason.text);
		listener_defer_accept(&supervisor->listeners[i],
		    config->tcp_defer_accept);
		supervisor->listener_count++;
	}
	return true;
}

static bool
listen_everywhere(struct supervisor *supervisor, struct error *error)
{
	if (supervisor->service.passed_fds > 0)
		return listen_on_passed(supervisor, error);
	if (!listen_on_tcp(supervisor, error) ||
	    !listen_on_unix(supervisor, error))
		return false;
	if (supervisor->listener_count == 0)
		return error_set(error, "nowhere to listen on");
	return true;
}

bool
boot_check(const struct config *config,
    const struct supervisor_options *options, struct error *error)
{
	const char *user = options->user != NULL ? options->user :
	    config->user;

	if (options->daemon && !has_text(config->pidfile))
		return error_set(error, "daemon needs pidfile configured");
	return privileges_check_user(user, error) &&
	    listener_check_group(config->unix_socket_group, error);
}

bool
boot(struct supervisor *supervisor, struct error *error)
{
	supervisor->ready_fd = supervisor->pidfile.fd = -1;
	supervisor->signals.fd = supervisor->log_fd = -1;
	service_find(&supervisor->service);
	if (!load_configuration(supervisor, error) ||
	    !privileges_find(supervisor->config->user, &supervisor->identity,
	    error) ||
	    !open_log(supervisor, error) ||
	    !boot_check(supervisor->config, supervisor->options, error) ||
	    !is_only_instance(supervisor, error) ||
	    !detach(supervisor, error))
		return false;
	if (supervisor->config->sandbox != 0 && !sandbox_is_built())
		log_warning("sandbox has no effect: built without "
		    "libseccomp");
	supervisor->workers = supervisor->wanted =
	    boot_count_workers(supervisor->config);
	boot_check_fd_limit(supervisor);
	children_create(&supervisor->children, ROSTER_SLOTS);
	if (!signals_open(&supervisor->signals, error) ||
	    !share_memory(supervisor, error) ||
	    !listen_everywhere(supervisor, error) ||
	    !http_sockets_prepare(&supervisor->http_sockets,
	    supervisor->config->metrics_listen, error))
		return false;
	http_sockets_adopt(&supervisor->http_sockets);
	supervisor->stats_at = supervisor->swept_at = clock_now();
	return pidfile_write(&supervisor->pidfile,
	    supervisor->config->pidfile, error);
}

void
boot_undo(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->listener_count; i++) {
		listener_remove(&supervisor->listeners[i]);
		listener_close(&supervisor->listeners[i]);
	}
	http_sockets_close(&supervisor->http_sockets);
	pidfile_remove(&supervisor->pidfile);
	if (supervisor->segment != NULL) {
		channels_close(&supervisor->channels);
		server_fds_destroy(&supervisor->server_fds);
		segment_destroy(supervisor->segment);
	}
	if (supervisor->signals.fd != -1)
		signals_close(&supervisor->signals);
	reload_end(supervisor);
	config_free(supervisor->config);
}
