#include "config/carry_over.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"

enum applies { ON_RELOAD, ON_RESTART };

struct carried {
	const char	*name;
	enum applies	 applies;
	const struct kind *kind;
	size_t		 offset, size;
	bool		 is_text;
};

#define IS_TEXT(name) _Generic(((struct config *)NULL)->name,		\
	const char *: true, default: false)

static const struct carried params[] = {
#define PARAM(name, kind, default_value, least, most, applies, ...)	\
	{ #name, applies, &kind_##kind, offsetof(struct config, name),	\
	    sizeof(((struct config *)NULL)->name), IS_TEXT(name) },
#include "config/params.def"
#undef PARAM
};

static bool
is_equal(const char *text, const char *other)
{
	return text == NULL || other == NULL ? text == other :
	    strcmp(text, other) == 0;
}

static void
carry(const struct carried *param, const void *old, void *new,
    struct arena *arena)
{
	const char *text;

	memcpy(new, old, param->size);
	if (!param->is_text)
		return;
	memcpy(&text, old, sizeof(text));
	if (text == NULL)
		return;
	text = arena_copy_string(arena, text);
	memcpy(new, &text, sizeof(text));
}

void
config_carry_over(const struct config *old, struct config *new, bool tell)
{
	for (size_t i = 0; i < ARRAY_LENGTH(params); i++) {
		const void *was = (const char *)old + params[i].offset;
		void *is = (char *)new + params[i].offset;
		char before_room[KIND_TEXT_ROOM], after_room[KIND_TEXT_ROOM];
		const char *before, *after;

		if (params[i].applies != ON_RESTART)
			continue;
		before = kind_print(params[i].kind, was, before_room);
		after = kind_print(params[i].kind, is, after_room);
		if (tell && !is_equal(before, after))
			log_warning("%s cannot change without a restart: it "
			    "stays \"%s\"", params[i].name,
			    before == NULL ? "" : before);
		carry(&params[i], was, is, new->arena);
	}
}
