#include "config/pattern.h"

#include <regex.h>
#include <string.h>

/*
 * What a pattern may come to.  A letter is 1.  For each state the library
 * notes what can be reached without a byte, so all that can be passed over is
 * dearer: `a{0,900}` is about as much as may be.  Anchors that have no letter
 * between them multiply, those of words most of all.
 */
#define COST_MOST 10000
#define COST_OF_CHOICE 10
#define COST_OF_NOTHING 30
#define COST_OF_ANCHOR 300
#define COST_OF_WORD_ANCHOR 1000
/* The library calls itself for each. */
#define BRACKETS_MOST 100
/* PostgreSQL has 255, glibc 32767. */
#define BOUND_MOST 100000

/* What stands between two brackets, as far as it is read. */
struct part {
	uint64_t	cost;
	bool		may_be_empty;	/* what was before the last `|` */
	bool		has_nothing;	/* there is nothing since */
	bool		has_letters;	/* … without the last: not empty */
	struct {			/* the last atom, or brackets */
		uint64_t	cost;
		bool		has_letters, is_repeated;
	}		last;
};

struct quantifier {
	unsigned	least, most;
	bool		has_most;
};

/* --- one atom ------------------------------------------------------------ */

/* Behind "[:alpha:]" and the like, of which this is the bracket. */
static const char *
skip_class(const char *at)
{
	const char end[] = { at[1], ']', '\0' };
	const char *found = strstr(at + 2, end);

	return found == NULL ? at + strlen(at) : found + 2;
}

/* Behind "[a-z]"; a bracket that comes first is one of the letters. */
static const char *
skip_letters(const char *at)
{
	at += at[1] == '^' ? 2 : 1;
	if (*at == ']')
		at++;
	while (*at != '\0' && *at != ']')
		at = *at == '[' && at[1] != '\0' && strchr(".:=", at[1]) !=
		    NULL ? skip_class(at) : at + 1;
	return *at == '\0' ? at : at + 1;
}

static const char *
skip_atom(const char *at)
{
	if (*at == '[')
		return skip_letters(at);
	if (*at == '\\' && at[1] != '\0')
		return at + 2;
	return at + 1;
}

/* --- a quantifier -------------------------------------------------------- */

static const char *
read_number(const char *at, unsigned *number_out)
{
	unsigned number = 0;

	for (; *at >= '0' && *at <= '9'; at++)
		if (number < BOUND_MOST)
			number = 10 * number + (unsigned)(*at - '0');
	*number_out = number;
	return at;
}

/* Behind "{1,5}"; NULL: that is not what it is. */
static const char *
read_bounds(const char *at, struct quantifier *quantifier)
{
	const char *digits = ++at;

	at = read_number(at, &quantifier->least);
	quantifier->most = quantifier->least;
	if (*at == ',') {
		digits = at + 1;
		at = read_number(digits, &quantifier->most);
		quantifier->has_most = at != digits;
	} else if (at == digits) {
		return NULL;
	}
	return *at == '}' ? at + 1 : NULL;
}

static const char *
read_quantifier(const char *at, struct quantifier *quantifier)
{
	*quantifier = (struct quantifier){ .least = *at == '+',
	    .most = 1, .has_most = *at == '?' || *at == '{' };
	return *at == '{' ? read_bounds(at, quantifier) : at + 1;
}

/*
 * How often what it repeats is written out.  A loop over a loop is looked
 * through from each of its copies.
 */
static uint64_t
copies_of(const struct quantifier *quantifier)
{
	uint64_t least = quantifier->least;

	if (!quantifier->has_most)
		return (least + 1) * (least + 1);
	return quantifier->most == 0 ? 1 : quantifier->most;
}

static uint64_t
choices_of(const struct quantifier *quantifier)
{
	if (!quantifier->has_most)
		return 1;
	return quantifier->most <= quantifier->least ? 0 :
	    quantifier->most - quantifier->least;
}

/* --- the pattern --------------------------------------------------------- */

static struct part
part_begin(void)
{
	return (struct part){ .has_nothing = true };
}

static void
add_atom(struct part *part, uint64_t cost, bool has_letters)
{
	part->cost += cost;
	part->has_nothing = false;
	part->has_letters |= part->last.has_letters;
	part->last.cost = cost;
	part->last.has_letters = has_letters;
	part->last.is_repeated = false;
}

