#include "session/outside.h"

#include <sys/socket.h>

#include "base/invariant.h"

/* Helpers that may end over one question. */
#define TIMES_MOST 3
/* Longer than any errand of the helper's takes. */
#define PATIENCE (90 * USEC_PER_SEC)

uint64_t
outside_ticket(const struct client *client)
{
	const struct client_row *row = client_row(client);

	return (uint64_t)row->generation << 32 | row->id;
}

static uint32_t
life_of_helper(const struct client *client)
{
	return (uint32_t)atomic_load(
	    &client->sessions->segment->hosts_head->helper_life);
}

static enum login_question_kind
kind_of(enum auth_type type)
{
	switch (type) {
	case AUTH_TYPE_PEER:
		return LOGIN_QUESTION_PEER;
	case AUTH_TYPE_PAM:
		return LOGIN_QUESTION_PAM;
	default:
		INVARIANT(type == AUTH_TYPE_LDAP);
		return LOGIN_QUESTION_LDAP;
	}
}

/* False: not now. The life is noted before, or its end could be missed. */
static bool
ask(struct client *client, struct outside *outside,
    const struct outside_matter *matter)
{
	const struct sessions_owner *owner = client->sessions->owner;
	char host[ADDRESS_TEXT_BYTES];
	struct login_question question = {
		.kind = kind_of(matter->type),
		.row = client->row,
		.ticket = outside_ticket(client),
		.user = matter->user,
		.password = matter->password,
		.options = matter->options != NULL ? matter->options : "",
		.host = host,
		.uid = client->uid,
	};

	outside->life = life_of_helper(client);
	address_format_host(&client_row(client)->remote, host, sizeof(host));
	if (owner->ask_login == NULL ||
	    !owner->ask_login(owner->context, &question))
		return false;
	outside->times++;
	return true;
}

void
outside_ask(struct client *client, struct outside *outside,
    const struct outside_matter *matter)
{
	outside->since = loop_now(client->sessions->loop);
	outside->times = 0;
	if (!ask(client, outside, matter))
		client_log(LOG_LEVEL_WARNING, client, "%s queue is full, "
		    "waiting", auth_type_word(matter->type));
}

bool
outside_tick(struct client *client, struct outside *outside,
    const struct outside_matter *matter)
{
	if (loop_now(client->sessions->loop) - outside->since > PATIENCE)
		return false;
	if (outside->times > 0 && outside->life == life_of_helper(client))
		return true;
	if (outside->times >= TIMES_MOST)
		return false;
	(void)!ask(client, outside, matter);
	return true;
}
