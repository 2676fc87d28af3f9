#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "base/digest.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "net/tls_parts.h"

#define PROTOCOL "postgresql"
/* As it is on the wire: its length first (RFC 7301, 3.1). */
static const unsigned char alpn[] = "\012" PROTOCOL;

/* --- faults -------------------------------------------------------------- */

static bool
invalid(const struct tls_settings *settings, const char *parameter,
    const char *value, struct error *error)
{
	return error_set(error, "invalid %s_%s: %s", settings->prefix,
	    parameter, value);
}

/* OpenSSL's own words; they are about the form of a file, not what it says. */
static bool
invalid_file(const struct tls_settings *settings, const char *parameter,
    const struct tls_pem *pem, struct error *error)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	error_set(error, "invalid %s_%s: %s: %s", settings->prefix, parameter,
	    pem->path, reason == NULL ? "not in PEM" : reason);
	ERR_clear_error();
	return false;
}

/* --- which versions, ciphers, curves ------------------------------------- */

#define V10 1u
#define V11 2u
#define V12 4u
#define V13 8u

static unsigned
versions_of(const char *word, size_t length)
{
	static const struct {
		const char	*word;
		unsigned	 versions;
	} known[] = {
		{ "all", V10 | V11 | V12 | V13 },
		{ "legacy", V10 | V11 | V12 | V13 },
		{ "secure", V12 | V13 },
		{ "default", V12 | V13 },
		{ "tlsv1", V10 | V11 | V12 | V13 },
		{ "tlsv1.0", V10 },
		{ "tlsv1.1", V11 },
		{ "tlsv1.2", V12 },
		{ "tlsv1.3", V13 },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
		if (strlen(known[i].word) == length &&
		    strncasecmp(known[i].word, word, length) == 0)
			return known[i].versions;
	return 0;
}

bool
tls_protocols_parse(const char *list, unsigned *versions_out)
{
	static const char separators[] = ",: \t";
	const char *at = list + strspn(list, separators);
	/* One that begins by taking out takes out of all. */
	unsigned versions = *at == '!' ? V10 | V11 | V12 | V13 : 0, word;

	while (*at != '\0') {
		bool takes_out = *at == '!';
		size_t length;

		at += takes_out;
		length = strcspn(at, separators);
		word = versions_of(at, length);
		if (word == 0)
			return false;
		versions = takes_out ? versions & ~word : versions | word;
		at += length;
		at += strspn(at, separators);
	}
	*versions_out = versions;
	return versions != 0;
}

static bool
set_versions(SSL_CTX *ssl, const char *list)
{
	static const struct {
		int		version;
		uint64_t	without;
	} known[] = {
		{ TLS1_VERSION, SSL_OP_NO_TLSv1 },
		{ TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
		{ TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
		{ TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
	};
	int least = 0, most = 0;
	unsigned versions;

	if (!tls_protocols_parse(list, &versions))
		return false;
	for (unsigned i = 0; i < ARRAY_LENGTH(known); i++) {
		if (!(versions >> i & 1)) {
			SSL_CTX_set_options(ssl, known[i].without);
			continue;
		}
		SSL_CTX_clear_options(ssl, known[i].without);
		if (least == 0)
			least = known[i].version;
		most = known[i].version;
	}
	/* The system's configuration may have set others. */
	return SSL_CTX_set_min_proto_version(ssl, least) == 1 &&
	    SSL_CTX_set_max_proto_version(ssl, most) == 1;
}

/* What leaves OpenSSL's own list: words of earlier times. */
static bool
is_default_list(const char *ciphers)
{
	return strcasecmp(ciphers, "default") == 0 ||
	    strcasecmp(ciphers, "secure") == 0 ||
	    strcasecmp(ciphers, "fast") == 0 ||
	    strcasecmp(ciphers, "normal") == 0;
}

static bool
is_word(const char *text, const char *word)
{
	return text != NULL && strcasecmp(text, word) == 0;
}

static bool
set_ciphers(SSL_CTX *ssl, const struct tls_settings *settings,
    struct error *error)
{
	const char *ciphers = settings->ciphers;
	bool has_suites = settings->suites != NULL &&
	    settings->suites[0] != '\0';
	char list[2048];

	if (ciphers == NULL || is_default_list(ciphers))
		ciphers = "DEFAULT";
	else if (is_word(ciphers, "all"))
		ciphers = "ALL:!aNULL:!eNULL";
	/* TLS 1.3 has no key exchange without a group; 1.2 has. */
	if ((size_t)snprintf(list, sizeof(list), "%s%s", ciphers,
	    is_word(settings->curve, "none") ? ":!kECDHE" : "") >=
	    sizeof(list) || SSL_CTX_set_cipher_list(ssl, list) != 1)
		return invalid(settings, "ciphers", settings->ciphers, error);
	if (has_suites &&
	    SSL_CTX_set_ciphersuites(ssl, settings->suites) != 1)
		return error_set(error, "invalid %s13_ciphers: %s",
		    settings->prefix, settings->suites);
	return true;
}

static bool
set_key_exchange(SSL_CTX *ssl, const struct tls_settings *settings,
    struct error *error)
{
	const char *curve = settings->curve;

	if (curve != NULL && curve[0] != '\0' && !is_word(curve, "auto") &&
	    !is_word(curve, "none") &&
	    SSL_CTX_set1_groups_list(ssl, curve) != 1)
		return invalid(settings, "ecdhcurve", curve, error);
	/* 2: whatever the certificate, the group of 1024 bits. */
	if (settings->dh != TLS_DH_NONE && SSL_CTX_set_dh_auto(ssl,
	    settings->dh == TLS_DH_LEGACY ? 2 : 1) != 1)
		return invalid(settings, "dheparams", "not available", error);
	return true;
}

/* --- files --------------------------------------------------------------- */

static bool
is_given(const struct tls_pem *pem)
{
	return pem->path != NULL && pem->path[0] != '\0';
}

/* Keys with a password are of no use to who starts without a terminal. */
static int
no_password(char *text, int size, int writes, void *context)
{
	return -1;
}

/* True: the last certificate was read, and behind it there is none. */
static bool
is_at_end(void)
{
	unsigned long code = ERR_peek_last_error();
	bool at_end = ERR_GET_LIB(code) == ERR_LIB_PEM &&
	    ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

	if (at_end)
		ERR_clear_error();
	return at_end;
}

/* All certificates of a file; NULL: there is none, or one is broken. */
static STACK_OF(X509) *
read_certificates(const struct tls_pem *pem)
{
	STACK_OF(X509) *list = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(pem->content, (int)pem->length);
	X509 *one;

	ERR_clear_error();
	if (list == NULL || bio == NULL) {
		sk_X509_free(list);
		BIO_free(bio);
		return NULL;
	}
	while ((one = PEM_read_bio_X509(bio, NULL, no_password, NULL)) !=
	    NULL)
		if (sk_X509_push(list, one) == 0) {
			X509_free(one);
			break;
		}
	BIO_free(bio);
	if (sk_X509_num(list) > 0 && is_at_end())
		return list;
	sk_X509_pop_free(list, X509_free);
	return NULL;
}

/* The first certificate is ours, the others lead to who signed it. */
static bool
use_certificate(SSL_CTX *ssl, const struct tls_settings *settings,
    struct error *error)
{
	STACK_OF(X509) *list = read_certificates(&settings->certificate);
	bool good;

	good = list != NULL &&
	    SSL_CTX_use_certificate(ssl, sk_X509_value(list, 0)) == 1;
	for (int i = 1; good && i < sk_X509_num(list); i++)
		good = SSL_CTX_add1_chain_cert(ssl,
		    sk_X509_value(list, i)) == 1;
	if (!good)
		invalid_file(settings, "cert_file", &settings->certificate,
		    error);
	sk_X509_pop_free(list, X509_free);
	return good;
}

static bool
belongs(SSL_CTX *ssl, EVP_PKEY *key)
{
	X509 *certificate = SSL_CTX_get0_certificate(ssl);
	bool fits = certificate != NULL &&
	    X509_check_private_key(certificate, key) == 1;

	ERR_clear_error();
	return fits;
}

static bool
use_key(SSL_CTX *ssl, const struct tls_settings *settings,
    struct error *error)
{
	BIO *bio = BIO_new_mem_buf(settings->key.content,
	    (int)settings->key.length);
	EVP_PKEY *key = NULL;
	bool good;

	ERR_clear_error();
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	good = key != NULL;
	if (!good) {
		invalid_file(settings, "key_file", &settings->key, error);
	} else if (!belongs(ssl, key)) {
		good = error_set(error, "invalid %s_key_file: %s: does not "
		    "belong to the certificate", settings->prefix,
		    settings->key.path);
	} else {
		good = SSL_CTX_use_PrivateKey(ssl, key) == 1;
		if (!good)
			invalid_file(settings, "key_file", &settings->key,
			    error);
	}
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}

/* Clients with several certificates choose by the names of these. */
static bool
trust(SSL_CTX *ssl, const struct tls_settings *settings, bool for_clients,
    struct error *error)
{
	STACK_OF(X509) *list = read_certificates(&settings->authorities);
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	bool good = list != NULL;

	for (int i = 0; good && i < sk_X509_num(list); i++) {
		X509 *one = sk_X509_value(list, i);

		good = X509_STORE_add_cert(store, one) == 1 &&
		    (!for_clients || SSL_CTX_add_client_CA(ssl, one) == 1);
	}
	if (!good)
		invalid_file(settings, "ca_file", &settings->authorities,
		    error);
	sk_X509_pop_free(list, X509_free);
	return good;
}

/*
 * OpenSSL would look in the CA file for who signed our certificate, at each
 * handshake anew.  Once is enough; and if it is not found, so be it.
 */
static void
complete_chain(SSL_CTX *ssl)
{
	STACK_OF(X509) *chain = NULL;

	SSL_CTX_get0_chain_certs(ssl, &chain);
	if (sk_X509_num(chain) <= 0)
		(void)SSL_CTX_build_cert_chain(ssl,
		    SSL_BUILD_CHAIN_FLAG_NO_ROOT |
		    SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR |
		    SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
	ERR_clear_error();
	SSL_CTX_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
}

static bool
use_files(SSL_CTX *ssl, const struct tls_settings *settings,
    bool for_clients, struct error *error)
{
	if (is_given(&settings->authorities) &&
	    !trust(ssl, settings, for_clients, error))
		return false;
	if (is_given(&settings->certificate) &&
	    !use_certificate(ssl, settings, error))
		return false;
	if (is_given(&settings->key) && !use_key(ssl, settings, error))
		return false;
	if (is_given(&settings->certificate))
		complete_chain(ssl);
	return true;
}

/* --- sessions ------------------------------------------------------------ */

static struct tls_context *
context_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static bool
prepare_mac(EVP_MAC_CTX *mac, const uint8_t *secret)
{
	char digest[] = "SHA256";
	uint8_t copy[TLS_TICKET_SECRET];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, copy,
		    sizeof(copy)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		    digest, 0),
		OSSL_PARAM_construct_end(),
	};
	bool good;

	memcpy(copy, secret, sizeof(copy));
	good = EVP_MAC_CTX_set_params(mac, params) == 1;
	memory_wipe(copy, sizeof(copy));
	return good;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants it. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts)
{
	const struct tls_tickets *tickets = &context_of(ssl)->tickets;
	enum tls_ticket_verdict verdict;
	struct tls_ticket_key key;
	bool good;

	verdict = tickets->find(tickets->context, encrypts ? NULL : name,
	    &key);
	if (verdict == TLS_TICKET_UNKNOWN)
		return 0;
	if (encrypts) {
		memcpy(name, key.name, TLS_TICKET_NAME);
		good = RAND_bytes(iv, EVP_CIPHER_get_iv_length(
		    EVP_aes_256_cbc())) == 1 &&
		    EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL,
		    key.cipher, iv) == 1;
	} else {
		good = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL,
		    key.cipher, iv) == 1;
	}
	good = good && prepare_mac(mac, key.mac);
	memory_wipe(&key, sizeof(key));
	if (!good)
		return -1;
	return verdict == TLS_TICKET_OLD && !encrypts ? 2 : 1;
}

static bool
is_out_of_date(X509 *certificate)
{
	return X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0;
}

/* A ticket outlives no certificate. */
static SSL_TICKET_RETURN
on_ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t length, SSL_TICKET_STATUS status, void *context)
{
	X509 *peer;

	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	peer = SSL_SESSION_get0_peer(session);
	if (peer != NULL && is_out_of_date(peer))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE :
	    SSL_TICKET_RETURN_USE_RENEW;
}

