#include "config/ldap_options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/tokens.h"

#define LDAP_PORT 389
#define LDAPS_PORT 636

struct option {
	const char	*name;
	bool		(*take)(struct ldap_options *options,
			    const char *value, struct arena *arena,
			    struct error *error);
	size_t		 offset;	/* take_text: where it goes */
};

/* --- single options ------------------------------------------------------ */

static bool
take_port(struct ldap_options *options, const char *value,
    struct arena *arena, struct error *error)
{
	char *end;
	long port = strtol(value, &end, 10);

	if (!isdigit((unsigned char)value[0]) || *end != '\0' || port < 1 ||
	    port > 65535)
		return error_set(error, "invalid LDAP port number");
	options->port = (int)port;
	return true;
}

static bool
take_tls(struct ldap_options *options, const char *value,
    struct arena *arena, struct error *error)
{
	options->start_tls = strcmp(value, "1") == 0;
	return options->start_tls || strcmp(value, "0") == 0 ||
	    error_set(error, "ldaptls is 0 or 1");
}

static bool
take_scheme(struct ldap_options *options, const char *value,
    struct arena *arena, struct error *error)
{
	options->is_ldaps = strcmp(value, "ldaps") == 0;
	return options->is_ldaps || strcmp(value, "ldap") == 0 ||
	    error_set(error, "ldapscheme is ldap or ldaps");
}

static bool
take_attribute(struct ldap_options *options, const char *value,
    struct arena *arena, struct error *error)
{
	/* RFC 4512 2.5: a name or an object identifier, with options. */
	for (const char *at = value; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) &&
		    strchr("-.;", *at) == NULL)
			return error_set(error,
			    "invalid LDAP search attribute");
	options->search_attribute = value;
	return *value != '\0' || error_set(error,
	    "invalid LDAP search attribute");
}

/* --- ldapurl ------------------------------------------------------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %xx, as RFC 4516 2.1 has it. NULL: broken. */
static char *
decode(const char *text, size_t length, struct arena *arena)
{
	char *copy = arena_get(arena, length + 1), *to = copy;

	for (size_t i = 0; i < length; i++) {
		int high, low;

		if (text[i] != '%') {
			*to++ = text[i];
			continue;
		}
		if (i + 2 >= length)
			return NULL;
		high = hex_digit(text[i + 1]);
		low = hex_digit(text[i + 2]);
		if (high == -1 || low == -1 || high + low == 0)
			return NULL;
		*to++ = (char)(high * 16 + low);
		i += 2;
	}
	return copy;
}

/* What is up to the next question mark; leaves *at behind it. */
static char *
take_part(const char **at, struct arena *arena)
{
	size_t length = strcspn(*at, "?");
	char *part = decode(*at, length, arena);

	*at += length;
	if (**at == '?')
		++*at;
	return part;
}

static bool
take_scope(struct ldap_options *options, const char *value)
{
	if (*value == '\0' || strcasecmp(value, "base") == 0)
		options->scope = LDAP_SCOPE_OF_BASE;
	else if (strcasecmp(value, "one") == 0)
		options->scope = LDAP_SCOPE_OF_ONE;
	else if (strcasecmp(value, "sub") == 0)
		options->scope = LDAP_SCOPE_OF_SUB;
	else
		return false;
	return true;
}

/* host, host:port or [address]:port; brackets stay. */
static bool
take_host(struct ldap_options *options, char *host, struct arena *arena,
    struct error *error)
{
	char *behind = host[0] == '[' ? strchr(host, ']') : host;
	char *colon = behind == NULL ? NULL : strrchr(behind, ':');

	if (behind == NULL)
		return error_set(error, "invalid LDAP URL");
	if (colon != NULL) {
		*colon = '\0';
		if (!take_port(options, colon + 1, arena, error))
			return false;
	}
	if (host[0] != '\0')
		options->server = host;
	return true;
}

static bool
take_path(struct ldap_options *options, const char *at, struct arena *arena,
    struct error *error)
{
	const char *base = take_part(&at, arena);
	const char *attribute = take_part(&at, arena);
	const char *scope = take_part(&at, arena);
	const char *filter = take_part(&at, arena);

	if (base == NULL || attribute == NULL || scope == NULL ||
	    filter == NULL || *at != '\0' || !take_scope(options, scope))
		return error_set(error, "invalid LDAP URL");
	options->base_dn = base;
	if (attribute[0] != '\0' && !take_attribute(options, attribute, arena,
	    error))
		return false;
	if (filter[0] != '\0')
		options->search_filter = filter;
	return true;
}

/* scheme://host:port/base?attribute?scope?filter (RFC 4516) */
static bool
take_url(struct ldap_options *options, const char *value, struct arena *arena,
    struct error *error)
{
	size_t length;
	char *host;

