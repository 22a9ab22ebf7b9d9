/*
 * The server's side of TLS: a certificate chain with its key and its session cache, and accepting connections with it. Everything that can be
 * prepared is prepared in a context of BearSSL's that each connection copies.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "net/pem.h"
#include "net/tls_priv.h"

#define MAX_PEM_FILE (1024 * 1024)
#define MAX_CHAIN 16
#define MAX_RSA_BYTES 512

struct tls_server {
	br_ssl_server_context context; /* copied, never run */
	br_skey_decoder_context key;   /* holds the private key */
	br_x509_certificate chain[MAX_CHAIN];
	size_t chain_n;
	br_ssl_session_cache_lru cache;
	unsigned char *cache_store; /* NULL: no resumption */
};

/* ---- reading the files ---- */

static int
add_certificate(void *arg, const char *label, const unsigned char *der, size_t n)
{
	struct tls_server *s = arg;
	br_x509_certificate *cert;

	if (!str_is(str_of(label), "CERTIFICATE") && !str_is(str_of(label), "X509 CERTIFICATE"))
		return 0;
	if (s->chain_n == MAX_CHAIN)
		return ERR_TOO_LARGE;
	cert = &s->chain[s->chain_n];
	cert->data = malloc(n > 0 ? n : 1);
	if (cert->data == NULL)
		return ERR_NOMEM;
	memcpy(cert->data, der, n);
	cert->data_len = n;
	s->chain_n++;
	return 0;
}

static bool
is_private_key(struct str label)
{
	return str_is(label, BR_ENCODE_PEM_RSA_RAW) || str_is(label, BR_ENCODE_PEM_EC_RAW) ||
	       str_is(label, BR_ENCODE_PEM_PKCS8);
}

/* The first key counts. EC PARAMETERS and certificates in the same file are passed over. */
static int
set_key(void *arg, const char *label, const unsigned char *der, size_t n)
{
	struct tls_server *s = arg;

	if (str_is(str_of(label), "ENCRYPTED PRIVATE KEY"))
		return ERR_UNSUPPORTED;
	if (!is_private_key(str_of(label)) || br_skey_decoder_key_type(&s->key) != 0)
		return 0;
	br_skey_decoder_push(&s->key, der, n);
	return br_skey_decoder_last_error(&s->key) == 0 ? 0 : ERR_BAD;
}

static int
explain(char *error, size_t cap, const char *file, const char *what, int err)
{
	if (error != NULL && cap > 0)
		snprintf(error, cap, "%s: %s", file, what);
	return err;
}

static int
read_pem(const char *file, pem_each_fn *each, void *arg, char *error, size_t cap)
{
	char *text;
	size_t n;
	int r = file_read_all(file, MAX_PEM_FILE, &text, &n);

	if (r != 0)
		return explain(
		    error, cap, file, r == ERR_TOO_LARGE ? err_text(r) : log_errno_text(errno), r);
	r = pem_each(str_make(text, n), each, arg);
	wipe(text, n);
	free(text);
	switch (r) {
	case 0:
		return 0;
	case ERR_NOMEM:
		return explain(error, cap, file, err_text(r), r);
	case ERR_UNSUPPORTED:
		return explain(error, cap, file,
		    "the key is encrypted, which is not supported: decrypt it", ERR_CONFIG);
	case ERR_TOO_LARGE:
		return explain(error, cap, file, "too many certificates in the chain", ERR_CONFIG);
	default:
		return explain(error, cap, file, "malformed PEM or key", ERR_CONFIG);
	}
}

/* ---- does the key belong to the certificate? ---- */

static struct str
without_zeros(const unsigned char *p, size_t n)
{
	while (n > 0 && *p == 0) {
		p++;
		n--;
	}
	return str_make(p, n);
}

static bool
rsa_matches(const br_rsa_private_key *sk, const br_rsa_public_key *pk)
{
	unsigned char n[MAX_RSA_BYTES];
	br_rsa_compute_modulus modulus = br_rsa_compute_modulus_get_default();
	size_t size = modulus(NULL, sk);

	if (size == 0 || size > sizeof(n) || modulus(n, sk) != size)
		return false;
	return str_eq(without_zeros(n, size), without_zeros(pk->n, pk->nlen));
}

static bool
ec_matches(const br_ec_private_key *sk, const br_ec_public_key *pk)
{
	unsigned char q[BR_EC_KBUF_PUB_MAX_SIZE];
	br_ec_public_key mine;

	if (sk->curve != pk->curve || br_ec_compute_pub(br_ec_get_default(), &mine, q, sk) == 0)
		return false;
	return str_eq(str_make(mine.q, mine.qlen), str_make(pk->q, pk->qlen));
}

static bool
key_matches(const struct tls_server *s)
{
	br_x509_decoder_context d;
	const br_x509_pkey *pk;

	br_x509_decoder_init(&d, NULL, NULL);
	br_x509_decoder_push(&d, s->chain[0].data, s->chain[0].data_len);
	pk = br_x509_decoder_get_pkey(&d);
	if (pk == NULL || pk->key_type != br_skey_decoder_key_type(&s->key))
		return false;
	if (pk->key_type == BR_KEYTYPE_RSA)
		return rsa_matches(br_skey_decoder_get_rsa(&s->key), &pk->key.rsa);
	return ec_matches(br_skey_decoder_get_ec(&s->key), &pk->key.ec);
}

