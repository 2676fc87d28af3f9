/*
 * The HBA file: who may log in from where, and how.
 *
 *     local    DATABASE USER         METHOD [OPTION...]
 *     host     DATABASE USER ADDRESS METHOD [OPTION...]
 *
 * The form is that of pg_hba.conf.  A line that is not understood makes the
 * whole file invalid: were it passed over, the next line would decide.  What
 * a rule means is for auth/rules.h.
 */
#ifndef CONFIG_HBA_H
#define CONFIG_HBA_H

#include "base/address.h"
#include "base/base.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/files.h"
#include "config/ident.h"
#include "config/kinds.h"
#include "config/ldap_options.h"

enum hba_connection {
	HBA_LOCAL,		/* the Unix socket */
	HBA_HOST,		/* TCP, … */
	HBA_HOSTSSL,		/* … with TLS, … */
	HBA_HOSTNOSSL		/* … without */
};

enum hba_word {
	HBA_NAME = 0,		/* just a name */
	HBA_ALL,
	HBA_SAMEUSER,		/* databases: the one called like the user */
	HBA_REPLICATION		/* databases: physical replication, only */
};

struct hba_name {
	enum hba_word	 word;
	const char	*text;
};

struct hba_names {
	const struct hba_name	*names;
	size_t			 count;
};

/* Which addresses. */
struct hba_range {
	uint8_t	family;			/* ADDRESS_…; ADDRESS_UNIX: any */
	uint8_t	bytes[16], mask[16];	/* no bit beside the mask */
};

struct hba_rule {
	const char		*file;		/* as long as the config */
	unsigned		 line;
	enum hba_connection	 connection;
	struct hba_names	 databases, users;
	struct hba_range	 range;		/* not of HBA_LOCAL */
	enum auth_type		 method;	/* never any, hba */
	const char		*map;		/* cert, peer; NULL: none */
	bool			 by_subject;	/* cert: clientname=DN */
	const char		*options;	/* ldap: as they are written;
						   pam: the service */
};

struct hba {
	const struct hba_rule	*rules;		/* the first that fits counts */
	size_t			 count;
};

/* What counts if a PAM rule names no service; PgBouncer's. */
#define HBA_PAM_SERVICE "pgbouncer"

/*
 * All or nothing: false, and the error names file and line, if one is broken.
 * Maps must be in `ident`.
 */
bool hba_read(struct files *files, const char *path,
    const struct ident *ident, struct arena *arena, struct hba *hba_out,
    struct error *error) MUST_CHECK;

/* False, with the reason: this program was built without it. */
bool hba_method_is_built(enum auth_type method, struct error *error)
    MUST_CHECK;

#endif
