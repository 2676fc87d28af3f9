/*
 * Bytes on their way from one side to the other, with some of them left out,
 * put in or replaced.
 *
 * As long as nothing differs nothing is copied: what comes out is what went
 * in.  From the first difference on a copy is made in memory that the worker
 * keeps for this.
 *
 *	struct edit edit = edit_begin(&sessions->scratch, bytes);
 *
 *	edit_keep(&edit, bytes + 10);		the first 10 stay
 *	edit_put(&edit, "1", 1);		then this
 *	edit_skip(&edit, bytes + 20);		10 are left out
 *	bytes = edit_end(&edit, bytes + length, &length);   the rest stays
 */
#ifndef SESSION_EDIT_H
#define SESSION_EDIT_H

#include "base/base.h"

struct scratch {
	uint8_t	*memory;
	size_t	 size;
};

struct edit {
	struct scratch	*scratch;
	const uint8_t	*from;		/* what came before is dealt with */
	size_t		 used;		/* of the copy */
	bool		 changed;
	bool		 failed;	/* no memory; sticky */
};

static inline struct edit
edit_begin(struct scratch *scratch, const uint8_t *bytes)
{
	return (struct edit){ .scratch = scratch, .from = bytes };
}

/* All up to here stays as it is. */
void edit_keep(struct edit *edit, const uint8_t *to);
/* All up to here is left out; what came before that is kept already. */
void edit_skip(struct edit *edit, const uint8_t *to);
void edit_put(struct edit *edit, const void *bytes, size_t length);

/*
 * All up to `to` stays; returns what has come out, good until the next
 * edit with this memory.  NULL: no memory.
 */
const uint8_t *edit_end(struct edit *edit, const uint8_t *to,
    size_t *length_out) MUST_CHECK;

/* Gives back what a large message has made large; it is not in use. */
void scratch_trim(struct scratch *scratch);
void scratch_free(struct scratch *scratch);

#endif
