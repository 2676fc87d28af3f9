/*
 * The words of files in the manner of pg_hba.conf: a line is fields with
 * blanks between them, a field is words with commas between them.
 *
 *     host  shop,"my shop"  @friends  10.0.0.0/8  md5   # a comment
 *
 * What is quoted is taken as it is, "" in it stands for one quote, and its
 * first word may then be a name that would mean something else without the
 * quotes.  @file stands for the words of that file, beside the file that
 * names it; line breaks separate there as well.
 */
#ifndef CONFIG_TOKENS_H
#define CONFIG_TOKENS_H

#include "base/base.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/files.h"

struct token {
	const char	*text;
	bool		 quoted;	/* it begins with a quote */
};

struct token_field {
	const struct token	*tokens;	/* at least one */
	size_t			 count;
};

struct token_line {
	const char		*file;		/* as long as the files */
	unsigned		 number;
	const struct token_field *fields;	/* at least one */
	size_t			 count;
	const char * const	*rests;		/* [count]: of the line, from
						   this field on */
};

/* One text without line breaks. False: a quote is not closed. */
bool tokens_split(const char *text, size_t length, struct arena *arena,
    struct token_line *line_out, struct error *error) MUST_CHECK;

/*
 * Calls with each line that is not empty.  False: the visitor said so, or a
 * line is broken: file and line are in front of the error's text.
 */
typedef bool token_visitor(const struct token_line *line, void *context,
    struct error *error);
bool tokens_each_line(const struct file *file, struct arena *arena,
    token_visitor *visit, void *context, struct error *error) MUST_CHECK;

/*
 * The words of a field with those of the files that it names.  `file` is
 * where the field is written.
 */
bool tokens_expand(struct files *files, const char *file,
    const struct token_field *field, struct arena *arena,
    struct token_field *expanded_out, struct error *error) MUST_CHECK;

#endif
