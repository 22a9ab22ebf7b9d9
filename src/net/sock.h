/*
 * recv and send without waiting, for the two calls a request costs. On Linux they go straight to the kernel: the C library's are
 * cancellation points of threads, which takes a few dozen instructions each in a process that has threads, and nobody here cancels one.
 */
#ifndef SLUICE_NET_SOCK_H
#define SLUICE_NET_SOCK_H

#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>

static inline ssize_t
sock_recv(int fd, void *p, size_t n)
{
	return syscall(SYS_recvfrom, fd, p, n, MSG_DONTWAIT, NULL, NULL);
}

static inline ssize_t
sock_send(int fd, const void *p, size_t n)
{
	return syscall(SYS_sendto, fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

#else

static inline ssize_t
sock_recv(int fd, void *p, size_t n)
{
	return recv(fd, p, n, MSG_DONTWAIT);
}

static inline ssize_t
sock_send(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

#endif
#endif
