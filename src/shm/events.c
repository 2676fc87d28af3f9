#include "shm/events.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/segment.h"

static const struct {
	const char	*name, *label, *help;
} families[EVENT_FAMILIES] = {
#define FAMILY(name, label, help) { #name, label, help },
#define EVENT(family, member, texts)
#include "shm/events.def"
#undef FAMILY
#undef EVENT
};

static const struct {
	enum event_family	 family;
	const char		*member, *texts;
} events[EVENTS] = {
#define FAMILY(name, label, help)
#define EVENT(family, member, texts) { FAMILY_##family, #member, texts },
#include "shm/events.def"
#undef FAMILY
#undef EVENT
};

void
events_count(struct segment *segment, uint32_t worker, enum event event)
{
	_Atomic uint64_t *count;

	INVARIANT(worker < ROSTER_SLOTS && (unsigned)event < EVENTS);
	count = &segment->events[worker].counts[event];
	atomic_store_explicit(count, atomic_load_explicit(count,
	    memory_order_relaxed) + 1, memory_order_relaxed);
}

/* Begins the reason with one of these? */
static bool
fits(const char *reason, const char *texts)
{
	for (;;) {
		size_t length = strcspn(texts, "|");

		if (strncmp(reason, texts, length) == 0)
			return true;
		if (texts[length] == '\0')
			return false;
		texts += length + 1;
	}
}

enum event
events_of_reason(enum event_family family, const char *reason)
{
	unsigned event = 0;

	while (event < EVENTS && (events[event].family != family ||
	    events[event].texts == NULL ||
	    !fits(reason, events[event].texts)))
		event++;
	INVARIANT(event < EVENTS);	/* the last one fits anything */
	return (enum event)event;
}

uint64_t
events_total(const struct segment *segment, enum event event)
{
	uint64_t total = 0;

	for (unsigned worker = 0; worker < ROSTER_SLOTS; worker++)
		total += atomic_load_explicit(
		    &segment->events[worker].counts[event],
		    memory_order_relaxed);
	return total;
}

const char *
event_family_name(enum event_family family)
{
	return families[family].name;
}

const char *
event_family_label(enum event_family family)
{
	return families[family].label;
}

const char *
event_family_help(enum event_family family)
{
	return families[family].help;
}

enum event_family
event_family_of(enum event event)
{
	return events[event].family;
}

const char *
event_member_name(enum event event)
{
	return events[event].member;
}
