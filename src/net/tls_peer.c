#include "net/tls_peer.h"

#include <stdio.h>
#include <string.h>
#include <openssl/x509v3.h>

#include "net/tls_parts.h"

/* --- how they speak ------------------------------------------------------ */

/*
 * "ECDH=X25519"; "DH=2048", though a server has forgotten how long that was;
 * with RSA alone there is nothing to say.
 */
static void
describe_exchange(SSL *ssl, char *text, size_t size)
{
	int kind = SSL_CIPHER_get_kx_nid(SSL_get_current_cipher(ssl));
	int group = (int)SSL_get_negotiated_group(ssl);
	EVP_PKEY *key = NULL;

	text[0] = '\0';
	(void)SSL_get_peer_tmp_key(ssl, &key);
	if (key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_DH)
		snprintf(text, size, "/DH=%d", EVP_PKEY_get_bits(key));
	else if (group != NID_undef && OBJ_nid2sn(group) != NULL &&
	    (kind == NID_kx_ecdhe || kind == NID_kx_any))
		snprintf(text, size, "/ECDH=%s", OBJ_nid2sn(group));
	EVP_PKEY_free(key);
}

void
tls_peer_info(const struct stream *stream, char info_out[TLS_INFO_BYTES])
{
	SSL *ssl;
	char exchange[48];

	info_out[0] = '\0';
	if (stream->tls == NULL || !stream->tls->established)
		return;
	ssl = stream->tls->ssl;
	describe_exchange(ssl, exchange, sizeof(exchange));
	snprintf(info_out, TLS_INFO_BYTES, "%s/%s%s", SSL_get_version(ssl),
	    SSL_get_cipher_name(ssl), exchange);
}

bool
tls_peer_chose_protocol(const struct stream *stream)
{
	const unsigned char *name = NULL;
	unsigned length = 0;

	if (stream->tls != NULL)
		SSL_get0_alpn_selected(stream->tls->ssl, &name, &length);
	return length == strlen("postgresql") &&
	    memcmp(name, "postgresql", length) == 0;
}

bool
tls_peer_resumed(const struct stream *stream)
{
	return stream->tls != NULL &&
	    SSL_session_reused(stream->tls->ssl) == 1;
}

/* --- the other side's certificate ---------------------------------------- */

/* Still the connection's; NULL: none. */
static X509 *
certificate_of(const struct stream *stream)
{
	if (stream->tls == NULL || !stream->tls->established)
		return NULL;
	return SSL_get0_peer_certificate(stream->tls->ssl);
}

bool
tls_peer_has_certificate(const struct stream *stream)
{
	return certificate_of(stream) != NULL;
}

static bool
show(const ASN1_STRING *text, tls_name_visitor *visit, void *context)
{
	unsigned char *name = NULL;
	int length = ASN1_STRING_to_UTF8(&name, text);
	bool found;

	/* Cut at a NUL it would be the name of somebody else. */
	found = length > 0 && strlen((char *)name) == (size_t)length &&
	    visit((char *)name, context);
	OPENSSL_free(name);
	return found;
}

static bool
show_common_name(X509 *certificate, tls_name_visitor *visit, void *context)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = -1, last = -1;

	while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at))
	    >= 0)
		last = at;
	return last >= 0 && show(X509_NAME_ENTRY_get_data(
	    X509_NAME_get_entry(subject, last)), visit, context);
}

bool
tls_peer_any_name(const struct stream *stream, tls_name_visitor *visit,
    void *context)
{
	X509 *certificate = certificate_of(stream);
	GENERAL_NAMES *names;
	bool found;

	if (certificate == NULL)
		return false;
	found = show_common_name(certificate, visit, context);
	names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL,
	    NULL);
	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			found = show(name->d.dNSName, visit, context);
	}
	GENERAL_NAMES_free(names);
	return found;
}

bool
tls_peer_subject(const struct stream *stream, char *text_out, size_t size)
{
	X509 *certificate = certificate_of(stream);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long length = -1;
	bool good = false;

	if (certificate != NULL && bio != NULL && X509_NAME_print_ex(bio,
	    X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
		length = BIO_get_mem_data(bio, &text);
	if (length > 0 && (size_t)length < size &&
	    memchr(text, '\0', (size_t)length) == NULL) {
		memcpy(text_out, text, (size_t)length);
		text_out[length] = '\0';
		good = true;
	}
	BIO_free(bio);
	return good;
}

size_t
tls_peer_end_point(const struct stream *stream,
    uint8_t digest_out[TLS_END_POINT_MOST])
{
	X509 *certificate = certificate_of(stream);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length;
	int kind = NID_undef;
	const EVP_MD *method;

	if (stream->tls == NULL || !stream->tls->established)
		return 0;
	if (stream->tls->context->for_clients)
		certificate = SSL_get_certificate(stream->tls->ssl);
	if (certificate == NULL || X509_get_signature_info(certificate, &kind,
	    NULL, NULL, NULL) != 1 || kind == NID_undef)
		return 0;
	/* RFC 5929, 4.1: in their place. */
	if (kind == NID_md5 || kind == NID_sha1)
		kind = NID_sha256;
	method = EVP_get_digestbynid(kind);
	if (method == NULL ||
	    X509_digest(certificate, method, digest, &length) != 1 ||
	    length > TLS_END_POINT_MOST)
		return 0;
	memcpy(digest_out, digest, length);
	return length;
}
