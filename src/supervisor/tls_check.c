#include "supervisor/tls_check.h"

#include "net/tls.h"

static bool
check_clients(struct tls_engine *engine, const struct config *config,
    struct error *error)
{
	struct tls_context *context;

	if (config->client_tls_sslmode == SSLMODE_DISABLE)
		return true;
	context = tls_context_for_clients(engine, &config->client_tls, NULL,
	    error);
	tls_context_release(context);
	return context != NULL;
}

static bool
check_servers(struct tls_engine *engine, const struct config *config,
    struct error *error)
{
	struct tls_context *context;

	if (config->server_tls_sslmode == SSLMODE_DISABLE)
		return true;
	context = tls_context_for_servers(engine, &config->server_tls, error);
	tls_context_release(context);
	return context != NULL;
}

/* Another library serves them, but good is good for both. */
static bool
check_metrics(struct tls_engine *engine, const struct config *config,
    struct error *error)
{
	struct tls_context *context;

	if (config->metrics_tls.certificate.length == 0)
		return true;
	context = tls_context_for_clients(engine, &config->metrics_tls, NULL,
	    error);
	tls_context_release(context);
	return context != NULL;
}

bool
tls_check(const struct config *config, struct error *error)
{
	struct tls_engine *engine = tls_engine_create();
	bool good;

	if (engine == NULL)
		return error_set(error, "TLS setup failed: out of memory");
	good = check_clients(engine, config, error) &&
	    check_servers(engine, config, error) &&
	    check_metrics(engine, config, error);
	tls_engine_destroy(engine);
	return good;
}
