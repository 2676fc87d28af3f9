#include "supervisor/stats_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
stats_line_sum(struct segment *segment, struct stats_totals *sum_out)
{
	uint32_t used = atomic_load(&segment->state->pools_used);

	stats_of_retired(segment, sum_out);
	for (uint32_t pool = 0; pool < used; pool++) {
		struct stats_totals one;

		stats_total(segment, pool, &one);
		for (unsigned i = 0; i < STATS; i++)
			sum_out->counters[i] += one.counters[i];
	}
}

static uint64_t
per_second(const uint64_t *grown, enum stat_counter stat, usec_t elapsed)
{
	if (elapsed <= 0)
		return 0;
	return (uint64_t)((double)grown[stat] * USEC_PER_SEC /
	    (double)elapsed);
}

static uint64_t
mean(const uint64_t *grown, enum stat_counter time, enum stat_counter count)
{
	return grown[count] == 0 ? 0 : grown[time] / grown[count];
}

void
stats_line_format(const struct stats_totals *before,
    const struct stats_totals *after, usec_t elapsed, char *text, size_t size)
{
	uint64_t grown[STATS];

	for (unsigned i = 0; i < STATS; i++)
		grown[i] = after->counters[i] > before->counters[i] ?
		    after->counters[i] - before->counters[i] : 0;
#define RATE(name) per_second(grown, STAT_##name, elapsed)
#define MEAN(time, count) mean(grown, STAT_##time, STAT_##count)
	snprintf(text, size, "stats: %" PRIu64 " xacts/s, %" PRIu64
	    " queries/s, %" PRIu64 " client parses/s, %" PRIu64
	    " server parses/s, %" PRIu64 " binds/s, in %" PRIu64
	    " B/s, out %" PRIu64 " B/s, xact %" PRIu64 " us, query %" PRIu64
	    " us, wait %" PRIu64 " us", RATE(xact_count), RATE(query_count),
	    RATE(client_parse_count), RATE(server_parse_count),
	    RATE(bind_count), RATE(received), RATE(sent),
	    MEAN(xact_time, xact_count), MEAN(query_time, query_count),
	    MEAN(wait_time, server_assignment_count));
#undef RATE
#undef MEAN
}

void
stats_line_for_status(const char *line, char *text, size_t size)
{
	size_t used = 0;

	for (; *line != '\0' && used + sizeof("μs") < size; line++) {
		if (strncmp(line, " us", 3) == 0 &&
		    (line[3] == ',' || line[3] == '\0')) {
			used += (size_t)snprintf(text + used, size - used,
			    " μ");
			line++;		/* the "s" is next */
		} else {
			text[used++] = *line;
		}
	}
	text[used] = '\0';
}
