/*
 * What the files of this folder share: the plain half of a conn, under TLS, and the TLS half, over it.
 */
#ifndef SLUICE_NET_PRIV_H
#define SLUICE_NET_PRIV_H

#include "net/tls.h"

/* ---- conn.c: the socket itself, whether or not TLS runs on it ---- */
/* False: a read would only hear that there is nothing. */
static inline bool
conn_plain_readable(const struct conn *c)
{
	return (c->io.ready & (IO_READ | IO_HUP)) != 0;
}

/* One recv into n pieces: bytes, 0 at the end, ERR_AGAIN or an error. Never parks. */
ssize_t conn_plain_recv(struct conn *c, struct iovec *iov, int n);
/* One send: bytes, ERR_AGAIN or an error. Never parks. */
ssize_t conn_plain_send(struct conn *c, const void *p, size_t n);
/* Parks until the socket can be read or written; deadline and stall as in conn_write. */
int conn_plain_wait(struct conn *c, unsigned events, int64_t stall, int64_t deadline);

/* ---- dial.c ---- */
/* Connects to one address: 0, or the errors of dial, with c CONN_NONE. Parks. */
int dial_addr(struct conn *c, const struct addr *a, int64_t deadline);

/* ---- tls_engine.c: as the calls of conn.h ---- */
ssize_t tls_read(struct conn *c, void *p, size_t n, int64_t deadline);
ssize_t tls_read_now(struct conn *c, void *p, size_t n);
int tls_writev(struct conn *c, struct iovec *iov, int n, int64_t stall, int64_t deadline);
int tls_shutdown_write(struct conn *c, int64_t deadline);
/* close_notify as far as the socket takes it now. */
void tls_say_goodbye(struct conn *c);
bool tls_idle(struct conn *c);

#endif
