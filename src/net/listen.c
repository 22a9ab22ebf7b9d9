/*
 * Listening sockets: opened by the master, accepted from by workers. TCP_NODELAY is set on the listener, whose
 * connections inherit it, so that an accept is one system call.
 */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_BACKLOG 4096
#define DEFAULT_UNIX_MODE 0660
#define DEFER_SECONDS 1

/* Only Linux has it; without it connections are accepted before their first byte. */
#ifndef TCP_DEFER_ACCEPT
#define TCP_DEFER_ACCEPT 0
#endif

/* Given up for a moment when descriptors run out, to take a connection and drop it. One a process. */
static int reserve_fd = -1;

/* Removes a socket file nobody answers on. 0, ERR_LOCKED (somebody does), ERR_EXISTS (not a socket), or an error. */
static int
clear_unix(const struct addr *a)
{
	const char *path = ((const struct sockaddr_un *)&a->u.storage)->sun_path;
	struct stat st;
	int fd, r, saved;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_from_errno(errno);
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return ERR_EXISTS;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_from_errno(errno);
	r = connect(fd, &a->u.sa, a->len);
	saved = errno;
	close(fd);
	/* EAGAIN: its backlog is full, so somebody is there. */
	if (r == 0 || saved == EAGAIN) {
		errno = EADDRINUSE;
		return ERR_LOCKED;
	}
	errno = saved;
	if (saved != ECONNREFUSED)
		return err_from_errno(saved);
	return unlink(path) == 0 || errno == ENOENT ? 0 : err_from_errno(errno);
}

static bool
set_flag(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static bool
set_tcp(int fd, const struct addr *a, const struct listen_options *opt)
{
	if (!set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
	    !set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1))
		return false;
	if (opt->reuseport && !set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1))
		return false;
	if (a->u.sa.sa_family == AF_INET6 &&
	    !set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, opt->ipv6only))
		return false;
	return !opt->defer_accept || TCP_DEFER_ACCEPT == 0 ||
	       set_flag(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_SECONDS);
}

/* By the mask, not by chmod() afterwards: who may write to the folder could put a link in the socket's place meanwhile. */
static int
bind_with_mode(int fd, const struct addr *a, mode_t mode)
{
	mode_t mask = umask(0777 & ~mode);
	int r = bind(fd, &a->u.sa, a->len), saved = errno;

	umask(mask);
	errno = saved;
	return r;
}

static bool
bind_and_listen(int fd, const struct addr *a, const struct listen_options *opt)
{
	bool is_unix = a->u.sa.sa_family == AF_UNIX;
	mode_t mode = opt->unix_mode ? (mode_t)opt->unix_mode : DEFAULT_UNIX_MODE;

	if (!is_unix && !set_tcp(fd, a, opt))
		return false;
	if (opt->rcvbuf > 0 && !set_flag(fd, SOL_SOCKET, SO_RCVBUF, opt->rcvbuf))
		return false;
	if (opt->sndbuf > 0 && !set_flag(fd, SOL_SOCKET, SO_SNDBUF, opt->sndbuf))
		return false;
	if (is_unix ? bind_with_mode(fd, a, mode) != 0 : bind(fd, &a->u.sa, a->len) != 0)
		return false;
	return listen(fd, opt->backlog > 0 ? opt->backlog : DEFAULT_BACKLOG) == 0;
}

int
listen_open(const struct addr *a, const struct listen_options *opt)
{
	int fd, r, saved;

	if (a->u.sa.sa_family == AF_UNIX) {
		r = clear_unix(a);
		if (r != 0)
			return r;
	}
	fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_from_errno(errno);
	if (bind_and_listen(fd, a, opt))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return saved == EADDRINUSE ? ERR_LOCKED : err_from_errno(saved);
}

static void
hold_reserve(void)
{
	if (reserve_fd < 0)
		reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Out of descriptors: without this the connection would stay in the backlog and wake us for ever. */
static int
drop_one(int listen_fd)
{
	int fd, saved;

	if (reserve_fd < 0)
		return ERR_IO;
	close(reserve_fd);
	reserve_fd = -1;
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	saved = errno;
	if (fd >= 0)
		close(fd);
	hold_reserve();
	errno = saved;
	if (fd >= 0)
		return ERR_BUSY;
	/* Only an empty backlog is worth waiting for: another may have taken the descriptor meanwhile. */
	return saved == EAGAIN || saved == EWOULDBLOCK ? ERR_AGAIN : ERR_IO;
}

/* Errors of the connection that went away while it waited, not of the socket (accept(2), Linux notes). */
static bool
worth_another_try(int errnum)
{
	switch (errnum) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

int
listen_accept(int fd, struct addr *peer)
{
	struct addr scratch;
	int c;

	if (peer == NULL)
		peer = &scratch;
	hold_reserve();
	do {
		peer->len = sizeof(peer->u.storage);
		c = accept4(fd, &peer->u.sa, &peer->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (c < 0 && worth_another_try(errno));
	if (c >= 0)
		return c;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return ERR_AGAIN;
	if (errno == EMFILE || errno == ENFILE)
		return drop_one(fd);
	return err_from_errno(errno);
}
