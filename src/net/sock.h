/*
 * recv and send without waiting: the two calls a request costs, with a door of their own. Results and errno are those of recv(2) and
 * send(2).
 */
#ifndef SLUICE_NET_SOCK_H
#define SLUICE_NET_SOCK_H

#include <sys/types.h>

ssize_t sock_recv(int fd, void *p, size_t n);
/* No signal where the peer is gone: EPIPE. */
ssize_t sock_send(int fd, const void *p, size_t n);

#endif
