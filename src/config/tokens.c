#include "config/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Files that name files that name files. */
#define DEEPEST 10
/* Words of one field, with those of its files. */
#define WORDS_MOST 100000

/* A growing list of words; the arena has the texts. */
struct words {
	struct token	*list;
	size_t		 count, room;
};

static void
add_word(struct words *words, const struct token *token)
{
	if (words->count == words->room) {
		words->room = 2 * words->room + 8;
		words->list = memory_resize(words->list,
		    words->room * sizeof(*words->list));
	}
	words->list[words->count++] = *token;
}

/* What was collected moves into the arena. */
static void *
move(void *list, size_t size, struct arena *arena)
{
	void *copy = arena_get(arena, size);

	if (size > 0)
		memcpy(copy, list, size);
	free(list);
	return copy;
}

static void
settle(struct words *words, struct arena *arena, struct token_field *field)
{
	field->count = words->count;
	field->tokens = move(words->list, words->count * sizeof(*words->list),
	    arena);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' ||
	    c == '\f' || c == '\v';
}

/* --- one text ------------------------------------------------------------ */

struct scan {
	const char	*at, *end;
	struct arena	*arena;
};

static void
skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && is_blank(*scan->at))
		scan->at++;
	if (scan->at < scan->end && *scan->at == '#')
		scan->at = scan->end;
}

/*
 * PostgreSQL's rule: quotes may begin and end anywhere in a word, and blanks,
 * commas and # between them are like other characters.
 */
static const char *
word_end(const struct scan *scan)
{
	const char *at = scan->at;

	for (bool quoting = false; at < scan->end; at++) {
		if (!quoting && (is_blank(*at) || *at == ',' || *at == '#'))
			break;
		if (*at == '"')
			quoting = !quoting;
	}
	return at;
}

static bool
take_word(struct scan *scan, struct token *token_out, struct error *error)
{
	const char *end = word_end(scan);
	char *word = arena_get(scan->arena, (size_t)(end - scan->at) + 1);
	bool quoting = false;
	size_t length = 0;

	token_out->quoted = scan->at < end && *scan->at == '"';
	token_out->text = word;
	for (; scan->at < end; scan->at++) {
		if (*scan->at == '\0')
			return error_set(error, "a NUL byte");
		if (*scan->at != '"') {
			word[length++] = *scan->at;
		} else if (quoting && scan->at + 1 < end &&
		    scan->at[1] == '"') {
			word[length++] = '"';
			scan->at++;
		} else {
			quoting = !quoting;
		}
	}
	return !quoting || error_set(error, "a quote is not closed");
}

/* True: a word is taken, and *more_out says that a comma follows it. */
static bool
take_listed_word(struct scan *scan, struct words *words, bool *more_out,
    struct error *error)
{
	struct token token;

	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at == ',')
		return error_set(error, "a word is missing beside a comma");
	if (!take_word(scan, &token, error))
		return false;
	add_word(words, &token);
	skip_blanks(scan);
	*more_out = scan->at < scan->end && *scan->at == ',';
	if (*more_out)
		scan->at++;
	return true;
}

/* Words up to a blank that no comma comes before or behind. */
static bool
take_field(struct scan *scan, struct token_field *field_out,
    struct error *error)
{
	struct words words = { NULL, 0, 0 };
	bool good, more = true;

	do
		good = take_listed_word(scan, &words, &more, error);
	while (good && more);
	settle(&words, scan->arena, field_out);
	return good;
}

/* A growing list of fields. */
struct fields {
	struct token_field	*list;
	const char		**rests;
	size_t			 count, room;
};

static struct token_field *
add_field(struct fields *fields, const char *rest)
{
	if (fields->count == fields->room) {
		fields->room = 2 * fields->room + 8;
		fields->list = memory_resize(fields->list,
		    fields->room * sizeof(*fields->list));
		fields->rests = memory_resize(fields->rests,
		    fields->room * sizeof(*fields->rests));
	}
	fields->rests[fields->count] = rest;
	return &fields->list[fields->count++];
}

