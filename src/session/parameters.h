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

/* Puts a value in its place; one that is too long counts as not known. */
void parameters_put(const struct parameters *parameters,
    struct parameter_values *values, int index, const char *value);

/* To be called when values were put and before they are compared. */
void parameters_seal(struct parameter_values *values);

/* The shared set with these (sealed) values. NULL: no memory. */
struct parameter_set *parameters_share(struct parameters *parameters,
    const struct parameter_values *values) MUST_CHECK;
/* NULL is allowed. */
void parameters_release(struct parameters *parameters,
    struct parameter_set *set);

/*
 * The SETs that make a server with `have` what a client that wants `want`
 * needs, as the text of one query; empty if nothing differs.  Parameters of
 * which the client said nothing are left alone.
 */
void parameters_write_sets(const struct parameters *parameters,
    const struct parameter_values *want, const struct parameter_values *have,
    char *text, size_t size);

/* After the SETs: what the server did not report has the wanted value. */
void parameters_assume(const struct parameters *parameters,
    const struct parameter_values *want, struct parameter_values *have);

/* Room that the text of all SETs never exceeds. */
#define PARAMETERS_SETS_BYTES (PARAMETERS_MOST * 400)

#endif
