#include "build.h"

#include "helper/pam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Some modules wait for somebody to press a button. */
#define PATIENCE (60 * USEC_PER_SEC)

#ifdef HAVE_PAM
#include <security/pam_appl.h>
#include <unistd.h>

/* Gives the password to whoever asks without an echo, and says no more. */
static bool
reply(const struct pam_message *message, const char *password,
    struct pam_response *response)
{
	switch (message->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		response->resp = strdup(password);
		return response->resp != NULL;
	case PAM_TEXT_INFO:
	case PAM_ERROR_MSG:
		return true;
	default:
		return false;
	}
}

/* What modules have got they wipe and free themselves. */
static int
converse(int count, const struct pam_message **messages,
    struct pam_response **responses_out, void *context)
{
	struct pam_response *responses;
	const char *password = context;

	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	responses = calloc((size_t)count, sizeof(*responses));
	if (responses == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++) {
		if (reply(messages[i], password, &responses[i]))
			continue;
		for (int k = 0; k < i; k++) {
			if (responses[k].resp != NULL)
				memory_wipe(responses[k].resp,
				    strlen(responses[k].resp));
			free(responses[k].resp);
		}
		free(responses);
		return PAM_CONV_ERR;
	}
	*responses_out = responses;
	return PAM_SUCCESS;
}

/*
 * PGUSHER_PAM_DIRECTORY is in place of /etc/pam.d, for tests; who may set it
 * may also write the configuration.  Nobody with more rights than their
 * caller (set-user-id) looks at it.
 */
static int
start(const struct login_matter *login, const struct pam_conv *conversation,
    pam_handle_t **handle)
{
	const char *directory = secure_getenv("PGUSHER_PAM_DIRECTORY");

#ifdef HAVE_PAM_START_CONFDIR
	if (directory != NULL && geteuid() != 0)
		return pam_start_confdir(login->options, login->user,
		    conversation, directory, handle);
#endif
	(void)directory;
	return pam_start(login->options, login->user, conversation, handle);
}

/* No, or nobody knows? */
static uint32_t
verdict_of(int result)
{
	switch (result) {
	case PAM_SUCCESS:
		return ANSWER_YES;
	case PAM_AUTH_ERR:
	case PAM_SYSTEM_ERR:		/* pam_exec's, when its program fails */
	case PAM_USER_UNKNOWN:
	case PAM_PERM_DENIED:
	case PAM_MAXTRIES:
	case PAM_ACCT_EXPIRED:
	case PAM_CRED_INSUFFICIENT:
	case PAM_CRED_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
		return ANSWER_NO;
	default:
		return ANSWER_FAILED;
	}
}

static void
ask(const struct question *question, struct answer *answer)
{
	const struct login_matter *login = &question->login;
	const struct pam_conv conversation = { converse,
	    (void *)(uintptr_t)login->password };
	pam_handle_t *handle = NULL;
	int result = start(login, &conversation, &handle);

	/* An empty password is nobody's. */
	if (result == PAM_SUCCESS && login->password[0] == '\0')
		result = PAM_AUTH_ERR;
	if (result == PAM_SUCCESS)
		result = pam_set_item(handle, PAM_RHOST, login->host);
	if (result == PAM_SUCCESS)
		result = pam_authenticate(handle, PAM_SILENT |
		    PAM_DISALLOW_NULL_AUTHTOK);
	if (result == PAM_SUCCESS)
		result = pam_acct_mgmt(handle, PAM_SILENT |
		    PAM_DISALLOW_NULL_AUTHTOK);
	answer->verdict = verdict_of(result);
	answer->result = result;
	snprintf(answer->text, sizeof(answer->text), "PAM service %.100s: %s",
	    login->options, pam_strerror(handle, result));
	if (handle != NULL)
		pam_end(handle, result);
}
#else
static void
ask(const struct question *question, struct answer *answer)
{
	answer->verdict = ANSWER_FAILED;
	snprintf(answer->text, sizeof(answer->text),
	    "pam is not supported by this build");
}
#endif

const struct errand_kind pam_kind = { ask, 0, PATIENCE };
