/*
 * What SET on the console has put in the place of the file's values.
 *
 * They live in the supervisor, outlast every reload, and travel to the
 * workers as a note in the bundle of files (config/files.h): config_load()
 * applies them to what the file says, with the same checks.
 */
#ifndef CONFIG_OVERRIDES_H
#define CONFIG_OVERRIDES_H

#include "base/base.h"
#include "config/files.h"

struct override {
	const char	*key, *value;
};

struct overrides {
	struct override	*list;		/* in the order of their making */
	size_t		 count;
};

/* A zeroed struct is an empty one. */
void overrides_free(struct overrides *overrides);
void overrides_copy(const struct overrides *from, struct overrides *out);

/* Replaces an older value of the key. */
void overrides_set(struct overrides *overrides, const char *key,
    const char *value);
void overrides_drop(struct overrides *overrides, const char *key);
/* NULL: the file's value counts. */
const char *overrides_find(const struct overrides *overrides,
    const char *key);

/* "default_pool_size=50, query_timeout=3", cut to the size. */
void overrides_describe(const struct overrides *overrides, char *text,
    size_t size);

/* Into the bundle, in the place of those that were there, and out of it. */
void overrides_put(const struct overrides *overrides, struct files *files);
void overrides_get(const struct files *files, struct overrides *out);

#endif
