/*
 * SHOW DNS_HOSTS: the host names that all workers share.
 */
#include <stdio.h>

#include "admin/show.h"

static const struct report_column columns[] = {
	{ "hostname", REPORT_TEXT },
	{ "ttl", REPORT_INT64 },
	{ "addrs", REPORT_TEXT },
};

#define LIST_BYTES (ADDRESSES_MOST * ADDRESS_TEXT_BYTES)

/* "10.0.0.1:0,[::1]:0" */
static void
list_addresses(const struct address_list *list, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < list->count && i < ADDRESSES_MOST; i++) {
		char address[ADDRESS_TEXT_BYTES];

		address_format(&list->address[i], 0, address,
		    sizeof(address));
		used += (size_t)snprintf(text + used, size - used, "%s%s",
		    i > 0 ? "," : "", address);
	}
}

static void
show_host(const struct console_env *env, const struct host_copy *host,
    struct report *report)
{
	usec_t left = host->expires_at - env->now;
	char addresses[LIST_BYTES];

	list_addresses(&host->addresses, addresses, sizeof(addresses));
	report_text(report, host->name);
	report_int64(report, left > 0 ? left / USEC_PER_SEC : 0);
	report_text(report, addresses);
	report_end_row(report);
}

static bool
fill_dns_hosts(const struct console_env *env, struct report *report)
{
	uint32_t used = atomic_load(&env->segment->hosts_head->used);
	struct host_copy host;

	for (uint32_t row = 0; row < used; row++)
		if (hosts_copy(env->segment, row, &host))
			show_host(env, &host, report);
	return true;
}

const struct show show_DNS_HOSTS = {
	columns, ARRAY_LENGTH(columns), fill_dns_hosts, NULL
};
