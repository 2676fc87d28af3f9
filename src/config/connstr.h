/*
 * The little language of entries: key=value pairs separated by blanks.
 *
 *     host=10.0.0.1 port = 5432 password='it''s ; a #secret'
 *
 * A value ends at the next blank, or is in single quotes, where '' stands
 * for one quote.  An empty value must be quoted.
 */
#ifndef CONFIG_CONNSTR_H
#define CONFIG_CONNSTR_H

#include "base/base.h"

enum connstr_step {
	CONNSTR_PAIR,
	CONNSTR_END,
	CONNSTR_BROKEN
};

/*
 * Takes the next pair from the text at *at, which moves on.  Works in place:
 * key and value are parts of the text.
 */
enum connstr_step connstr_next(char **at, char **key_out, char **value_out)
    MUST_CHECK;

#endif
