/*
 * Which TLS we speak. Suites with forward secrecy and authenticated encryption come first, in the order the CPU is quick at; then
 * what else TLS 1.2 has of use (and older versions need); no 3DES, no static ECDH, no truncated tags. Certificates signed
 * with MD5 or SHA-1 are not accepted.
 */
#include "net/tls_priv.h"

static const uint16_t suites_gcm[] = {
	BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
};

static const uint16_t suites_chacha[] = {
	BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
};

static const uint16_t suites_rest[] = {
	BR_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
	BR_TLS_ECDHE_ECDSA_WITH_AES_256_CCM,
	BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
	BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
	BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	BR_TLS_RSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_RSA_WITH_AES_256_GCM_SHA384,
	BR_TLS_RSA_WITH_AES_128_CCM,
	BR_TLS_RSA_WITH_AES_256_CCM,
	BR_TLS_RSA_WITH_AES_128_CBC_SHA256,
	BR_TLS_RSA_WITH_AES_256_CBC_SHA256,
	BR_TLS_RSA_WITH_AES_128_CBC_SHA,
	BR_TLS_RSA_WITH_AES_256_CBC_SHA,
};

static const struct {
	int id;
	const br_hash_class *class;
} hashes[] = {
	{ br_md5_ID, &br_md5_vtable }, /* with SHA-1, the handshake hash before TLS 1.2 */
	{ br_sha1_ID, &br_sha1_vtable },
	{ br_sha224_ID, &br_sha224_vtable },
	{ br_sha256_ID, &br_sha256_vtable },
	{ br_sha384_ID, &br_sha384_vtable },
	{ br_sha512_ID, &br_sha512_vtable },
};

/* AES and GHASH in constant time without help from the CPU are slower than ChaCha20 and Poly1305. */
static bool
cpu_has_aes(void)
{
	return br_aes_x86ni_ctr_get_vtable() != NULL && br_ghash_pclmul_get() != NULL;
}

static size_t
add_suites(uint16_t *to, size_t at, const uint16_t *from, size_t n)
{
	memcpy(to + at, from, n * sizeof(*from));
	return at + n;
}

static void
set_suites(br_ssl_engine_context *e)
{
	uint16_t all[ARRAY_LEN(suites_gcm) + ARRAY_LEN(suites_chacha) + ARRAY_LEN(suites_rest)];
	size_t n = 0;
	bool gcm_first = cpu_has_aes();

	if (gcm_first)
		n = add_suites(all, n, suites_gcm, ARRAY_LEN(suites_gcm));
	n = add_suites(all, n, suites_chacha, ARRAY_LEN(suites_chacha));
	if (!gcm_first)
		n = add_suites(all, n, suites_gcm, ARRAY_LEN(suites_gcm));
	n = add_suites(all, n, suites_rest, ARRAY_LEN(suites_rest));
	br_ssl_engine_set_suites(e, all, n);
}

void
tls_profile(br_ssl_engine_context *e)
{
	br_ssl_engine_set_versions(e, BR_TLS12, BR_TLS12);
	br_ssl_engine_add_flags(e, BR_OPT_NO_RENEGOTIATION);
	set_suites(e);
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
		br_ssl_engine_set_hash(e, hashes[i].id, hashes[i].class);
	br_ssl_engine_set_prf10(e, &br_tls10_prf);
	br_ssl_engine_set_prf_sha256(e, &br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(e, &br_tls12_sha384_prf);
	br_ssl_engine_set_default_ec(e);
	br_ssl_engine_set_default_aes_cbc(e);
	br_ssl_engine_set_default_aes_ccm(e);
	br_ssl_engine_set_default_aes_gcm(e);
	br_ssl_engine_set_default_chapol(e);
}

void
tls_profile_x509(br_x509_minimal_context *x)
{
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		if (hashes[i].id >= br_sha224_ID)
			br_x509_minimal_set_hash(x, hashes[i].id, hashes[i].class);
	}
	br_x509_minimal_set_rsa(x, br_rsa_pkcs1_vrfy_get_default());
	br_x509_minimal_set_ecdsa(x, br_ec_get_default(), br_ecdsa_vrfy_asn1_get_default());
}
