/*
 * What a configuration says about TLS, in one direction: written by config,
 * which reads the files, and obeyed by net, which knows OpenSSL.
 *
 * All texts belong to whoever fills this in; they may go once a context is
 * made of them.
 */
#ifndef BASE_TLS_SETTINGS_H
#define BASE_TLS_SETTINGS_H

#include "base/base.h"

/* A file in PEM, read already. Path NULL or "": there is none. */
struct tls_pem {
	const char	*path;
	const char	*content;
	size_t		 length;
};

enum tls_dh {
	TLS_DH_NONE = 0,
	TLS_DH_AUTO,		/* as strong as the certificate */
	TLS_DH_LEGACY		/* 1024 bits */
};

/* What is asked of the other side's certificate. */
enum tls_proof {
	TLS_PROOF_NONE = 0,
	TLS_PROOF_IF_SENT,	/* clients only: none will do, a bad one not */
	TLS_PROOF_CHAIN,	/* signed by whom the CA file names */
	TLS_PROOF_NAME		/* servers only: and for this host */
};

struct tls_settings {
	const char	*prefix;	/* "client_tls", for errors */
	struct tls_pem	 certificate;	/* and its chain */
	struct tls_pem	 key;
	struct tls_pem	 authorities;
	const char	*protocols;	/* words of tls_protocols_parse() */
	const char	*ciphers;	/* TLS 1.2 and below */
	const char	*suites;	/* TLS 1.3; NULL: OpenSSL's */
	const char	*curve;		/* "auto", "none", a list; NULL: auto */
	enum tls_dh	 dh;
	enum tls_proof	 proof;
};

#endif
