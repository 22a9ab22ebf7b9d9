/*
 * What the tests of this layer share: a server on loopback with handlers to try, and a client that
 * says exactly what it is told.
 */
#ifndef SLUICE_TEST_HTTP_TEST_H
#define SLUICE_TEST_HTTP_TEST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/log.h"
#include "http/client.h"
#include "http/conf.h"
#include "http/http_priv.h"
#include "http/server.h"
#include "net/dial.h"
#include "net/listen.h"
#include "task/loop.h"
#include "unit/unit.h"

#define MS NS_PER_MS
#define LATE (clock_mono() + 20 * NS_PER_S) /* never reached by a test that passes */

struct site {
	struct conf *conf;
	struct http_listen *listen;
	int fd;
	uint16_t port;
	struct conf_module *module; /* the test's handlers */
};

static struct site site;

static inline uint16_t
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* A loop, and the servers of this configuration. */
static inline void
site_start(const char *text)
{
	http_conf_register();
	if (site.module)
		conf_register(site.module);
	site.conf = conf_new();
	if (conf_parse_text(site.conf, "t", str_of(text)) || conf_check(site.conf) ||
	    conf_apply(site.conf))
		fail_msg("%.*s", (int)conf_messages(site.conf).n, conf_messages(site.conf).p);
	site.listen = http_listens(site.conf);
	assert_non_null(site.listen);
	assert_int_equal(loop_init(NULL), 0);
	site.fd = listen_open(&site.listen->addr, &site.listen->opt);
	assert_true(site.fd >= 0);
	assert_int_equal(http_serve(site.fd, site.listen), 0);
}

/* Waits until every connection is gone: none may be left behind. Then the accepting task ends,
 * too. */
static inline void
site_drain(void)
{
	int64_t end = LATE;

	http_drain();
	while (http_connections() && clock_mono() < end)
		task_sleep_until(clock_mono() + MS);
	assert_int_equal(http_connections(), 0);
	assert_int_equal(http_active(), 0);
}

static inline void
site_task(void *arg)
{
	void (*fn)(void) = *(void (**)(void))arg;

	fn();
	site_drain();
}

