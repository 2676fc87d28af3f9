#include "build.h"

#include "helper/ldap.h"

#include <stdio.h>

#ifdef HAVE_LDAP
#include <ldap.h>
#include <string.h>

#include "config/ldap_options.h"
#include "helper/ldap_text.h"

/* For a connection, for an answer; less than the helper's patience. */
#define CONNECT_SECONDS 5
#define ANSWER_SECONDS 10

#define TEXT_BYTES 4096

struct talk {
	const struct ldap_options	*options;
	const struct login_matter	*login;
	struct answer			*answer;
	LDAP				*ldap;
};

/* What it is about, for the log; never a password. */
static void
say(struct talk *talk, uint32_t verdict, const char *what, int result)
{
	char *more = NULL;

	talk->answer->verdict = verdict;
	talk->answer->result = result;
	if (talk->ldap != NULL)
		ldap_get_option(talk->ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE,
		    &more);
	snprintf(talk->answer->text, sizeof(talk->answer->text),
	    "LDAP %s: %s%s%.80s", what, ldap_err2string(result),
	    more != NULL && more[0] != '\0' ? ": " : "",
	    more != NULL ? more : "");
	ldap_memfree(more);
}

/* The directory says no, or it cannot be asked. */
static uint32_t
verdict_of(int result)
{
	switch (result) {
	case LDAP_SUCCESS:
		return ANSWER_YES;
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_INVALID_DN_SYNTAX:
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_CONSTRAINT_VIOLATION:
	case LDAP_UNWILLING_TO_PERFORM:
		return ANSWER_NO;
	default:
		return ANSWER_FAILED;
	}
}

static bool
set_up(struct talk *talk)
{
	const struct timeval connecting = { CONNECT_SECONDS, 0 };
	const struct timeval answering = { ANSWER_SECONDS, 0 };
	const int version = LDAP_VERSION3;
	char uris[TEXT_BYTES];
	int result = LDAP_PARAM_ERROR;

	if (ldap_text_uris(talk->options, uris, sizeof(uris)))
		result = ldap_initialize(&talk->ldap, uris);
	if (result != LDAP_SUCCESS) {
		say(talk, ANSWER_FAILED, "server", result);
		return false;
	}
	ldap_set_option(talk->ldap, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(talk->ldap, LDAP_OPT_NETWORK_TIMEOUT, &connecting);
	ldap_set_option(talk->ldap, LDAP_OPT_TIMEOUT, &answering);
	/* Passwords go to nobody but those who are named. */
	ldap_set_option(talk->ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	if (!talk->options->start_tls)
		return true;
	result = ldap_start_tls_s(talk->ldap, NULL, NULL);
	if (result != LDAP_SUCCESS)
		say(talk, ANSWER_FAILED, "StartTLS", result);
	return result == LDAP_SUCCESS;
}

static int
bind_as(struct talk *talk, const char *name, const char *password)
{
	struct berval secret = { strlen(password),
	    (char *)(uintptr_t)password };

	return ldap_sasl_bind_s(talk->ldap, name, LDAP_SASL_SIMPLE, &secret,
	    NULL, NULL, NULL);
}

/* An empty password would be no proof: RFC 4513, 5.1.2. */
static void
bind_as_user(struct talk *talk, const char *name)
{
	int result = LDAP_INVALID_CREDENTIALS;

	if (talk->login->password[0] != '\0' && name[0] != '\0')
		result = bind_as(talk, name, talk->login->password);
	say(talk, verdict_of(result), "bind", result);
}

/* The one entry that was found, and no other kept back, is who it is. */
static void
bind_as_found(struct talk *talk, LDAPMessage *found, bool complete)
{
	int count = ldap_count_entries(talk->ldap, found);
	char *name = count != 1 ? NULL : ldap_get_dn(talk->ldap,
	    ldap_first_entry(talk->ldap, found));

	if (count > 1 || !complete)
		say(talk, ANSWER_NO, "search: several entries",
		    LDAP_NO_SUCH_OBJECT);
	else if (name == NULL)
		say(talk, ANSWER_NO, "search: no entry",
		    LDAP_NO_SUCH_OBJECT);
	else
		bind_as_user(talk, name);
	ldap_memfree(name);
}

static void
search(struct talk *talk)
{
	static const int scopes[] = {
		[LDAP_SCOPE_OF_BASE] = LDAP_SCOPE_BASE,
		[LDAP_SCOPE_OF_ONE] = LDAP_SCOPE_ONELEVEL,
		[LDAP_SCOPE_OF_SUB] = LDAP_SCOPE_SUBTREE,
	};
	const struct ldap_options *options = talk->options;
	struct timeval answering = { ANSWER_SECONDS, 0 };
	char no_attributes[] = LDAP_NO_ATTRS;
	char *attributes[] = { no_attributes, NULL };
	char filter[TEXT_BYTES];
	LDAPMessage *found = NULL;
	int result;

	if (!ldap_text_filter(options, talk->login->user, filter,
	    sizeof(filter))) {
		say(talk, ANSWER_NO, "filter", LDAP_FILTER_ERROR);
		return;
	}
	result = bind_as(talk, options->bind_dn, options->bind_password);
	if (result != LDAP_SUCCESS) {
		say(talk, ANSWER_FAILED, "bind as ldapbinddn", result);
		return;
	}
	result = ldap_search_ext_s(talk->ldap, options->base_dn,
	    scopes[options->scope], filter, attributes, 0, NULL, NULL,
	    &answering, 2, &found);
	/* The limit may be the directory's own, and lower than ours. */
	if (result == LDAP_SUCCESS || result == LDAP_SIZELIMIT_EXCEEDED)
		bind_as_found(talk, found, result == LDAP_SUCCESS);
	else
		say(talk, verdict_of(result), "search", result);
	ldap_msgfree(found);
}

static void
ask_directory(struct talk *talk)
{
	char name[TEXT_BYTES];

	if (!set_up(talk))
		return;
	if (talk->options->base_dn != NULL)
		search(talk);
	else if (ldap_text_bind_name(talk->options, talk->login->user, name,
	    sizeof(name)))
		bind_as_user(talk, name);
	else
		say(talk, ANSWER_NO, "name", LDAP_INVALID_DN_SYNTAX);
	ldap_unbind_ext_s(talk->ldap, NULL, NULL);
}

static void
ask(const struct question *question, struct answer *answer)
{
	struct arena *arena = arena_create();
	struct ldap_options options;
	struct talk talk = { &options, &question->login, answer, NULL };
	struct error error;

	if (ldap_options_read(question->login.options, arena, &options,
	    &error)) {
		ask_directory(&talk);
	} else {
		answer->verdict = ANSWER_FAILED;
		snprintf(answer->text, sizeof(answer->text), "%.200s",
		    error.text);
	}
	arena_destroy(arena);
}
#else
static void
ask(const struct question *question, struct answer *answer)
{
	answer->verdict = ANSWER_FAILED;
	snprintf(answer->text, sizeof(answer->text),
	    "ldap is not supported by this build");
}
#endif

const struct errand_kind ldap_kind = { ask, 0, 0 };
