/*
 * The bytes are a configuration file, fuzz.ini, which may include itself.
 * What follows a line of three dashes is an auth file, userlist.txt.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/invariant.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static bool
look_at_row(const struct config_row *row, void *context)
{
	size_t *count = context;

	*count += row->name != NULL;
	return true;
}

/* What was accepted can be printed, found and packed. */
static void
use(const struct config *config, const struct files *files)
{
	struct files *unpacked;
	struct error error;
	size_t rows = 0;
	int fd;

	INVARIANT(config_each_param(config, look_at_row, &rows) && rows > 0);
	for (size_t i = 0; i < config->database_count; i++)
		INVARIANT(config_find_database(config,
		    config->databases[i].name) == &config->databases[i]);
	for (size_t i = 0; i < config->secret_count; i++)
		INVARIANT(config_find_secret(config,
		    config->secrets[i].user) == config->secrets[i].secret);
	INVARIANT(files_pack(files, &fd, &error));
	unpacked = files_unpack(fd, &error);
	INVARIANT(unpacked != NULL);
	files_free(unpacked);
	close(fd);
}

static struct files *
serve(const char *bytes, size_t length)
{
	static const char separator[] = "\n---\n";
	const size_t separator_length = sizeof(separator) - 1;
	struct files *files = files_memory();
	const char *found = memmem(bytes, length, separator,
	    separator_length);
	size_t first = found == NULL ? length : (size_t)(found - bytes) + 1;

	files_put(files, "fuzz.ini", bytes, first);
	if (found != NULL)
		files_put(files, "userlist.txt", found + separator_length,
		    length - first - separator_length + 1);
	return files;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct files *files = serve((const char *)bytes, length);
	struct config *config;
	struct error error = { .text = "" };

	config = config_load(files, "fuzz.ini", &error);
	if (config != NULL)
		use(config, files);
	else
		INVARIANT(error.text[0] != '\0');
	config_free(config);
	files_free(files);
	return 0;
}
