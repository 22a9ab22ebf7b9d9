/*
 * Resolving, against a scripted server: a task that answers over UDP and TCP what the first label of the name asks for, lies
 * included.
 */
#include "unit/net/net_test.h"

#include <netinet/in.h>

#include "net/dns.h"

/* ---- the server ---- */

#define QUERY_MAX 512

struct server {
	int udp, tcp;
	uint16_t port;
	struct addr addr;
	struct task_handle tasks[2];
	unsigned queries, tcp_queries; /* so far */
};

/* A reply under construction. */
struct reply {
	unsigned char b[2048];
	size_t n;
};

static void
put(struct reply *r, const char *p, size_t n)
{
	assert_true(r->n + n <= sizeof(r->b));
	memcpy(r->b + r->n, p, n);
	r->n += n;
}

/* The query as a reply without answers yet. */
static struct reply
reply_to(const unsigned char *q, size_t n, unsigned flags)
{
	struct reply r = { .n = 0 };

	put(&r, (const char *)q, n);
	r.b[2] = (unsigned char)(flags >> 8);
	r.b[3] = (unsigned char)flags;
	return r;
}

static void
put_a(struct reply *r, unsigned ttl, unsigned last)
{
	char a[] = { (char)0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, (char)ttl, 0, 4, (char)192, 0, 2,
		(char)last };

	put(r, a, sizeof(a));
	r->b[7]++;
}

static void
put_aaaa(struct reply *r, unsigned last)
{
	char a[] = { (char)0xc0, 0x0c, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x20, 1, 0x0d, (char)0xb8,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (char)last };

	put(r, a, sizeof(a));
	r->b[7]++;
}

/* An alias, and the address of what it stands for. */
static void
put_alias(struct reply *r)
{
	static const char alias[] = "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1x\xc0\x0c"; /* x.<name> */
	size_t at;

	put(r, alias, sizeof(alias) - 1);
	at = r->n - 4;
	r->b[7]++;
	put_a(r, 60, 7);
	r->b[r->n - 16] = (unsigned char)(0xc0 | at >> 8);
	r->b[r->n - 15] = (unsigned char)at;
}

struct question {
	struct server *server;
	const unsigned char *q;
	size_t n;
	struct sockaddr_in from;
};

static void
send_reply(const struct question *q, const struct reply *r)
{
	assert_int_equal(sendto(q->server->udp, r->b, r->n, 0, (const struct sockaddr *)&q->from,
			     sizeof(q->from)),
	    r->n);
}

static bool
asks(const struct question *q, const char *label)
{
	size_t n = strlen(label);

	return q->q[12] == n && memcmp(q->q + 13, label, n) == 0;
}

/* Everything but the truth first. */
static void
lie(const struct question *q)
{
	static const char loop[] = "\xc0\x00\0\1\0\1\0\0\0\1\0\4\1\2\3\4";
	struct reply r = reply_to(q->q, q->n, 0x8180);

	put_a(&r, 60, 66);
	r.b[1] ^= 1; /* another identifier */
	send_reply(q, &r);
	r.b[1] ^= 1;
	r.b[13] ^= 1; /* another question */
	send_reply(q, &r);
	r = reply_to(q->q, q->n, 0x0100); /* no answer at all */
	send_reply(q, &r);
	r = reply_to(q->q, q->n, 0x8180);
	put(&r, loop, sizeof(loop) - 1); /* a name that never ends */
	r.b[7]++;
	r.b[r.n - 15] = (unsigned char)(r.n - 16);
	send_reply(q, &r);
	r.n = 5;
	send_reply(q, &r);
	r.n = 0;
	send_reply(q, &r);
}

/* Answers one query, as its name wants it. */
static void
answer(const struct question *q)
{
	bool v6 = q->q[q->n - 3] == DNS_AAAA;
	struct reply r = reply_to(q->q, q->n, 0x8180);

	if (asks(q, "silent") || (v6 && asks(q, "four")))
		return;
	if (asks(q, "second") && q->server->queries < 2)
		return;
	if (asks(q, "liar"))
		lie(q);
	if (asks(q, "missing"))
		r = reply_to(q->q, q->n, 0x8183);
	else if (asks(q, "fails"))
		r = reply_to(q->q, q->n, 0x8182);
	else if (asks(q, "large"))
		r = reply_to(q->q, q->n, 0x8380);
	else if (v6 && asks(q, "both"))
		put_aaaa(&r, 6);
	else if (!v6 && asks(q, "alias"))
		put_alias(&r);
	else if (!v6 && !asks(q, "empty"))
		put_a(&r, asks(q, "brief") ? 0 : 60, 1);
	send_reply(q, &r);
}

