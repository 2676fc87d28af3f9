/*
 * What the supervisor is made of; private to its folder.
 */
#ifndef SUPERVISOR_PARTS_H
#define SUPERVISOR_PARTS_H

#include "config/config.h"
#include "config/overrides.h"
#include "contract/inheritance.h"
#include "net/listener.h"
#include "shm/segment.h"
#include "supervisor/channels.h"
#include "supervisor/children.h"
#include "supervisor/companion.h"
#include "supervisor/http_sockets.h"
#include "supervisor/pidfile.h"
#include "supervisor/privileges.h"
#include "supervisor/respawn.h"
#include "supervisor/server_fds.h"
#include "supervisor/service.h"
#include "supervisor/signals.h"
#include "supervisor/supervisor.h"

/*
 *   SERVING -> DRAINING -> STOPPING      DRAINING waits for clients or
 *       |                     ^          servers; state->shutdown says which
 *       +---------------------+
 */
enum supervisor_phase {
	SUPERVISOR_SERVING = 0,
	SUPERVISOR_DRAINING,
	SUPERVISOR_STOPPING
};

enum request_kind {
	REQUEST_RELOAD,		/* HUP, RELOAD: reads everything anew */
	REQUEST_SET,		/* SET, RESET: reads nothing */
	REQUEST_AUTH_FILE	/* only that has changed */
};

/* Who wants to know how it went. */
struct asker {
	unsigned	slot;	/* NOBODY: a signal, or the clock */
	uint32_t	id;
};

#define ASKER_NOBODY UINT32_MAX

struct request {
	enum request_kind kind;
	struct asker	 asker;
	struct order	 order;		/* SET */
};

#define REQUESTS_MOST 64

/*
 * One change of configuration at a time; others wait in the order in which
 * they came, because the files may have changed after the first had read
 * them.  RELOADs that wait one behind the other are one.
 */
struct reload {
	uint64_t	 waits_for;	/* slots that are not DONE yet */
	uint64_t	 births;	/* slots that are not READY yet */
	uint32_t	 generation;
	usec_t		 began_at;
	struct asker	 askers[REQUESTS_MOST];	/* of what is under way */
	unsigned	 asker_count;
	char		 notice[512];	/* goes with their answer */
	struct request	 queue[REQUESTS_MOST];
	unsigned	 queued;
	struct files	*files;		/* what the configuration is made of */
	struct overrides overrides;	/* by SET */
	bool		 is_elsewhere;	/* files: by SET conffile */
	struct file_stamp auth_stamp;	/* last look, settled when it stays */
	struct file_stamp auth_failed;	/* told already */
};

struct supervisor {
	const struct supervisor_options *options;
	const struct supervisor_lives	*lives;
	struct config			*config;
	enum supervisor_phase		 phase;
	unsigned			 workers;	/* slots ever in use */
	unsigned			 wanted;	/* slots to be filled */
	struct identity			 identity;
	struct segment			*segment;
	struct channels			 channels;
	struct listener			 listeners[LISTENERS_MOST];
	unsigned			 listener_count;
	struct signals			 signals;
	struct children			 children;
	struct respawn			 respawn[ROSTER_SLOTS];
	struct companion		 companions[COMPANIONS];
	struct http_sockets		 http_sockets;
	struct server_fds		 server_fds;
	struct pidfile			 pidfile;
	struct service			 service;
	struct reload			 reload;
	int				 ready_fd;	/* daemon_is_ready() */
	bool				 detached;	/* has no stderr */
	bool				 failed;	/* exit status 1 */
	int				 log_fd;	/* the log's file; -1 */
	struct stats_totals		 stats_before;
	usec_t				 stats_at, swept_at;
	unsigned			 last_host;	/* vacancies_serve() */
};

#endif
