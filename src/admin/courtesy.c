#include "admin/courtesy.h"

#include "admin/reply.h"
#include "admin/visit.h"
#include "wire/report.h"

enum effect {
	EFFECT_NONE = 0,
	EFFECT_OPEN,		/* a transaction */
	EFFECT_CLOSE,
	EFFECT_CLEAN,		/* a session is made as new */
	EFFECT_FORGET,		/* prepared statements */
	EFFECT_FORGET_ONE,
	EFFECT_SET,		/* a NOTICE says so */
	EFFECT_ISOLATION
};

/* The first that fits; the words after it do not matter. */
static const struct {
	const char	*words[3];
	const char	*tag;
	enum effect	 effect;
} courtesies[] = {
	{ { "BEGIN" }, "BEGIN", EFFECT_OPEN },
	{ { "START", "TRANSACTION" }, "START TRANSACTION", EFFECT_OPEN },
	{ { "COMMIT" }, "COMMIT", EFFECT_CLOSE },
	{ { "END" }, "COMMIT", EFFECT_CLOSE },
	{ { "ROLLBACK", "TO" }, "ROLLBACK", EFFECT_NONE },
	{ { "ROLLBACK" }, "ROLLBACK", EFFECT_CLOSE },
	{ { "ABORT" }, "ROLLBACK", EFFECT_CLOSE },
	{ { "SAVEPOINT" }, "SAVEPOINT", EFFECT_NONE },
	{ { "RELEASE" }, "RELEASE", EFFECT_NONE },
	{ { "DISCARD", "ALL" }, "DISCARD ALL", EFFECT_FORGET },
	{ { "DISCARD" }, "DISCARD", EFFECT_CLEAN },
	{ { "DEALLOCATE", "ALL" }, "DEALLOCATE ALL", EFFECT_FORGET },
	{ { "DEALLOCATE", "PREPARE", "ALL" }, "DEALLOCATE ALL",
	    EFFECT_FORGET },
	{ { "DEALLOCATE" }, "DEALLOCATE", EFFECT_FORGET_ONE },
	{ { "CLOSE", "ALL" }, "CLOSE CURSOR ALL", EFFECT_CLEAN },
	{ { "UNLISTEN" }, "UNLISTEN", EFFECT_CLEAN },
	{ { "SET", "TRANSACTION" }, "SET", EFFECT_SET },
	{ { "SET", "SESSION", "CHARACTERISTICS" }, "SET", EFFECT_SET },
	{ { "SET", "SESSION", "AUTHORIZATION" }, "SET", EFFECT_SET },
	{ { "RESET", "SESSION", "AUTHORIZATION" }, "RESET", EFFECT_CLEAN },
	{ { "SET", "NAMES" }, "SET", EFFECT_SET },
	{ { "SET", "TIME", "ZONE" }, "SET", EFFECT_SET },
	{ { "SHOW", "TRANSACTION", "ISOLATION" }, NULL, EFFECT_ISOLATION },
};

/* PostgreSQL's; none is the pooler's. */
static const char *const parameters[] = {
	"application_name", "bytea_output", "client_encoding",
	"client_min_messages", "datestyle", "default_transaction_isolation",
	"default_transaction_read_only", "extra_float_digits",
	"idle_in_transaction_session_timeout", "intervalstyle", "jit",
	"lock_timeout", "role", "search_path", "statement_timeout",
	"standard_conforming_strings", "timezone", "transaction_isolation",
	"transaction_read_only",
};

static bool
begins_with(struct sql_span statement, const char *const words[3])
{
	const char *at = statement.at;

	for (size_t i = 0; i < 3 && words[i] != NULL; i++)
		if (!sql_text_matches(sql_text_token(&at, statement.end),
		    words[i]))
			return false;
	return true;
}

static bool
is_parameter(struct sql_span word)
{
	for (size_t i = 0; i < ARRAY_LENGTH(parameters); i++)
		if (sql_text_matches(word, parameters[i]))
			return true;
	return false;
}

/* SET [SESSION | LOCAL] parameter …, RESET parameter. */
static bool
sets_parameter(struct sql_span statement, const char **tag_out)
{
	const char *at = statement.at;
	struct sql_span word = sql_text_token(&at, statement.end);

	*tag_out = sql_text_matches(word, "RESET") ? "RESET" : "SET";
	if (!sql_text_matches(word, *tag_out))
		return false;
	word = sql_text_token(&at, statement.end);
	if (sql_text_matches(word, "SESSION") ||
	    sql_text_matches(word, "LOCAL"))
		word = sql_text_token(&at, statement.end);
	return is_parameter(word);
}

/*
 * asyncpg ends what it lends with CLOSE ALL; UNLISTEN *; RESET ALL;, which
 * must not undo what an admin has SET in the pooler.
 */
static bool
is_part_of_cleaning(const struct run *run, struct sql_span statement)
{
	static const char *const words[3] = { "RESET", "ALL" };

	return run->cleans && begins_with(statement, words);
}

static void
forget_one(struct run *run, struct sql_span statement)
{
	const char *at = statement.at;
	struct sql_span name;

	sql_text_token(&at, statement.end);
	name = sql_text_token(&at, statement.end);
	if (sql_text_matches(name, "PREPARE"))
		name = sql_text_token(&at, statement.end);
	visit_forget_statement(run->env->visit, name);
}

static void
take_effect(struct run *run, struct sql_span statement, enum effect effect)
{
	struct visit *visit = run->env->visit;

	switch (effect) {
	case EFFECT_OPEN:
	case EFFECT_CLOSE:
		visit_set_transaction(visit, effect == EFFECT_OPEN);
		return;
	case EFFECT_FORGET:
		visit_forget_statements(visit);
		run->cleans = true;
		return;
	case EFFECT_CLEAN:
		run->cleans = true;
		return;
	case EFFECT_FORGET_ONE:
		forget_one(run, statement);
		return;
	case EFFECT_SET:
		if (!reply_notice(run->reply, "SET ignored", NULL))
			run->no_memory = true;
		return;
	default:
		return;
	}
}

static const struct report_column isolation = {
	"transaction_isolation", REPORT_TEXT };

static void
show_isolation(struct run *run)
{
	struct report report;

	report_begin(&report, run->reply, &isolation, 1);
	report_text(&report, "read committed");
	report_end_row(&report);
	if (!report_complete(&report, "SHOW"))
		run->no_memory = true;
}

bool
courtesy_run(struct run *run, struct sql_span statement)
{
	const char *tag;

	if (sets_parameter(statement, &tag)) {
		take_effect(run, statement, EFFECT_SET);
		run_done(run, tag);
		return true;
	}
	if (is_part_of_cleaning(run, statement)) {
		take_effect(run, statement, EFFECT_SET);
		run_done(run, "RESET");
		return true;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(courtesies); i++) {
		if (!begins_with(statement, courtesies[i].words))
			continue;
		take_effect(run, statement, courtesies[i].effect);
		if (courtesies[i].effect == EFFECT_ISOLATION)
			show_isolation(run);
		else
			run_done(run, courtesies[i].tag);
		return true;
	}
	return false;
}

bool
courtesy_describe(struct sql_span statement, struct buffer *out)
{
	struct report report = { .failed = false };

	for (size_t i = 0; i < ARRAY_LENGTH(courtesies); i++) {
		if (courtesies[i].effect != EFFECT_ISOLATION ||
		    !begins_with(statement, courtesies[i].words))
			continue;
		report_begin(&report, out, &isolation, 1);
		break;
	}
	return !report.failed;
}
