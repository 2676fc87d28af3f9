/*
 * Named prepared statements of clients that share servers (transaction and
 * statement mode).
 *
 * A client's names mean something to itself alone.  A server knows a
 * statement by its digest: of the text, mixed with that of the settings that
 * a text may depend on (DateStyle, client_encoding, ...), so that two who
 * prepare the same share it, and two whose text only looks the same do not.
 *
 *	client's table              server's table, in the segment
 *	"s1" -> text A   --digest-->  PGUSHER_3f0a...  there
 *	"s2" -> text B   --digest-->                   (not there)
 *
 *	client   Bind s1 ........................ Bind s2
 *	server   Bind PGUSHER_3f0a ... [Parse PGUSHER_77b1] Bind PGUSHER_77b1
 *	                                ours: sent in the same go; its
 *	                                ParseComplete goes no further
 *
 * What holds at every instant (I), and how (H):
 *
 * I1. Both tables say what will be true when all that is outstanding has been
 *     answered without an error.
 *     H: a change is made when its message is sent, and noted in the request
 *     that is outstanding for it (session/outstanding.h).  An error undoes
 *     what failed and was skipped, from the last to the first.
 *     A tag that says that all are gone (DEALLOCATE ALL) speaks of what came
 *     before it.  What came behind it is what is awaited: an entry bears the
 *     number of its Parse while that is outstanding, and stays.  A removal
 *     remembers since when there had been what it removed (`since`: the
 *     number of that Parse, or of the oldest request then), and is not undone
 *     if a later request said that all are gone.  So a tag costs no look at
 *     what is outstanding, of which there may be much, for each of many tags.
 * I2. A decision never rests on a change that may still be undone while the
 *     decision is not.
 *     H: an error undoes up to its Sync.  What is sent in the same batch is
 *     undone along with what it rests on; what comes in a later batch is held
 *     back until the earlier one is answered.  Only batches that change a
 *     table hold anything up.
 * I3. A client sees one answer for each of its messages, in order.
 *     H: each request says whether its answer comes from the server, comes
 *     from the server and is swallowed, or is given by us, in its turn.
 * I4. An error is PostgreSQL's own, and so is what it does to a transaction.
 *     H: a name that the client has not got goes to the server as it is; one
 *     that it has already is parsed again on the server, which refuses that;
 *     in a failed transaction nothing is answered without the server.
 * I5. The server's table is exact when the server is given back.
 *     H: nothing is outstanding then.  A server that has lost a process in
 *     the middle is closed.  One that says that a statement is not there, or
 *     that its result has changed, has all of them made anew, and so have its
 *     pool's others (pool_row.statements_epoch).
 * I6. The unnamed statement a client finds is its own.
 *     H: it goes as it is; its text is remembered.  The first Bind of it on
 *     another server is preceded by its Parse, or by Close if there is none.
 *
 * The unnamed one is parsed as often as its client asks for it, also where a
 * server has the same text by a name.  To use that one instead would save a
 * Parse, and tell another story: PostgreSQL does not look again for the
 * tables of what it has parsed (one that a temporary table hides since is
 * read all the same), refuses it in the middle of a transaction when its
 * result has changed, keeps the types of its parameters, and after five uses
 * may plan it without their values.  Who uses unnamed statements asks for
 * none of that; who wants the saving gives a name, and has said so.
 *
 * With max_prepared_statements = 0, and in session mode, none of this is
 * done and nothing is looked at.
 */
#ifndef SESSION_PREPARED_H
#define SESSION_PREPARED_H

#include "session/client.h"
#include "session/edit.h"
#include "session/server.h"
#include "wire/framing.h"

/* Texts and names that one client may keep in a worker's memory. */
#define PREPARED_BYTES_MOST (64 * 1024 * 1024)

/* A message of a client that has just begun. */
struct prepared_message {
	struct client	*client;
	struct server	*server;
	struct edit	*edit;		/* of what goes to the server */
	const uint8_t	*bytes;		/* from its type byte on */
	size_t		 available;	/* that many are here */
	struct frame	 frame;
};

enum prepared_verdict {
	PREPARED_NOTED = 0,	/* dealt with; `done` bytes are edited */
	PREPARED_MORE,		/* more bytes have to be here: `done` */
	PREPARED_HOLD,		/* when earlier batches are answered */
	PREPARED_FAILED		/* the client is closed */
};

/* Does this kind of message have to do with statements? */
bool prepared_concerns(uint8_t type);

/* The server begins to relay for its client. */
void prepared_begin(struct server *server);

/* Decides, edits and notes it as outstanding. */
enum prepared_verdict prepared_ask(const struct prepared_message *message,
    size_t *done_out) MUST_CHECK;

/* Requests at the head that we answer: their answers, now. */
void prepared_answer(struct server *server, struct edit *edit);

/* An error, as a whole. True: what the client gets stands in the edit. */
bool prepared_rewrite_error(struct server *server, const uint8_t *bytes,
    size_t total, struct edit *edit) MUST_CHECK;

/* A CommandComplete of this size may tell that statements are gone. */
bool prepared_may_be_tag(uint32_t total);
void prepared_note_tag(struct server *server, const uint8_t *body,
    size_t length);
/* The same, of a query of our own. */
void prepared_note_own_tag(struct server *server, const uint8_t *body,
    size_t length);

/* What a text may mean has changed on this server. */
void prepared_note_meaning(struct server *server);

/* The client goes. */
void prepared_free(struct client *client);

#endif
