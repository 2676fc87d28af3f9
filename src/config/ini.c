#include "build.h"

#include "config/ini.h"

#include <iniparser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/invariant.h"
#include "base/memory.h"

/*
 * iniparser 4 reads lines of up to 1,023 bytes, makes keys lower case, ends
 * values at `;` and `#`, and knows no quoted keys.  So a canonical line is
 *
 *     key = serial:piece
 *
 * with %xx for all but the plainest bytes.  A value that does not fit goes on
 * in key.1, key.2 and so on.  The serial number is that of the assignment and
 * leads to its place; pieces left over from an earlier, longer value of the
 * same key have another one.
 */
#define LINE_BYTES 1000
#define LONGEST_KEY 800		/* 255 bytes, encoded */
#define MOST_SECTIONS 8

struct assignment {
	struct place		 place;
	unsigned		 round;	/* which time its section had begun */
	struct ini_entry	*entry;	/* NULL: a later one has its name */
};

struct ini {
	struct arena		*arena;
	const char *const	*sections;
	unsigned		 rounds[MOST_SECTIONS];	/* 0: not there */
	struct ini_entry	*entries;
	size_t			 entry_count;
};

/* Under way from the dialect through iniparser to the entries. */
struct passage {
	struct ini		*ini;
	struct buffer		 canonical;
	bool			 failed;	/* no memory */
	struct assignment	*assignments;	/* by serial */
	size_t			 count, room;
};

static int
section_index(const struct ini *ini, const char *section)
{
	for (int i = 0; ini->sections[i] != NULL; i++)
		if (strcmp(ini->sections[i], section) == 0)
			return i;
	return -1;
}

/* Writes at most size - 1 bytes and returns how many. */
static size_t
encode(char byte, char *text, size_t size)
{
	if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
	    byte == '_') {
		snprintf(text, size, "%c", byte);
		return 1;
	}
	return (size_t)snprintf(text, size, "%%%02x", (uint8_t)byte);
}

