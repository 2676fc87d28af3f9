/*
 * What one load of the configuration reads: the file itself, its includes,
 * the auth file.
 *
 *     supervisor                                worker
 *     files_live() -> config_load               files_unpack(fd) -> config_load
 *        |  remembers what it read                 |  serves what was read
 *        +-> files_pack() ---- sealed memfd -------+
 *
 * So that a worker parses exactly what the supervisor parsed, without touching
 * the file system: it needs no right to read the files, and nobody can change
 * one in between.  A file that could not be read is remembered as well, with
 * its errno.
 *
 * Contents are secrets; they are wiped before they are freed.
 */
#ifndef CONFIG_FILES_H
#define CONFIG_FILES_H

#include <time.h>

#include "base/base.h"
#include "base/error.h"

struct files;

/* Equal for as long as a file is not touched. */
struct file_stamp {
	uint64_t	device, inode, size;
	uint32_t	mode, uid, gid;
	struct timespec	modified;
	int		error;		/* errno of stat(): all else is 0 */
};

struct file {
	const char	*path;		/* as it was asked for */
	int		 error;		/* errno; 0: it was read */
	const char	*content;	/* ends in a NUL that does not count */
	size_t		 length;
	struct file_stamp stamp;	/* live: before it was read */
};

/*
 * What goes along and is no file: no path in a configuration can begin like
 * this, for a line break ends it.
 */
#define FILES_NOTE(name) "\n" name
/* The note with the path of the configuration itself, and what it holds. */
#define FILES_MAIN FILES_NOTE("main")

/* Reads from the file system, each path once. */
struct files *files_live(void) MUST_CHECK;

/*
 * Has only what files_put() gives it; other paths do not exist.  What has
 * this path already is replaced.
 */
struct files *files_memory(void) MUST_CHECK;
void files_put(struct files *files, const char *path, const char *content,
    size_t length);

/* The same files, but this one is to be read anew. */
struct files *files_copy_without(const struct files *files, const char *path)
    MUST_CHECK;

/* What was read or put; NULL: it was not. */
const struct file *files_known(const struct files *files, const char *path);

/* As the file is now. */
void files_look(const char *path, struct file_stamp *stamp_out);
bool files_same(const struct file_stamp *a, const struct file_stamp *b);

/* Never NULL; lives as long as the files. */
const struct file *files_read(struct files *files, const char *path)
    MUST_CHECK;

/*
 * Writes all that was read into a sealed memfd, close-on-exec.  The caller
 * closes it.
 */
bool files_pack(const struct files *files, int *fd_out, struct error *error)
    MUST_CHECK;

/*
 * The other way round.  NULL: the descriptor is not what files_pack() makes.
 * The descriptor stays open, its position does not matter and does not move,
 * so several processes may share it.
 */
struct files *files_unpack(int fd, struct error *error) MUST_CHECK;

/* NULL is allowed. */
void files_free(struct files *files);

#endif
