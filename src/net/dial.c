/*
 * Connecting out. Called by the HTTP client and by whatever else speaks to a server. Each address gets its own time; a TLS failure ends
 * the matter, since another address of the same name has the same certificate.
 */
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "net/net_priv.h"

#define DEFAULT_CONNECT_TIMEOUT (10 * NS_PER_S)
#define BACKLOG_RETRY (10 * NS_PER_MS)

static const struct str unix_prefix = STR_INIT("unix:");

static int
explain(char *why, size_t cap, const char *what, const char *whom, const char *reason, int err)
{
	if (why != NULL && cap > 0)
		snprintf(why, cap, "%s %s: %s", what, whom, reason);
	return err;
}

static int64_t
sooner(int64_t deadline, int64_t timeout)
{
	int64_t now = clock_mono();

	return deadline > now && deadline - now > timeout ? now + timeout : deadline;
}

static int
connect_error(int errnum)
{
	switch (errnum) {
	case ENOENT: /* a unix socket that is not there */
	case ECONNRESET:
		return ERR_REFUSED;
	case EHOSTDOWN:
	case EACCES: /* a local firewall's answers */
	case EPERM:
	case EINVAL: /* no route for this kind of address */
	case EAFNOSUPPORT:
		return ERR_UNREACHABLE;
	case EAGAIN: /* no port left of our own */
		return ERR_BUSY;
	default:
		return err_from_errno(errnum);
	}
}

static int
open_socket(const struct addr *a)
{
	int one = 1;
	int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && a->u.sa.sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* 0: connected or on the way, with *pending telling which. */
static int
start_connect(int fd, const struct addr *a, int64_t deadline, bool *pending)
{
	int r;

	*pending = false;
	for (;;) {
		r = connect(fd, &a->u.sa, a->len);
		if (r == 0)
			return 0;
		*pending = errno == EINPROGRESS || errno == EINTR;
		if (*pending)
			return 0;
		/* A unix listener whose backlog is full: there is no event to wait for. */
		if (errno != EAGAIN || a->u.sa.sa_family != AF_UNIX)
			return connect_error(errno);
		r = clock_mono() < deadline ? task_sleep_until(sooner(deadline, BACKLOG_RETRY))
					    : ERR_TIMEOUT;
		if (r != 0)
			return r;
	}
}

static int
await_connect(struct conn *c, int64_t deadline)
{
	int err = 0;
	socklen_t n = sizeof(err);
	int r = io_wait(&c->io, IO_WRITE, deadline);

	if (r != 0)
		return r;
	if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0)
		err = errno;
	return err == 0 ? 0 : connect_error(err);
}

int
dial_addr(struct conn *c, const struct addr *a, int64_t deadline)
{
	int fd = open_socket(a);
	bool pending;
	int r;

	if (fd < 0)
		return connect_error(errno);
	r = start_connect(fd, a, deadline, &pending);
	if (r == 0)
		r = conn_init(c, fd, NULL);
	if (r != 0) {
		close(fd);
		return r;
	}
	if (pending)
		r = await_connect(c, deadline);
	if (r != 0)
		conn_close(c);
	return r;
}

/* Worth asking the next address. */
static bool
may_go_on(int err)
{
	return err == ERR_REFUSED || err == ERR_UNREACHABLE || err == ERR_TIMEOUT;
}

/* The first address is the one people expect to read about. */
static int
connect_any(struct conn *c, const struct dial_target *t, const struct addr *addrs, int n,
    int64_t deadline, char *why, size_t cap)
{
	int64_t timeout = t->connect_timeout > 0 ? t->connect_timeout : DEFAULT_CONNECT_TIMEOUT;
	char whom[ADDR_TEXT_MAX];
	int r, first = 0;

	for (int i = 0; i < n; i++) {
		r = dial_addr(c, &addrs[i], sooner(deadline, timeout));
		if (r == 0)
			return 0;
		if (i == 0 || r == ERR_CANCELLED) {
			addr_text(&addrs[i], true, whom);
			first = explain(why, cap, "connect to", whom, err_text(r), r);
		}
		if (!may_go_on(r) || clock_mono() >= deadline)
			break;
	}
	return first;
}

static int
find_addresses(const struct dial_target *t, struct addr addrs[DNS_MAX_ADDRS], int64_t deadline,
    char *why, size_t cap)
{
	char host[256];
	int r;

	(void)str_copyz(host, sizeof(host), t->host);
	if (str_starts(t->host, unix_prefix)) {
		if (addr_parse(t->host, 0, &addrs[0]) == 0)
			return 1;
		return explain(why, cap, "connect to", host, "path too long", ERR_UNREACHABLE);
	}
	r = dns_resolve(t->resolver, t->host, t->port, addrs, deadline);
	return r > 0 ? r : explain(why, cap, "resolve", host, err_text(r), r);
}

static int
start_tls(struct conn *c, const struct dial_target *t, int64_t deadline, char *why, size_t cap)
{
	char host[256];
	int r = tls_connect(c, t->tls, t->host, deadline);

	if (r == 0)
		return 0;
	(void)str_copyz(host, sizeof(host), t->host);
	explain(why, cap, "TLS with", host, tls_error_text(c), r);
	conn_close(c);
	return r;
}

int
dial(struct conn *c, const struct dial_target *t, int64_t deadline, char *why, size_t cap)
{
	struct addr addrs[DNS_MAX_ADDRS];
	int r;

	*c = CONN_NONE;
	r = find_addresses(t, addrs, deadline, why, cap);
	if (r > 0)
		r = connect_any(c, t, addrs, r, deadline, why, cap);
	if (r == 0 && t->tls != NULL)
		r = start_tls(c, t, deadline, why, cap);
	return r;
}
