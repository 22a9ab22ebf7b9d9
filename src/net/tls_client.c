/*
 * The client's side of TLS: trust anchors out of a CA bundle, sessions kept for each host, and connecting with them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "net/addr.h"
#include "net/pem.h"
#include "net/tls_priv.h"

#define MAX_BUNDLE (8 * 1024 * 1024)
#define MAX_NAME 1024
#define HOST_MAX 255
#define SESSIONS 16

struct session {
	char host[HOST_MAX + 1]; /* "": free */
	uint64_t used;
	br_ssl_session_parameters parameters;
};

struct tls_client {
	br_ssl_client_context context; /* copied, never run */
	br_x509_trust_anchor *anchors; /* each owns its name and key */
	size_t anchors_n, anchors_cap;
	struct session sessions[SESSIONS];
	uint64_t clock; /* of session use */
};

static const char *const usual_places[] = {
	"/etc/ssl/certs/ca-certificates.crt",                /* Debian, Alpine, Arch */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
	"/etc/pki/tls/certs/ca-bundle.crt",                  /* older Fedora, RHEL */
	"/etc/ssl/ca-bundle.pem",                            /* openSUSE */
	"/etc/ssl/cert.pem",                                 /* OpenBSD, FreeBSD, macOS */
	"/usr/local/share/certs/ca-root-nss.crt",            /* FreeBSD */
	"/etc/openssl/certs/ca-certificates.crt",            /* NetBSD */
};

/* ---- trust anchors ---- */

static void
append_name(void *arg, const void *p, size_t n)
{
	buf_put(arg, p, n);
}

static bool
copy(unsigned char **to, const void *p, size_t n)
{
	*to = malloc(n > 0 ? n : 1);
	if (*to != NULL)
		memcpy(*to, p, n);
	return *to != NULL;
}

static bool
copy_key(br_x509_pkey *to, const br_x509_pkey *from)
{
	*to = *from;
	if (from->key_type == BR_KEYTYPE_EC)
		return copy(&to->key.ec.q, from->key.ec.q, from->key.ec.qlen);
	if (!copy(&to->key.rsa.n, from->key.rsa.n, from->key.rsa.nlen))
		return false;
	if (copy(&to->key.rsa.e, from->key.rsa.e, from->key.rsa.elen))
		return true;
	free(to->key.rsa.n);
	return false;
}

static void
free_anchor(br_x509_trust_anchor *a)
{
	free(a->dn.data);
	if (a->pkey.key_type == BR_KEYTYPE_EC) {
		free(a->pkey.key.ec.q);
	} else {
		free(a->pkey.key.rsa.n);
		free(a->pkey.key.rsa.e);
	}
}

static int
grow(struct tls_client *t)
{
	size_t cap = t->anchors_cap > 0 ? t->anchors_cap * 2 : 16;
	br_x509_trust_anchor *p;

	if (t->anchors_n < t->anchors_cap)
		return 0;
	p = realloc(t->anchors, cap * sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	t->anchors = p;
	t->anchors_cap = cap;
	return 0;
}

static int
keep_anchor(struct tls_client *t, br_x509_decoder_context *d, struct str name)
{
	br_x509_trust_anchor *a;

	if (grow(t) != 0)
		return ERR_NOMEM;
	a = &t->anchors[t->anchors_n];
	a->flags = br_x509_decoder_isCA(d) ? BR_X509_TA_CA : 0;
	a->dn.len = name.n;
	if (!copy(&a->dn.data, name.p, name.n))
		return ERR_NOMEM;
	if (!copy_key(&a->pkey, br_x509_decoder_get_pkey(d))) {
		free(a->dn.data);
		return ERR_NOMEM;
	}
	t->anchors_n++;
	return 0;
}

/* One that cannot be used is passed over, as bundles hold all sorts. */
static int
add_anchor(void *arg, const char *label, const unsigned char *der, size_t n)
{
	struct tls_client *t = arg;
	br_x509_decoder_context d;
	struct buf name;
	int r = 0;

	if (!str_is(str_of(label), "CERTIFICATE") && !str_is(str_of(label), "X509 CERTIFICATE") &&
	    !str_is(str_of(label), "TRUSTED CERTIFICATE"))
		return 0;
	buf_init(&name, MAX_NAME);
	br_x509_decoder_init(&d, append_name, &name);
	br_x509_decoder_push(&d, der, n);
	if (br_x509_decoder_get_pkey(&d) != NULL && !buf_failed(&name))
		r = keep_anchor(t, &d, buf_str(&name));
	buf_fini(&name);
	return r;
}

static int
explain(char *error, size_t cap, const char *file, const char *what, int err)
{
	if (error != NULL && cap > 0)
		snprintf(error, cap, "%s: %s", file, what);
	return err;
}

static int
load(struct tls_client *t, const char *file, char *error, size_t cap)
{
	char *text;
	size_t n;
	int r = file_read_all(file, MAX_BUNDLE, &text, &n);

	if (r != 0)
		return explain(
		    error, cap, file, r == ERR_TOO_LARGE ? err_text(r) : log_errno_text(errno), r);
	r = pem_each(str_make(text, n), add_anchor, t);
	free(text);
	if (r == ERR_NOMEM)
		return explain(error, cap, file, err_text(r), r);
	if (r != 0)
		return explain(error, cap, file, "malformed PEM", ERR_CONFIG);
	if (t->anchors_n == 0)
		return explain(error, cap, file, "no usable CA certificate in it", ERR_CONFIG);
	return 0;
}

static int
load_system(struct tls_client *t, char *error, size_t cap)
{
	const char *file = getenv("SSL_CERT_FILE");

	if (file != NULL && *file != '\0')
		return load(t, file, error, cap);
	for (size_t i = 0; i < ARRAY_LEN(usual_places); i++) {
		int r = load(t, usual_places[i], error, cap);

		if (r != ERR_NOT_FOUND)
			return r;
	}
	return explain(error, cap, "system's CA bundle",
	    "not found (set SSL_CERT_FILE or name a file)", ERR_CONFIG);
}

/* ---- making one ---- */

static void
prepare(struct tls_client *t)
{
	br_ssl_client_zero(&t->context);
	tls_profile(&t->context.eng);
	br_ssl_engine_set_default_rsavrfy(&t->context.eng);
	br_ssl_engine_set_default_ecdsa(&t->context.eng);
	br_ssl_client_set_default_rsapub(&t->context);
}

int
tls_client_new(const char *ca_pem, struct tls_client **out, char *error, size_t cap)
{
	struct tls_client *t = calloc(1, sizeof(*t));
	int r;

	if (t == NULL)
		return explain(error, cap, "TLS", err_text(ERR_NOMEM), ERR_NOMEM);
	prepare(t);
	r = ca_pem != NULL ? load(t, ca_pem, error, cap) : load_system(t, error, cap);
	if (r == 0)
		*out = t;
	else
		tls_client_free(t);
	return r;
}

void
tls_client_free(struct tls_client *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->anchors_n; i++)
		free_anchor(&t->anchors[i]);
	free(t->anchors);
	wipe(t, sizeof(*t));
	free(t);
}

