#include "build.h"

#include "config/hba.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/tokens.h"

struct reading {
	struct files		*files;
	struct arena		*arena;
	const struct ident	*ident;
	const char		*path;
	struct hba_rule		*rules;
	size_t			 count, room;
};

/* The line that is being read, field by field. */
struct cursor {
	struct reading		*reading;
	const struct token_line	*line;
	size_t			 next;		/* field */
};

static const struct token_field *
take_field(struct cursor *cursor, const char *what, struct error *error)
{
	if (cursor->next < cursor->line->count)
		return &cursor->line->fields[cursor->next++];
	error_set(error, "%s is missing", what);
	return NULL;
}

/* NULL: there is none, or a list. */
static const struct token *
take_word(struct cursor *cursor, const char *what, struct error *error)
{
	const struct token_field *field = take_field(cursor, what, error);

	if (field == NULL || field->count == 1)
		return field == NULL ? NULL : &field->tokens[0];
	error_set(error, "%s cannot be a list", what);
	return NULL;
}

static bool
is_word(const struct token *token, const char *word)
{
	return !token->quoted && strcmp(token->text, word) == 0;
}

/* --- type ---------------------------------------------------------------- */

static bool
read_connection(struct cursor *cursor, struct hba_rule *rule,
    struct error *error)
{
	static const char *const words[] = {
		[HBA_LOCAL] = "local", [HBA_HOST] = "host",
		[HBA_HOSTSSL] = "hostssl", [HBA_HOSTNOSSL] = "hostnossl",
	};
	const struct token *token = take_word(cursor, "the type", error);

	if (token == NULL)
		return false;
	for (unsigned i = 0; i < ARRAY_LENGTH(words); i++) {
		if (is_word(token, words[i])) {
			rule->connection = (enum hba_connection)i;
			return true;
		}
	}
	error_set(error, "unknown type: %.60s", token->text);
	return error_hint(error, "local, host, hostssl or hostnossl is "
	    "expected");
}

/* --- names --------------------------------------------------------------- */

static const struct {
	const char	*text;
	enum hba_word	 word;
	bool		 of_users;
} special_words[] = {
	{ "all", HBA_ALL, true },
	{ "sameuser", HBA_SAMEUSER, false },
	{ "replication", HBA_REPLICATION, false },
};

static bool
read_name(const struct token *token, bool of_users, struct hba_name *name,
    struct error *error)
{
	*name = (struct hba_name){ HBA_NAME, token->text };
	if (token->quoted)
		return true;
	for (unsigned i = 0; i < ARRAY_LENGTH(special_words); i++)
		if (strcmp(token->text, special_words[i].text) == 0 &&
		    (special_words[i].of_users || !of_users))
			name->word = special_words[i].word;
	if (!of_users && (strcmp(token->text, "samerole") == 0 ||
	    strcmp(token->text, "samegroup") == 0))
		return error_set(error, "%s is not supported", token->text);
	/* Not known here: PostgreSQL alone has the roles. */
	if (of_users && token->text[0] == '+')
		return error_set(error, "groups are not supported: %.60s",
		    token->text);
	if (token->text[0] == '/')
		return error_set(error, "regular expressions are not "
		    "supported: %.60s", token->text);
	return true;
}

static bool
read_names(struct cursor *cursor, bool of_users, struct hba_names *names_out,
    struct error *error)
{
	const struct token_field *field = take_field(cursor,
	    of_users ? "the user" : "the database", error);
	struct reading *reading = cursor->reading;
	struct token_field all;
	struct hba_name *names;

	if (field == NULL || !tokens_expand(reading->files,
	    cursor->line->file, field, reading->arena, &all, error))
		return false;
	names = arena_get(reading->arena, all.count * sizeof(*names));
	for (size_t i = 0; i < all.count; i++)
		if (!read_name(&all.tokens[i], of_users, &names[i], error))
			return false;
	*names_out = (struct hba_names){ names, all.count };
	return true;
}

/* --- addresses ----------------------------------------------------------- */

static unsigned
width(const struct hba_range *range)
{
	return range->family == ADDRESS_IPV4 ? 4 : 16;
}

static void
set_mask(struct hba_range *range, unsigned bits)
{
	for (unsigned i = 0; i < width(range); i++) {
		unsigned left = bits > 8 * i ? bits - 8 * i : 0;

		range->mask[i] = left >= 8 ? 0xff :
		    (uint8_t)(0xff00u >> left);
	}
}

static bool
read_bits(struct hba_range *range, const char *text, struct error *error)
{
	char *end;
	unsigned long bits = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)text[0]) || *end != '\0' ||
	    bits > 8 * width(range))
		return error_set(error, "invalid mask: /%.60s", text);
	set_mask(range, (unsigned)bits);
	return true;
}

