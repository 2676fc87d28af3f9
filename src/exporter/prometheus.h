/*
 * Metrics in the two text formats that Prometheus reads.
 *
 *	prometheus_family(&text, "pgusher_up", PROMETHEUS_GAUGE, "help");
 *	prometheus_begin(&text, "");
 *	prometheus_label(&text, "database", "shop");
 *	prometheus_uint(&text, 1);
 *	prometheus_end(&text);
 *
 * The second is OpenMetrics: a counter's family has no _total there, and the
 * text ends with # EOF.
 */
#ifndef EXPORTER_PROMETHEUS_H
#define EXPORTER_PROMETHEUS_H

#include "exporter/text.h"

enum prometheus_format {
	PROMETHEUS_TEXT = 0,
	PROMETHEUS_OPENMETRICS
};

enum prometheus_type {
	PROMETHEUS_COUNTER = 0,	/* OpenMetrics: unknown unless …_total */
	PROMETHEUS_GAUGE,
	PROMETHEUS_HISTOGRAM
};

struct prometheus {
	struct text		 text;
	enum prometheus_format	 format;
	char			 name[160];	/* of the family */
	unsigned		 labels;	/* of the open sample */
};

void prometheus_family(struct prometheus *out, const char *name,
    enum prometheus_type type, const char *help);

/* A sample: its name is the family's and a suffix. */
void prometheus_begin(struct prometheus *out, const char *suffix);
/*
 * What a label's value is told as: NULL is an empty text, and what is not
 * UTF-8 is "<invalid>".
 */
const char *prometheus_label_text(const char *value);
void prometheus_label(struct prometheus *out, const char *name,
    const char *value);
/* Each of these ends the sample. */
void prometheus_uint(struct prometheus *out, uint64_t value);
void prometheus_seconds(struct prometheus *out, uint64_t usec);
/* A number as a report has it; NULL: not a number. */
void prometheus_text(struct prometheus *out, const char *value);

void prometheus_end(struct prometheus *out);

/* Of the formats that an Accept header names, the one it likes best. */
enum prometheus_format prometheus_choose(const char *accept);
const char *prometheus_content_type(enum prometheus_format format);

#endif
