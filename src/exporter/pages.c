#include "exporter/pages.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/invariant.h"
#include "exporter/metrics.h"
#include "exporter/password.h"
#include "exporter/status.h"
#include "exporter/status_page.h"

#define PLAIN "text/plain; charset=utf-8"
#define NOTHING "default-src 'none'; frame-ancestors 'none'"

/* Names the one script and the one style of the page by their digests. */
static char page_policy[512];

/* "sha256-…" of what is between the two tags. */
static void
digest_between(const char *open, const char *close, char text[64])
{
	unsigned char digest[SHA256_BYTES];
	const char *from = strstr(status_page, open), *to;

	INVARIANT(from != NULL);
	from += strlen(open);
	to = strstr(from, close);
	INVARIANT(to != NULL);
	digest_of(from, (size_t)(to - from), digest);
	strcpy(text, "sha256-");
	EVP_EncodeBlock((unsigned char *)text + 7, digest, sizeof(digest));
}

void
pages_prepare(void)
{
	char style[64], script[64];

	digest_between("<style>", "</style>", style);
	digest_between("<script>", "</script>", script);
	snprintf(page_policy, sizeof(page_policy), "default-src 'none'; "
	    "style-src '%s'; script-src '%s'; connect-src 'self'; "
	    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	    style, script);
}

static void
answer_plainly(struct response *response, unsigned status, const char *text)
{
	response->status = status;
	text_add(&response->body, text);
	text_add(&response->body, "\n");
}

static void
say_no_memory(struct response *response)
{
	text_clear(&response->body);
	response->type = PLAIN;
	answer_plainly(response, 503, "no memory");
}

static void
answer_page(const struct console_env *env, const struct request *request,
    struct response *response)
{
	response->type = "text/html; charset=utf-8";
	response->security = page_policy;
	text_add_bytes(&response->body, status_page, status_page_length);
}

static void
answer_status(const struct console_env *env, const struct request *request,
    struct response *response)
{
	response->type = "application/json";
	if (!status_write(env, &response->body))
		say_no_memory(response);
}

static void
answer_metrics(const struct console_env *env, const struct request *request,
    struct response *response)
{
	struct prometheus out = { .format = prometheus_choose(
	    request->accept) };

	response->type = prometheus_content_type(out.format);
	if (metrics_write(env, &out)) {
		response->body = out.text;
		return;
	}
	text_clear(&out.text);
	say_no_memory(response);
}

/* Who answers this lives, and it lives only beside a living supervisor. */
static void
answer_health(const struct console_env *env, const struct request *request,
    struct response *response)
{
	answer_plainly(response, 200, "ok");
}

static unsigned
count_serving(const struct segment *segment)
{
	unsigned count = 0;

	for (unsigned i = 0; i < segment_slots(segment); i++)
		count += atomic_load(&segment->roster[i].phase) ==
		    ROSTER_SERVING;
	return count;
}

static void
answer_ready(const struct console_env *env, const struct request *request,
    struct response *response)
{
	const struct state *state = env->segment->state;

	if (atomic_load(&state->shutdown) != SHUTDOWN_NONE)
		answer_plainly(response, 503, "shutting down");
	else if (count_serving(env->segment) == 0)
		answer_plainly(response, 503, "no worker serves");
	else
		answer_plainly(response, 200, "ready");
}

static const struct {
	const char	*path;
	bool		 is_open;	/* needs no password */
	void		(*answer)(const struct console_env *env,
			    const struct request *request,
			    struct response *response);
} pages[] = {
	{ "/", false, answer_page },
	{ "/status.json", false, answer_status },
	{ "/metrics", false, answer_metrics },
	{ "/healthz", true, answer_health },
	{ "/readyz", true, answer_ready },
};

static void
ask_for_password(struct response *response)
{
	response->challenge = "Basic realm=\"pgusher\", charset=\"UTF-8\"";
	answer_plainly(response, 401, "a user of metrics_users and the "
	    "password are needed");
}

static bool
is_allowed(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

void
pages_answer(const struct console_env *env, const struct request *request,
    struct response *response_out)
{
	size_t i = 0;

	*response_out = (struct response){ .status = 200, .type = PLAIN,
	    .security = NOTHING };
	while (i < ARRAY_LENGTH(pages) &&
	    strcmp(pages[i].path, request->path) != 0)
		i++;
	if (i == ARRAY_LENGTH(pages)) {
		answer_plainly(response_out, 404, "there are /, /metrics, "
		    "/status.json, /healthz and /readyz");
	} else if (!is_allowed(request->method)) {
		response_out->allow = "GET, HEAD";
		answer_plainly(response_out, 405, "this can only be read");
	} else if (!pages[i].is_open && !password_is_good(env->config,
	    request->authorization)) {
		ask_for_password(response_out);
	} else {
		pages[i].answer(env, request, response_out);
	}
}
