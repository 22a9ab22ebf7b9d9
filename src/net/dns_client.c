/*
 * Our own DNS client: asks for A and AAAA together over a fresh UDP socket (port and identifiers random, the socket connected, so that only the
 * server asked can answer), over TCP what was truncated, the servers in turn with growing patience.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "net/dns_priv.h"
#include "net/net_priv.h"

#define FIRST_PATIENCE NS_PER_S
#define MAX_PATIENCE (5 * NS_PER_S)
#define UDP_REPLY 4096
#define TCP_REPLY 65535

struct question {
	uint16_t id, type;
	unsigned char bytes[2 + 512]; /* length for TCP, then the query */
	size_t n;                     /* of the query */
	bool open;                    /* no answer from this server yet */
	int answer;                   /* addresses or an error; ERR_AGAIN: truncated */
	struct addr addrs[DNS_MAX_ADDRS];
	uint32_t ttl;
};

/* On the heap: too large for a task's stack. */
struct lookup {
	struct str host;
	struct question q[2];
	unsigned questions;
	unsigned char reply[UDP_REPLY];
};

static int
write_question(struct question *q, struct str host, uint16_t type)
{
	ssize_t n;

	random_bytes(&q->id, sizeof(q->id));
	q->type = type;
	n = dns_encode_query(q->id, host, type, q->bytes + 2);
	if (n < 0)
		return (int)n;
	q->n = (size_t)n;
	q->bytes[0] = (unsigned char)(n >> 8);
	q->bytes[1] = (unsigned char)n;
	q->open = true;
	q->answer = ERR_TIMEOUT;
	return 0;
}

static int
write_questions(struct lookup *l, bool ipv6)
{
	int r = write_question(&l->q[0], l->host, DNS_A);

	l->questions = 1;
	if (r == 0 && ipv6) {
		r = write_question(&l->q[1], l->host, DNS_AAAA);
		l->questions = 2;
	}
	return r;
}

static bool
all_answered(const struct lookup *l)
{
	return !l->q[0].open && (l->questions < 2 || !l->q[1].open);
}

/* ---- UDP ---- */

