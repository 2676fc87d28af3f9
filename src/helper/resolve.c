#include "helper/resolve.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

/* The name is not there; anything else may be different in a moment. */
static bool
is_no_such_name(int result)
{
#ifdef EAI_NODATA
	if (result == EAI_NODATA)
		return true;
#endif
	return result == EAI_NONAME;
}

static void
take_addresses(const struct addrinfo *found, struct address_list *list)
{
	struct address address;

	for (; found != NULL; found = found->ai_next) {
		if (found->ai_family != AF_INET &&
		    found->ai_family != AF_INET6)
			continue;
		address_from(found->ai_addr, 0, &address);
		address_list_add(list, &address);
	}
}

static void
resolve(const struct question *question, struct answer *answer)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char name[QUESTION_TEXT_BYTES];
	int result;

	memcpy(name, question->text, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	result = getaddrinfo(name, NULL, &hints, &found);
	answer->result = result;
	if (result != 0) {
		answer->verdict = is_no_such_name(result) ? ANSWER_NO :
		    ANSWER_FAILED;
		return;
	}
	take_addresses(found, &answer->addresses);
	freeaddrinfo(found);
	answer->verdict = answer->addresses.count > 0 ? ANSWER_YES :
	    ANSWER_NO;
}

const struct errand_kind resolve_kind = { resolve, EAI_AGAIN, 0 };
