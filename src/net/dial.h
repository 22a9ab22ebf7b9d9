/*
 * Connecting out: resolve, connect to each address in turn within the deadline, TLS if asked.
 */
#ifndef SLUICE_NET_DIAL_H
#define SLUICE_NET_DIAL_H

#include "net/dns.h"
#include "net/tls.h"

struct dial_target {
	struct str host; /* name or literal; "unix:/path" */
	uint16_t port;
	struct tls_client *tls;        /* NULL: plain */
	struct dns_resolver *resolver; /* NULL: the system's */
	int64_t connect_timeout;       /* ns for each address; 0: 10 s */
};

/* Parks. 0, or ERR_DNS, ERR_REFUSED, ERR_UNREACHABLE, ERR_TLS, ERR_CLOSED (during the handshake), ERR_TIMEOUT, ERR_CANCELLED, ERR_NOMEM, ERR_BUSY
 * (no descriptor left); c is CONN_NONE then. The error is the first address's. why (cap bytes) gets a text for the log: "connect to 127.0.0.1:9000: connection refused". */
int dial(struct conn *c, const struct dial_target *t, int64_t deadline, char *why, size_t cap);

#endif