/* ---- making one ---- */

static int
load(struct tls_server *s, const char *cert_pem, const char *key_pem, char *error, size_t cap)
{
	int r = read_pem(cert_pem, add_certificate, s, error, cap);

	if (r != 0)
		return r;
	if (s->chain_n == 0)
		return explain(error, cap, cert_pem, "no certificate in it", ERR_CONFIG);
	r = read_pem(key_pem, set_key, s, error, cap);
	if (r != 0)
		return r;
	if (br_skey_decoder_key_type(&s->key) == 0)
		return explain(error, cap, key_pem, "no private key in it", ERR_CONFIG);
	if (!key_matches(s))
		return explain(error, cap, key_pem, "the key is not the certificate's", ERR_CONFIG);
	return 0;
}

static int
prepare(struct tls_server *s, size_t cache_bytes)
{
	br_ssl_server_zero(&s->context);
	tls_profile(&s->context.eng);
	if (cache_bytes == 0)
		return 0;
	s->cache_store = malloc(cache_bytes);
	if (s->cache_store == NULL)
		return ERR_NOMEM;
	br_ssl_session_cache_lru_init(&s->cache, s->cache_store, cache_bytes);
	br_ssl_server_set_cache(&s->context, &s->cache.vtable);
	return 0;
}

int
tls_server_new(const char *cert_pem, const char *key_pem, size_t session_cache_bytes,
    struct tls_server **out, char *error, size_t cap)
{
	struct tls_server *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return explain(error, cap, cert_pem, err_text(ERR_NOMEM), ERR_NOMEM);
	br_skey_decoder_init(&s->key);
	r = load(s, cert_pem, key_pem, error, cap);
	if (r == 0) {
		r = prepare(s, session_cache_bytes);
		if (r != 0)
			explain(error, cap, cert_pem, err_text(r), r);
	}
	if (r == 0)
		*out = s;
	else
		tls_server_free(s);
	return r;
}

void
tls_server_free(struct tls_server *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->chain_n; i++)
		free(s->chain[i].data);
	if (s->cache_store != NULL)
		wipe(s->cache_store, s->cache.store_len);
	free(s->cache_store);
	wipe(s, sizeof(*s));
	free(s);
}

void
tls_server_set_oldest(struct tls_server *s, enum tls_version v)
{
	br_ssl_engine_set_versions(&s->context.eng, v, BR_TLS12);
}

/* ---- accepting ---- */

/* Called once the client's hello is in, unless a session is resumed: chooses the certificate by name, then hands over to BearSSL's own policy for
 * its kind of key. */
static int
choose(const br_ssl_server_policy_class **policy, const br_ssl_server_context *ctx,
    br_ssl_server_choices *choices)
{
	struct tls_policy *p = (struct tls_policy *)(void *)policy;
	struct tls *t = CONTAINER_OF(p, struct tls, policy);
	br_ssl_server_context *own = &t->u.server;
	const char *name = br_ssl_engine_get_server_name(&ctx->eng);
	struct tls_server *s = NULL;

	t->resumed = false;
	if (p->choose != NULL)
		s = p->choose(p->arg, str_of(name));
	if (s == NULL)
		s = p->first;
	if (br_skey_decoder_key_type(&s->key) == BR_KEYTYPE_RSA)
		br_ssl_server_set_single_rsa(own, s->chain, s->chain_n,
		    br_skey_decoder_get_rsa(&s->key), BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN,
		    br_rsa_private_get_default(), br_rsa_pkcs1_sign_get_default());
	else
		br_ssl_server_set_single_ec(own, s->chain, s->chain_n,
		    br_skey_decoder_get_ec(&s->key), BR_KEYTYPE_SIGN, 0, br_ec_get_default(),
		    br_ecdsa_sign_asn1_get_default());
	return (*own->policy_vtable)->choose(own->policy_vtable, own, choices);
}

/* Not reached: choose() has put another policy into place before anything is signed or decrypted. */
static uint32_t
no_key_exchange(const br_ssl_server_policy_class **policy, unsigned char *data, size_t *n)
{
	(void)policy, (void)data, (void)n;
	return 0;
}

static size_t
no_signature(const br_ssl_server_policy_class **policy, unsigned algorithm, unsigned char *data,
    size_t hash_n, size_t n)
{
	(void)policy, (void)algorithm, (void)data, (void)hash_n, (void)n;
	return 0;
}

static const br_ssl_server_policy_class policy_class = { sizeof(struct tls_policy), choose,
	no_key_exchange, no_signature };

int
tls_accept(struct conn *c, struct tls_server *first, tls_choose_fn *fn, void *arg, int64_t deadline)
{
	struct tls *t = tls_new();

	if (t == NULL)
		return ERR_NOMEM;
	c->tls = t;
	tls_start(t, &first->context, sizeof(first->context));
	t->policy = (struct tls_policy){ &policy_class, first, fn, arg };
	br_ssl_server_set_policy(&t->u.server, &t->policy.vtable);
	t->resumed = true; /* unless choose() is called */
	if (!br_ssl_server_reset(&t->u.server)) {
		t->failure = ERR_TLS;
		return ERR_TLS;
	}
	return tls_handshake(c, deadline);
}
