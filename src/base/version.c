#include "build.h"

#include "base/version.h"

const char *
version_text(void)
{
	return "PgBouncer " PGBOUNCER_VERSION
	    " (" PACKAGE_NAME " " PACKAGE_VERSION ")";
}
