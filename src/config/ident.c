#include "config/ident.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/pattern.h"
#include "config/tokens.h"

struct reading {
	struct arena		*arena;
	struct ident_line	*lines;
	size_t			 count, room;
};

/* It is compiled again where it is used, which is seldom. */
static bool
check_pattern(const struct ident_line *line, struct error *error)
{
	size_t groups;

	if (!pattern_check(line->system_name, &groups, error))
		return false;
	if (groups == 0 && line->user != NULL &&
	    strstr(line->user, "\\1") != NULL)
		return error_set(error, "\"%.200s\" has nothing in brackets "
		    "for the \\1 of \"%.200s\"", line->system_name,
		    line->user);
	return true;
}

static const char *
only_word(const struct token_field *field, struct error *error)
{
	if (field->count == 1)
		return field->tokens[0].text;
	error_set(error, "a list is not expected here");
	return NULL;
}

static bool
read_line(const struct token_line *line, void *context, struct error *error)
{
	struct reading *reading = context;
	struct ident_line read = { NULL, NULL, NULL, false };
	const struct token *user;

	if (line->count != 3) {
		error_set(error, "broken ident map");
		return error_hint(error, "map, system name and user are "
		    "expected");
	}
	read.map = only_word(&line->fields[0], error);
	read.system_name = only_word(&line->fields[1], error);
	read.user = only_word(&line->fields[2], error);
	if (read.map == NULL || read.system_name == NULL || read.user == NULL)
		return false;
	user = &line->fields[2].tokens[0];
	if (!user->quoted && strcmp(user->text, "all") == 0)
		read.user = NULL;
	read.is_pattern = read.system_name[0] == '/';
	if (read.is_pattern && (read.system_name++, !check_pattern(&read,
	    error)))
		return false;
	if (reading->count == reading->room) {
		reading->room = 2 * reading->room + 16;
		reading->lines = memory_resize(reading->lines,
		    reading->room * sizeof(*reading->lines));
	}
	reading->lines[reading->count++] = read;
	return true;
}

bool
ident_read(const struct file *file, struct arena *arena,
    struct ident *ident_out, struct error *error)
{
	struct reading reading = { .arena = arena };
	struct ident_line *kept;
	bool good;

	if (file->error != 0) {
		errno = file->error;
		return error_system(error, "could not open auth_ident_file %s",
		    file->path);
	}
	good = tokens_each_line(file, arena, read_line, &reading, error);
	kept = arena_get(arena, reading.count * sizeof(*kept));
	if (reading.count > 0)
		memcpy(kept, reading.lines, reading.count * sizeof(*kept));
	free(reading.lines);
	*ident_out = (struct ident){ kept, reading.count };
	return good;
}

bool
ident_has_map(const struct ident *ident, const char *map)
{
	for (size_t i = 0; i < ident->count; i++)
		if (strcmp(ident->lines[i].map, map) == 0)
			return true;
	return false;
}
