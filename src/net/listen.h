/*
 * Listening sockets, made by the master and inherited.
 */
#ifndef SLUICE_NET_LISTEN_H
#define SLUICE_NET_LISTEN_H

#include "net/addr.h"

struct listen_options {
	int backlog; /* 0: 4096 */
	bool reuseport;
	bool ipv6only; /* nginx's default: on */
	bool defer_accept;
	int rcvbuf, sndbuf; /* 0: the system's */
	int unix_mode;      /* 0: 0660; of a unix socket's file */
};

/* Descriptor (non-blocking, close-on-exec), or an error with errno kept. An existing unix socket nobody answers on is
 * replaced; one that answers, like a TCP port in use, is ERR_LOCKED. */
int listen_open(const struct addr *a, const struct listen_options *opt);
/* Accepts one from a socket of listen_open's: descriptor (non-blocking, close-on-exec, TCP_NODELAY), ERR_AGAIN (none is waiting)
 * or an error. Survives running out of descriptors: takes one connection on a reserve descriptor and drops it, which is ERR_BUSY;
 * ERR_IO if there is not even that: leave it for a while. peer may be NULL. */
int listen_accept(int fd, struct addr *peer);

#endif