/* fn on a task, against the servers that site_start started. */
static inline void
site_run(void (*fn)(void))
{
	assert_int_equal(task_go("test", site_task, &fn, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_int_equal(loop_tasks(), 0);
	loop_fini();
	close(site.fd);
	conf_free(site.conf);
}

/* The same with one server, whose block holds text besides its listen. */
static inline void
with_site(const char *text, void (*fn)(void))
{
	char all[4096];

	site.port = free_port();
	snprintf(all, sizeof(all), "http { server { listen 127.0.0.1:%u; %s } }", site.port, text);
	site_start(all);
	site_run(fn);
}

/* ---- a client by hand ---- */

struct peer {
	struct conn c;
	struct buf in; /* received, not yet taken */
};

static inline void
peer_open(struct peer *p)
{
	struct dial_target t = { .host = STR("127.0.0.1"), .port = site.port };
	char why[160];

	buf_init(&p->in, 0);
	if (dial(&p->c, &t, LATE, why, sizeof(why)) < 0)
		fail_msg("%s", why);
}

static inline void
peer_close(struct peer *p)
{
	conn_close(&p->c);
	buf_fini(&p->in);
}

/* With a reset instead of an end. */
static inline void
peer_reset(struct peer *p)
{
	struct linger l = { 1, 0 };

	setsockopt(p->c.io.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	peer_close(p);
}

static inline int
peer_write(struct peer *p, const void *data, size_t n)
{
	return conn_write(&p->c, data, n, 0, LATE);
}

static inline void
peer_say(struct peer *p, const char *text)
{
	assert_int_equal(peer_write(p, text, strlen(text)), 0);
}

/* More bytes: false at the end of the connection. */
static inline bool
peer_fill(struct peer *p)
{
	char *to = buf_reserve(&p->in, 65536);
	ssize_t n = conn_read(&p->c, to, 65536, LATE);

	if (n <= 0)
		return false;
	buf_added(&p->in, (size_t)n);
	return true;
}

/* The next answer, head and body; status 0: the connection ended. Free with buf_fini(&a->all). */
struct reply {
	struct http_head head;
	struct buf all;
	struct buf body;
};

static inline void
reply_fini(struct reply *a)
{
	buf_fini(&a->all);
	buf_fini(&a->body);
}

static inline void
unchunk(struct peer *p, struct reply *a)
{
	struct chunk_decoder d;
	struct str data;
	ssize_t n;

	chunk_init(&d);
	while (!chunk_done(&d)) {
		if (p->in.n == 0 && !peer_fill(p))
			return;
		n = chunk_feed(&d, p->in.p, p->in.n, &data);
		assert_true(n >= 0);
		buf_put_str(&a->body, data);
		buf_consume(&p->in, (size_t)n);
	}
}

static inline int
peer_hear(struct peer *p, struct reply *a, bool no_body)
{
	size_t scanned = 0;
	uint64_t left;
	int n;

	buf_init(&a->all, 0);
	buf_init(&a->body, 0);
	http_head_init(&a->head);
	for (;;) {
		n = p->in.n ? http_parse_response(&a->head, p->in.p, p->in.n, &scanned, no_body)
			    : ERR_NEED_MORE;
		if (n > 0)
			break;
		assert_int_equal(n, ERR_NEED_MORE);
		if (!peer_fill(p)) {
			assert_int_equal(p->in.n, 0);
			return a->head.status = 0;
		}
	}
	buf_put(&a->all, p->in.p, (size_t)n);
	scanned = 0;
	http_parse_response(&a->head, a->all.p, a->all.n, &scanned, no_body);
	buf_consume(&p->in, (size_t)n);
	if (a->head.chunked && !no_body) {
		unchunk(p, a);
		return a->head.status;
	}
	left = no_body || a->head.content_length < 0 ? 0 : (uint64_t)a->head.content_length;
	if (!no_body && a->head.content_length < 0 && !a->head.keep_alive)
		left = UINT64_MAX;
	while (p->in.n < left && peer_fill(p))
		continue;
	left = MIN(left, p->in.n);
	buf_put(&a->body, p->in.p, (size_t)left);
	buf_consume(&p->in, (size_t)left);
	return a->head.status;
}

/* The status of the next answer, whose body is this (NULL: any). */
static inline void
expect(struct peer *p, int status, const char *body)
{
	static struct reply a;

	assert_int_equal(peer_hear(p, &a, false), status);
	if (body)
		assert_string_equal(buf_cstr(&a.body), body);
	reply_fini(&a);
}

static inline void
expect_end(struct peer *p)
{
	assert_int_equal(p->in.n, 0);
	assert_false(peer_fill(p));
}

/* One request on a connection of its own: its status. */
static inline int
ask(const char *text, struct reply *a)
{
	struct peer p;

	peer_open(&p);
	peer_say(&p, text);
	peer_hear(&p, a, strncmp(text, "HEAD", 4) == 0);
	peer_close(&p);
	return a->head.status;
}

static inline int
status_of(const char *text)
{
	static struct reply a;
	int status = ask(text, &a);

	reply_fini(&a);
	return status;
}

/* n bytes that differ from place to place. */
static inline char *
pattern(size_t n)
{
	char *p = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (i * 7 + i / 251) % 26);
	p[n] = 0;
	return p;
}

static inline void
gzip(struct str text, struct buf *out)
{
	z_stream z = { 0 };

	deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (unsigned char *)(uintptr_t)text.p;
	z.avail_in = (unsigned)text.n;
	do {
		z.next_out = (unsigned char *)buf_reserve(out, 65536);
		z.avail_out = 65536;
		deflate(&z, Z_FINISH);
		buf_added(out, 65536 - z.avail_out);
	} while (z.avail_out == 0);
	deflateEnd(&z);
}

/* "PUT path" with a body of this text. */
static inline void
put_request(struct buf *out, const char *path, const char *fields, struct str body)
{
	buf_printf(out, "PUT %s HTTP/1.1\r\nHost: t\r\n%sContent-Length: %zu\r\n\r\n", path, fields,
	    body.n);
	buf_put_str(out, body);
}

/* The same body in chunks of at most `piece`. */
static inline void
put_chunked(struct buf *out, const char *path, const char *fields, struct str body, size_t piece)
{
	char line[20];

	buf_printf(out, "PUT %s HTTP/1.1\r\nHost: t\r\n%sTransfer-Encoding: chunked\r\n\r\n", path,
	    fields);
	while (body.n) {
		struct str part = str_sub(body, 0, piece);

		buf_put(out, line, chunk_size_line(line, part.n));
		buf_put_str(out, part);
		buf_puts(out, "\r\n");
		body = str_from(body, part.n);
	}
	buf_puts(out, "0\r\n\r\n");
}

#endif