/* The usual ones, at the ends of a whole pattern: one for each choice. */
static bool
is_at_end(const struct part *part, const char *at)
{
	return *at == '^' ? part->has_nothing : at[1] == '|' ||
	    at[1] == '\0';
}

static void
add_plain_atom(struct part *part, bool is_outermost, const char *at)
{
	if (*at == '^' || *at == '$')
		add_atom(part, is_outermost && is_at_end(part, at) ?
		    COST_OF_CHOICE : COST_OF_ANCHOR, false);
	else if (*at == '\\' && at[1] != '\0' && strchr("bB<>`'", at[1]))
		add_atom(part, COST_OF_WORD_ANCHOR, false);
	else
		add_atom(part, 1, true);
}

/* At `|`, or at the end of all of them. */
static void
end_choice(struct part *part)
{
	if (part->has_nothing)
		part->cost += COST_OF_NOTHING;
	*part = (struct part){ .cost = part->cost, .has_nothing = true,
	    .may_be_empty = part->may_be_empty ||
	    !(part->has_letters || part->last.has_letters) };
}

/* POSIX has none of these, and to look for one takes glibc seconds. */
static bool
refers_back(const char *at)
{
	return *at == '\\' && at[1] >= '1' && at[1] <= '9';
}

static bool
take_quantifier(struct part *part, const char **at, struct error *error)
{
	const char *begin = *at;
	struct quantifier quantifier;
	uint64_t cost;

	*at = read_quantifier(begin, &quantifier);
	if (*at == NULL)
		return error_set(error, "\"%.20s\" is not a number of "
		    "repetitions", begin);
	if (part->last.is_repeated) {
		error_set(error, "\"%.20s\" repeats what is repeated "
		    "already", begin);
		return error_hint(error, "a repetition is greedy always, and "
		    "one is enough");
	}
	if (*begin != '?' && !part->last.has_letters)
		return error_set(error, "\"%.20s\" repeats what may be "
		    "empty", begin);
	cost = part->last.cost * copies_of(&quantifier) +
	    COST_OF_CHOICE * choices_of(&quantifier);
	part->cost += cost - part->last.cost;
	part->last.cost = cost;
	part->last.is_repeated = true;
	part->last.has_letters &= quantifier.least > 0;
	return true;
}

/* One step; `depth` is the part that is read. */
static bool
take(struct part *parts, unsigned *depth, const char **at,
    struct error *error)
{
	struct part *part = &parts[*depth];

	switch (**at) {
	case '*':
	case '+':
	case '?':
	case '{':
		return take_quantifier(part, at, error);
	case '|':
		end_choice(part);
		part->cost += COST_OF_CHOICE;
		++*at;
		return true;
	case '(':
		if (++*depth > BRACKETS_MOST)
			return error_set(error, "more than %d brackets in "
			    "each other", BRACKETS_MOST);
		parts[*depth] = part_begin();
		++*at;
		return true;
	case ')':
		if (*depth == 0)
			break;		/* a letter like any other */
		end_choice(part);
		add_atom(&parts[--*depth], 1 + part->cost,
		    !part->may_be_empty);
		++*at;
		return true;
	case '\\':
		if (refers_back(*at))
			return error_set(error, "\"%.2s\" refers back to what "
			    "was found", *at);
		break;
	default:
		break;
	}
	add_plain_atom(part, *depth == 0, *at);
	*at = skip_atom(*at);
	return true;
}

static bool
is_bounded(const char *pattern, struct error *error)
{
	struct part parts[BRACKETS_MOST + 1] = { part_begin() };
	unsigned depth = 0;

	while (*pattern != '\0') {
		if (!take(parts, &depth, &pattern, error))
			return false;
		if (parts[depth].cost > COST_MOST)
			return error_set(error, "its repetitions come to too "
			    "much");
	}
	return true;
}

bool
pattern_check(const char *pattern, size_t *groups_out, struct error *error)
{
	char reason[128];
	regex_t compiled;
	int result;

	if (!is_bounded(pattern, error))
		return error_prefix(error, "invalid regular expression "
		    "\"%.200s\"", pattern);
	result = regcomp(&compiled, pattern, REG_EXTENDED);
	if (result != 0) {
		regerror(result, &compiled, reason, sizeof(reason));
		return error_set(error, "invalid regular expression \"%.200s\""
		    ": %s", pattern, reason);
	}
	*groups_out = compiled.re_nsub;
	regfree(&compiled);
	return true;
}
