/*
 * Byte streams over sockets: the plain half. A request costs one recv and one send here and nothing else: the write is tried
 * before waiting, and after a read that came back short the socket is taken for empty, which saves the recv that would say so.
 * TLS, where c->tls is set, is in tls_engine.c and comes back here for its records.
 */
#include "net/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_priv.h"
#include "net/sock.h"

#define YIELD_BYTES (256 * 1024)
#define MAX_IOV 64

static bool
would_block(int errnum)
{
	return errnum == EAGAIN || errnum == EWOULDBLOCK;
}

int
conn_init(struct conn *c, int fd, void (*on_event)(struct io *, unsigned))
{
	int r;

	*c = CONN_NONE;
	r = io_add(&c->io, fd, on_event);
	if (r != 0)
		*c = CONN_NONE;
	return r;
}

static ssize_t
after_recv(struct conn *c, ssize_t r, size_t asked)
{
	if (likely(r > 0)) {
		/* What arrives from now on is a new event, but the peer's end may have been reported already. */
		if ((size_t)r < asked && !(c->io.ready & IO_HUP))
			io_unready(&c->io, IO_READ);
		return r;
	}
	if (r == 0)
		return 0;
	if (!would_block(errno))
		return err_from_errno(errno);
	io_unready(&c->io, IO_READ | IO_HUP);
	return ERR_AGAIN;
}

static ssize_t
recv_one(struct conn *c, void *p, size_t n)
{
	ssize_t r;

	do
		r = sock_recv(c->io.fd, p, n);
	while (r < 0 && errno == EINTR);
	return after_recv(c, r, n);
}

ssize_t
conn_plain_recv(struct conn *c, struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	size_t asked = 0;
	ssize_t r;

	for (int i = 0; i < n; i++)
		asked += iov[i].iov_len;
	do
		r = recvmsg(c->io.fd, &m, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return after_recv(c, r, asked);
}

static ssize_t
send_failed(struct conn *c)
{
	if (!would_block(errno))
		return err_from_errno(errno);
	io_unready(&c->io, IO_WRITE);
	return ERR_AGAIN;
}

static ssize_t
send_iov(struct conn *c, struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)MIN(n, MAX_IOV) };
	ssize_t r;

	do
		r = sendmsg(c->io.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (likely(r >= 0))
		return r;
	return send_failed(c);
}

ssize_t
conn_plain_send(struct conn *c, const void *p, size_t n)
{
	ssize_t r;

	do
		r = sock_send(c->io.fd, p, n);
	while (r < 0 && errno == EINTR);
	if (likely(r >= 0))
		return r;
	return send_failed(c);
}

int
conn_plain_wait(struct conn *c, unsigned events, int64_t stall, int64_t deadline)
{
	if (stall > 0) {
		int64_t now = clock_mono();

		if (deadline > now && deadline - now > stall)
			deadline = now + stall;
	}
	return io_wait(&c->io, events, deadline);
}

ssize_t
conn_read(struct conn *c, void *p, size_t n, int64_t deadline)
{
	ssize_t r;

	assert(n > 0);
	if (c->tls != NULL)
		return tls_read(c, p, n, deadline);
	for (;;) {
		if (conn_plain_readable(c)) {
			r = recv_one(c, p, n);
			if (r != ERR_AGAIN)
				return r;
		}
		r = conn_plain_wait(c, IO_READ, 0, deadline);
		if (r != 0)
			return r;
	}
}

ssize_t
conn_read_now(struct conn *c, void *p, size_t n)
{
	assert(n > 0);
	return c->tls != NULL ? tls_read_now(c, p, n) : recv_one(c, p, n);
}

/* Drops n sent bytes from the front. */
static void
iov_advance(struct iovec **iov, int *count, size_t n)
{
	while (*count > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		++*iov;
		--*count;
	}
	if (n > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

int
conn_writev(struct conn *c, struct iovec *iov, int n, int64_t stall, int64_t deadline)
{
	size_t since_yield = 0;
	ssize_t r;

	if (c->tls != NULL)
		return tls_writev(c, iov, n, stall, deadline);
	iov_advance(&iov, &n, 0);
	while (n > 0) {
		r = n == 1 ? conn_plain_send(c, iov->iov_base, iov->iov_len) : send_iov(c, iov, n);
		if (likely(r >= 0)) {
			iov_advance(&iov, &n, (size_t)r);
			since_yield += (size_t)r;
			if (n == 0 || since_yield < YIELD_BYTES)
				continue;
			since_yield = 0;
			r = task_yield();
		} else if (r == ERR_AGAIN) {
			since_yield = 0;
			r = conn_plain_wait(c, IO_WRITE, stall, deadline);
		}
		if (r != 0)
			return (int)r;
	}
	return 0;
}

int
conn_write(struct conn *c, const void *p, size_t n, int64_t stall, int64_t deadline)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };

	return conn_writev(c, &iov, 1, stall, deadline);
}

void
conn_close(struct conn *c)
{
	int fd = c->io.fd;

	if (c->tls != NULL) {
		tls_say_goodbye(c);
		tls_free(c->tls);
	}
	if (fd >= 0) {
		io_del(&c->io);
		close(fd);
	}
	c->tls = NULL;
	c->io.fd = -1;
}

int
conn_shutdown_write(struct conn *c, int64_t deadline)
{
	int r = c->tls != NULL ? tls_shutdown_write(c, deadline) : 0;

	if (shutdown(c->io.fd, SHUT_WR) != 0 && r == 0)
		r = err_from_errno(errno);
	return r;
}

bool
conn_idle(struct conn *c)
{
	if (conn_plain_readable(c))
		return false;
	return c->tls == NULL || tls_idle(c);
}
