#include "live/script.h"

#include <stdio.h>
#include <string.h>

#include "fake/packet.h"
#include "live/process.h"

/* The longest name that PostgreSQL keeps whole. */
#define NAME_MOST 63

const char script_tables[] =
	"create table if not exists sink (t text);"
	"create table if not exists numbers (n int);"
	"truncate numbers;"
	"insert into numbers select generate_series(1, 5);"
	"grant all on sink, numbers to app";

struct script
script_begin(uint32_t seed)
{
	struct script script = { .state = seed == 0 ? 1 : seed };

	for (int i = 0; i < 8; i++)
		(void)script_choose(&script, 2);
	return script;
}

unsigned
script_choose(struct script *script, unsigned count)
{
	script->state ^= script->state << 13;
	script->state ^= script->state >> 17;
	script->state ^= script->state << 5;
	return script->state % count;
}

#define ANY_OF(script, list)						\
	(list)[script_choose((script), ARRAY_LENGTH(list))]

/* ---- the extended protocol ---- */

static const char *const names[SCRIPT_NAMES] = { "", "", "s1", "s2", "S_3",
    "s 4", "s5 with a name of more than the sixty-three bytes that tell one "
    "name from another", "s5 with a name of more than the sixty-three bytes "
    "that tell one name apart" };

static const struct {
	const char	*sql;
	unsigned	 parameters;
} texts[] = {
	{ "select 1", 0 },
	{ "select 2 as two, 'b' as b", 0 },
	{ "select $1::int + 1", 1 },
	{ "select $1::int + $2::int", 2 },
	{ "select generate_series(1, 20)", 0 },
	{ "select n from numbers where n = $1::int", 1 },
	/* Not "1/$1": when that fails is up to whether its plan is generic. */
	{ "select 1/(n - $1::int) from numbers where n < 3", 1 },
	{ "select from numbers", 0 },
	{ "", 0 },
	{ "select repeat('long', 2000)", 0 },
	{ "rollback", 0 },
	{ "commit", 0 },
	{ "selekt", 0 },
	{ "select * from no_such", 0 },
	{ "select 1; select 2", 0 },
	{ "copy (select n, 'x' from numbers order by n) to stdout", 0 },
	{ "insert into sink select 'n' from numbers where n = $1::int", 1 },
	{ "savepoint s", 0 },
	{ "rollback to s", 0 },
	{ "declare c cursor for select n from numbers order by n", 0 },
	{ "fetch 2 from c", 0 },
	{ "show timezone", 0 },
	{ "set timezone to 'Asia/Tokyo'", 0 },
};

static const char *
some_portal(struct script *script)
{
	static const char *const portals[] = { "", "", "", "p1", "p2" };

	return ANY_OF(script, portals);
}

static void
put_sync(struct buffer *out)
{
	put_message(out, 'S', "");
}

static void
put_parse(struct script *script, struct buffer *out, const char *name,
    unsigned *parameters_out)
{
	unsigned chosen = script_choose(script, ARRAY_LENGTH(texts) + 3);

	*parameters_out = 0;
	if (chosen >= ARRAY_LENGTH(texts)) {
		put_message(out, 'P', "ssh", name, text("select %u",
		    script_choose(script, 1000)), 0u);
		return;
	}
	*parameters_out = texts[chosen].parameters;
	put_message(out, 'P', "ssh", name, texts[chosen].sql, 0u);
}

/* All parameters have the same value; `format` is that of the results. */
static void
put_bind(struct script *script, struct buffer *out, const char *portal,
    const char *name, unsigned parameters)
{
	const char *one = text("%u", script_choose(script, 12));
	unsigned format = script_choose(script, 6) == 0;
	int length = (int)strlen(one);

	if (parameters == 0)
		put_message(out, 'B', "sshhhh", portal, name, 0u, 0u, 1u,
		    format);
	else if (parameters == 1)
		put_message(out, 'B', "sshhixhh", portal, name, 0u, 1u,
		    (uint32_t)length, one, length, 1u, format);
	else
		put_message(out, 'B', "sshhixixhh", portal, name, 0u, 2u,
		    (uint32_t)length, one, length, (uint32_t)length, one,
		    length, 1u, format);
}

