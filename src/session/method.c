#include "session/method.h"

#include <string.h>

#include "auth/rules.h"
#include "base/memory.h"
#include "net/tls_peer.h"
#include "shm/replication_kind.h"

static char *
copy(const char *text)
{
	return text == NULL ? NULL : memory_copy_string(text);
}

static bool
choose_by_rules(const struct client *client, const struct rules_guest *guest,
    struct method *method_out)
{
	const struct hba_rule *rule = rules_find(
	    &client->sessions->config->hba, guest);

	if (rule == NULL)
		return false;
	client_log(LOG_LEVEL_DEBUG, client, "%s:%u: %s", rule->file,
	    rule->line, auth_type_word(rule->method));
	*method_out = (struct method){ .type = rule->method,
	    .by_subject = rule->by_subject, .map = copy(rule->map),
	    .options = copy(rule->options) };
	return true;
}

bool
method_choose(const struct client *client, const char *database,
    const char *user, struct method *method_out)
{
	const struct config *config = client->sessions->config;
	const struct rules_guest guest = {
		.database = database,
		.user = user,
		.address = &client_row(client)->remote,
		.is_unix = client->is_unix,
		.has_tls = client->stream.tls != NULL,
		.is_replication = client_row(client)->replicated ==
		    REPLICATION_PHYSICAL,
	};

	if (config->auth_type == AUTH_TYPE_HBA)
		return choose_by_rules(client, &guest, method_out);
	*method_out = (struct method){ .type = config->auth_type };
	if (config->auth_type == AUTH_TYPE_LDAP)
		method_out->options = copy(config->auth_ldap_options);
	else if (config->auth_type == AUTH_TYPE_PAM)
		method_out->options = copy(HBA_PAM_SERVICE);
	return true;
}

bool
method_needs_secret(const struct method *method)
{
	return method->type != AUTH_TYPE_ANY &&
	    method->type != AUTH_TYPE_REJECT &&
	    method->type != AUTH_TYPE_PAM && method->type != AUTH_TYPE_LDAP;
}

struct question {
	const struct ident	*ident;
	const char		*map, *user;
};

static bool
is_name_of_user(const char *name, void *context)
{
	const struct question *question = context;

	return rules_may_be(question->ident, question->map, name,
	    question->user);
}

bool
method_certifies(const struct method *method, const struct client *client,
    const char *user)
{
	struct question question = { &client->sessions->config->ident,
	    method->map, user };
	char subject[1024];

	if (method->type != AUTH_TYPE_CERT || client->stream.tls == NULL ||
	    !tls_peer_has_certificate(&client->stream))
		return false;
	if (!method->by_subject)
		return tls_peer_any_name(&client->stream, is_name_of_user,
		    &question);
	return tls_peer_subject(&client->stream, subject, sizeof(subject)) &&
	    is_name_of_user(subject, &question);
}

void
method_free(struct method *method)
{
	if (method->options != NULL)
		memory_wipe(method->options, strlen(method->options));
	memory_free(method->options);
	memory_free(method->map);
	*method = (struct method){ .type = AUTH_TYPE_REJECT };
}
