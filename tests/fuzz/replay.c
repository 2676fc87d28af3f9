/*
 * The main() of a fuzz target in `make check`.
 *
 *     fuzz_<x> [CORPUS]...
 *
 * Runs the target on each file of each corpus directory (or file) named, and
 * on some thousand mutations of each.  Without an argument the corpus is
 * $srcdir/tests/fuzz/corpus/<x>.  The same build does the same each time: the
 * seed is fixed and files are taken in the order of their names.
 *
 * REPLAY_MUTATIONS in the environment is the number of mutations per file.
 * An input that kills the target is left in <x>.crash in the working
 * directory, to be looked at and to be added to the corpus.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MUTATIONS
#define MUTATIONS 2000
#endif
#define LARGEST (256 * 1024)
#define ROOM 64			/* a mutation may add so many bytes */
#define SEED UINT64_C(0x9e3779b97f4a7c15)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What runs right now, for the signal handler. */
static struct {
	const uint8_t	*bytes;
	size_t		 length;
	char		 crash_path[256];
} running;

static void
keep_the_input(int number)
{
	int fd = open(running.crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd != -1 && write(fd, running.bytes, running.length) != -1)
		close(fd);
	signal(number, SIG_DFL);
	raise(number);
}

/* xorshift64: the same numbers on every machine. */
static uint32_t
next_number(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

/* The target gets exactly its bytes, so that a sanitizer sees overruns. */
static void
run(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length == 0 ? 1 : length);

	if (copy == NULL)
		abort();
	if (length > 0)
		memcpy(copy, bytes, length);
	running.bytes = copy;
	running.length = length;
	LLVMFuzzerTestOneInput(copy, length);
	free(copy);
}

static size_t
cut_out(uint8_t *bytes, size_t length, uint64_t *state)
{
	size_t at = next_number(state) % length;
	size_t count = 1 + next_number(state) % (length - at);

	memmove(bytes + at, bytes + at + count, length - at - count);
	return length - count;
}

/* Doubles a piece of the input in place. */
static size_t
repeat(uint8_t *bytes, size_t length, uint64_t *state)
{
	size_t at = next_number(state) % length;
	size_t count = 1 + next_number(state) % ROOM;

	if (count > length - at)
		count = length - at;
	memmove(bytes + at + count, bytes + at, length - at);
	return length + count;
}

static void
overwrite(uint8_t *bytes, size_t length, uint64_t *state)
{
	static const uint8_t odd[] = {
		0x00, 0xff, 0x7f, 0x80, 0x01, '\n', '\r', ' ', '\'', '"',
		'=', '[', ']', '%', '#', ';', '\\', '$', ',', '-',
	};
	size_t at = next_number(state) % length;

	bytes[at] = odd[next_number(state) % sizeof(odd)];
}

/* One small change; returns the new length, at most ROOM more. */
static size_t
mutate(uint8_t *bytes, size_t length, uint64_t *state)
{
	if (length == 0)
		return 0;
	switch (next_number(state) % 6) {
	case 0:
		bytes[next_number(state) % length] ^=
		    (uint8_t)(1u << next_number(state) % 8);
		return length;
	case 1:
		bytes[next_number(state) % length] =
		    (uint8_t)next_number(state);
		return length;
	case 2:
		return next_number(state) % length;	/* cut short */
	case 3:
		return cut_out(bytes, length, state);
	case 4:
		return repeat(bytes, length, state);
	default:
		overwrite(bytes, length, state);
		return length;
	}
}

static void
run_mutations(const uint8_t *bytes, size_t length, unsigned count)
{
	uint8_t *changed = malloc(length + 4 * ROOM);
	uint64_t state = SEED;

	if (changed == NULL)
		abort();
	for (unsigned i = 0; i < count; i++) {
		size_t changed_length = length;
		unsigned changes = 1 + next_number(&state) % 4;

		if (length > 0)
			memcpy(changed, bytes, length);
		while (changes-- > 0)
			changed_length = mutate(changed, changed_length,
			    &state);
		run(changed, changed_length);
	}
	free(changed);
}

static void
replay_file(const char *path, unsigned mutations)
{
	uint8_t *bytes = malloc(LARGEST);
	FILE *file = fopen(path, "rb");
	size_t length;

	if (file == NULL || bytes == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	length = fread(bytes, 1, LARGEST, file);
	fclose(file);
	run(bytes, length);
	run_mutations(bytes, length, mutations);
	free(bytes);
}

static int
no_dot_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Returns the number of files. */
static unsigned
replay(const char *path, unsigned mutations)
{
	struct dirent **entries;
	struct stat status;
	char file[4096];
	int count;

	if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
		replay_file(path, mutations);
		return 1;
	}
	count = scandir(path, &entries, no_dot_file, alphasort);
	if (count == -1) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	for (int i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s/%s", path,
		    entries[i]->d_name);
		replay_file(file, mutations);
		free(entries[i]);
	}
	free(entries);
	return (unsigned)count;
}

/* "…/fuzz_config" gives "config". */
static const char *
target_name(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash == NULL ? program : slash + 1;

	return strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
}

int
main(int argc, char **argv)
{
	const char *wanted = getenv("REPLAY_MUTATIONS");
	const char *srcdir = getenv("srcdir");
	unsigned mutations = wanted == NULL ? MUTATIONS :
	    (unsigned)strtoul(wanted, NULL, 10);
	unsigned files = 0;
	char corpus[4096];

	snprintf(running.crash_path, sizeof(running.crash_path), "%s.crash",
	    target_name(argv[0]));
	signal(SIGABRT, keep_the_input);

	for (int i = 1; i < argc; i++)
		files += replay(argv[i], mutations);
	if (argc == 1) {
		snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s",
		    srcdir == NULL ? "." : srcdir, target_name(argv[0]));
		files = replay(corpus, mutations);
	}
	printf("%u files, %u mutations each\n", files, mutations);
	return files == 0;
}
