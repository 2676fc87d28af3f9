/*
 * What children may ask the kernel for: what they need, and nothing that
 * somebody needs who has taken one of them over.
 *
 *   worker, exporter   what is on a list; to read files, not to write any;
 *                      no program is run
 *   helper             all but what is on a list: modules of PAM and of the
 *                      name service do what they like; programs are run only
 *                      where there is PAM
 *
 * A call that is not allowed fails with EPERM, and one that nobody has thought
 * of with ENOSYS, as in a kernel that does not have it: the C library knows
 * how to do without.  A build with sanitizers may do nearly everything, for
 * they trace their own process and run programs.
 */
#ifndef SUPERVISOR_SANDBOX_H
#define SUPERVISOR_SANDBOX_H

#include "base/base.h"
#include "base/error.h"

enum sandbox_role {
	SANDBOX_WORKER,
	SANDBOX_EXPORTER,
	SANDBOX_HELPER
};

/*
 * For good, in a child that can gain nothing by running programs any more
 * (privileges_seal); its own children are in it, too.  False: this kernel
 * cannot do it, and nothing has changed.  In a build without libseccomp it
 * does nothing.
 */
bool sandbox_enter(enum sandbox_role role, struct error *error) MUST_CHECK;

/* The same, if the configuration wants it; who cannot goes on with a word. */
void sandbox_enter_if(bool wanted, enum sandbox_role role, const char *who);

/* What it says in --version. */
const char *sandbox_support(void);

/* False: this build has none. */
bool sandbox_is_built(void);

#endif