static void
put_use(struct script *script, struct buffer *out, const char *name,
    unsigned parameters)
{
	const char *portal = some_portal(script);

	if (script_choose(script, 12) == 0)
		parameters = script_choose(script, 3);
	put_bind(script, out, portal, name, parameters);
	if (script_choose(script, 4) == 0)
		put_message(out, 'D', "bs", 'P', portal);
	put_message(out, 'E', "si", portal,
	    script_choose(script, 5) == 0 ? 3u : 0u);
	if (script_choose(script, 6) == 0)
		put_message(out, 'E', "si", some_portal(script), 0u);
}

/* A statement that is prepared, bound and executed unnamed. */
static void
put_at_once(struct buffer *out, const char *sql)
{
	put_message(out, 'P', "ssh", "", sql, 0u);
	put_message(out, 'B', "sshhh", "", "", 0u, 0u, 0u);
	put_message(out, 'E', "si", "", 0u);
}

/* A quoted name fits all of them. */
static void
put_deallocate(struct script *script, struct buffer *out)
{
	static const char *const some[] = { "s1", "\"s2\"", "\"S_3\"",
	    "\"s 4\"", "S2", "s9" };
	const char *sql = text("%s %s%s", script_choose(script, 2) == 0 ?
	    "deallocate" : " DEALLOCATE\tPrepare", ANY_OF(script, some),
	    script_choose(script, 3) == 0 ? " ; " : "");

	if (script_choose(script, 2) == 0) {
		put_sync(out);
		put_message(out, 'Q', "s", sql);
		return;
	}
	put_at_once(out, sql);
	if (script_choose(script, 2) == 0)
		put_sync(out);
}

/* ---- COPY in ---- */

static void
put_data(struct script *script, struct buffer *out)
{
	unsigned lines = script_choose(script, 4);

	while (lines-- > 0)
		put_message(out, 'd', "x", "copied\n", 7);
	/* What is cut anywhere is data all the same. */
	if (script_choose(script, 6) == 0)
		put_message(out, 'd', "x", "in two pi", 9);
	if (script_choose(script, 8) == 0)
		put_message(out, 'H', "");
	if (script_choose(script, 4) == 0)
		put_message(out, 'f', "s", "changed my mind");
	else
		put_message(out, 'c', "");
}

/*
 * If it fails PostgreSQL passes over the data.  It always ends: without an
 * end, the queries that follow would be lost in it.
 */
static void
put_copy(struct script *script, struct buffer *out)
{
	static const char *const queries[] = { "copy no_such from stdin",
	    "copy sink from stdin", "copy sink from stdin",
	    "begin; copy sink from stdin", "copy sink from stdin; select 6",
	    "select 5; copy sink from stdin" };

	put_sync(out);
	put_message(out, 'Q', "s", ANY_OF(script, queries));
	put_data(script, out);
}

/* As libpq does it: a Sync that COPY passes over, and one at the end. */
static void
put_copy_extended(struct script *script, struct buffer *out)
{
	put_sync(out);
	put_at_once(out, script_choose(script, 5) == 0 ?
	    "copy no_such from stdin" : "copy sink from stdin");
	if (script_choose(script, 2) == 0)
		put_sync(out);
	put_data(script, out);
	put_sync(out);
	/* Nobody else is to begin a COPY with it. */
	put_message(out, 'C', "bs", 'S', "");
}

/* ---- the rest ---- */

