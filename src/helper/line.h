/*
 * Questions that wait in line for an errand: first come, first served, but
 * those who are asked (the resolver, a PAM service, a directory) are apart:
 * one that has as much to do as it may have holds up no other.
 */
#ifndef HELPER_LINE_H
#define HELPER_LINE_H

#include "contract/questions.h"
#include "helper/errand.h"

/* Errands that are out at one time … */
#define LINE_ERRANDS 256
/* … those that are not about names of hosts, … */
#define LINE_LOGINS_MOST (LINE_ERRANDS - 32)
/* … and those to the same place. */
#define LINE_SAME_MOST 32
/* Questions that wait. */
#define LINE_MOST 1024

struct line;

struct line *line_create(void) MUST_CHECK;

/* Copies it. False: there is no room. */
bool line_add(struct line *line, const struct question *question, usec_t now)
    MUST_CHECK;

/*
 * Takes out the first that may go, given the errands that are out.  It is to
 * be wiped by the caller.
 */
bool line_take(struct line *line, const struct errand *errands,
    struct question *question_out) MUST_CHECK;

/* Takes out the first if it has waited since before `since`. */
bool line_take_late(struct line *line, usec_t since,
    struct question *question_out) MUST_CHECK;

/* When the first one came, INT64_MAX: nobody waits. */
usec_t line_oldest(const struct line *line);

/* Both go to the same place. */
bool line_is_same(const struct question *one, const struct question *other);

#endif