/* Ones, then zeros; whatever else PostgreSQL takes is a slip. */
static bool
read_netmask(struct hba_range *range, const struct address *mask,
    struct error *error)
{
	unsigned bits = 0;

	while (bits < 8 * width(range) &&
	    (mask->bytes[bits / 8] >> (7 - bits % 8) & 1) != 0)
		bits++;
	set_mask(range, bits);
	return (mask->family == range->family &&
	    memcmp(range->mask, mask->bytes, width(range)) == 0) ||
	    error_set(error, "invalid mask");
}

static bool
check_bits(const struct hba_range *range, const char *text,
    struct error *error)
{
	struct address network = { .family = range->family };
	char host[ADDRESS_TEXT_BYTES];
	bool same = true;

	for (unsigned i = 0; i < width(range); i++) {
		network.bytes[i] = range->bytes[i] & range->mask[i];
		same = same && network.bytes[i] == range->bytes[i];
	}
	if (same)
		return true;
	address_format_host(&network, host, sizeof(host));
	error_set(error, "address does not match mask: %.60s", text);
	return error_hint(error, "the network is %s", host);
}

/* Looks like an address, or is it a name? */
static bool
no_address(const char *text, struct error *error)
{
	if (strcmp(text, "samehost") == 0 || strcmp(text, "samenet") == 0)
		return error_set(error, "%s is not supported", text);
	if (strchr(text, ':') == NULL &&
	    strspn(text, "0123456789./") != strlen(text)) {
		error_set(error, "host names are not supported: %.60s", text);
		return error_hint(error, "give an address and a mask, such "
		    "as 10.0.0.0/8");
	}
	return error_set(error, "invalid address: %.60s", text);
}

/* The word behind the address, if it is one as well. */
static bool
read_next_mask(struct cursor *cursor, struct hba_range *range,
    const char *text, struct error *error)
{
	const struct token_line *line = cursor->line;
	struct address mask;

	if (cursor->next < line->count && address_parse_host(
	    line->fields[cursor->next].tokens[0].text, &mask)) {
		cursor->next++;
		return read_netmask(range, &mask, error);
	}
	error_set(error, "the mask is missing: %.60s", text);
	return error_hint(error, "a single host is %.60s/%u", text,
	    8 * width(range));
}

static bool
read_range(struct cursor *cursor, struct hba_range *range,
    struct error *error)
{
	const struct token *token = take_word(cursor, "the address", error);
	struct address address;
	const char *slash;
	char host[64];

	if (token == NULL || is_word(token, "all"))
		return token != NULL;
	slash = strchrnul(token->text, '/');
	if (slash - token->text >= (ptrdiff_t)sizeof(host))
		return no_address(token->text, error);
	snprintf(host, sizeof(host), "%.*s", (int)(slash - token->text),
	    token->text);
	if (!address_parse_host(host, &address))
		return no_address(token->text, error);
	range->family = address.family;
	memcpy(range->bytes, address.bytes, sizeof(range->bytes));
	if (*slash == '/' ? !read_bits(range, slash + 1, error) :
	    !read_next_mask(cursor, range, token->text, error))
		return false;
	return check_bits(range, token->text, error);
}

/* --- methods and their options ------------------------------------------- */

static const struct {
	const char	*word;
	enum auth_type	 method;
} methods[] = {
	{ "trust", AUTH_TYPE_TRUST },
	{ "reject", AUTH_TYPE_REJECT },
	{ "md5", AUTH_TYPE_MD5 },
	{ "password", AUTH_TYPE_PLAIN },
	{ "scram-sha-256", AUTH_TYPE_SCRAM_SHA_256 },
	{ "cert", AUTH_TYPE_CERT },
	{ "peer", AUTH_TYPE_PEER },
	{ "ldap", AUTH_TYPE_LDAP },
	{ "pam", AUTH_TYPE_PAM },
};

bool
hba_method_is_built(enum auth_type method, struct error *error)
{
#ifndef HAVE_PAM
	if (method == AUTH_TYPE_PAM)
		return error_set(error, "pam is not supported by this build");
#endif
#ifndef HAVE_LDAP
	if (method == AUTH_TYPE_LDAP)
		return error_set(error,
		    "ldap is not supported by this build");
#endif
	return true;
}

static bool
fits_connection(const struct hba_rule *rule, struct error *error)
{
	if (rule->method == AUTH_TYPE_PEER && rule->connection != HBA_LOCAL)
		return error_set(error, "peer is for local only");
	if (rule->method == AUTH_TYPE_CERT && rule->connection != HBA_HOSTSSL)
		return error_set(error, "cert is for hostssl only");
	return true;
}

