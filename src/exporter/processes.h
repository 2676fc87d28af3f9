/*
 * What the kernel says about the processes of this pooler.
 */
#ifndef EXPORTER_PROCESSES_H
#define EXPORTER_PROCESSES_H

#include <sys/types.h>

#include "base/base.h"

struct process_figures {
	bool		is_there;
	uint64_t	cpu_usec;
	uint64_t	virtual_bytes;
	uint64_t	resident_bytes;		/* with what it shares */
	uint64_t	private_bytes;		/* without */
	uint64_t	started_at;		/* seconds since 1970 */
	uint64_t	open_fds;		/* 0: the kernel does not say */
};

/* Needs no right over that process. */
struct process_figures process_look(pid_t pid);

/* RLIMIT_NOFILE and RLIMIT_AS of another process; UINT64_MAX: none. */
void process_limits(pid_t pid, uint64_t *fds_out, uint64_t *memory_out);

/* Bytes through all sockets of this network namespace. */
void process_network(uint64_t *received_out, uint64_t *sent_out);

#endif
