/*
 * What is rare and concerns no pool in particular: logins that fail, why
 * connections are closed, evictions.  events.def has the list.
 *
 * One row for each worker, which alone writes it; it stays when the worker
 * dies.  Too rare to care for cost, but no lock is taken either.
 */
#ifndef SHM_EVENTS_H
#define SHM_EVENTS_H

#include <stdatomic.h>

#include "base/base.h"

enum event_family {
#define FAMILY(name, label, help) FAMILY_##name,
#define EVENT(family, member, texts)
#include "shm/events.def"
#undef FAMILY
#undef EVENT
	EVENT_FAMILIES
};

enum event {
#define FAMILY(name, label, help)
#define EVENT(family, member, texts) EVENT_##family##_##member,
#include "shm/events.def"
#undef FAMILY
#undef EVENT
	EVENTS
};

struct event_row {
	_Alignas(CACHE_LINE)
	_Atomic uint64_t counts[EVENTS];
};

struct segment;

/* The calling worker has seen one. */
void events_count(struct segment *segment, uint32_t worker,
    enum event event);

/* Which member of the family a reason belongs to. */
enum event events_of_reason(enum event_family family, const char *reason);

/* Over all workers. */
uint64_t events_total(const struct segment *segment, enum event event);

/* The lists, for who shows them. */
const char *event_family_name(enum event_family family);
const char *event_family_label(enum event_family family);	/* or NULL */
const char *event_family_help(enum event_family family);
enum event_family event_family_of(enum event event);
const char *event_member_name(enum event event);

#endif
