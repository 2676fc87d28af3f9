/*
 * SHOW CONFIG, and what else the configuration alone knows: SHOW PEERS.
 */
#include "admin/show.h"

static const struct report_column config_columns[] = {
	{ "key", REPORT_TEXT },
	{ "value", REPORT_TEXT },
	{ "default", REPORT_TEXT },
	{ "changeable", REPORT_TEXT },
};

static bool
show_parameter(const struct config_row *row, void *context)
{
	struct report *report = context;

	report_text(report, row->name);
	report_text(report, row->value);
	report_text(report, row->default_value);
	report_text(report, row->changeable ? "yes" : "no");
	report_end_row(report);
	return true;
}

static bool
fill_config(const struct console_env *env, struct report *report)
{
	return config_each_param(env->config, show_parameter, report);
}

const struct show show_CONFIG = {
	config_columns, ARRAY_LENGTH(config_columns), fill_config, NULL
};

static const struct report_column peers_columns[] = {
	{ "peer_id", REPORT_INT },
	{ "host", REPORT_TEXT },
	{ "port", REPORT_INT },
	{ "pool_size", REPORT_INT },
};

static bool
fill_peers(const struct console_env *env, struct report *report)
{
	const struct config *config = env->config;

	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_peer *peer = &config->peers[i];

		report_int(report, peer->id);
		report_text(report, peer->host);
		report_int(report, peer->port);
		report_int(report, peer->pool_size < 0 ?
		    config->default_pool_size : peer->pool_size);
		report_end_row(report);
	}
	return true;
}

const struct show show_PEERS = {
	peers_columns, ARRAY_LENGTH(peers_columns), fill_peers, NULL
};