static void
udp_task(void *arg)
{
	struct server *s = arg;
	unsigned char buf[QUERY_MAX];
	struct question q = { .server = s, .q = buf };
	struct io io;

	assert_int_equal(io_add(&io, s->udp, NULL), 0);
	while (io_wait(&io, IO_READ, LATE) == 0) {
		socklen_t from_n = sizeof(q.from);
		ssize_t n = recvfrom(
		    s->udp, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&q.from, &from_n);

		if (n < 0) {
			io_unready(&io, IO_READ);
			continue;
		}
		s->queries++;
		q.n = (size_t)n;
		answer(&q);
	}
	io_del(&io);
}

static void
read_exactly(struct conn *c, unsigned char *p, size_t n)
{
	for (ssize_t r; n > 0; p += r, n -= (size_t)r) {
		r = conn_read(c, p, n, LATE);
		assert_true(r > 0);
	}
}

/* Three addresses, in two writes. */
static void
tcp_task(void *arg)
{
	struct server *s = arg;

	while (task_wait_fd(s->tcp, IO_READ, LATE) == 0) {
		struct conn c;
		unsigned char buf[2 + QUERY_MAX], head[2];
		struct reply r;
		size_t n;

		accept_conn(s->tcp, &c);
		s->tcp_queries++;
		read_exactly(&c, buf, 2);
		n = (size_t)buf[0] << 8 | buf[1];
		assert_true(n <= QUERY_MAX);
		read_exactly(&c, buf, n);
		r = reply_to(buf, n, 0x8180);
		for (unsigned i = 1; i <= 3; i++)
			put_a(&r, 60, i);
		head[0] = (unsigned char)(r.n >> 8);
		head[1] = (unsigned char)r.n;
		assert_int_equal(conn_write(&c, head, 2, 0, LATE), 0);
		assert_int_equal(task_yield(), 0);
		assert_int_equal(conn_write(&c, r.b, r.n, 0, LATE), 0);
		conn_close(&c);
	}
}

static void
server_start(struct server *s)
{
	memset(s, 0, sizeof(*s));
	s->tcp = listen_free(&s->port);
	assert_int_equal(addr_parse_ip(STR("127.0.0.1"), s->port, &s->addr), 0);
	s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->udp, &s->addr.u.sa, s->addr.len), 0);
	assert_int_equal(task_go("dns-udp", udp_task, s, &s->tasks[0]), 0);
	assert_int_equal(task_go("dns-tcp", tcp_task, s, &s->tasks[1]), 0);
}

static void
server_stop(struct server *s)
{
	task_cancel(s->tasks[0]);
	task_cancel(s->tasks[1]);
	close(s->tcp);
	assert_int_equal(task_join(s->tasks[0], LATE), 0);
	close(s->udp);
}

/* ---- asking it ---- */

static struct addr out[DNS_MAX_ADDRS];

static struct dns_resolver *
resolver_for(const struct server *s, int64_t timeout, bool ipv6)
{
	struct dns_resolver *r = dns_resolver_new(&s->addr, 1, 0, timeout, ipv6);

	assert_non_null(r);
	return r;
}

static void
assert_addr(unsigned i, const char *text)
{
	char got[ADDR_TEXT_MAX];

	addr_text(&out[i], true, got);
	assert_string_equal(got, text);
}

static int
resolve(struct dns_resolver *r, const char *host)
{
	return dns_resolve(r, str_of(host), 80, out, LATE);
}