static int
on_ticket_write(SSL *ssl, void *context)
{
	return 1;
}

/*
 * A session is good only where it would begin in the same way: not after a
 * reload that trusts others, or asks for certificates that it did not show.
 */
static bool
mark_sessions(SSL_CTX *ssl, const struct tls_settings *settings)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char mark[EVP_MAX_MD_SIZE];
	unsigned length;
	bool good;

	good = digest != NULL &&
	    EVP_DigestInit_ex(digest, digest_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(digest, &settings->proof,
	    sizeof(settings->proof)) == 1 &&
	    EVP_DigestUpdate(digest, &settings->certificate.length,
	    sizeof(settings->certificate.length)) == 1 &&
	    EVP_DigestUpdate(digest, settings->certificate.content,
	    settings->certificate.length) == 1 &&
	    EVP_DigestUpdate(digest, settings->authorities.content,
	    settings->authorities.length) == 1 &&
	    EVP_DigestFinal_ex(digest, mark, &length) == 1 &&
	    SSL_CTX_set_session_id_context(ssl, mark,
	    SSL_MAX_SID_CTX_LENGTH) == 1;
	EVP_MD_CTX_free(digest);
	return good;
}

static bool
use_tickets(struct tls_context *context, const struct tls_tickets *tickets)
{
	SSL_CTX *ssl = context->ssl;

	if (tickets == NULL) {
		SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ssl, 0) == 1;
	}
	context->tickets = *tickets;
	return SSL_CTX_set_num_tickets(ssl, 1) == 1 &&
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket) == 1 &&
	    SSL_CTX_set_session_ticket_cb(ssl, on_ticket_write,
	    on_ticket_read, NULL) == 1;
}