	if (strncasecmp(value, "ldaps://", 8) == 0)
		options->is_ldaps = true;
	else if (strncasecmp(value, "ldap://", 7) != 0)
		return error_set(error, "invalid LDAP URL");
	value += options->is_ldaps ? 8 : 7;
	length = strcspn(value, "/?");
	host = decode(value, length, arena);
	if (host == NULL)
		return error_set(error, "invalid LDAP URL");
	value += length;
	return take_host(options, host, arena, error) && take_path(options,
	    *value == '/' ? value + 1 : value, arena, error);
}

/* --- all of them --------------------------------------------------------- */

#define TEXT(member) NULL, offsetof(struct ldap_options, member)

static const struct option known[] = {
	{ "ldapserver", TEXT(server) },
	{ "ldapport", take_port, 0 },
	{ "ldapscheme", take_scheme, 0 },
	{ "ldaptls", take_tls, 0 },
	{ "ldapprefix", TEXT(prefix) },
	{ "ldapsuffix", TEXT(suffix) },
	{ "ldapbasedn", TEXT(base_dn) },
	{ "ldapbinddn", TEXT(bind_dn) },
	{ "ldapbindpasswd", TEXT(bind_password) },
	{ "ldapsearchattribute", take_attribute, 0 },
	{ "ldapsearchfilter", TEXT(search_filter) },
	{ "ldapurl", take_url, 0 },
};

static bool
take_option(struct ldap_options *options, const char *word,
    struct arena *arena, struct error *error)
{
	const char *equals = strchr(word, '=');
	size_t length = equals == NULL ? 0 : (size_t)(equals - word);

	if (equals == NULL)
		return error_set(error, "LDAP options have the form "
		    "name=value");
	for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
		if (strlen(known[i].name) != length ||
		    strncmp(known[i].name, word, length) != 0)
			continue;
		if (known[i].take != NULL)
			return known[i].take(options, equals + 1, arena,
			    error);
		*(const char **)((char *)options + known[i].offset) =
		    equals + 1;
		return true;
	}
	return error_set(error, "unknown LDAP option: %.*s",
	    (int)(length > 40 ? 40 : length), word);
}

/* PostgreSQL's rules about what goes together. */
static bool
check(const struct ldap_options *options, struct error *error)
{
	bool searches = options->base_dn != NULL ||
	    options->bind_dn != NULL || options->bind_password != NULL ||
	    options->search_attribute != NULL ||
	    options->search_filter != NULL;

	if (options->server == NULL || options->server[0] == '\0')
		return error_set(error, "ldapserver is missing");
	if ((options->prefix != NULL || options->suffix != NULL) && searches)
		return error_set(error, "ldapprefix and ldapsuffix do not go "
		    "with what is for a search");
	if (options->prefix == NULL && options->suffix == NULL &&
	    options->base_dn == NULL)
		return error_set(error, "one of ldapbasedn, ldapprefix, "
		    "ldapsuffix and ldapurl is needed");
	if (options->search_attribute != NULL &&
	    options->search_filter != NULL)
		return error_set(error, "ldapsearchattribute and "
		    "ldapsearchfilter do not go together");
	if (options->is_ldaps && options->start_tls)
		return error_set(error, "ldaptls does not go with ldaps");
	return true;
}

static void
fill_in(struct ldap_options *options)
{
	if (options->port == 0)
		options->port = options->is_ldaps ? LDAPS_PORT : LDAP_PORT;
	if (options->prefix == NULL)
		options->prefix = "";
	if (options->suffix == NULL)
		options->suffix = "";
	if (options->bind_dn == NULL)
		options->bind_dn = "";
	if (options->bind_password == NULL)
		options->bind_password = "";
	if (options->search_attribute == NULL &&
	    options->search_filter == NULL)
		options->search_attribute = "uid";
}

bool
ldap_options_read(const char *text, struct arena *arena,
    struct ldap_options *options_out, struct error *error)
{
	struct token_line line;

	*options_out = (struct ldap_options){ .scope = LDAP_SCOPE_OF_SUB };
	if (strlen(text) > LDAP_OPTIONS_MOST)
		return error_set(error, "LDAP options are longer than %d "
		    "bytes", LDAP_OPTIONS_MOST);
	if (!tokens_split(text, strlen(text), arena, &line, error))
		return false;
	for (size_t i = 0; i < line.count; i++)
		for (size_t j = 0; j < line.fields[i].count; j++)
			if (!take_option(options_out,
			    line.fields[i].tokens[j].text, arena, error))
				return false;
	if (!check(options_out, error))
		return false;
	fill_in(options_out);
	return true;
}
