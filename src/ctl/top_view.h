/*
 * What pgusherctl top draws: two samples of the console's reports, what
 * happened between them, and a screen of text.
 */
#ifndef CTL_TOP_VIEW_H
#define CTL_TOP_VIEW_H

#include <libpq-fe.h>
#include <stdio.h>

#include "ctl/console_link.h"

enum top_page {
	TOP_POOLS = 0,
	TOP_CLIENTS,
	TOP_SERVERS,
	TOP_TIMES,		/* how long things take */
	TOP_PAGES
};

enum top_order {
	TOP_BY_WAITING = 0,	/* who waits most is first */
	TOP_BY_ACTIVE,
	TOP_BY_NAME,
	TOP_ORDERS
};

struct top_options {
	enum top_page	page;
	enum top_order	order;
	int		width, height;	/* of the screen; 0: no limit */
	bool		color;
};

/* Reports of one moment; those of a page that is not shown are NULL. */
struct top_sample {
	double		 at;		/* seconds, monotonic */
	PGresult	*pools, *databases, *workers, *totals, *lists;
	PGresult	*clients, *servers, *histograms;
	char		 version[64];
};

bool top_sample_take(PGconn *conn, enum top_page page,
    struct top_sample *out, struct error *error) MUST_CHECK;
void top_sample_free(struct top_sample *sample);

/* `before` is an earlier sample, or NULL: then nothing is known of rates. */
void top_draw(FILE *file, const struct top_sample *now,
    const struct top_sample *before, const struct top_options *options);

/* 1234567 as "1.23M": at most 5 characters; `out` has 8. */
void top_short_number(double number, char out[8]);

#endif
