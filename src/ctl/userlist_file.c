#include "ctl/userlist_file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/console_link.h"

static const char query[] =
    "SELECT rolname, rolpassword FROM pg_catalog.pg_authid "
    "WHERE rolcanlogin AND rolpassword IS NOT NULL "
    "AND ($1::text[] IS NULL OR rolname = ANY ($1::text[])) "
    "ORDER BY rolname";

static void
put_quoted(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', file);
		fputc(*text, file);
	}
	fputc('"', file);
}

void
userlist_line(FILE *file, const char *name, const char *secret)
{
	put_quoted(file, name);
	fputc(' ', file);
	put_quoted(file, secret);
	fputc('\n', file);
}

/* --- the file ------------------------------------------------------------ */

static bool
fill(int fd, const PGresult *users)
{
	FILE *file = fdopen(fd, "w");
	bool good;

	if (file == NULL) {
		close(fd);
		return false;
	}
	for (int row = 0; row < PQntuples(users); row++)
		userlist_line(file, PQgetvalue(users, row, 0),
		    PQgetvalue(users, row, 1));
	good = fflush(file) == 0 && ferror(file) == 0 && fsync(fd) == 0;
	return fclose(file) == 0 && good;
}

/* The directory knows the new name only when it is on disk itself. */
static void
sync_directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash == NULL ? strdup(".") :
	    strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = directory == NULL ? -1 : open(directory,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd != -1) {
		(void)!fsync(fd);
		close(fd);
	}
	free(directory);
}

/* Who owned the old one owns the new one, as far as we may say so. */
static void
keep_owner(int fd, const char *path)
{
	struct stat old;

	if (stat(path, &old) == 0)
		(void)!fchown(fd, old.st_uid, old.st_gid);
}

bool
userlist_write(const char *path, const PGresult *users, struct error *error)
{
	char temporary[4096];
	int fd, length;

	length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	if (length < 0 || (size_t)length >= sizeof(temporary))
		return error_set(error, "%s: name too long", path);
	fd = mkostemp(temporary, O_CLOEXEC);	/* mode 0600 */
	if (fd == -1)
		return error_system(error, "could not create %s", temporary);
	keep_owner(fd, path);
	if (!fill(fd, users)) {
		error_system(error, "could not write %s", temporary);
		unlink(temporary);
		return false;
	}
	if (rename(temporary, path) == -1) {
		error_system(error, "could not replace %s", path);
		unlink(temporary);
		return false;
	}
	sync_directory_of(path);
	return true;
}

/* --- from PostgreSQL ----------------------------------------------------- */

/* {"a","b"}, as array_in reads it; NULL: all. Yours. */
static char *
array_of(const char *const *names)
{
	char *text = NULL;
	size_t size;
	FILE *file;

	if (names == NULL || names[0] == NULL)
		return NULL;
	file = open_memstream(&text, &size);
	if (file == NULL)
		return NULL;
	fputc('{', file);
	for (int i = 0; names[i] != NULL; i++) {
		fputs(i == 0 ? "\"" : ",\"", file);
		for (const char *at = names[i]; *at != '\0'; at++) {
			if (*at == '"' || *at == '\\')
				fputc('\\', file);
			fputc(*at, file);
		}
		fputc('"', file);
	}
	fputc('}', file);
	fclose(file);
	return text;
}

static bool
has_user(const PGresult *users, const char *name)
{
	for (int row = 0; row < PQntuples(users); row++)
		if (strcmp(PQgetvalue(users, row, 0), name) == 0)
			return true;
	return false;
}

/* True: whoever was asked for is there. */
static bool
tell_users(FILE *progress, const PGresult *users, const char *const *names)
{
	bool complete = true;

	if (names == NULL || names[0] == NULL) {
		for (int row = 0; row < PQntuples(users); row++)
			fprintf(progress, "  - %s... OK\n",
			    PQgetvalue(users, row, 0));
		return true;
	}
	for (int i = 0; names[i] != NULL; i++) {
		bool there = has_user(users, names[i]);

		fprintf(progress, "  - %s... %s\n", names[i], there ? "OK" :
		    "NOT FOUND, or without a password");
		complete = complete && there;
	}
	return complete;
}

static void
tell_file(FILE *progress, const char *path)
{
	struct stat status;
	struct passwd *user;
	struct group *group;

	fprintf(progress, "\nSuccess! Userlist generated at: %s\n", path);
	if (stat(path, &status) == -1)
		return;
	user = getpwuid(status.st_uid);
	group = getgrgid(status.st_gid);
	fprintf(progress, "File permissions: -rw------- %s %s\n",
	    user == NULL ? "?" : user->pw_name,
	    group == NULL ? "?" : group->gr_name);
}

static int
read_and_write(PGconn *conn, const char *path, const char *const *names,
    FILE *progress)
{
	char *array = array_of(names);
	const char *values[] = { array };
	struct error error;
	PGresult *users;
	int status = 1;

	fputs("Extracting password hashes from PostgreSQL...\n", progress);
	users = PQexecParams(conn, query, 1, NULL, values, NULL, NULL, 0);
	free(array);
	if (PQresultStatus(users) != PGRES_TUPLES_OK)
		fprintf(progress, "  %s", PQresultErrorMessage(users));
	else if (!tell_users(progress, users, names))
		fputs("\nNothing was written.\n", progress);
	else if (PQntuples(users) == 0)
		fputs("  nobody has one\n\nNothing was written.\n", progress);
	else if (!userlist_write(path, users, &error))
		fprintf(progress, "  %s\n", error.text);
	else
		status = 0;
	if (status == 0)
		tell_file(progress, path);
	PQclear(users);
	return status;
}

int
userlist_run(const char *conninfo, bool no_password, const char *path,
    const char *const *names, FILE *progress)
{
	PGconn *conn;
	int status = 1;

	fputs("PgBouncer Userlist Generator\n"
	    "============================================\n\n"
	    "Checking PostgreSQL connectivity... ", progress);
	fflush(progress);
	conn = console_connect_postgres(conninfo, no_password);
	if (PQstatus(conn) != CONNECTION_OK) {
		fprintf(progress, "FAILED\n%s", PQerrorMessage(conn));
	} else {
		fputs("OK\n\n", progress);
		status = read_and_write(conn, path, names, progress);
	}
	PQfinish(conn);
	return status;
}
