/*
 * What drivers say by themselves, before and after what they are asked to
 * do: BEGIN, COMMIT, DISCARD ALL, SET of PostgreSQL's parameters …  It is
 * answered as PostgreSQL would and changes nothing here, so everybody may.
 */
#ifndef ADMIN_COURTESY_H
#define ADMIN_COURTESY_H

#include "admin/run.h"
#include "admin/sql_text.h"

/* False: it is none of these, and nothing was appended. */
bool courtesy_run(struct run *run, struct sql_span statement);

/*
 * Appends its RowDescription, if it is one of these and has rows.  False: no
 * memory.
 */
bool courtesy_describe(struct sql_span statement, struct buffer *out)
    MUST_CHECK;

#endif
