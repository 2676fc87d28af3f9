/*
 * Who signs certificates in tests: an authority, and what it issues, as PEM
 * in memory.  What fails here fails the test.
 */
#ifndef TESTS_FAKE_AUTHORITY_H
#define TESTS_FAKE_AUTHORITY_H

#include <stdbool.h>

enum paper_key {
	PAPER_EC = 0,		/* P-256 */
	PAPER_RSA,
	PAPER_ED25519		/* has no digest of its own */
};

struct paper_wish {
	const char	*name;		/* CN */
	const char	*unit;		/* OU; NULL: none */
	const char	*others;	/* subjectAltName, "DNS:a,IP:::1" */
	int		 from_days, to_days; /* of now; both 0: valid */
	bool		 is_authority;
	enum paper_key	 key;
};

struct paper {
	char	*certificate, *key;	/* PEM */
};

struct authority;

/* The first one signs itself, the second is signed by another one. */
struct authority *authority_create(const char *name);
struct authority *authority_create_below(struct authority *above,
    const char *name);
void authority_free(struct authority *authority);

/* Its own certificate, PEM; the authority's. */
const char *authority_certificate(const struct authority *authority);

struct paper *authority_issue(struct authority *authority,
    const struct paper_wish *wish);
/* Signed by nobody else. */
struct paper *authority_self_signed(const struct paper_wish *wish);
void paper_free(struct paper *paper);

#endif
