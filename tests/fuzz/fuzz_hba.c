/*
 * The bytes are an HBA file, hba, which may name itself with @hba.  What
 * follows a line of three dashes is a map file.  What is accepted is asked
 * about some clients.
 */
#include <stdint.h>
#include <string.h>

#include "auth/rules.h"
#include "base/invariant.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void
ask(const struct hba *hba, const struct ident *ident)
{
	struct address address = { .family = ADDRESS_IPV4,
	    .bytes = { 10, 0, 0, 1 } };
	struct rules_guest guest = { .database = "db", .user = "anna",
	    .address = &address };
	const struct hba_rule *rule;

	for (unsigned i = 0; i < 8; i++) {
		guest.is_unix = (i & 1) != 0;
		guest.has_tls = (i & 2) != 0;
		address.family = (i & 4) != 0 ? ADDRESS_IPV6 : ADDRESS_IPV4;
		rule = rules_find(hba, &guest);
		INVARIANT(rule == NULL ||
		    (rule->connection == HBA_LOCAL) == guest.is_unix);
		if (rule != NULL)
			INVARIANT(rule->map == NULL ||
			    ident_has_map(ident, rule->map));
	}
	for (size_t i = 0; i < ident->count; i++)
		(void)!rules_may_be(ident, ident->lines[i].map,
		    "anna.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@aaaaaa", "anna");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const char separator[] = "\n---\n";
	const size_t separator_length = sizeof(separator) - 1;
	const char *found = memmem(bytes, length, separator,
	    separator_length);
	size_t first = found == NULL ? length : (size_t)(found -
	    (const char *)bytes) + 1;
	struct files *files = files_memory();
	struct arena *arena = arena_create();
	struct error error = { .text = "" };
	struct ident ident = { NULL, 0 };
	struct hba hba;
	bool good;

	files_put(files, "hba", (const char *)bytes, first);
	if (found != NULL)
		files_put(files, "ident", found + separator_length,
		    length - first - separator_length + 1);
	good = (found == NULL || ident_read(files_read(files, "ident"), arena,
	    &ident, &error)) && hba_read(files, "hba", &ident, arena, &hba,
	    &error);
	if (good)
		ask(&hba, &ident);
	else
		INVARIANT(error.text[0] != '\0');
	arena_destroy(arena);
	files_free(files);
	return 0;
}
