#include "auth/rules.h"

#include <regex.h>
#include <string.h>

/* --- rules --------------------------------------------------------------- */

static bool
fits_connection(const struct hba_rule *rule, const struct rules_guest *guest)
{
	switch (rule->connection) {
	case HBA_LOCAL:
		return guest->is_unix;
	case HBA_HOST:
		return !guest->is_unix;
	case HBA_HOSTSSL:
		return !guest->is_unix && guest->has_tls;
	case HBA_HOSTNOSSL:
		return !guest->is_unix && !guest->has_tls;
	}
	return false;
}

static bool
fits_database(const struct hba_name *name, const struct rules_guest *guest)
{
	/* As in PostgreSQL, "all" has no part in replication. */
	if (guest->is_replication)
		return name->word == HBA_REPLICATION;
	switch (name->word) {
	case HBA_NAME:
		return strcmp(name->text, guest->database) == 0;
	case HBA_ALL:
		return true;
	case HBA_SAMEUSER:
		return strcmp(guest->database, guest->user) == 0;
	case HBA_REPLICATION:
		return false;
	}
	return false;
}

static bool
fits_names(const struct hba_rule *rule, const struct rules_guest *guest)
{
	bool fits = false;

	for (size_t i = 0; !fits && i < rule->databases.count; i++)
		fits = fits_database(&rule->databases.names[i], guest);
	if (!fits)
		return false;
	for (size_t i = 0; i < rule->users.count; i++)
		if (rule->users.names[i].word == HBA_ALL ||
		    strcmp(rule->users.names[i].text, guest->user) == 0)
			return true;
	return false;
}

/* RFC 4291 2.5.5.2 */
static bool
is_mapped(const struct address *address)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return address->family == ADDRESS_IPV6 &&
	    memcmp(address->bytes, prefix, sizeof(prefix)) == 0;
}

static bool
is_within(const uint8_t *bytes, const struct hba_range *range)
{
	unsigned width = range->family == ADDRESS_IPV4 ? 4 : 16;

	for (unsigned i = 0; i < width; i++)
		if ((bytes[i] & range->mask[i]) != range->bytes[i])
			return false;
	return true;
}

static bool
fits_range(const struct hba_range *range, const struct address *address)
{
	if (range->family == ADDRESS_UNIX)
		return true;		/* all */
	if (address->family == range->family)
		return is_within(address->bytes, range);
	return range->family == ADDRESS_IPV4 && is_mapped(address) &&
	    is_within(address->bytes + 12, range);
}

const struct hba_rule *
rules_find(const struct hba *hba, const struct rules_guest *guest)
{
	for (size_t i = 0; i < hba->count; i++) {
		const struct hba_rule *rule = &hba->rules[i];

		if (fits_connection(rule, guest) &&
		    (rule->connection == HBA_LOCAL ||
		    fits_range(&rule->range, guest->address)) &&
		    fits_names(rule, guest))
			return rule;
	}
	return NULL;
}

/* --- maps ---------------------------------------------------------------- */

/*
 * The user, with the first \1 replaced by what the pattern found, without
 * putting it together: prefix, found part and suffix, one after the other.
 */
static bool
is_made_of(const char *user, const char *line_user, const char *found,
    size_t found_length)
{
	const char *mark = strstr(line_user, "\\1");
	size_t prefix = mark == NULL ? 0 : (size_t)(mark - line_user);

	if (mark == NULL)
		return strcmp(user, line_user) == 0;
	return strncmp(user, line_user, prefix) == 0 &&
	    strncmp(user + prefix, found, found_length) == 0 &&
	    strcmp(user + prefix + found_length, mark + 2) == 0;
}

static bool
fits_pattern(const struct ident_line *line, const char *system_name,
    const char *user)
{
	regmatch_t match[2];
	regex_t compiled;
	bool fits;

	if (regcomp(&compiled, line->system_name, REG_EXTENDED) != 0)
		return false;
	fits = regexec(&compiled, system_name, 2, match, 0) == 0;
	regfree(&compiled);
	if (!fits)
		return false;
	if (match[1].rm_so == -1)	/* \1 stands for nothing, then */
		match[1].rm_so = match[1].rm_eo = 0;
	return line->user == NULL || is_made_of(user, line->user,
	    system_name + match[1].rm_so,
	    (size_t)(match[1].rm_eo - match[1].rm_so));
}

static bool
fits_line(const struct ident_line *line, const char *system_name,
    const char *user)
{
	if (line->is_pattern)
		return fits_pattern(line, system_name, user);
	return strcmp(line->system_name, system_name) == 0 &&
	    (line->user == NULL || strcmp(line->user, user) == 0);
}

bool
rules_may_be(const struct ident *ident, const char *map,
    const char *system_name, const char *user)
{
	/* Nobody is nobody. */
	if (system_name[0] == '\0')
		return false;
	if (map == NULL)
		return strcmp(system_name, user) == 0;
	for (size_t i = 0; i < ident->count; i++)
		if (strcmp(ident->lines[i].map, map) == 0 &&
		    fits_line(&ident->lines[i], system_name, user))
			return true;
	return false;
}