static void
answers(void *arg)
{
	struct server s;
	struct dns_resolver *r;

	(void)arg;
	server_start(&s);
	r = resolver_for(&s, 0, true);
	assert_int_equal(resolve(r, "plain.test"), 1);
	assert_addr(0, "192.0.2.1:80");
	assert_int_equal(resolve(r, "both.test"), 2);
	assert_addr(0, "192.0.2.1:80");
	assert_addr(1, "[2001:db8::6]:80");
	assert_int_equal(resolve(r, "alias.test"), 1);
	assert_addr(0, "192.0.2.7:80");
	assert_int_equal(resolve(r, "missing.test"), ERR_DNS);
	assert_int_equal(resolve(r, "empty.test"), ERR_DNS);
	assert_int_equal(resolve(r, "fails.test"), ERR_DNS);
	assert_int_equal(resolve(r, "liar.test"), 1);
	assert_addr(0, "192.0.2.1:80");
	assert_int_equal(s.tcp_queries, 0);
	assert_int_equal(resolve(r, "large.test"), 3);
	assert_addr(2, "192.0.2.3:80");
	assert_int_equal(s.tcp_queries, 2);
	assert_int_equal(resolve(r, "not/a/name"), ERR_DNS);
	assert_int_equal(resolve(r, ""), ERR_DNS);
	dns_resolver_free(r);
	server_stop(&s);
}

static void
test_answers(void **state)
{
	(void)state;
	run(answers, NULL);
}

/* ---- the cache ---- */

static unsigned done;

static void
one_of_many(void *arg)
{
	struct addr mine[DNS_MAX_ADDRS];

	assert_int_equal(dns_resolve(arg, STR("Plain.Test."), 443, mine, LATE), 1);
	assert_int_equal(addr_port(&mine[0]), 443);
	done++;
}

static void
cache(void *arg)
{
	struct server s;
	struct dns_resolver *r;

	(void)arg;
	server_start(&s);
	r = resolver_for(&s, 0, false);
	done = 0;
	for (int i = 0; i < 10; i++)
		start(one_of_many, r);
	while (done < 10)
		assert_int_equal(task_sleep_until(clock_mono() + MS), 0);
	assert_int_equal(s.queries, 1); /* all of them by one query */
	assert_int_equal(resolve(r, "plain.test"), 1);
	assert_int_equal(s.queries, 1);
	/* A failure is kept for a second, a TTL of 0 not at all. */
	assert_int_equal(resolve(r, "missing.test"), ERR_DNS);
	assert_int_equal(resolve(r, "missing.test"), ERR_DNS);
	assert_int_equal(s.queries, 2);
	assert_int_equal(resolve(r, "brief.test"), 1);
	assert_int_equal(resolve(r, "brief.test"), 1);
	assert_int_equal(s.queries, 4);
	assert_int_equal(task_sleep_until(clock_mono() + NS_PER_S), 0);
	assert_int_equal(resolve(r, "missing.test"), ERR_DNS);
	assert_int_equal(s.queries, 5);
	dns_resolver_free(r);
	/* `valid` counts, whatever the TTL. */
	r = dns_resolver_new(&s.addr, 1, 50 * MS, 0, false);
	assert_int_equal(resolve(r, "brief.test"), 1);
	assert_int_equal(resolve(r, "brief.test"), 1);
	assert_int_equal(s.queries, 6);
	assert_int_equal(task_sleep_until(clock_mono() + 60 * MS), 0);
	assert_int_equal(resolve(r, "brief.test"), 1);
	assert_int_equal(s.queries, 7);
	dns_resolver_free(r);
	server_stop(&s);
}

static void
many_names(void *arg)
{
	struct server s;
	struct dns_resolver *r;
	char host[32];

	(void)arg;
	server_start(&s);
	r = resolver_for(&s, 0, false);
	for (int i = 0; i < 200; i++) {
		snprintf(host, sizeof(host), "h%d.test", i);
		assert_int_equal(resolve(r, host), 1);
	}
	assert_int_equal(s.queries, 200);
	assert_int_equal(resolve(r, "h199.test"), 1);
	assert_int_equal(s.queries, 200);
	assert_int_equal(resolve(r, "h0.test"), 1); /* made room for others */
	assert_int_equal(s.queries, 201);
	dns_resolver_free(r);
	server_stop(&s);
}

static void
test_cache(void **state)
{
	(void)state;
	run(cache, NULL);
	run(many_names, NULL);
}

/* ---- silence ---- */

