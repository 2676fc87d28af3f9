/*
 * The settings of a session that follow a client from server to server.
 *
 * Each client wants values for the tracked parameters, each server row holds
 * those that the server was told last.  Where they differ when the two are
 * linked, one batch of SETs goes ahead of the client's query.  Clients that
 * want the same share one set of values.
 */
#ifndef SESSION_PARAMETERS_H
#define SESSION_PARAMETERS_H

#include "base/buffer.h"
#include "session/parameter_texts.h"
#include "shm/servers.h"

struct parameters;		/* all sets of this worker */

struct parameter_set {
	struct parameter_values	 values;	/* "" where not given */
	unsigned		 users;		/* clients that share it */
	struct parameter_set	*next;		/* by digest */
};

/* `extra` is track_extra_parameters: names separated by commas. */
struct parameters *parameters_create(const char *extra);
void parameters_destroy(struct parameters *parameters);

/* -1: not tracked. Names compare without case. */
int parameters_index(const struct parameters *parameters, const char *name);
const char *parameters_name(const struct parameters *parameters, int index);

/*
 * Puts a value in its place, whatever its length.  A long one's text is there
 * at least until a few more were put; a set keeps it (parameters_share).
 */
void parameters_put(struct parameters *parameters,
    struct parameter_values *values, int index, const char *value);

/* What stands in this place; NULL: a long value whose text is not here. */
const char *parameters_text(const struct parameters *parameters,
    const struct parameter_values *values, int index);

/* What somebody calls itself, in a row for reports; "" if it is not known. */
#define PARAMETERS_NAME_BYTES 64
void parameters_copy_name(const struct parameters *parameters,
    const struct parameter_values *values,
    char name_out[PARAMETERS_NAME_BYTES]);

/* Is there a value whose text is somewhere else? */
bool parameters_has_long(const struct parameters *parameters,
    const struct parameter_values *values) MUST_CHECK;

/*
 * A client wants `want`, a server has `have` and has just said those of which
 * the bit is in `told`: what the client wants from now on, in PostgreSQL's
 * spelling.  What the client said nothing of, and the server was not told
 * for it, stays out of it; what is not known of the server stays as it is.
 */
void parameters_adopt(const struct parameters *parameters,
    struct parameter_values *want, const struct parameter_values *have,
    uint32_t told);

/*
 * A server was told to set what `want` says, and `have` says what it made of
 * it: the spelling is remembered.
 */
void parameters_learn(struct parameters *parameters,
    const struct parameter_values *want, const struct parameter_values *have);

/* In the spelling that was learned, where one was. */
void parameters_respell(const struct parameters *parameters,
    struct parameter_values *want);

/* To be called when values were put and before they are compared. */
void parameters_seal(struct parameter_values *values);

/*
 * The shared set with these (sealed) values; long ones whose text is not here
 * are left out.  NULL: no memory.
 */
struct parameter_set *parameters_share(struct parameters *parameters,
    const struct parameter_values *values) MUST_CHECK;
/* NULL is allowed. */
void parameters_release(struct parameters *parameters,
    struct parameter_set *set);

/*
 * The SETs that make a server with `have` what a client that wants `want`
 * needs, as the text of one query without its NUL; nothing if nothing
 * differs.  Parameters of which the client said nothing are left alone.
 * False: no memory.
 */
bool parameters_write_sets(const struct parameters *parameters,
    const struct parameter_values *want, const struct parameter_values *have,
    struct buffer *text) MUST_CHECK;

/* True: something is known only because it was set (parameters_assume). */
bool parameters_has_assumed(const struct parameters *parameters,
    const struct parameter_values *have) MUST_CHECK;

/* After a reset: of what the server does not report nothing is known. */
void parameters_forget_assumed(const struct parameters *parameters,
    struct parameter_values *have);

/* After the SETs: what the server does not report has the wanted value. */
void parameters_assume(const struct parameters *parameters,
    const struct parameter_values *want, struct parameter_values *have);

#endif
