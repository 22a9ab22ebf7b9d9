/*
 * Checking the server's certificate chain: BearSSL's "minimal" engine does the chain, the dates, the usages and the host name. It
 * knows nothing of IP addresses, so for a literal one this wrapper lets it check the chain without a name, keeps the end-entity certificate on
 * the way, and looks for the address in it once the chain is found good.
 */
#include <stdlib.h>

#include "net/tls_priv.h"
#include "net/x509.h"

#define MAX_CERT 65536

struct tls_verifier {
	const br_x509_class *vtable; /* first: the engine sees only this */
	br_x509_minimal_context minimal;
	unsigned char ip[16];
	size_t ip_len; /* 0: by name */
	unsigned certs;
	unsigned char *cert; /* of the end entity, when ip_len > 0 */
	size_t cert_n, cert_cap;
};

static struct tls_verifier *
from(const br_x509_class **ctx)
{
	return (struct tls_verifier *)(void *)ctx;
}

static void
start_chain(const br_x509_class **ctx, const char *server_name)
{
	struct tls_verifier *v = from(ctx);

	v->certs = 0;
	v->minimal.vtable->start_chain(&v->minimal.vtable, v->ip_len > 0 ? NULL : server_name);
}

static void
start_cert(const br_x509_class **ctx, uint32_t length)
{
	struct tls_verifier *v = from(ctx);

	if (v->certs++ == 0 && v->ip_len > 0 && length <= MAX_CERT) {
		free(v->cert);
		v->cert = malloc(length > 0 ? length : 1);
		v->cert_cap = v->cert != NULL ? length : 0;
		v->cert_n = 0;
	}
	v->minimal.vtable->start_cert(&v->minimal.vtable, length);
}

static void
append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
	struct tls_verifier *v = from(ctx);

	if (v->certs == 1 && n <= v->cert_cap - v->cert_n) {
		memcpy(v->cert + v->cert_n, p, n);
		v->cert_n += n;
	}
	v->minimal.vtable->append(&v->minimal.vtable, p, n);
}

static void
end_cert(const br_x509_class **ctx)
{
	struct tls_verifier *v = from(ctx);

	v->minimal.vtable->end_cert(&v->minimal.vtable);
}

static unsigned
end_chain(const br_x509_class **ctx)
{
	struct tls_verifier *v = from(ctx);
	unsigned err = v->minimal.vtable->end_chain(&v->minimal.vtable);

	if (err != 0 || v->ip_len == 0)
		return err;
	if (v->cert == NULL || !x509_has_ip(v->cert, v->cert_n, v->ip, v->ip_len))
		return BR_ERR_X509_BAD_SERVER_NAME;
	return 0;
}

static const br_x509_pkey *
get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
	const struct tls_verifier *v = (const struct tls_verifier *)(const void *)ctx;

	return v->minimal.vtable->get_pkey(&v->minimal.vtable, usages);
}

static const br_x509_class verifier_class = { sizeof(struct tls_verifier), start_chain, start_cert,
	append, end_cert, end_chain, get_pkey };

struct tls_verifier *
tls_verifier_new(
    const br_x509_trust_anchor *anchors, size_t n, const unsigned char *ip, size_t ip_len)
{
	struct tls_verifier *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->vtable = &verifier_class;
	br_x509_minimal_init(&v->minimal, &br_sha256_vtable, anchors, n);
	tls_profile_x509(&v->minimal);
	v->ip_len = ip_len;
	if (ip_len > 0)
		memcpy(v->ip, ip, ip_len);
	return v;
}

void
tls_verifier_free(struct tls_verifier *v)
{
	if (v == NULL)
		return;
	free(v->cert);
	free(v);
}

const br_x509_class **
tls_verifier_engine(struct tls_verifier *v)
{
	return &v->vtable;
}
