#include "config/secret.h"

#include <stdlib.h>
#include <string.h>

#include "config/config.h"

/* As long as one in the auth file may be. */
#define LONGEST 65530

#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
    "0123456789_"

static bool
from_file(struct files *files, struct arena *arena,
    struct config_database *database, struct error *error)
{
	const struct file *file = files_read(files, database->password_file);
	size_t length;

	if (file->error != 0)
		return error_set(error, "could not open password_file %s: %s",
		    file->path, strerror(file->error));
	length = strcspn(file->content, "\r\n");
	if (length == 0 || length > LONGEST)
		return error_set(error, "password_file %s does not begin with "
		    "a password", file->path);
	/* Before the end of the line there is nothing but the line. */
	if (length < file->length && file->content[length] == '\0')
		return error_set(error, "password_file %s has a NUL in it",
		    file->path);
	database->password = arena_copy(arena, file->content, length);
	return true;
}

/* "${NAME}" and nothing else; anything else is a password as it is. */
static bool
is_variable(const char *text, size_t *length_out)
{
	if (text == NULL || strncmp(text, "${", 2) != 0)
		return false;
	*length_out = strspn(text + 2, NAME_BYTES);
	return *length_out > 0 && strcmp(text + 2 + *length_out, "}") == 0;
}

static bool
from_environment(struct arena *arena, const char *variable, size_t length,
    struct config_database *database, struct error *error)
{
	char *name = arena_copy(arena, variable, length);
	const char *value = getenv(name);

	if (value == NULL || *value == '\0')
		return error_set(error, "the environment has no %s", name);
	database->password = arena_copy_string(arena, value);
	return true;
}

bool
secret_resolve(struct files *files, struct arena *arena,
    struct config_database *database, struct error *error)
{
	size_t length;

	if (database->password_file != NULL && database->password != NULL)
		return error_set(error,
		    "password and password_file exclude each other");
	if (database->password_file != NULL)
		return from_file(files, arena, database, error);
	if (is_variable(database->password, &length))
		return from_environment(arena, database->password + 2, length,
		    database, error);
	return true;
}