/* --- contexts ------------------------------------------------------------ */

/* Offers others only: it means somebody else (RFC 7301, 3.2). */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
    const unsigned char *offered, unsigned length, void *context)
{
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_length, alpn, sizeof(alpn) - 1,
	    offered, length) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int
verify_mode(enum tls_proof proof, bool for_clients)
{
	switch (proof) {
	case TLS_PROOF_NONE:
		return SSL_VERIFY_NONE;
	case TLS_PROOF_IF_SENT:
		return for_clients ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
	case TLS_PROOF_CHAIN:
	case TLS_PROOF_NAME:
		break;
	}
	return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

static struct tls_context *
make(struct tls_engine *engine, bool for_clients, enum tls_proof proof)
{
	struct tls_context *context = calloc(1, sizeof(*context));
	SSL_CTX *ssl = SSL_CTX_new(for_clients ? TLS_server_method() :
	    TLS_client_method());

	if (context == NULL || ssl == NULL) {
		free(context);
		SSL_CTX_free(ssl);
		return NULL;
	}
	context->references = 1;
	context->ssl = ssl;
	context->engine = engine;
	context->proof = proof;
	context->for_clients = for_clients;
	SSL_CTX_set_app_data(ssl, context);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ssl, verify_mode(proof, for_clients), NULL);
	return context;
}

