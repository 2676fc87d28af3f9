/*
 * DEALLOCATE and DISCARD in the text of a query, as PostgreSQL reads them: they
 * take away what a client has prepared.
 */
#ifndef SESSION_DEALLOCATE_H
#define SESSION_DEALLOCATE_H

#include "base/base.h"

/* PostgreSQL tells names apart by all of these but the NUL (NAMEDATALEN). */
#define DEALLOCATE_NAME_BYTES 64

/* False: it is neither DEALLOCATE nor DISCARD. True: it may be. */
bool deallocate_is_near(const char *query);

/*
 * Is it "DEALLOCATE [PREPARE] name" and no more? Its name, folded as
 * PostgreSQL does. No: comments, ALL, a longer name, several statements; the
 * server knows what these do.
 */
bool deallocate_read(const char *query, char name_out[DEALLOCATE_NAME_BYTES])
    MUST_CHECK;

#endif