void
tls_client_set_oldest(struct tls_client *t, enum tls_version v)
{
	br_ssl_engine_set_versions(&t->context.eng, v, BR_TLS12);
}

/* ---- sessions ---- */

/* The host's entry, or NULL. */
static struct session *
find_session(struct tls_client *t, const char *host)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		if (strcmp(t->sessions[i].host, host) == 0)
			return &t->sessions[i];
	}
	return NULL;
}

static struct session *
oldest_session(struct tls_client *t)
{
	struct session *s = &t->sessions[0];

	for (size_t i = 1; i < SESSIONS; i++) {
		if (t->sessions[i].used < s->used)
			s = &t->sessions[i];
	}
	return s;
}

static void
keep_session(struct tls_client *t, const char *host, const br_ssl_session_parameters *p)
{
	struct session *s = find_session(t, host);

	if (s == NULL)
		s = oldest_session(t);
	memcpy(s->host, host, strlen(host) + 1);
	s->parameters = *p;
	s->used = ++t->clock;
}

static void
forget_session(struct tls_client *t, const char *host)
{
	struct session *s = find_session(t, host);

	if (s != NULL)
		wipe(s, sizeof(*s));
}

/* ---- connecting ---- */

/* Bytes of a literal address, or 0 for a name. */
static size_t
literal_ip(const char *host, unsigned char ip[16])
{
	struct addr a;

	if (addr_parse_ip(str_of(host), 0, &a) != 0)
		return 0;
	if (a.u.sa.sa_family == AF_INET) {
		memcpy(ip, &((struct sockaddr_in *)&a.u.storage)->sin_addr, 4);
		return 4;
	}
	memcpy(ip, &((struct sockaddr_in6 *)&a.u.storage)->sin6_addr, 16);
	return 16;
}

/* Ready for its first byte, or an error. */
static int
begin(struct tls *t, struct tls_client *client, const char *host)
{
	unsigned char ip[16];
	size_t ip_len = literal_ip(host, ip);
	struct session *s = find_session(client, host);

	t->verifier = tls_verifier_new(client->anchors, client->anchors_n, ip, ip_len);
	if (t->verifier == NULL)
		return ERR_NOMEM;
	tls_start(t, &client->context, sizeof(client->context));
	br_ssl_engine_set_x509(&t->u.engine, tls_verifier_engine(t->verifier));
	if (s != NULL)
		br_ssl_engine_set_session_parameters(&t->u.engine, &s->parameters);
	if (!br_ssl_client_reset(&t->u.client, ip_len > 0 ? NULL : host, s != NULL))
		return ERR_TLS;
	return 0;
}

/* A server that resumes echoes the session's name; one that offers no resumption sends none. */
static void
finish(struct tls *t, struct tls_client *client, const char *host)
{
	br_ssl_session_parameters p;
	const struct session *s = find_session(client, host);

	br_ssl_engine_get_session_parameters(&t->u.engine, &p);
	t->resumed = s != NULL && p.session_id_len > 0 &&
		     p.session_id_len == s->parameters.session_id_len &&
		     memcmp(p.session_id, s->parameters.session_id, p.session_id_len) == 0;
	if (p.session_id_len > 0)
		keep_session(client, host, &p);
	else
		forget_session(client, host);
	wipe(&p, sizeof(p));
	/* The chain is checked and a renegotiation cannot bring another. */
	tls_verifier_free(t->verifier);
	t->verifier = NULL;
}

int
tls_connect(struct conn *c, struct tls_client *client, struct str host, int64_t deadline)
{
	char name[HOST_MAX + 1];
	int r;

	c->tls = tls_new();
	if (c->tls == NULL)
		return ERR_NOMEM;
	/* Certificates know nothing of the root's dot. */
	if (str_ends(host, STR(".")))
		host.n--;
	if (host.n == 0 || !str_copyz(name, sizeof(name), host))
		r = ERR_BAD;
	else
		r = begin(c->tls, client, name);
	if (r == 0)
		r = tls_handshake(c, deadline);
	if (r == 0)
		finish(c->tls, client, name);
	else if (r == ERR_TLS)
		forget_session(client, name);
	if (r != 0)
		c->tls->failure = r;
	return r;
}