static int
open_udp(const struct addr *server)
{
	int fd = socket(server->u.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_from_errno(errno);
	if (connect(fd, &server->u.sa, server->len) == 0)
		return fd;
	close(fd);
	return ERR_UNREACHABLE;
}

/* What does not answer an open question (another identifier, malformed, late) is dropped. */
static void
take_datagram(struct lookup *l, const unsigned char *p, size_t n)
{
	for (unsigned i = 0; i < l->questions; i++) {
		struct question *q = &l->q[i];
		int r;

		if (!q->open)
			continue;
		r = dns_decode_answer(p, n, q->id, l->host, q->type, q->addrs, &q->ttl);
		if (r == ERR_BAD)
			continue;
		q->answer = r;
		q->open = false;
		return;
	}
}

/* Until all is answered: 0, ERR_TIMEOUT, or that nobody is there. */
static int
await_datagrams(struct lookup *l, struct io *io, int64_t deadline)
{
	while (!all_answered(l)) {
		ssize_t n = recv(io->fd, l->reply, sizeof(l->reply), MSG_DONTWAIT);
		int r;

		if (n >= 0) {
			take_datagram(l, l->reply, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return ERR_UNREACHABLE;
		io_unready(io, IO_READ | IO_HUP);
		r = io_wait(io, IO_READ, deadline);
		if (r != 0)
			return r;
	}
	return 0;
}

static int
ask_udp(struct lookup *l, const struct addr *server, int64_t deadline)
{
	struct io io;
	int fd = open_udp(server);
	int r;

	if (fd < 0)
		return fd;
	r = io_add(&io, fd, NULL);
	for (unsigned i = 0; i < l->questions && r == 0; i++) {
		if (send(fd, l->q[i].bytes + 2, l->q[i].n, MSG_DONTWAIT) < 0)
			r = ERR_UNREACHABLE;
	}
	if (r == 0)
		r = await_datagrams(l, &io, deadline);
	io_del(&io);
	close(fd);
	return r;
}

/* ---- TCP ---- */

static int
read_full(struct conn *c, unsigned char *p, size_t n, int64_t deadline)
{
	while (n > 0) {
		ssize_t r = conn_read(c, p, n, deadline);

		if (r <= 0)
			return r == 0 ? ERR_CLOSED : (int)r;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int
exchange(
    struct conn *c, struct lookup *l, struct question *q, unsigned char *reply, int64_t deadline)
{
	unsigned char head[2];
	size_t n;
	int r = conn_write(c, q->bytes, 2 + q->n, 0, deadline);

	if (r == 0)
		r = read_full(c, head, sizeof(head), deadline);
	if (r != 0)
		return r;
	n = (size_t)head[0] << 8 | head[1];
	r = read_full(c, reply, n, deadline);
	if (r != 0)
		return r;
	r = dns_decode_answer(reply, n, q->id, l->host, q->type, q->addrs, &q->ttl);
	/* Truncated once more: there is nothing larger to turn to. */
	return r == ERR_AGAIN ? ERR_BAD : r;
}

static int
ask_tcp(struct lookup *l, struct question *q, const struct addr *server, int64_t deadline)
{
	struct conn c;
	unsigned char *reply = malloc(TCP_REPLY);
	int r;

	if (reply == NULL)
		return ERR_NOMEM;
	r = dial_addr(&c, server, deadline);
	if (r == 0) {
		r = exchange(&c, l, q, reply, deadline);
		conn_close(&c);
	}
	free(reply);
	return r;
}

/* ---- one lookup ---- */

enum outcome { SILENT, FAILED, FINAL };

/* Asks one server everything. FINAL: it gave addresses, or said that there are none; FAILED: it answered, but could not tell. */
static enum outcome
ask_server(struct lookup *l, const struct addr *server, bool ipv6, int64_t deadline)
{
	bool final = true, found = false, answered = true;

	if (write_questions(l, ipv6) != 0)
		return FAILED;
	(void)ask_udp(l, server, deadline);
	for (unsigned i = 0; i < l->questions; i++) {
		struct question *q = &l->q[i];

		if (q->answer == ERR_AGAIN)
			q->answer = ask_tcp(l, q, server, deadline);
		found |= q->answer > 0;
		final &= q->answer > 0 || q->answer == ERR_NOT_FOUND;
		answered &= q->answer > 0 || q->answer == ERR_NOT_FOUND || q->answer == ERR_DNS;
	}
	/* Some servers never answer for AAAA; addresses of one kind will do. */
	if (final || found)
		return FINAL;
	return answered ? FAILED : SILENT;
}

static void
collect(const struct lookup *l, struct dns_result *out)
{
	out->n = 0;
	out->ttl = UINT32_MAX;
	for (unsigned i = 0; i < l->questions; i++) {
		const struct question *q = &l->q[i];

		for (int k = 0; k < q->answer && out->n < DNS_MAX_ADDRS; k++)
			out->addrs[out->n++] = q->addrs[k];
		if (q->answer > 0)
			out->ttl = MIN(out->ttl, q->ttl);
	}
	if (out->n == 0)
		out->n = ERR_DNS;
}

static int64_t
patience(unsigned attempt, unsigned servers)
{
	unsigned round = attempt / servers;

	return round < 3 ? FIRST_PATIENCE << round : MAX_PATIENCE;
}

static void
ask_in_turn(struct dns_servers *s, struct lookup *l, struct dns_result *out, int64_t deadline)
{
	unsigned failed = 0;

	for (unsigned attempt = 0;; attempt++) {
		unsigned i = (s->good + attempt) % s->n;
		int64_t now = clock_mono(), until = now + patience(attempt, s->n);
		enum outcome o;

		if (now >= deadline || task_cancelled())
			return;
		o = ask_server(l, &s->addrs[i], s->ipv6, MIN(until, deadline));
		if (o == FINAL) {
			s->good = i;
			collect(l, out);
			return;
		}
		failed = o == FAILED ? failed + 1 : 0;
		if (failed == s->n)
			return;
		/* A server that refuses at once is not asked again at once. */
		if (o == SILENT && (attempt + 1) % s->n == 0)
			(void)task_sleep_until(MIN(until, deadline));
	}
}

void
dns_ask(struct dns_servers *s, struct str host, struct dns_result *out, int64_t deadline)
{
	struct lookup *l = malloc(sizeof(*l));

	out->n = l != NULL ? ERR_DNS : ERR_NOMEM;
	if (l == NULL)
		return;
	l->host = host;
	/* A name that cannot be asked for is not tried. */
	if (write_questions(l, s->ipv6) == 0)
		ask_in_turn(s, l, out, deadline);
	free(l);
}
