#include "config/userlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define LONGEST_USER 127
#define LONGEST_SECRET 65530

struct listed {
	struct config_secret	secret;
	size_t			number;		/* which line of the file */
};

struct userlist {
	struct listed	*lines;
	size_t		 count, room;
	struct arena	*arena;
};

/*
 * The closing quote of a field, and its length without the doubled quotes.
 * NULL: it does not end on this line.
 */
static const char *
field_end(const char *from, const char *end, size_t *length_out)
{
	size_t length = 0;

	for (; from < end && *from != '\0'; from++, length++) {
		if (*from != '"')
			continue;
		if (from + 1 == end || from[1] != '"') {
			*length_out = length;
			return from;
		}
		from++;
	}
	return NULL;
}

/*
 * Takes a quoted field and leaves *at behind it.  NULL: none, or it does not
 * end on this line.
 */
static char *
take_field(const char **at, const char *end, struct arena *arena)
{
	const char *from, *closing;
	char *field;
	size_t length;

	from = memchr(*at, '"', (size_t)(end - *at));
	if (from == NULL)
		return NULL;
	from++;
	closing = field_end(from, end, &length);
	if (closing == NULL)
		return NULL;
	field = arena_get(arena, length + 1);
	for (size_t i = 0; i < length; i++) {
		field[i] = *from;
		from += *from == '"' ? 2 : 1;
	}
	*at = closing + 1;
	return field;
}

static void
add(struct userlist *list, const char *user, const char *secret)
{
	if (list->count == list->room) {
		list->room = 2 * list->room + 64;
		list->lines = memory_resize(list->lines,
		    list->room * sizeof(*list->lines));
	}
	list->lines[list->count] = (struct listed){
		.secret = { user, secret },
		.number = list->count,
	};
	list->count++;
}

/* False: the error has the reason, without the place. */
static bool
read_line(struct userlist *list, const char *at, const char *end,
    struct error *error)
{
	const char *user, *secret;

	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
		at++;
	if (at == end || *at == ';')
		return true;
	if (*at != '"') {
		error_set(error, "broken auth file");
		return error_hint(error, "\"user\" \"secret\" is expected; "
		    "comments begin with ;");
	}
	user = take_field(&at, end, list->arena);
	secret = user == NULL ? NULL : take_field(&at, end, list->arena);
	if (secret == NULL) {
		error_set(error, "broken auth file");
		return error_hint(error, "\"user\" \"secret\" is expected, "
		    "on one line");
	}
	if (strlen(user) > LONGEST_USER)
		return error_set(error, "username too long in auth file");
	if (strlen(secret) > LONGEST_SECRET)
		return error_set(error, "password too long in auth file");
	add(list, user, secret);
	return true;
}

static bool
read_lines(struct userlist *list, const struct file *file,
    struct error *error)
{
	const char *at = file->content, *end = at + file->length;
	unsigned number = 0;
	const char *line_end;

	for (; at < end; at = line_end + 1) {
		number++;
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (line_end == NULL)
			line_end = end;
		if (!read_line(list, at, line_end, error))
			return error_prefix(error, "%s:%u", file->path,
			    number);
	}
	return true;
}

static int
by_user(const void *left, const void *right)
{
	const struct listed *a = left, *b = right;
	int order = strcmp(a->secret.user, b->secret.user);

	return order != 0 ? order : (a->number > b->number) -
	    (a->number < b->number);
}

/* The last line of each user, sorted. */
static const struct config_secret *
sort_and_thin_out(struct userlist *list, size_t *count_out)
{
	struct config_secret *secrets = arena_get(list->arena,
	    list->count * sizeof(*secrets));
	size_t count = 0;

	if (list->count > 0)
		qsort(list->lines, list->count, sizeof(*list->lines),
		    by_user);
	for (size_t i = 0; i < list->count; i++) {
		if (count > 0 && strcmp(secrets[count - 1].user,
		    list->lines[i].secret.user) == 0)
			count--;
		secrets[count++] = list->lines[i].secret;
	}
	*count_out = count;
	return secrets;
}

bool
userlist_read(const struct file *file, struct arena *arena,
    const struct config_secret **secrets_out, size_t *count_out,
    struct error *error)
{
	struct userlist list = { .arena = arena };
	bool good;

	if (file->error != 0) {
		errno = file->error;
		return error_system(error, "could not open auth_file %s",
		    file->path);
	}
	good = read_lines(&list, file, error);
	if (good)
		*secrets_out = sort_and_thin_out(&list, count_out);
	free(list.lines);
	return good;
}