bool
tokens_split(const char *text, size_t length, struct arena *arena,
    struct token_line *line_out, struct error *error)
{
	const char *copy = arena_copy(arena, text, length);
	struct scan scan = { copy, copy + length, arena };
	struct fields fields = { NULL, NULL, 0, 0 };
	bool good = true;

	for (skip_blanks(&scan); good && scan.at < scan.end;
	    skip_blanks(&scan))
		good = take_field(&scan, add_field(&fields, scan.at), error);
	line_out->fields = move(fields.list,
	    fields.count * sizeof(*fields.list), arena);
	line_out->rests = move(fields.rests,
	    fields.count * sizeof(*fields.rests), arena);
	line_out->count = fields.count;
	return good;
}

/* --- files --------------------------------------------------------------- */

static bool
visit_line(struct token_line *line, const char *text, size_t length,
    struct arena *arena, token_visitor *visit, void *context,
    struct error *error)
{
	if (length > 0 && text[length - 1] == '\r')
		length--;
	if (tokens_split(text, length, arena, line, error) &&
	    (line->count == 0 || visit(line, context, error)))
		return true;
	return error_prefix(error, "%s:%u", line->file, line->number);
}

bool
tokens_each_line(const struct file *file, struct arena *arena,
    token_visitor *visit, void *context, struct error *error)
{
	const char *at = file->content, *end = at + file->length;
	struct token_line line = { .file = file->path };
	const char *line_end;

	for (; at < end; at = line_end + 1) {
		line.number++;
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (line_end == NULL)
			line_end = end;
		if (!visit_line(&line, at, (size_t)(line_end - at), arena,
		    visit, context, error))
			return false;
	}
	return true;
}

struct expansion {
	struct files	*files;
	struct arena	*arena;
	struct words	 words;
	unsigned	 depth;
};

static bool expand(struct expansion *expansion, const char *file,
    const struct token_field *field, struct error *error);

static bool
expand_line(const struct token_line *line, void *context, struct error *error)
{
	struct expansion *expansion = context;

	for (size_t i = 0; i < line->count; i++)
		if (!expand(expansion, line->file, &line->fields[i], error))
			return false;
	return true;
}

/* Beside the file that names it, unless it says where. */
static const char *
path_beside(const char *file, const char *name, struct arena *arena)
{
	const char *slash = strrchr(file, '/');
	size_t length = slash == NULL || name[0] == '/' ? 0 :
	    (size_t)(slash - file) + 1;
	char *path = arena_get(arena, length + strlen(name) + 1);

	memcpy(path, file, length);
	strcpy(path + length, name);
	return path;
}

static bool
expand_file(struct expansion *expansion, const char *by, const char *name,
    struct error *error)
{
	const struct file *file = files_read(expansion->files,
	    path_beside(by, name, expansion->arena));
	bool good;

	if (file->error != 0) {
		errno = file->error;
		return error_system(error, "could not open %s", file->path);
	}
	if (expansion->depth == DEEPEST)
		return error_set(error, "@%s: files name files too deeply",
		    name);
	expansion->depth++;
	good = tokens_each_line(file, expansion->arena, expand_line,
	    expansion, error);
	expansion->depth--;
	return good;
}

static bool
expand(struct expansion *expansion, const char *file,
    const struct token_field *field, struct error *error)
{
	for (size_t i = 0; i < field->count; i++) {
		const struct token *token = &field->tokens[i];

		if (expansion->words.count >= WORDS_MOST)
			return error_set(error, "too many words");
		if (token->quoted || token->text[0] != '@' ||
		    token->text[1] == '\0')
			add_word(&expansion->words, token);
		else if (!expand_file(expansion, file, token->text + 1,
		    error))
			return false;
	}
	return true;
}

bool
tokens_expand(struct files *files, const char *file,
    const struct token_field *field, struct arena *arena,
    struct token_field *expanded_out, struct error *error)
{
	struct expansion expansion = { .files = files, .arena = arena };
	bool good = expand(&expansion, file, field, error);

	settle(&expansion.words, arena, expanded_out);
	return good;
}
