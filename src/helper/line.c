#include "helper/line.h"

#include <string.h>

#include "base/memory.h"

struct waiting {
	struct question	 question;
	usec_t		 came_at;
	struct waiting	*next;
};

struct line {
	struct waiting	*first, **end;
	unsigned	 count;
};

struct line *
line_create(void)
{
	struct line *line = memory_get(sizeof(*line));

	line->end = &line->first;
	return line;
}

bool
line_add(struct line *line, const struct question *question, usec_t now)
{
	struct waiting *waiting;

	if (line->count == LINE_MOST)
		return false;
	waiting = memory_get(sizeof(*waiting));
	memcpy(&waiting->question, question, question_length(question));
	waiting->came_at = now;
	*line->end = waiting;
	line->end = &waiting->next;
	line->count++;
	return true;
}

static void
take_out(struct line *line, struct waiting **at,
    struct question *question_out)
{
	struct waiting *waiting = *at;

	*at = waiting->next;
	if (*at == NULL)
		line->end = at;
	line->count--;
	*question_out = waiting->question;
	memory_wipe(waiting, sizeof(*waiting));
	memory_free(waiting);
}

bool
line_is_same(const struct question *one, const struct question *other)
{
	if (one->kind != other->kind)
		return false;
	return (one->kind != QUESTION_PAM && one->kind != QUESTION_LDAP) ||
	    strcmp(one->login.options, other->login.options) == 0;
}

static bool
may_go(const struct question *question, const struct errand *errands)
{
	unsigned same = 0, logins = 0;

	for (unsigned i = 0; i < LINE_ERRANDS; i++) {
		if (errands[i].phase != ERRAND_OUT)
			continue;
		same += line_is_same(&errands[i].question, question);
		logins += errands[i].question.kind != QUESTION_HOST;
	}
	return same < LINE_SAME_MOST && (question->kind == QUESTION_HOST ||
	    logins < LINE_LOGINS_MOST);
}

bool
line_take(struct line *line, const struct errand *errands,
    struct question *question_out)
{
	const struct question *stuck = NULL;

	for (struct waiting **at = &line->first; *at != NULL;
	    at = &(*at)->next) {
		/* Many that wait for one place are asked about once. */
		if (stuck != NULL && line_is_same(stuck, &(*at)->question))
			continue;
		if (may_go(&(*at)->question, errands)) {
			take_out(line, at, question_out);
			return true;
		}
		stuck = &(*at)->question;
	}
	return false;
}

bool
line_take_late(struct line *line, usec_t since,
    struct question *question_out)
{
	if (line->first == NULL || line->first->came_at > since)
		return false;
	take_out(line, &line->first, question_out);
	return true;
}

usec_t
line_oldest(const struct line *line)
{
	return line->first == NULL ? INT64_MAX : line->first->came_at;
}
