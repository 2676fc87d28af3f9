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

#include "base/address.h"
#include "base/base.h"

enum question_kind {
	QUESTION_HOST = 0,	/* which addresses has this name? */
	QUESTION_KINDS
};

#define QUESTION_TEXT_BYTES 256

struct question {
	uint32_t kind;		/* enum question_kind */
	uint32_t slot;		/* who asks */
	uint32_t id;		/* the asker's: goes back with the answer */
	char	 text[QUESTION_TEXT_BYTES];	/* HOST: the name */
};

enum answer_verdict {
	ANSWER_YES = 0,		/* HOST: addresses has at least one */
	ANSWER_NO,		/* HOST: there is no such name */
	ANSWER_FAILED		/* nobody could tell */
};

struct answer {
	uint32_t kind;		/* INBOX_ANSWER: it comes by an inbox */
	uint32_t question;	/* enum question_kind */
	uint32_t id;
	uint32_t verdict;	/* enum answer_verdict */
	int32_t	 result;	/* HOST: EAI_…, for the log; 0 */
	char	 text[QUESTION_TEXT_BYTES];	/* of the question */
	struct address_list addresses;		/* HOST */
};

#endif
