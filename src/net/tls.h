/*
 * TLS by BearSSL, both sides, driven by tasks: its engine does no I/O, the conn moves its bytes and parks. TLS 1.0 to 1.2 exist there; we offer 1.2 only unless
 * `ssl_protocols` names older ones. A configuration that asks for 1.3 alone is refused, one that lists it among others gets a warning.
 *
 * An idle connection (conn_idle) costs about 4 KiB; while records are in flight, 37 KiB more. Renegotiation is refused on both sides.
 */
#ifndef SLUICE_NET_TLS_H
#define SLUICE_NET_TLS_H

#include "net/conn.h"

struct tls_server; /* certificate chain, key, session cache: one a listener or server name */
struct tls_client; /* trust anchors and a session cache per host */

enum tls_version { TLS_V1_0 = 0x0301, TLS_V1_1 = 0x0302, TLS_V1_2 = 0x0303 };

/* PEM files, read once (blocking; at configuration time). error, if not NULL, gets a text naming the file and what is wrong (heap-less: at most cap bytes).
 * RSA and EC keys (PKCS#1, PKCS#8, SEC1), unencrypted, which must be the certificate's. The cache is each process's own; 0 bytes: no resumption.
 * 0, ERR_CONFIG (what the files hold) or the error of reading them. */
int tls_server_new(const char *cert_pem, const char *key_pem, size_t session_cache_bytes,
    struct tls_server **out, char *error, size_t cap);
void tls_server_free(struct tls_server *s);
/* The oldest version accepted by, or offered to, connections made from now on; TLS_V1_2 at first. */
void tls_server_set_oldest(struct tls_server *s, enum tls_version v);
/* Chooses by SNI: called during the handshake with the name the client sent ("" if none); returns the one to use, or NULL for the first. */
typedef struct tls_server *tls_choose_fn(void *arg, struct str server_name);

/* ca_pem NULL: the system's bundle ($SSL_CERT_FILE, then the usual places). Certificates of kinds BearSSL does not know are passed over;
 * none left is ERR_CONFIG. */
int tls_client_new(const char *ca_pem, struct tls_client **out, char *error, size_t cap);
void tls_client_free(struct tls_client *t);
void tls_client_set_oldest(struct tls_client *t, enum tls_version v);

/* Handshakes; park. On success c->tls is set and conn_read/conn_write speak TLS. Errors: ERR_TLS (tls_error_text says why), ERR_CLOSED, ERR_TIMEOUT,
 * ERR_CANCELLED, ERR_NOMEM; then c->tls is set too, for its text, and all there is left to do is conn_close. */
int tls_accept(
    struct conn *c, struct tls_server *first, tls_choose_fn *choose, void *arg, int64_t deadline);
/* host is checked against the certificate: a DNS name (SAN, wildcard in the left-most label) or, for a literal address, an IP SAN. SNI is sent for names only.
 * A session kept from an earlier connection to the same host is resumed if the server still knows it. */
int tls_connect(struct conn *c, struct tls_client *t, struct str host, int64_t deadline);
/* True if the handshake took up an earlier session. */
bool tls_resumed(const struct conn *c);
/* "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", the name the client asked for; {NULL, 0} where there is none. Borrowed from c or static. */
struct str tls_protocol(const struct conn *c);
struct str tls_cipher(const struct conn *c);
struct str tls_server_name(const struct conn *c);
/* What went wrong in the last failed handshake of this conn's, for the log: "certificate expired", "unknown issuer", … Never NULL. */
const char *tls_error_text(const struct conn *c);
/* Called by conn_close. */
void tls_free(struct tls *t);

#endif
