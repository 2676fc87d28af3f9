#include "admin/sql_text.h"

#include <string.h>
#include <strings.h>

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes of UTF-8 beyond ASCII are letters, as in PostgreSQL. */
static bool
is_word(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool
begins(const char *at, const char *end, const char *with)
{
	size_t length = strlen(with);

	return (size_t)(end - at) >= length && memcmp(at, with, length) == 0;
}

/* The manual, "Comments": to the end of the line. */
static const char *
skip_line(const char *at, const char *end)
{
	const char *feed = memchr(at, '\n', (size_t)(end - at));

	return feed == NULL ? end : feed + 1;
}

/* SQLite's do not nest, and it is SQLite that reads them in the end. */
static const char *
skip_block(const char *at, const char *end)
{
	for (at += 2; at < end; at++)
		if (begins(at, end, "*/"))
			return at + 2;
	return end;
}

const char *
sql_text_skip(const char *at, const char *end)
{
	while (at < end) {
		if (is_blank(*at))
			at++;
		else if (begins(at, end, "--"))
			at = skip_line(at, end);
		else if (begins(at, end, "/*"))
			at = skip_block(at, end);
		else
			return at;
	}
	return end;
}

/* A quote in quotes is written twice; in brackets there is none. */
static const char *
skip_quoted(const char *at, const char *end)
{
	char closing = *at == '[' ? ']' : *at;

	while ((at = memchr(at + 1, closing, (size_t)(end - at - 1))) !=
	    NULL) {
		if (closing == ']' || at + 1 == end || at[1] != closing)
			return at + 1;
		at++;
	}
	return end;
}

static bool
is_quote(char c)
{
	return c == '\'' || c == '"' || c == '`' || c == '[';
}

struct sql_span
sql_text_token(const char **at, const char *end)
{
	struct sql_span token;

	token.at = *at = sql_text_skip(*at, end);
	if (*at == end)
		token.end = end;
	else if (is_quote(**at))
		token.end = skip_quoted(*at, end);
	else
		for (token.end = *at + 1; is_word(**at) && token.end < end &&
		    is_word(*token.end); token.end++)
			continue;
	*at = token.end;
	return token;
}

bool
sql_text_matches(struct sql_span token, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(token.end - token.at) == length && length > 0 &&
	    strncasecmp(token.at, word, length) == 0;
}

const char *
sql_text_end(const char *at, const char *end)
{
	for (;;) {
		struct sql_span token = sql_text_token(&at, end);

		if (token.at == end || *token.at == ';')
			return token.at;
	}
}

bool
sql_text_is_query(const char *at, const char *end)
{
	struct sql_span first = sql_text_token(&at, end);

	return sql_text_matches(first, "SELECT") ||
	    sql_text_matches(first, "WITH") ||
	    sql_text_matches(first, "VALUES");
}

/* Words that PostgreSQL calls without parentheses. */
static bool
is_call(struct sql_span word)
{
	static const char *const words[] = { "current_user", "session_user",
	    "current_role", "current_catalog", "current_schema" };

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
		if (sql_text_matches(word, words[i]))
			return true;
	return false;
}

static struct sql_span
peek(const char *at, const char *end)
{
	return sql_text_token(&at, end);
}

/* pg_catalog.NAME( */
static bool
is_prefix(struct sql_span word, const char *at, const char *end)
{
	if (!sql_text_matches(word, "pg_catalog") ||
	    !sql_text_matches(sql_text_token(&at, end), "."))
		return false;
	sql_text_token(&at, end);
	return sql_text_matches(peek(at, end), "(");
}

static bool
append(struct buffer *out, const char *from, const char *to)
{
	return from == to || buffer_append(out, from, (size_t)(to - from));
}

bool
sql_text_translate(struct sql_span statement, struct buffer *out)
{
	const char *at = statement.at, *copied = at;
	bool behind_dot = false;

	for (;;) {
		struct sql_span token = sql_text_token(&at, statement.end);

		if (token.at == statement.end)
			break;
		if (is_prefix(token, at, statement.end)) {
			if (!append(out, copied, token.at))
				return false;
			sql_text_token(&at, statement.end);	/* the dot */
			copied = at;
		} else if (is_call(token) && !behind_dot &&
		    !sql_text_matches(peek(at, statement.end), "(")) {
			if (!append(out, copied, token.end) ||
			    !buffer_append(out, "()", 2))
				return false;
			copied = token.end;
		}
		behind_dot = *token.at == '.';
	}
	return append(out, copied, statement.end) &&
	    buffer_append(out, "", 1);
}

static bool
is_one_of(struct sql_span token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sql_text_matches(token, words[i]))
			return true;
	return false;
}

/* What ends a condition: the clause behind it, or the end of the query. */
static const char *
skip_condition(const char *at, const char *end)
{
	static const char *const words[] = { "GROUP", "HAVING", "ORDER",
	    "WINDOW", "LIMIT", "UNION", "EXCEPT", "INTERSECT" };
	int depth = 0;

	for (;;) {
		const char *before = at;
		struct sql_span token = sql_text_token(&at, end);

		if (token.at == end || (depth == 0 && (*token.at == ')' ||
		    is_one_of(token, words, ARRAY_LENGTH(words)))))
			return before;
		depth += *token.at == '(' ? 1 : *token.at == ')' ? -1 : 0;
	}
}

bool
sql_text_widen(struct sql_span statement, struct buffer *out)
{
	static const char *const words[] = { "WHERE", "HAVING", "LIMIT" };
	const char *at = statement.at, *copied = at;

	for (;;) {
		struct sql_span token = sql_text_token(&at, statement.end);

		if (token.at == statement.end)
			return append(out, copied, statement.end);
		if (!is_one_of(token, words, ARRAY_LENGTH(words)))
			continue;
		if (!append(out, copied, token.at))
			return false;
		copied = at = skip_condition(at, statement.end);
	}
}

unsigned
sql_text_parameters(struct sql_span statement)
{
	const char *at = statement.at;
	unsigned most = 0;

	for (;;) {
		struct sql_span token = sql_text_token(&at, statement.end);
		unsigned number = 0;

		if (token.at == statement.end)
			return most;
		if (*token.at != '$')
			continue;
		for (; at < statement.end && is_digit(*at) && number < 100000;
		    at++)
			number = number * 10 + (unsigned)(*at - '0');
		if (number > most)
			most = number;
	}
}
