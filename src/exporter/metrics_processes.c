/*
 * pgbouncer_process_… is what the usual exporter says about the process in
 * the pid file: here that is all processes of the pooler.  process_… is the
 * exporter itself.
 */
#include <stdio.h>
#include <unistd.h>

#include "exporter/metrics_parts.h"
#include "exporter/processes.h"

static void
add(struct process_figures *sum, pid_t pid)
{
	struct process_figures more = process_look(pid);

	sum->virtual_bytes += more.virtual_bytes;
	sum->resident_bytes += more.private_bytes;
	sum->open_fds += more.open_fds;
}

/*
 * The supervisor, and its workers in all of their lives.  What is shared
 * counts once, by the supervisor.
 */
static struct process_figures
look_at_all(const struct segment *segment)
{
	struct process_figures sum = process_look(getppid());

	for (unsigned i = 0; i < segment_slots(segment); i++) {
		struct roster_row *row = &segment->roster[i];

		add(&sum, atomic_load(&row->pid));
		sum.cpu_usec += atomic_load(&row->cpu_before) +
		    atomic_load(&row->cpu);
	}
	return sum;
}

struct one {
	const char		*prefix;
	struct prometheus	*out;
};

static void
begin(const struct one *one, const char *name, enum prometheus_type type,
    const char *help)
{
	char whole[128];

	snprintf(whole, sizeof(whole), "%s%s", one->prefix, name);
	prometheus_family(one->out, whole, type, help);
	prometheus_begin(one->out, "");
}

static void
gauge(const struct one *one, const char *name, const char *help,
    uint64_t value)
{
	begin(one, name, PROMETHEUS_GAUGE, help);
	if (value == UINT64_MAX)
		prometheus_text(one->out, "+Inf");
	else
		prometheus_uint(one->out, value);
}

static void
counter(const struct one *one, const char *name, const char *help,
    uint64_t value)
{
	begin(one, name, PROMETHEUS_COUNTER, help);
	prometheus_uint(one->out, value);
}

static void
write_figures(const struct one *one, const struct process_figures *figures,
    pid_t pid)
{
	uint64_t fds, memory;

	process_limits(pid, &fds, &memory);
	begin(one, "cpu_seconds_total", PROMETHEUS_COUNTER,
	    "Processor time, user and system");
	prometheus_seconds(one->out, figures->cpu_usec);
	if (figures->open_fds > 0)
		gauge(one, "open_fds", "Open descriptors",
		    figures->open_fds);
	gauge(one, "max_fds", "Open descriptors of a process at most", fds);
	gauge(one, "virtual_memory_bytes", "Address space",
	    figures->virtual_bytes);
	gauge(one, "virtual_memory_max_bytes", "Address space at most",
	    memory);
	gauge(one, "resident_memory_bytes", "Memory in use",
	    figures->resident_bytes);
	gauge(one, "start_time_seconds", "Start, in seconds since 1970",
	    figures->started_at);
}

void
metrics_write_processes(const struct console_env *env,
    struct prometheus *out)
{
	const struct one pooler = { "pgbouncer_process_", out };
	const struct one self = { "process_", out };
	struct process_figures figures = look_at_all(env->segment);
	uint64_t received, sent;

	write_figures(&pooler, &figures, getppid());
	process_network(&received, &sent);
	counter(&pooler, "network_receive_bytes_total",
	    "Bytes received by this network namespace", received);
	counter(&pooler, "network_transmit_bytes_total",
	    "Bytes sent by this network namespace", sent);
	figures = process_look(getpid());
	write_figures(&self, &figures, getpid());
}