static void
put_query(struct script *script, struct buffer *out)
{
	static const char *const queries[] = {
		"begin", "begin", "commit", "rollback", "select 1/0",
		"select 7", "", "selekt", "select 1; select 1/0",
		"deallocate all", "discard all",
		"begin; select 1; commit", "set local work_mem = '1MB'",
		"discard plans",
		"begin; insert into sink values ('q'); select 1/0; commit",
		"begin; select 8; commit; begin; select 9",
		"select 1; ; select from numbers; select 'x' as y",
		"commit; select 1; begin", "begin; begin",
		"savepoint s", "rollback to s", "release s",
		"declare c scroll cursor for select n from numbers order "
		    "by n; fetch 3 from c; move -1 in c",
		"fetch all from c", "close c",
		"copy (select n from numbers order by n) to stdout",
		"copy (select repeat('z', 500) from generate_series(1, 200)) "
		    "to stdout; select 3",
		"copy (select 1/(n - 3) from numbers order by n) to stdout",
		"select repeat('w', 200) from generate_series(1, 300)",
		"do $$ begin raise notice 'noticed'; end $$",
		"do $$ begin raise exception 'raised' using errcode = "
		    "'P1234', detail = 'more', hint = 'less'; end $$",
		"set timezone to 'Asia/Tokyo'",
		"set local timezone to 'America/Lima'",
		"reset timezone", "show timezone",
		"set intervalstyle to 'iso_8601'",
		"select interval '1 day 2 hours', timestamptz '2000-01-01'",
		"set local datestyle to 'german, dmy'",
	};

	put_sync(out);
	put_message(out, 'Q', "s", ANY_OF(script, queries));
}

/* int4pl, int4div, and none. */
static void
put_function_call(struct script *script, struct buffer *out)
{
	static const uint32_t functions[] = { 177, 177, 154, 4 };

	put_sync(out);
	put_message(out, 'F', "ihhhiiiih", ANY_OF(script, functions), 1u, 1u,
	    2u, 4u, 40u, 4u, script_choose(script, 3), 1u);
}

static void
put_some(struct script *script, struct buffer *out)
{
	unsigned which = script_choose(script, SCRIPT_NAMES);
	unsigned what = script_choose(script, 44);

	if (what < 8)
		put_parse(script, out, names[which],
		    &script->parameters[which]);
	else if (what < 22)
		put_use(script, out, names[which],
		    script->parameters[which]);
	else if (what < 25)
		put_message(out, 'D', "bs", 'S', names[which]);
	else if (what < 28)
		put_message(out, 'C', "bs", 'S', names[which]);
	else if (what < 29)
		put_message(out, 'C', "bs", 'P', some_portal(script));
	else if (what < 31)
		put_message(out, 'H', "");
	else if (what < 35)
		put_sync(out);
	else if (what < 40)
		put_query(script, out);
	else if (what < 41)
		put_deallocate(script, out);
	else if (what < 42)
		put_copy(script, out);
	else if (what < 43)
		put_copy_extended(script, out);
	else
		put_function_call(script, out);
}

/*
 * A name that is too long makes PostgreSQL say so before it looks at the
 * state of the transaction, which it leaves as it is.
 */
static void
put_end(struct buffer *out, const char *end)
{
	put_sync(out);
	put_message(out, 'Q', "s", text("select 1 as \"%s %0*d\"", end,
	    NAME_MOST, 0));
}

void
script_put_batch(struct script *script, struct buffer *out, const char *end)
{
	for (unsigned i = 1 + script_choose(script, 12); i > 0; i--)
		put_some(script, out);
	if (script_choose(script, 3) > 0) {
		put_sync(out);
		put_message(out, 'Q', "s", "rollback");
	}
	put_end(out, end);
}

bool
script_is_end(const char *notice, const char *end)
{
	const char *wanted = text("identifier \"%s 0", end);

	return notice != NULL && strncmp(notice, wanted, strlen(wanted)) == 0;
}

void
script_describe(const struct buffer *bytes, char *out, size_t size)
{
	const uint8_t *at = buffer_front(bytes);
	size_t left = buffer_length(bytes), used = 0;

	out[0] = '\0';
	while (left >= 5 && used + 80 < size) {
		size_t length = 1 + ((size_t)at[1] << 24 | at[2] << 16 |
		    at[3] << 8 | at[4]);
		const char *first = length > 5 && *at != 'd' && *at != 'F' ?
		    (const char *)at + 5 : "";
		const char *next = "";

		if (*at == 'P' || *at == 'B')
			next = first + strlen(first) + 1;
		used += (size_t)snprintf(out + used, size - used,
		    "%c[%.40s%s%.30s] ", *at, first,
		    *next != '\0' ? "|" : "", next);
		at += length;
		left -= length;
	}
}
