#include "helper/peer.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
find_name(const struct question *question, struct answer *answer)
{
	struct passwd *user;

	errno = 0;
	user = getpwuid((uid_t)strtoul(question->text, NULL, 10));
	if (user == NULL) {
		answer->verdict = errno == 0 ? ANSWER_NO : ANSWER_FAILED;
		snprintf(answer->text, sizeof(answer->text),
		    "Unix user %.20s: %s", question->text,
		    errno == 0 ? "no such user" : strerror(errno));
	} else if (strlen(user->pw_name) < sizeof(answer->text)) {
		answer->verdict = ANSWER_YES;
		strcpy(answer->text, user->pw_name);
	} else {
		answer->verdict = ANSWER_NO;
	}
}

const struct errand_kind peer_kind = { find_name, 0, 0 };
