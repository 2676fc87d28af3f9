#include "session/lookup.h"

#include "base/log.h"
#include "pool/obsolete.h"
#include "session/login_at_server.h"
#include "session/server.h"

void
lookup_ask(struct sessions *sessions, uint32_t host)
{
	struct segment *segment = sessions->segment;
	const struct sessions_owner *owner = sessions->owner;

	if (!hosts_claim_question(segment, host, loop_now(sessions->loop)))
		return;
	if (owner->ask_host == NULL || !owner->ask_host(owner->context, host,
	    segment->hosts[host].name))
		hosts_drop_question(segment, host);	/* by the clock */
}

void
lookup_tick(struct sessions *sessions)
{
	uint32_t used = atomic_load(&sessions->segment->hosts_head->used);

	for (uint32_t host = 0; host < used; host++)
		lookup_ask(sessions, host);
}

void
lookup_wake(struct sessions *sessions, uint32_t host)
{
	uint32_t used = atomic_load(&sessions->segment->state->servers_used);

	for (uint32_t row = 0; row < used; row++) {
		struct server *server = sessions->servers[row];

		if (server != NULL && login_at_server_awaits(server, host))
			login_at_server_go_on(server);
	}
}

static void
tell(struct sessions *sessions, uint32_t host, uint64_t workers)
{
	struct segment *segment = sessions->segment;
	struct pool_caller caller = sessions_caller(sessions);

	for (uint32_t i = 0; i < segment_slots(segment); i++) {
		struct pool_mail mail = { i, { MAIL_HOST, host, 0 } };

		if (i != sessions->worker && workers >> i & 1 &&
		    atomic_load(&segment->roster[i].phase) == ROSTER_SERVING)
			pool_post(&caller, &mail);
	}
	if (workers >> sessions->worker & 1)
		lookup_wake(sessions, host);
}

void
sessions_take_host(struct sessions *sessions, uint32_t host,
    const struct host_answer *answer)
{
	struct pool_caller caller = sessions_caller(sessions);
	const struct host_ttls ttls = { sessions->config->dns_max_ttl,
	    sessions->config->dns_nxdomain_ttl };
	uint64_t waiting;

	if (!hosts_store(sessions->segment, host, answer, &ttls, caller.now,
	    &waiting))
		return;
	if (answer->result != 0 || answer->addresses->count == 0)
		log_warning("DNS lookup failed: %s: result=%d", answer->name,
		    answer->result);
	else
		pool_mark_obsolete(&caller, host, answer->addresses);
	tell(sessions, host, waiting);
}