static bool
configure(struct tls_context *context, const struct tls_settings *settings,
    struct error *error)
{
	SSL_CTX *ssl = context->ssl;

	if (!set_versions(ssl, settings->protocols))
		return invalid(settings, "protocols", settings->protocols,
		    error);
	/* The strength that is asked of certificates is among the ciphers. */
	return set_ciphers(ssl, settings, error) &&
	    set_key_exchange(ssl, settings, error) &&
	    use_files(ssl, settings, context->for_clients, error);
}

struct tls_context *
tls_context_for_clients(struct tls_engine *engine,
    const struct tls_settings *settings, const struct tls_tickets *tickets,
    struct error *error)
{
	struct tls_context *context = make(engine, true, settings->proof);

	if (context == NULL) {
		error_set(error, "TLS setup failed: out of memory");
		return NULL;
	}
	SSL_CTX_set_options(context->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_alpn_select_cb(context->ssl, on_alpn, NULL);
	if (!configure(context, settings, error)) {
		tls_context_release(context);
		return NULL;
	}
	if (mark_sessions(context->ssl, settings) &&
	    use_tickets(context, tickets))
		return context;
	error_set(error, "TLS setup failed: %s",
	    ERR_reason_error_string(ERR_peek_last_error()));
	tls_context_release(context);
	return NULL;
}

struct tls_context *
tls_context_for_servers(struct tls_engine *engine,
    const struct tls_settings *settings, struct error *error)
{
	struct tls_context *context = make(engine, false, settings->proof);

	/* This one call says 0 when it succeeds. */
	if (context == NULL || SSL_CTX_set_alpn_protos(context->ssl, alpn,
	    sizeof(alpn) - 1) != 0) {
		error_set(error, "TLS setup failed: out of memory");
		tls_context_release(context);
		return NULL;
	}
	if (configure(context, settings, error))
		return context;
	tls_context_release(context);
	return NULL;
}

void
tls_context_release(struct tls_context *context)
{
	if (context == NULL || --context->references > 0)
		return;
	SSL_CTX_free(context->ssl);
	free(context);
}
