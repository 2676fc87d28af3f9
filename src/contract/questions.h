/*
 * What workers ask the helper process, and what it says.
 *
 * A question is one message to the helper's inbox, which survives the helper;
 * the answer is one message to the inbox of the slot that asked, and may be
 * read by its next worker.  The helper keeps no order, and what it had read
 * when it died is lost: who asks sees to it that a question is asked again.
 *
 * Each question is answered, also when its time is up, or by a process that
 * died of it: `result` says so then.
 */
#ifndef CONTRACT_QUESTIONS_H
#define CONTRACT_QUESTIONS_H

#include <string.h>

#include "base/address.h"
#include "base/base.h"

enum question_kind {
	QUESTION_HOST = 0,	/* which addresses has this name? */
	QUESTION_PEER,		/* which Unix user has this number? */
	QUESTION_PAM,		/* is this the user's password? … */
	QUESTION_LDAP,		/* … as the directory says */
	QUESTION_KINDS
};

#define QUESTION_TEXT_BYTES 256

/* PAM, LDAP. Secrets: whoever has one of these wipes it. */
struct login_matter {
	char	user[128];
	char	host[64];	/* where the client is, for PAM */
	char	options[1024];	/* LDAP: as they are written; PAM: service */
	char	password[2048];	/* the last: what is behind its end stays */
};

struct question {
	uint32_t kind;		/* enum question_kind */
	uint32_t slot;		/* who asks */
	uint32_t id;		/* the asker's: goes back with the answer … */
	uint32_t unused;
	uint64_t ticket;	/* … and so does this */
	char	 text[QUESTION_TEXT_BYTES];	/* HOST: the name;
						   PEER: the number */
	struct login_matter login;		/* PAM, LDAP */
};

/* How much of it is sent. */
static inline size_t
question_length(const struct question *question)
{
	if (question->kind != QUESTION_PAM && question->kind != QUESTION_LDAP)
		return offsetof(struct question, login);
	return offsetof(struct question, login.password) +
	    strlen(question->login.password) + 1;
}

enum answer_verdict {
	ANSWER_YES = 0,		/* HOST: addresses has at least one;
				   PEER: text is the name */
	ANSWER_NO,		/* there is no such name; wrong password */
	ANSWER_FAILED		/* nobody could tell */
};

struct answer {
	uint32_t kind;		/* INBOX_ANSWER: it comes by an inbox */
	uint32_t question;	/* enum question_kind */
	uint32_t id;
	uint32_t verdict;	/* enum answer_verdict */
	uint64_t ticket;
	int32_t	 result;	/* HOST: EAI_…, for the log; 0 */
	char	 text[QUESTION_TEXT_BYTES];	/* HOST: of the question;
						   PAM, LDAP: why, for the log
						   */
	struct address_list addresses;		/* HOST */
};

#endif