static int
hex_digit(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* In place; only what encode() wrote comes here. */
static void
decode(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		if (*text == '%') {
			INVARIANT(text[1] != '\0' && text[2] != '\0');
			*to++ = (char)(hex_digit(text[1]) << 4 |
			    hex_digit(text[2]));
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static void
append(struct passage *passage, const char *text, size_t length)
{
	if (!buffer_append(&passage->canonical, text, length))
		passage->failed = true;
}

/* Writes one line; returns what is left of the value. */
static const char *
write_piece(struct passage *passage, const char *key, unsigned piece,
    const char *value)
{
	char line[LINE_BYTES + 8];
	char number[16] = "";
	size_t length;

	if (piece > 0)
		snprintf(number, sizeof(number), ".%u", piece);
	length = (size_t)snprintf(line, sizeof(line), "%s%s = %zu:", key,
	    number, passage->count - 1);
	while (*value != '\0' && length < LINE_BYTES)
		length += encode(*value++, line + length,
		    sizeof(line) - length);
	line[length++] = '\n';
	append(passage, line, length);
	memory_wipe(line, sizeof(line));
	return value;
}

static void
write_assignment(struct passage *passage, const struct dialect_item *item)
{
	char key[LONGEST_KEY];
	const char *value = item->value;
	size_t length = 0;

	for (const char *at = item->name; *at != '\0'; at++)
		length += encode(*at, key + length, sizeof(key) - length);
	key[length] = '\0';
	for (unsigned piece = 0; piece == 0 || *value != '\0'; piece++)
		value = write_piece(passage, key, piece, value);
}

static void
note_assignment(struct passage *passage, const struct place *place,
    unsigned round)
{
	if (passage->count == passage->room) {
		passage->room = 2 * passage->room + 64;
		passage->assignments = memory_resize(passage->assignments,
		    passage->room * sizeof(*passage->assignments));
	}
	passage->assignments[passage->count++] = (struct assignment){
		.place = *place,
		.round = round,
	};
}

static bool
on_item(const struct dialect_item *item, void *context, struct error *error)
{
	struct passage *passage = context;
	struct ini *ini = passage->ini;
	int section = section_index(ini, item->section);

	if (section == -1)
		return error_set(error,
		    "invalid section \"%s\" in configuration (%s:%u)",
		    item->section, item->place.file, item->place.line);
	if (item->name == NULL) {
		ini->rounds[section]++;
		append(passage, "[", 1);
		append(passage, item->section, strlen(item->section));
		append(passage, "]\n", 2);
	} else if (*item->name == '\0') {
		return error_set(error,
		    "empty name in configuration (%s:%u)", item->place.file,
		    item->place.line);
	} else {
		note_assignment(passage, &item->place, ini->rounds[section]);
		write_assignment(passage, item);
	}
	return true;
}

/* Nothing to say: what it reads is our own text. */
static int
ignore_message(const char *format, ...)
{
	return 0;
}

/* iniparser 4.1 reads from a path only, so the text gets one. */
static dictionary *
load(const struct buffer *text, struct error *error)
{
	int fd = memfd_create("canonical", MFD_CLOEXEC);
	size_t length = buffer_length(text);
	dictionary *found = NULL;
	char path[32];

	if (fd == -1) {
		error_system(error, "could not create a memfd");
		return NULL;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	iniparser_set_error_callback(ignore_message);
	if (length > 0 &&
	    pwrite(fd, text->bytes + text->from, length, 0) != (ssize_t)length)
		error_system(error, "could not write to a memfd");
	else if ((found = iniparser_load(path)) == NULL)
		error_set(error, "iniparser could not read %s", path);
	close(fd);
	return found;
}

/* There are passwords in it. */
static void
wipe_and_free(dictionary *found)
{
	for (ssize_t i = 0; i < (ssize_t)found->size; i++)
		if (found->val[i] != NULL)
			memory_wipe(found->val[i], strlen(found->val[i]));
	iniparser_freedict(found);
}

/* Splits "serial:piece". */
static size_t
read_serial(const char *text, const char **piece_out)
{
	char *end;
	size_t serial = strtoul(text, &end, 10);

	INVARIANT(*end == ':');
	*piece_out = end + 1;
	return serial;
}

/* All pieces of the value of a key, "section:key", that begins like this. */
static char *
collect_value(struct ini *ini, const dictionary *found, const char *key,
    size_t serial, const char *piece)
{
	char piece_key[LINE_BYTES];
	struct buffer value = { 0 };
	char *copy;

	for (unsigned i = 1; piece != NULL; i++) {
		if (!buffer_append(&value, piece, strlen(piece)))
			break;
		snprintf(piece_key, sizeof(piece_key), "%s.%u", key, i);
		piece = iniparser_getstring(found, piece_key, NULL);
		if (piece != NULL && read_serial(piece, &piece) != serial)
			piece = NULL;
	}
	copy = arena_copy(ini->arena,
	    value.bytes == NULL ? "" : (const char *)value.bytes,
	    buffer_length(&value));
	buffer_clear(&value);
	decode(copy);
	return copy;
}

static void
take_entry(struct passage *passage, const dictionary *found,
    const char *section, const char *key)
{
	struct ini *ini = passage->ini;
	const char *piece;
	size_t serial = read_serial(iniparser_getstring(found, key, ":"),
	    &piece);
	struct assignment *assignment;
	struct ini_entry *entry = arena_get(ini->arena, sizeof(*entry));
	char *name = arena_copy_string(ini->arena, key + strlen(section) + 1);

	INVARIANT(serial < passage->count);
	assignment = &passage->assignments[serial];
	decode(name);
	*entry = (struct ini_entry){
		.section = section,
		.name = name,
		.value = collect_value(ini, found, key, serial, piece),
		.place = assignment->place,
		.stale = assignment->round <
		    ini->rounds[section_index(ini, section)],
	};
	assignment->entry = entry;
}

static void
take_section(struct passage *passage, const dictionary *found,
    const char *section)
{
	int count = iniparser_getsecnkeys(found, section);
	const char **keys;

	if (count <= 0)
		return;
	keys = memory_get((size_t)count * sizeof(*keys));
	if (iniparser_getseckeys(found, section, keys) != NULL)
		for (int i = 0; i < count; i++)
			if (strchr(keys[i], '.') == NULL)
				take_entry(passage, found, section, keys[i]);
	free(keys);
}

/* In the order of their serial numbers, which is that of their places. */
static void
keep_entries(struct passage *passage)
{
	struct ini *ini = passage->ini;

	ini->entries = arena_get(ini->arena,
	    passage->count * sizeof(*ini->entries));
	for (size_t i = 0; i < passage->count; i++)
		if (passage->assignments[i].entry != NULL)
			ini->entries[ini->entry_count++] =
			    *passage->assignments[i].entry;
}

static bool
pass_through(struct passage *passage, struct error *error)
{
	dictionary *found;

	if (passage->failed)
		return error_set(error, "out of memory");
	found = load(&passage->canonical, error);
	if (found == NULL)
		return false;
	for (int i = 0; passage->ini->sections[i] != NULL; i++)
		take_section(passage, found, passage->ini->sections[i]);
	wipe_and_free(found);
	keep_entries(passage);
	return true;
}

struct ini *
ini_read(struct files *files, const char *path, const char *const *sections,
    struct error *error)
{
	struct ini *ini = memory_get(sizeof(*ini));
	struct passage passage = { .ini = ini };
	bool good;

	ini->arena = arena_create();
	ini->sections = sections;
	for (size_t i = 0; sections[i] != NULL; i++)
		INVARIANT(i < MOST_SECTIONS);
	good = dialect_read(files, path, on_item, &passage, error) &&
	    pass_through(&passage, error);
	buffer_clear(&passage.canonical);
	free(passage.assignments);
	if (good)
		return ini;
	ini_free(ini);
	return NULL;
}

bool
ini_has_section(const struct ini *ini, const char *section)
{
	int index = section_index(ini, section);

	return index != -1 && ini->rounds[index] > 0;
}

const struct ini_entry *
ini_entries(const struct ini *ini, size_t *count_out)
{
	*count_out = ini->entry_count;
	return ini->entries;
}

void
ini_free(struct ini *ini)
{
	if (ini == NULL)
		return;
	arena_destroy(ini->arena);
	free(ini);
}
