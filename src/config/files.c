#include "build.h"

#include "config/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

/* More than any auth file; less than what a mistaken path may hold. */
#define LARGEST_FILE (64 * 1024 * 1024)
#define MOST_FILES 4096

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct known_file {
	struct file		 file;	/* first: what the reader gets */
	struct known_file	*next;
};

struct files {
	struct known_file	*first;
	bool			 live;
};

/*
 * A pack is this header, then for each file a record header, the path and
 * the content.  It never leaves the machine, nor outlives the daemon.
 */
struct pack_header {
	uint64_t	magic;
	uint64_t	file_count;
};

struct pack_record {
	uint64_t	path_length;
	uint64_t	length;
	int64_t		error;
};

#define PACK_MAGIC UINT64_C(0x7067757368657231)	/* "pgusher1" */

struct files *
files_live(void)
{
	struct files *files = files_memory();

	files->live = true;
	return files;
}

struct files *
files_memory(void)
{
	return memory_get(sizeof(struct files));
}

const struct file *
files_known(const struct files *files, const char *path)
{
	const struct known_file *known;

	for (known = files->first; known != NULL; known = known->next)
		if (strcmp(known->file.path, path) == 0)
			return &known->file;
	return NULL;
}

static void
free_file(struct known_file *known)
{
	memory_wipe((char *)known->file.content, known->file.length);
	free((char *)known->file.content);
	free((char *)known->file.path);
	free(known);
}

static void
forget(struct files *files, const char *path)
{
	struct known_file **at = &files->first, *gone;

	while (*at != NULL && strcmp((*at)->file.path, path) != 0)
		at = &(*at)->next;
	gone = *at;
	if (gone == NULL)
		return;
	*at = gone->next;
	free_file(gone);
}

/* Takes the content over; it ends in a NUL that does not count. */
static const struct file *
remember(struct files *files, const char *path, char *content, size_t length)
{
	struct known_file *known = memory_get(sizeof(*known));

	known->file.path = memory_copy_string(path);
	known->file.content = content;
	known->file.length = length;
	known->next = files->first;
	files->first = known;
	return &known->file;
}

static const struct file *
remember_failure(struct files *files, const char *path, int reason)
{
	remember(files, path, memory_get(1), 0);
	files->first->file.error = reason;
	return &files->first->file;
}

static char *
copy_bytes(const void *bytes, size_t length)
{
	char *copy = memory_get(length + 1);

	if (length > 0)
		memcpy(copy, bytes, length);
	return copy;
}

void
files_put(struct files *files, const char *path, const char *content,
    size_t length)
{
	char *copy = copy_bytes(content, length);

	forget(files, path);
	remember(files, path, copy, length);
}

struct files *
files_copy_without(const struct files *files, const char *path)
{
	struct files *copy = files_memory();
	const struct known_file *known;

	copy->live = files->live;
	for (known = files->first; known != NULL; known = known->next) {
		const struct file *file = &known->file;

		if (strcmp(file->path, path) == 0)
			continue;
		remember(copy, file->path, copy_bytes(file->content,
		    file->length), file->length);
		copy->first->file.error = file->error;
		copy->first->file.stamp = file->stamp;
	}
	return copy;
}

/* --- stamps -------------------------------------------------------------- */

static void
stamp_of(const struct stat *status, struct file_stamp *stamp_out)
{
	*stamp_out = (struct file_stamp){
		.device = status->st_dev,
		.inode = status->st_ino,
		.size = (uint64_t)status->st_size,
		.mode = status->st_mode,
		.uid = status->st_uid,
		.gid = status->st_gid,
		.modified = status->st_mtim,
	};
}

void
files_look(const char *path, struct file_stamp *stamp_out)
{
	struct stat status;

	if (stat(path, &status) == 0)
		stamp_of(&status, stamp_out);
	else
		*stamp_out = (struct file_stamp){ .error = errno };
}

bool
files_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode &&
	    a->size == b->size && a->mode == b->mode && a->uid == b->uid &&
	    a->gid == b->gid && a->error == b->error &&
	    a->modified.tv_sec == b->modified.tv_sec &&
	    a->modified.tv_nsec == b->modified.tv_nsec;
}

/* --- reading ------------------------------------------------------------- */

/* False: errno says why. */
static bool
read_all(int fd, struct buffer *content)
{
	char piece[16 * 1024];
	ssize_t got;

	for (;;) {
		got = read(fd, piece, sizeof(piece));
		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			break;
		if (got > 0 && buffer_length(content) > LARGEST_FILE)
			errno = EFBIG;
		else if (got > 0 &&
		    buffer_append(content, piece, (size_t)got))
			continue;
		else if (got > 0)
			errno = ENOMEM;
		memory_wipe(piece, sizeof(piece));
		return false;
	}
	memory_wipe(piece, sizeof(piece));
	return true;
}