static void
silence(void *arg)
{
	struct server s;
	struct dns_resolver *r;
	int64_t before = clock_mono();

	(void)arg;
	server_start(&s);
	r = resolver_for(&s, 200 * MS, true);
	/* The caller's deadline. */
	assert_int_equal(dns_resolve(r, STR("silent.test"), 1, out, SOON), ERR_TIMEOUT);
	assert_true(clock_mono() - before < 150 * MS);
	/* The lookup went on meanwhile, and gives up after its own time. */
	assert_int_equal(resolve(r, "silent.test"), ERR_DNS);
	assert_in_range(clock_mono() - before, 190 * MS, 900 * MS);
	assert_int_equal(s.queries, 2);
	dns_resolver_free(r);
	/* The first datagram gets lost. */
	r = resolver_for(&s, 0, false);
	s.queries = 0;
	assert_int_equal(resolve(r, "second.test"), 1);
	assert_int_equal(s.queries, 2);
	/* A server that does not answer for AAAA costs patience, not the address. */
	dns_resolver_free(r);
	r = resolver_for(&s, 0, true);
	assert_int_equal(resolve(r, "four.test"), 1);
	/* Freed while a lookup is under way. */
	assert_int_equal(dns_resolve(r, STR("silent.test"), 1, out, SOON), ERR_TIMEOUT);
	dns_resolver_free(r);
	server_stop(&s);
}

static struct task_handle waiting;

static void
cancelled(void *arg)
{
	waiting = task_self();
	assert_int_equal(dns_resolve(arg, STR("silent.test"), 1, out, LATE), ERR_CANCELLED);
}

static void
cancelling(void *arg)
{
	struct server s;
	struct dns_resolver *r;

	(void)arg;
	server_start(&s);
	r = resolver_for(&s, 100 * MS, false);
	start(cancelled, r);
	assert_int_equal(task_sleep_until(SOON), 0);
	task_cancel(waiting);
	assert_int_equal(task_join(waiting, LATE), 0);
	/* The others still get their answer. */
	assert_int_equal(resolve(r, "silent.test"), ERR_DNS);
	dns_resolver_free(r);
	server_stop(&s);
}

static void
test_silence(void **state)
{
	(void)state;
	run(silence, NULL);
	run(cancelling, NULL);
}

/* ---- several servers ---- */

static void
several(void *arg)
{
	struct server s;
	struct addr both[2];
	struct dns_resolver *r;
	uint16_t nobody;
	int64_t before;

	(void)arg;
	server_start(&s);
	close(listen_free(&nobody));
	assert_int_equal(addr_parse_ip(STR("127.0.0.1"), nobody, &both[0]), 0);
	both[1] = s.addr;
	r = dns_resolver_new(both, 2, 0, 0, true);
	before = clock_mono();
	assert_int_equal(resolve(r, "plain.test"), 1);
	assert_int_equal(resolve(r, "both.test"), 2);
	/* A port that refuses is left at once. */
	assert_true(clock_mono() - before < 900 * MS);
	dns_resolver_free(r);
	server_stop(&s);
}

static void
test_several_servers(void **state)
{
	(void)state;
	run(several, NULL);
}

/* ---- without asking ---- */

static void
local(void *arg)
{
	struct addr nowhere;
	struct dns_resolver *r;

	(void)arg;
	assert_int_equal(addr_parse_ip(STR("127.0.0.1"), 1, &nowhere), 0);
	r = dns_resolver_new(&nowhere, 1, 0, 0, true);
	for (int i = 0; i < 2; i++) {
		struct dns_resolver *either = i == 0 ? r : NULL;

		assert_int_equal(resolve(either, "192.0.2.9"), 1);
		assert_addr(0, "192.0.2.9:80");
		assert_int_equal(resolve(either, "2001:db8::9"), 1);
		assert_addr(0, "[2001:db8::9]:80");
		assert_int_equal(resolve(either, "[::1]"), 1);
		assert_int_equal(resolve(either, "LocalHost"), 2);
		assert_addr(0, "127.0.0.1:80");
		assert_addr(1, "[::1]:80");
		assert_int_equal(resolve(either, "x.localhost."), 2);
	}
	dns_resolver_free(r);
	/* No literal for us, but the system's resolver knows this old form without asking anybody. */
	assert_int_equal(resolve(NULL, "127.1"), 1);
	assert_addr(0, "127.0.0.1:80");
	assert_int_equal(resolve(NULL, "127.1"), 1);
}

static void
test_local(void **state)
{
	(void)state;
	run(local, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_answers),
		NET_TEST(test_cache),
		NET_TEST(test_silence),
		NET_TEST(test_several_servers),
		NET_TEST(test_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
