#include "helper/ldap_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PLACEHOLDER "$username"

/* Text that grows until it does not fit; that sticks. */
struct text {
	char	*at;
	size_t	 left;
	bool	 failed;
};

static void
add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

static void
add(struct text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text->at, text->left, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= text->left) {
		text->failed = true;
		return;
	}
	text->at += length;
	text->left -= (size_t)length;
}

/* --- where --------------------------------------------------------------- */

static bool
has_port(const char *server, size_t length)
{
	for (size_t i = length; i > 0 && server[i - 1] != ']'; i--)
		if (server[i - 1] == ':')
			return true;
	return false;
}

bool
ldap_text_uris(const struct ldap_options *options, char *text_out,
    size_t size)
{
	struct text text = { text_out, size, false };
	const char *at = options->server + strspn(options->server, " ");

	while (*at != '\0') {
		size_t length = strcspn(at, " ");

		add(&text, "%s%s://%.*s", text.at == text_out ? "" : " ",
		    options->is_ldaps ? "ldaps" : "ldap", (int)length, at);
		if (!has_port(at, length))
			add(&text, ":%d", options->port);
		at += length;
		at += strspn(at, " ");
	}
	return !text.failed && text.at != text_out;
}

/* --- who ----------------------------------------------------------------- */

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static void
add_value(struct text *text, const char *value)
{
	size_t last = strlen(value);

	for (size_t i = 0; value[i] != '\0'; i++) {
		char c = value[i];
		bool at_end = (c == ' ' && (i == 0 || i + 1 == last)) ||
		    (c == '#' && i == 0);

		if (is_control(c))
			add(text, "\\%02x", (unsigned char)c);
		else if (at_end || strchr("\"+,;<>\\=", c) != NULL)
			add(text, "\\%c", c);
		else
			add(text, "%c", c);
	}
}

bool
ldap_text_bind_name(const struct ldap_options *options, const char *user,
    char *text_out, size_t size)
{
	struct text text = { text_out, size, false };

	add(&text, "%s", options->prefix);
	if (strchr(options->prefix, '=') != NULL)
		add_value(&text, user);
	else
		for (; *user != '\0'; user++) {
			if (is_control(*user))
				return false;
			add(&text, "%c", *user);
		}
	add(&text, "%s", options->suffix);
	return !text.failed;
}

/* --- searching ----------------------------------------------------------- */

static void
add_assertion(struct text *text, const char *value)
{
	for (; *value != '\0'; value++) {
		if (is_control(*value) || strchr("*()\\", *value) != NULL)
			add(text, "\\%02x", (unsigned char)*value);
		else
			add(text, "%c", *value);
	}
}

bool
ldap_text_filter(const struct ldap_options *options, const char *user,
    char *text_out, size_t size)
{
	struct text text = { text_out, size, false };
	const char *at = options->search_filter, *mark;

	if (at == NULL) {
		add(&text, "(%s=", options->search_attribute);
		add_assertion(&text, user);
		add(&text, ")");
		return !text.failed;
	}
	while ((mark = strstr(at, PLACEHOLDER)) != NULL) {
		add(&text, "%.*s", (int)(mark - at), at);
		add_assertion(&text, user);
		at = mark + strlen(PLACEHOLDER);
	}
	add(&text, "%s", at);
	return !text.failed;
}
