#include "build.h"

#include "supervisor/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/invariant.h"

static bool
fill_identity(const char *user, struct identity *identity,
    struct error *error)
{
	const struct passwd *entry;

	errno = 0;
	entry = getpwnam(user);
	if (entry == NULL && errno != 0)
		return error_system(error, "could not find user '%s'", user);
	if (entry == NULL)
		return error_set(error, "could not find user '%s'", user);
	identity->uid = entry->pw_uid;
	identity->gid = entry->pw_gid;
	snprintf(identity->name, sizeof(identity->name), "%s", user);
	return true;
}

bool
privileges_check_user(const char *user, struct error *error)
{
	struct identity identity;

	return user == NULL || user[0] == '\0' ||
	    fill_identity(user, &identity, error);
}

bool
privileges_find(const char *user, struct identity *identity_out,
    struct error *error)
{
	bool is_root = geteuid() == 0;

	*identity_out = (struct identity){ .uid = geteuid(),
	    .gid = getegid() };
	if (user != NULL && user[0] != '\0' &&
	    !fill_identity(user, identity_out, error))
		return false;
	if (is_root && identity_out->uid == 0) {
		error_set(error, "PgBouncer should not run as root");
		return error_hint(error, "name the user to run as: -u NAME, "
		    "or user = NAME in the configuration");
	}
	if (!is_root && identity_out->uid != geteuid())
		return error_set(error, "could not switch to user '%s': only "
		    "root may do that", user);
	identity_out->switches = is_root;
	return true;
}

bool
privileges_drop(const struct identity *identity, struct error *error)
{
	if (!identity->switches)
		return true;
	if (initgroups(identity->name, identity->gid) == -1)
		return error_system(error, "could not take on the groups of "
		    "user '%s'", identity->name);
	if (setgid(identity->gid) == -1 || setuid(identity->uid) == -1)
		return error_system(error, "could not switch to user '%s'",
		    identity->name);
	if (setuid(0) == 0)
		return error_set(error, "user '%s' can still become root",
		    identity->name);
	return true;
}

void
privileges_hide(void)
{
#ifndef WITH_SANITIZERS		/* LeakSanitizer traces its own process */
	INVARIANT(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
#endif
}

bool
privileges_seal(pid_t parent)
{
	INVARIANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	privileges_hide();
	/* A change of user clears it, so it comes last. */
	INVARIANT(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0);
	return getppid() == parent;
}

void
privileges_act_as(const struct identity *identity)
{
	if (!identity->switches)
		return;
	INVARIANT(setegid(identity->gid) == 0);
	INVARIANT(seteuid(identity->uid) == 0);
}

void
privileges_act_as_self(const struct identity *identity)
{
	if (!identity->switches)
		return;
	INVARIANT(seteuid(0) == 0);
	INVARIANT(setegid(getgid()) == 0);
	privileges_hide();	/* fs.suid_dumpable had its say */
}
