/*
 * See sock.h. On Linux straight to the kernel: the C library's functions are cancellation points of threads, which costs a few dozen
 * instructions each in a process that has threads, and nobody here cancels one.
 */
#include "net/sock.h"

#include <sys/socket.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

ssize_t
sock_recv(int fd, void *p, size_t n)
{
	return syscall(SYS_recvfrom, fd, p, n, MSG_DONTWAIT, NULL, NULL);
}

ssize_t
sock_send(int fd, const void *p, size_t n)
{
	return syscall(SYS_sendto, fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

#else

ssize_t
sock_recv(int fd, void *p, size_t n)
{
	return recv(fd, p, n, MSG_DONTWAIT);
}

ssize_t
sock_send(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

#endif
