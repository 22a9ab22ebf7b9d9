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

/* Descriptor (non-blocking, close-on-exec), or an error with errno kept. An existing unix socket nobody answers on is replaced; one that answers is ERR_LOCKED. */
int listen_open(const struct addr *a, const struct listen_options *opt);
/* Accepts one: descriptor (non-blocking, close-on-exec, TCP_NODELAY) or ERR_AGAIN, ERR_IO … Survives EMFILE: takes one connection on the
 * reserve descriptor and drops it (counted by the return ERR_BUSY). */
int listen_accept(int fd, struct addr *peer);

#endif
