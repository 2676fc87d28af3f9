#include "supervisor/log_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static bool
open_as_child(const char *path, const struct identity *identity, int *fd_out,
    struct error *error)
{
	bool opened;

	privileges_act_as(identity);
	opened = log_open_file(path, fd_out, error);
	privileges_act_as_self(identity);
	return opened;
}

bool
log_file_open(const char *path, const struct identity *identity, int *fd_out,
    struct error *error)
{
	struct stat before;
	bool is_new;

	*fd_out = -1;
	if (path == NULL || path[0] == '\0')
		return true;
	if (open_as_child(path, identity, fd_out, error))
		return true;
	if (!identity->switches)
		return false;
	is_new = lstat(path, &before) == -1 && errno == ENOENT;
	if (!is_new && S_ISLNK(before.st_mode))
		return error_hint(error, "it is a symbolic link, and user "
		    "'%s' may not follow it", identity->name);
	if (!log_open_file(path, fd_out, error))
		return false;
	if (is_new && fchown(*fd_out, identity->uid, identity->gid) == -1)
		log_warning("could not give log file \"%s\" to user '%s'",
		    path, identity->name);
	return true;
}
