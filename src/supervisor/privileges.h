/*
 * Who the children are: `user` when started by root, else who started us.
 *
 * The supervisor may stay root, to open what only root may open; whatever
 * reads a byte from outside is not root and can never become it again.
 */
#ifndef SUPERVISOR_PRIVILEGES_H
#define SUPERVISOR_PRIVILEGES_H

#include <sys/types.h>

#include "base/base.h"
#include "base/error.h"

struct identity {
	bool	switches;	/* false: children stay who we are */
	uid_t	uid;
	gid_t	gid;
	char	name[64];
};

/*
 * Looks the user up; NULL or "" means to stay.  False: unknown, or root would
 * stay root, or we are neither root nor that user.
 */
bool privileges_find(const char *user, struct identity *identity_out,
    struct error *error) MUST_CHECK;

/* Whether there is such a user, whoever we are; NULL and "" are fine. */
bool privileges_check_user(const char *user, struct error *error) MUST_CHECK;

/* For good, in a child. */
bool privileges_drop(const struct identity *identity, struct error *error)
    MUST_CHECK;

/*
 * Who may not become root cannot trace this process or look into its memory,
 * and it leaves no core, with the secrets in it.  Lasts until the user changes.
 */
void privileges_hide(void);

/*
 * In a child, after that: gains nothing by running programs, cannot be
 * traced, leaves no core with secrets, and dies when its parent does.  False:
 * the parent is already gone.
 */
bool privileges_seal(pid_t parent) MUST_CHECK;

/* The supervisor acts as that user for a moment, and as itself again. */
void privileges_act_as(const struct identity *identity);
void privileges_act_as_self(const struct identity *identity);

#endif
