/*
 * The SQLSTATE, and a hint where there is one, of what the pooler itself says
 * to clients: drivers' retry logic looks at it.  The list is in
 * pooler_errors.def.
 */
#ifndef WIRE_POOLER_ERRORS_H
#define WIRE_POOLER_ERRORS_H

struct pooler_error {
	const char	*text;		/* or its beginning */
	const char	*sqlstate;
	const char	*hint;		/* NULL: none */
};

/* Never NULL: what is not in the list is 08P01 and has no hint. */
const struct pooler_error *pooler_error_of(const char *text);

#endif