static const struct file *
read_live(struct files *files, const char *path)
{
	struct buffer content = { 0 };
	struct file_stamp stamp = { .error = 0 };
	const struct file *file;
	struct stat status;
	size_t length;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd == -1)
		return remember_failure(files, path, errno);
	/* Before the first byte: what changes meanwhile shows afterwards. */
	if (fstat(fd, &status) == 0)
		stamp_of(&status, &stamp);
	if (read_all(fd, &content)) {
		length = buffer_length(&content);
		file = remember(files, path,
		    copy_bytes(content.bytes, length), length);
	} else {
		file = remember_failure(files, path, errno);
	}
	files->first->file.stamp = stamp;
	buffer_clear(&content);
	close(fd);
	return file;
}

const struct file *
files_read(struct files *files, const char *path)
{
	const struct file *known = files_known(files, path);

	if (known != NULL)
		return known;
	if (files->live)
		return read_live(files, path);
	return remember_failure(files, path, ENOENT);
}

static bool
write_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t done = write(fd, at, length);

		if (done == -1 && errno == EINTR)
			continue;
		if (done == -1)
			return false;
		at += done;
		length -= (size_t)done;
	}
	return true;
}

static bool
write_record(int fd, const struct file *file)
{
	struct pack_record record = {
		.path_length = strlen(file->path),
		.length = file->length,
		.error = file->error,
	};

	return write_all(fd, &record, sizeof(record)) &&
	    write_all(fd, file->path, record.path_length) &&
	    write_all(fd, file->content, file->length);
}

static bool
write_pack(int fd, const struct files *files)
{
	struct pack_header header = { .magic = PACK_MAGIC };
	const struct known_file *known;

	for (known = files->first; known != NULL; known = known->next)
		header.file_count++;
	if (!write_all(fd, &header, sizeof(header)))
		return false;
	for (known = files->first; known != NULL; known = known->next)
		if (!write_record(fd, &known->file))
			return false;
	return true;
}

bool
files_pack(const struct files *files, int *fd_out, struct error *error)
{
	int fd = memfd_create("configuration",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return error_system(error, "could not create a memfd");
	if (!write_pack(fd, files) || fcntl(fd, F_ADD_SEALS, SEALS) == -1) {
		error_system(error, "could not pack the configuration");
		close(fd);
		return false;
	}
	*fd_out = fd;
	return true;
}

/* What is left of a pack; every read checks. */
struct unpacker {
	const char	*at;
	size_t		 left;
};

static const void *
take(struct unpacker *pack, uint64_t length)
{
	const void *taken = pack->at;

	if (length > pack->left)
		return NULL;
	pack->at += length;
	pack->left -= (size_t)length;
	return taken;
}

static bool
unpack_file(struct unpacker *pack, struct files *files)
{
	const void *header = take(pack, sizeof(struct pack_record));
	const char *path, *content;
	struct pack_record record;
	char *path_copy;

	if (header == NULL)
		return false;
	memcpy(&record, header, sizeof(record));
	path = take(pack, record.path_length);
	content = path == NULL ? NULL : take(pack, record.length);
	if (content == NULL || record.error < 0 || record.error > INT32_MAX)
		return false;
	path_copy = copy_bytes(path, (size_t)record.path_length);
	if (record.error != 0)
		remember_failure(files, path_copy, (int)record.error);
	else
		files_put(files, path_copy, content, (size_t)record.length);
	free(path_copy);
	return true;
}

static bool
unpack_all(struct unpacker *pack, struct files *files)
{
	const void *bytes = take(pack, sizeof(struct pack_header));
	struct pack_header header;

	if (bytes == NULL)
		return false;
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != PACK_MAGIC || header.file_count > MOST_FILES)
		return false;
	for (uint64_t i = 0; i < header.file_count; i++)
		if (!unpack_file(pack, files))
			return false;
	return pack->left == 0;
}

struct files *
files_unpack(int fd, struct error *error)
{
	struct unpacker pack;
	struct files *files;
	struct stat status;
	void *mapped;
	bool good;
	int seals = fcntl(fd, F_GET_SEALS);

	/* An unsealed file could shrink under the mapping, or change. */
	if (seals == -1 || (seals & SEALS) != SEALS) {
		error_set(error, "not a packed configuration");
		return NULL;
	}
	if (fstat(fd, &status) == -1) {
		error_system(error, "could not read a packed configuration");
		return NULL;
	}
	/* Not MAP_SHARED: refused on a write-sealed file before Linux 6.7. */
	mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE,
	    fd, 0);
	if (mapped == MAP_FAILED) {
		error_system(error, "could not map a packed configuration");
		return NULL;
	}
	/* Passwords and keys are in here: never in a core. */
	madvise(mapped, (size_t)status.st_size, MADV_DONTDUMP);
	files = files_memory();
	pack = (struct unpacker){ mapped, (size_t)status.st_size };
	good = unpack_all(&pack, files);
	munmap(mapped, (size_t)status.st_size);
	if (good)
		return files;
	files_free(files);
	error_set(error, "broken packed configuration");
	return NULL;
}

void
files_free(struct files *files)
{
	struct known_file *known, *next;

	if (files == NULL)
		return;
	for (known = files->first; known != NULL; known = next) {
		next = known->next;
		free_file(known);
	}
	free(files);
}
