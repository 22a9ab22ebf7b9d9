/*
 * What the files that make up TLS share: the state behind a conn, and the steps of a handshake.
 */
#ifndef SLUICE_NET_TLS_PRIV_H
#define SLUICE_NET_TLS_PRIV_H

#include <bearssl.h>

#include "net/net_priv.h"
#include "net/tls.h"

/* Records are read together with what follows them, so that a small one is a single recv. */
#define TLS_AHEAD_SIZE 4096
#define TLS_BUFFERS_SIZE (BR_SSL_BUFSIZE_INPUT + BR_SSL_BUFSIZE_OUTPUT + TLS_AHEAD_SIZE)

struct tls_verifier; /* tls_verify.c */

struct tls_policy {
	const br_ssl_server_policy_class *vtable;
	struct tls_server *first;
	tls_choose_fn *choose;
	void *arg;
};

struct tls {
	union {
		br_ssl_engine_context engine; /* the first member of both others */
		br_ssl_client_context client;
		br_ssl_server_context server;
	} u;
	unsigned char *buffers;        /* input, output, ahead; NULL while idle */
	size_t ahead_at, ahead_n;      /* bytes received that the engine has not taken yet */
	struct tls_policy policy;      /* server */
	struct tls_verifier *verifier; /* client, until the handshake is over */
	struct waitq sent;             /* who waits for another task to get records out */
	bool send_waiting;             /* a task waits for the socket to take records */
	bool established, resumed;
	int failure; /* of the handshake; 0: none */
};

/* ---- tls_engine.c ---- */
/* With buffers, attached; the engine is the caller's to set up. NULL: no memory. */
struct tls *tls_new(void);
/* Copies a configured context into t and gives it the buffers and fresh entropy. The caller resets it next. */
void tls_start(struct tls *t, const void *context, size_t n);
/* Runs the handshake to its end; keeps the failure for tls_error_text. Parks. */
int tls_handshake(struct conn *c, int64_t deadline);

/* ---- tls_buffers.c ---- */
/* TLS_BUFFERS_SIZE bytes of any content; NULL: no memory. */
unsigned char *tls_buffers_get(void);
void tls_buffers_put(unsigned char *p); /* NULL is allowed */

/* ---- tls_profile.c ---- */
/* Versions, suites, hashes and ciphers, the same for both sides. */
void tls_profile(br_ssl_engine_context *e);
/* The hashes that certificate signatures may use. */
void tls_profile_x509(br_x509_minimal_context *x);

/* ---- tls_verify.c ---- */
/* Checks a server's chain against anchors (borrowed): for the name the engine passes or, with ip_len 4 or 16, for that address. */
struct tls_verifier *tls_verifier_new(
    const br_x509_trust_anchor *anchors, size_t n, const unsigned char *ip, size_t ip_len);
void tls_verifier_free(struct tls_verifier *v);
const br_x509_class **tls_verifier_engine(struct tls_verifier *v);

/* ---- tls_error.c ---- */
/* Text of a BearSSL error, alerts included. */
const char *tls_bearssl_text(int error);

#endif
