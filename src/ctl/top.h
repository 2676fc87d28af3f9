/*
 * pgusherctl top: the pools, live.
 *
 * On a terminal it draws a screen each interval and takes keys; elsewhere, or
 * with -b, it prints one after the other.
 */
#ifndef CTL_TOP_H
#define CTL_TOP_H

#include "ctl/top_view.h"

struct top_plan {
	double			interval;	/* seconds between two */
	int			count;		/* so many; 0: until q */
	bool			batch;
	struct top_options	options;
};

/* The exit status. */
int top_run(const struct console_place *place, struct top_plan *plan);

#endif
