#include "admin/statement.h"

#include <string.h>
#include <strings.h>

/* Where a word goes; what does not fit is noticed, not kept. */
struct target {
	char	*text;
	size_t	 size;
	size_t	 used;
	bool	 too_long;
};

static struct target
target_of(char *text, size_t size)
{
	text[0] = '\0';
	return (struct target){ text, size, 0, false };
}

static void
add(struct target *target, char c)
{
	if (target->used + 1 >= target->size) {
		target->too_long = true;
		return;
	}
	target->text[target->used++] = c;
	target->text[target->used] = '\0';
}

/* Not isspace(): that one asks the locale and takes more. */
static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '_';
}

static bool
next_is(const struct statements *left, char c)
{
	return left->at < left->end && *left->at == c;
}

/* True: there was at least one. */
static bool
skip_blanks(struct statements *left)
{
	const char *start = left->at;

	while (left->at < left->end && is_blank(*left->at))
		left->at++;
	return left->at > start;
}

static bool
take_quoted(struct statements *left, char quote, struct target *target)
{
	left->at++;
	for (;;) {
		if (left->at == left->end)
			return false;
		if (*left->at == quote) {
			left->at++;
			if (!next_is(left, quote))
				return true;
		}
		add(target, *left->at++);
	}
}

/* A word, bare or in double quotes. */
static bool
take_word(struct statements *left, struct target *target)
{
	const char *start = left->at;

	if (next_is(left, '"'))
		return take_quoted(left, '"', target);
	while (left->at < left->end && is_word(*left->at))
		add(target, *left->at++);
	return left->at > start;
}

static bool
take_value(struct statements *left, struct target *target, bool *bare_out)
{
	*bare_out = !next_is(left, '\'') && !next_is(left, '"');
	if (next_is(left, '\''))
		return take_quoted(left, '\'', target);
	return take_word(left, target);
}

/* What stands between key and value: `=`, or `TO` with blanks around it. */
static bool
take_equals(struct statements *left)
{
	bool blanks_before = skip_blanks(left);

	if (next_is(left, '=')) {
		left->at++;
		skip_blanks(left);
		return true;
	}
	if (!blanks_before || left->end - left->at < 2 ||
	    strncasecmp(left->at, "to", 2) != 0)
		return false;
	left->at += 2;
	return skip_blanks(left);
}

/* The end of a statement: `;` or the end of the text. */
static bool
take_end(struct statements *left)
{
	skip_blanks(left);
	if (next_is(left, ';')) {
		left->at++;
		skip_blanks(left);
		return true;
	}
	return left->at == left->end;
}

static enum statement_verdict
take_assignment(struct statements *left, struct statement *out)
{
	struct target key = target_of(out->argument, sizeof(out->argument));
	struct target value = target_of(out->value, sizeof(out->value));
	bool bare;

	if (!skip_blanks(left) || !take_word(left, &key) ||
	    !take_equals(left) || !take_value(left, &value, &bare) ||
	    !take_end(left))
		return STATEMENT_INVALID;
	out->assigns = true;
	out->to_default = bare && strcasecmp(out->value, "default") == 0;
	return key.too_long || value.too_long || key.used == 0 ?
	    STATEMENT_TOO_LONG : STATEMENT_GOOD;
}

static enum statement_verdict
take_plain(struct statements *left, struct statement *out)
{
	struct target argument = target_of(out->argument,
	    sizeof(out->argument));
	bool blanks = skip_blanks(left);

	if (left->at < left->end && !next_is(left, ';') &&
	    (!blanks || !take_word(left, &argument)))
		return STATEMENT_INVALID;
	if (!take_end(left))
		return STATEMENT_INVALID;
	return argument.too_long ? STATEMENT_TOO_LONG : STATEMENT_GOOD;
}

struct statements
statements_of(const char *text, size_t length)
{
	const char *nul = length == 0 ? NULL : memchr(text, '\0', length);

	if (length == 0)
		return (struct statements){ NULL, NULL };
	return (struct statements){ text, nul == NULL ? text + length : nul };
}

bool
statements_done(const struct statements *statements)
{
	struct statements left = *statements;

	skip_blanks(&left);
	return left.at == left.end;
}

void
statements_skip_blanks(struct statements *statements)
{
	skip_blanks(statements);
}

void
statements_skip_empty(struct statements *statements)
{
	skip_blanks(statements);
	while (next_is(statements, ';')) {
		statements->at++;
		skip_blanks(statements);
	}
}

enum statement_verdict
statements_take(struct statements *statements, struct statement *statement_out)
{
	struct target command = target_of(statement_out->command,
	    sizeof(statement_out->command));
	enum statement_verdict verdict;

	statement_out->argument[0] = statement_out->value[0] = '\0';
	statement_out->assigns = statement_out->to_default = false;
	skip_blanks(statements);
	if (!take_word(statements, &command))
		return STATEMENT_INVALID;
	if (!command.too_long &&
	    strcasecmp(statement_out->command, "set") == 0)
		return take_assignment(statements, statement_out);
	verdict = take_plain(statements, statement_out);
	return verdict == STATEMENT_GOOD && command.too_long ?
	    STATEMENT_TOO_LONG : verdict;
}
