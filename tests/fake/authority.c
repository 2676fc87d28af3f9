#include "authority.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define DAY (24L * 60 * 60)

struct authority {
	EVP_PKEY	*key;
	X509		*certificate;
	struct paper	*paper;
};

static EVP_PKEY *
make_key(enum paper_key kind)
{
	EVP_PKEY *key;

	if (kind == PAPER_RSA)
		key = EVP_RSA_gen(2048);
	else if (kind == PAPER_ED25519)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else
		key = EVP_EC_gen("P-256");
	ck_assert_ptr_nonnull(key);
	return key;
}

static void
name_it(X509_NAME *subject, const char *field, const char *value)
{
	if (value != NULL)
		ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, field,
		    MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0),
		    1);
}

static void
extend(X509 *certificate, int kind, const char *value)
{
	X509_EXTENSION *extension;

	if (value == NULL)
		return;
	extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* Signed by its own key if there is nobody above. */
static X509 *
make_certificate(const struct paper_wish *wish, EVP_PKEY *key,
    const struct authority *above)
{
	static long serial = 1;
	X509 *made = X509_new();
	EVP_PKEY *signer = above == NULL ? key : above->key;
	bool forever = wish->from_days == 0 && wish->to_days == 0;

	ck_assert_ptr_nonnull(made);
	X509_set_version(made, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made),
	    DAY * (forever ? -1 : wish->from_days));
	X509_gmtime_adj(X509_getm_notAfter(made),
	    DAY * (forever ? 30 : wish->to_days));
	name_it(X509_get_subject_name(made), "O", "Seats");
	name_it(X509_get_subject_name(made), "OU", wish->unit);
	name_it(X509_get_subject_name(made), "CN", wish->name);
	X509_set_issuer_name(made, X509_get_subject_name(
	    above == NULL ? made : above->certificate));
	X509_set_pubkey(made, key);
	extend(made, NID_basic_constraints, wish->is_authority ?
	    "critical,CA:TRUE" : "critical,CA:FALSE");
	extend(made, NID_subject_alt_name, wish->others);
	ck_assert_int_gt(X509_sign(made, signer, EVP_PKEY_get_base_id(signer)
	    == EVP_PKEY_ED25519 ? NULL : EVP_sha256()), 0);
	return made;
}

static char *
text_of(BIO *bio)
{
	char *bytes, *text;
	long length = BIO_get_mem_data(bio, &bytes);

	text = strndup(bytes, (size_t)length);
	ck_assert_ptr_nonnull(text);
	BIO_free(bio);
	return text;
}

static struct paper *
write_down(X509 *certificate, EVP_PKEY *key)
{
	struct paper *paper = calloc(1, sizeof(*paper));
	BIO *bio = BIO_new(BIO_s_mem());

	ck_assert_ptr_nonnull(paper);
	ck_assert_int_eq(PEM_write_bio_X509(bio, certificate), 1);
	paper->certificate = text_of(bio);
	bio = BIO_new(BIO_s_mem());
	ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0,
	    NULL, NULL), 1);
	paper->key = text_of(bio);
	return paper;
}

struct authority *
authority_create_below(struct authority *above, const char *name)
{
	struct authority *authority = calloc(1, sizeof(*authority));
	struct paper_wish wish = { .name = name, .is_authority = true };

	ck_assert_ptr_nonnull(authority);
	authority->key = make_key(wish.key);
	authority->certificate = make_certificate(&wish, authority->key,
	    above);
	authority->paper = write_down(authority->certificate, authority->key);
	return authority;
}

struct authority *
authority_create(const char *name)
{
	return authority_create_below(NULL, name);
}

void
authority_free(struct authority *authority)
{
	if (authority == NULL)
		return;
	EVP_PKEY_free(authority->key);
	X509_free(authority->certificate);
	paper_free(authority->paper);
	free(authority);
}

const char *
authority_certificate(const struct authority *authority)
{
	return authority->paper->certificate;
}

struct paper *
authority_issue(struct authority *authority, const struct paper_wish *wish)
{
	EVP_PKEY *key = make_key(wish->key);
	X509 *certificate = make_certificate(wish, key, authority);
	struct paper *paper = write_down(certificate, key);

	X509_free(certificate);
	EVP_PKEY_free(key);
	return paper;
}

struct paper *
authority_self_signed(const struct paper_wish *wish)
{
	return authority_issue(NULL, wish);
}

void
paper_free(struct paper *paper)
{
	if (paper == NULL)
		return;
	free(paper->certificate);
	free(paper->key);
	free(paper);
}