static bool
read_method(struct cursor *cursor, struct hba_rule *rule, struct error *error)
{
	const struct token *token = take_word(cursor, "the method", error);

	if (token == NULL)
		return false;
	for (unsigned i = 0; i < ARRAY_LENGTH(methods); i++) {
		if (!is_word(token, methods[i].word))
			continue;
		rule->method = methods[i].method;
		return hba_method_is_built(rule->method, error) &&
		    fits_connection(rule, error);
	}
	error_set(error, "unsupported method: %.60s", token->text);
	return error_hint(error, "trust, reject, md5, password, "
	    "scram-sha-256, cert, peer, ldap or pam is expected");
}

static bool
read_map(struct cursor *cursor, struct hba_rule *rule, const char *map,
    struct error *error)
{
	if (!ident_has_map(cursor->reading->ident, map))
		return error_set(error, "ident map %.60s is not found in "
		    "auth_ident_file", map);
	rule->map = map;
	return true;
}

static bool
read_option(struct cursor *cursor, struct hba_rule *rule, const char *option,
    struct error *error)
{
	bool names_count = rule->method == AUTH_TYPE_CERT ||
	    rule->method == AUTH_TYPE_PEER;

	if (names_count && strncmp(option, "map=", 4) == 0)
		return read_map(cursor, rule, option + 4, error);
	if (rule->method == AUTH_TYPE_CERT &&
	    strncmp(option, "clientname=", 11) == 0) {
		rule->by_subject = strcmp(option + 11, "DN") == 0;
		return rule->by_subject || strcmp(option + 11, "CN") == 0 ||
		    error_set(error, "clientname is CN or DN");
	}
	if (rule->method == AUTH_TYPE_PAM &&
	    strncmp(option, "pamservice=", 11) == 0) {
		/* It is the name of a file, not a path. */
		if (option[11] == '\0' || strchr(option + 11, '/') != NULL ||
		    strlen(option + 11) > 100)
			return error_set(error, "invalid pamservice");
		rule->options = option + 11;
		return true;
	}
	return error_set(error, "unsupported parameter: %.*s",
	    (int)strcspn(option, "=") > 60 ? 60 : (int)strcspn(option, "="),
	    option);
}

/* The whole rest of the line is one text, read again where it is used. */
static bool
read_ldap_options(struct cursor *cursor, struct hba_rule *rule,
    struct error *error)
{
	struct ldap_options options;

	rule->options = cursor->next < cursor->line->count ?
	    cursor->line->rests[cursor->next] : "";
	return ldap_options_read(rule->options, cursor->reading->arena,
	    &options, error);
}

static bool
read_options(struct cursor *cursor, struct hba_rule *rule,
    struct error *error)
{
	if (rule->method == AUTH_TYPE_LDAP)
		return read_ldap_options(cursor, rule, error);
	if (rule->method == AUTH_TYPE_PAM)
		rule->options = HBA_PAM_SERVICE;
	while (cursor->next < cursor->line->count) {
		const struct token_field *field =
		    &cursor->line->fields[cursor->next++];

		for (size_t i = 0; i < field->count; i++)
			if (!read_option(cursor, rule, field->tokens[i].text,
			    error))
				return false;
	}
	return true;
}

/* --- rules --------------------------------------------------------------- */

static void
add(struct reading *reading, const struct hba_rule *rule)
{
	if (reading->count == reading->room) {
		reading->room = 2 * reading->room + 16;
		reading->rules = memory_resize(reading->rules,
		    reading->room * sizeof(*reading->rules));
	}
	reading->rules[reading->count++] = *rule;
}

static bool
read_rule(const struct token_line *line, void *context, struct error *error)
{
	struct cursor cursor = { context, line, 0 };
	struct hba_rule rule = { .file = cursor.reading->path,
	    .line = line->number };

	if (!read_connection(&cursor, &rule, error) ||
	    !read_names(&cursor, false, &rule.databases, error) ||
	    !read_names(&cursor, true, &rule.users, error) ||
	    (rule.connection != HBA_LOCAL &&
	    !read_range(&cursor, &rule.range, error)) ||
	    !read_method(&cursor, &rule, error) ||
	    !read_options(&cursor, &rule, error))
		return false;
	add(cursor.reading, &rule);
	return true;
}

bool
hba_read(struct files *files, const char *path, const struct ident *ident,
    struct arena *arena, struct hba *hba_out, struct error *error)
{
	struct reading reading = { .files = files, .arena = arena,
	    .ident = ident, .path = arena_copy_string(arena, path) };
	const struct file *file = files_read(files, path);
	struct hba_rule *kept;
	bool good;

	if (file->error != 0) {
		errno = file->error;
		return error_system(error, "could not open hba config file "
		    "%s", path);
	}
	good = tokens_each_line(file, arena, read_rule, &reading, error);
	kept = arena_get(arena, reading.count * sizeof(*kept));
	if (reading.count > 0)
		memcpy(kept, reading.rules, reading.count * sizeof(*kept));
	free(reading.rules);
	*hba_out = (struct hba){ kept, reading.count };
	return good;
}
