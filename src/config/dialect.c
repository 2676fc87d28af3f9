#include "config/dialect.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

#define DEEPEST 10		/* includes within includes */
#define LONGEST_NAME 255

struct reader {
	struct files	*files;
	dialect_visitor	*visit;
	void		*context;
	struct arena	*arena;		/* texts, wiped at the end */
	const char	*section;	/* NULL before the first */
	unsigned	 depth;
};

/* A part of a line. */
struct span {
	const char	*at, *end;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static bool
is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("_.-*", c) != NULL);
}

static struct span
trim(struct span text)
{
	while (text.at < text.end && is_blank(*text.at))
		text.at++;
	while (text.end > text.at && is_blank(text.end[-1]))
		text.end--;
	return text;
}

static char *
keep(struct reader *reader, struct span text)
{
	return arena_copy(reader->arena, text.at,
	    (size_t)(text.end - text.at));
}

static bool
syntax_error(const struct place *place, const char *hint,
    struct error *error)
{
	error_set(error, "syntax error in configuration (%s:%u), "
	    "stopping loading", place->file, place->line);
	return error_hint(error, "%s", hint);
}

/* The first `;` or `#` that follows a blank outside quotes, or the end. */
static const char *
find_comment(struct span text)
{
	const char *at = text.at, *closing;

	for (; at < text.end; at++) {
		if (*at == '\'' || *at == '"') {
			closing = memchr(at + 1, *at,
			    (size_t)(text.end - at - 1));
			if (closing != NULL)
				at = closing;
		} else if ((*at == ';' || *at == '#') && at > text.at &&
		    is_blank(at[-1])) {
			return at;
		}
	}
	return text.end;
}

/* Takes a key, bare or in quotes, from the front. */
static bool
take_name(struct span *line, struct span *name_out)
{
	const char *closing;

	if (*line->at == '\'' || *line->at == '"') {
		closing = memchr(line->at + 1, *line->at,
		    (size_t)(line->end - line->at - 1));
		if (closing == NULL)
			return false;
		*name_out = (struct span){ line->at + 1, closing };
		line->at = closing + 1;
		return true;
	}
	name_out->at = line->at;
	while (line->at < line->end && is_bare(*line->at))
		line->at++;
	name_out->end = line->at;
	return name_out->end > name_out->at;
}

static bool
read_assignment(struct reader *reader, struct span line,
    const struct place *place, struct error *error)
{
	struct dialect_item item = { .place = *place };
	struct span name;

	if (!take_name(&line, &name))
		return syntax_error(place, "key = value is expected; quote "
		    "a key with unusual characters", error);
	line = trim(line);
	if (line.at == line.end || *line.at != '=')
		return syntax_error(place, "key = value is expected", error);
	if (name.end - name.at > LONGEST_NAME)
		return syntax_error(place, "the key is too long", error);
	line.at++;
	line.end = find_comment(line);

	item.section = reader->section;
	item.name = keep(reader, name);
	item.value = keep(reader, trim(line));
	if (item.section == NULL)
		return error_set(error, "value without section: %s (%s:%u)",
		    item.name, place->file, place->line);
	return reader->visit(&item, reader->context, error);
}

static bool
read_section(struct reader *reader, struct span line,
    const struct place *place, struct error *error)
{
	struct dialect_item item = { .place = *place };
	const char *closing = memchr(line.at, ']',
	    (size_t)(line.end - line.at));
	struct span rest;

	if (closing == NULL)
		return syntax_error(place, "[section] is expected", error);
	rest = trim((struct span){ closing + 1, line.end });
	if (rest.at < rest.end && *rest.at != ';' && *rest.at != '#')
		return syntax_error(place, "nothing may follow [section]",
		    error);
	reader->section = keep(reader,
	    (struct span){ line.at + 1, closing });
	item.section = reader->section;
	return reader->visit(&item, reader->context, error);
}

static bool read_file(struct reader *, const char *path, struct error *);

static bool
read_include(struct reader *reader, struct span line,
    const struct place *place, struct error *error)
{
	static const char keyword[] = "%include";
	const size_t length = sizeof(keyword) - 1;
	const char *file;

	if ((size_t)(line.end - line.at) <= length ||
	    memcmp(line.at, keyword, length) != 0 ||
	    !is_blank(line.at[length]))
		return syntax_error(place, "%include FILE is expected", error);
	if (reader->depth >= DEEPEST)
		return error_set(error, "include nesting level too deep "
		    "(%s:%u), stopping loading", place->file, place->line);
	line.at += length;
	line.end = find_comment(line);
	line = trim(line);
	if (line.at == line.end)
		return syntax_error(place, "%include FILE is expected", error);

	reader->depth++;
	file = keep(reader, line);
	if (!read_file(reader, file, error))
		return files_read(reader->files, file)->error == 0 ? false :
		    error_prefix(error, "error processing include file in "
		    "configuration (%s:%u)", place->file, place->line);
	reader->depth--;
	return true;
}

static bool
read_line(struct reader *reader, struct span line, const struct place *place,
    struct error *error)
{
	line = trim(line);
	if (line.at == line.end || *line.at == ';' || *line.at == '#')
		return true;
	/* Texts end at a NUL from here on, so none may be inside. */
	if (memchr(line.at, '\0', (size_t)(line.end - line.at)) != NULL)
		return syntax_error(place, "there is a NUL byte", error);
	if (*line.at == '[')
		return read_section(reader, line, place, error);
	if (*line.at == '%')
		return read_include(reader, line, place, error);
	return read_assignment(reader, line, place, error);
}

static bool
read_file(struct reader *reader, const char *path, struct error *error)
{
	const struct file *file = files_read(reader->files, path);
	const char *end = file->content + file->length;
	struct place place = { .file = file->path };
	struct span line = { .at = file->content };

	if (file->error != 0) {
		errno = file->error;
		return error_system(error, "could not load file \"%s\"",
		    path);
	}
	for (; line.at < end; line.at = line.end + 1) {
		line.end = memchr(line.at, '\n', (size_t)(end - line.at));
		if (line.end == NULL)
			line.end = end;
		place.line++;
		if (!read_line(reader, line, &place, error))
			return false;
	}
	return true;
}

bool
dialect_read(struct files *files, const char *path, dialect_visitor *visit,
    void *context, struct error *error)
{
	struct reader reader = {
		.files = files,
		.visit = visit,
		.context = context,
		.arena = arena_create(),
	};
	bool good = read_file(&reader, path, error);

	arena_destroy(reader.arena);
	return good;
}
