#include "exporter/metrics.h"

#include "exporter/metrics_parts.h"

bool
metrics_write(const struct console_env *env, struct prometheus *out)
{
	bool whole = metrics_write_reports(env, out) &&
	    metrics_write_own(env, out);

	metrics_write_processes(env, out);
	prometheus_end(out);
	return whole && !out->text.failed;
}
