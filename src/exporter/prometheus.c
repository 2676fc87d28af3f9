#include "exporter/prometheus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static bool
ends_in_total(const char *name)
{
	size_t length = strlen(name);

	return length > 6 && strcmp(name + length - 6, "_total") == 0;
}

static const char *
type_word(const struct prometheus *out, enum prometheus_type type)
{
	switch (type) {
	case PROMETHEUS_GAUGE:
		return "gauge";
	case PROMETHEUS_HISTOGRAM:
		return "histogram";
	case PROMETHEUS_COUNTER:
		break;
	}
	/* OpenMetrics, "Counter": the sample has to be called _total. */
	return out->format == PROMETHEUS_OPENMETRICS &&
	    !ends_in_total(out->name) ? "unknown" : "counter";
}

void
prometheus_family(struct prometheus *out, const char *name,
    enum prometheus_type type, const char *help)
{
	int length = (int)strlen(name);

	snprintf(out->name, sizeof(out->name), "%s", name);
	if (out->format == PROMETHEUS_OPENMETRICS &&
	    type == PROMETHEUS_COUNTER && ends_in_total(name))
		length -= 6;
	text_format(&out->text, "# HELP %.*s %s\n# TYPE %.*s %s\n", length,
	    name, help, length, name, type_word(out, type));
}

void
prometheus_begin(struct prometheus *out, const char *suffix)
{
	out->labels = 0;
	text_add(&out->text, out->name);
	text_add(&out->text, suffix);
}

static void
add_escaped(struct text *text, const char *value)
{
	while (*value != '\0') {
		size_t plain = strcspn(value, "\\\"\n");

		text_add_bytes(text, value, plain);
		value += plain;
		if (*value == '\0')
			return;
		text_add(text, *value == '\n' ? "\\n" :
		    *value == '"' ? "\\\"" : "\\\\");
		value++;
	}
}

const char *
prometheus_label_text(const char *value)
{
	if (value == NULL)
		return "";
	return utf8_is_valid(value) ? value : "<invalid>";
}

void
prometheus_label(struct prometheus *out, const char *name, const char *value)
{
	text_add(&out->text, out->labels++ == 0 ? "{" : ",");
	text_add(&out->text, name);
	text_add(&out->text, "=\"");
	add_escaped(&out->text, prometheus_label_text(value));
	text_add(&out->text, "\"");
}

static void
end_labels(struct prometheus *out)
{
	text_add(&out->text, out->labels > 0 ? "} " : " ");
}

void
prometheus_uint(struct prometheus *out, uint64_t value)
{
	end_labels(out);
	text_format(&out->text, "%" PRIu64 "\n", value);
}

void
prometheus_seconds(struct prometheus *out, uint64_t usec)
{
	end_labels(out);
	text_add_seconds(&out->text, usec);
	text_add(&out->text, "\n");
}

void
prometheus_text(struct prometheus *out, const char *value)
{
	end_labels(out);
	text_format(&out->text, "%s\n", value == NULL ? "NaN" : value);
}

void
prometheus_end(struct prometheus *out)
{
	if (out->format == PROMETHEUS_OPENMETRICS)
		text_add(&out->text, "# EOF\n");
}

/* --- which format -------------------------------------------------------- */

/* RFC 9110, section 12.4.2: from 0 to 1; -1: it is not named. */
static double
weight_of(const char *accept, const char *type)
{
	double best = -1;

	while (*accept != '\0') {
		size_t length = strcspn(accept, ",");
		size_t start = strspn(accept, " \t");
		const char *q;
		double weight = 1;

		if (start < length && strncmp(accept + start, type,
		    strlen(type)) == 0) {
			q = strstr(accept, "q=");
			if (q != NULL && q < accept + length)
				weight = strtod(q + 2, NULL);
			if (weight > best)
				best = weight;
		}
		accept += length;
		accept += *accept == ',';
	}
	return best;
}

enum prometheus_format
prometheus_choose(const char *accept)
{
	double metrics, plain;

	if (accept == NULL)
		return PROMETHEUS_TEXT;
	metrics = weight_of(accept, "application/openmetrics-text");
	plain = weight_of(accept, "text/plain");
	return metrics > 0 && metrics >= plain ? PROMETHEUS_OPENMETRICS :
	    PROMETHEUS_TEXT;
}

const char *
prometheus_content_type(enum prometheus_format format)
{
	return format == PROMETHEUS_OPENMETRICS ?
	    "application/openmetrics-text; version=1.0.0; charset=utf-8" :
	    "text/plain; version=0.0.4; charset=utf-8";
}
