/*
 * The receiving half of an exchange: the head into x->raw, the body (by length, chunked, or up to
 * the end of the connection) into x->reply, or to x->take. Called by client.c.
 */
#include <stdlib.h>

#include "http/client_priv.h"

#define PIECE (16u * 1024)
#define HEAD_MAX (64u * 1024)

static ssize_t
receive(struct http_link *l, struct http_exchange *x, void *p, size_t n)
{
	return conn_read(&l->conn, p, n, http_wait_until(x));
}

/* More of the head: 0, or an error; ERR_CLOSED where nothing of an answer had come. */
static int
more_head(struct http_link *l, struct http_exchange *x)
{
	char *to = buf_reserve(&x->raw, PIECE / 4);
	ssize_t n;

	if (!to)
		return http_explain(x, "receive the answer's head",
		    buf_failed(&x->raw) == ERR_TOO_LARGE ? ERR_PROTOCOL : ERR_NOMEM);
	n = receive(l, x, to, x->raw.cap - x->raw.n);
	if (n == 0)
		n = x->raw.n ? ERR_PROTOCOL : ERR_CLOSED;
	if (n < 0)
		return http_explain(x, "receive the answer", (int)n);
	buf_added(&x->raw, (size_t)n);
	return 0;
}

/* The next head, whatever its status. */
int
http_receive_head(struct http_link *l, struct http_exchange *x)
{
	bool no_body = str_is(x->method, "HEAD");
	size_t scanned = 0;
	int n, err;

	for (;;) {
		n = ERR_NEED_MORE;
		if (x->raw.n)
			n = http_parse_response(&x->head, x->raw.p, x->raw.n, &scanned, no_body);
		if (n > 0) {
			x->head_n = (size_t)n;
			return 0;
		}
		if (n != ERR_NEED_MORE)
			return http_explain(x, "answer", ERR_PROTOCOL);
		err = more_head(l, x);
		if (err < 0)
			return err;
	}
}

/* Bytes of the body: handed on, or kept, then dropped, up to the limits. ERR_TOO_LARGE: there was more. */
static int
keep(struct http_exchange *x, struct str data)
{
	size_t n = MIN(data.n, x->reply_max - x->reply.n);

	if (x->take != NULL)
		return data.n > 0 ? x->take(x->take_arg, data) : 0;
	if (n > 0)
		buf_put(&x->reply, data.p, n);
	x->skipped += data.n - n;
	return x->skipped <= x->reply_skip && !buf_failed(&x->reply) ? 0 : ERR_TOO_LARGE;
}

/* What came with the head, and then pieces from the socket. */
struct source {
	struct http_link *l;
	struct http_exchange *x;
	char *piece; /* PIECE bytes, once they are needed */
	struct str now;
};

/* Bytes in s->now: their number, 0 at the end of the connection, or an error. */
static ssize_t
pull(struct source *s, uint64_t want)
{
	ssize_t n;

	if (s->now.n)
		return (ssize_t)s->now.n;
	if (!s->piece && !(s->piece = malloc(PIECE)))
		return ERR_NOMEM;
	n = receive(s->l, s->x, s->piece, (size_t)MIN(want, (uint64_t)PIECE));
	if (n > 0)
		s->now = str_make(s->piece, (size_t)n);
	return n;
}

/* ERR_TOO_LARGE: cut at the limits. */
static int
read_length(struct source *s, uint64_t left)
{
	ssize_t n;
	int err;

	while (left) {
		n = pull(s, left);
		if (n <= 0)
			return n < 0 ? (int)n : ERR_CLOSED;
		n = (ssize_t)MIN((uint64_t)n, left);
		err = keep(s->x, str_make(s->now.p, (size_t)n));
		if (err != 0)
			return err;
		s->now = str_from(s->now, (size_t)n);
		left -= (uint64_t)n;
	}
	return 0;
}

static int
read_chunked(struct source *s)
{
	struct chunk_decoder d;
	struct str data;
	ssize_t n;
	int err;

	chunk_init(&d);
	while (!chunk_done(&d)) {
		n = pull(s, PIECE);
		if (n <= 0)
			return n < 0 ? (int)n : ERR_CLOSED;
		n = chunk_feed(&d, s->now.p, s->now.n, &data);
		if (n < 0)
			return ERR_PROTOCOL;
		err = keep(s->x, data);
		if (err != 0)
			return err;
		s->now = str_from(s->now, (size_t)n);
	}
	return 0;
}

static int
read_to_end(struct source *s)
{
	ssize_t n;
	int err;

	while ((n = pull(s, PIECE)) > 0) {
		err = keep(s->x, s->now);
		if (err != 0)
			return err;
		s->now = str_make(NULL, 0);
	}
	return (int)n;
}

static bool
has_no_body(const struct http_exchange *x)
{
	return str_is(x->method, "HEAD") || x->head.status < 200 || x->head.status == 204 ||
	       x->head.status == 304;
}

static int
read_body(struct source *s)
{
	const struct http_head *h = &s->x->head;

	if (has_no_body(s->x))
		return 0;
	if (h->chunked)
		return read_chunked(s);
	return h->content_length >= 0 ? read_length(s, (uint64_t)h->content_length)
				      : read_to_end(s);
}

int
http_receive_body(struct http_link *l, struct http_exchange *x, bool *keep_link)
{
	struct source s = { .l = l, .x = x };
	int err;

	*keep_link = false;
	s.now = str_from(buf_str(&x->raw), x->head_n);
	err = read_body(&s);
	if (err == 0)
		err = buf_failed(&x->reply) == ERR_NOMEM ? ERR_NOMEM : 0;
	/* Bytes behind the answer were not asked for: the connection is not to be trusted. */
	*keep_link = err == 0 && x->head.keep_alive && s.now.n == 0;
	free(s.piece);
	if (err == ERR_TOO_LARGE && x->take == NULL)
		return 0;
	return err < 0 ? http_explain(x, "receive the answer's body", err) : 0;
}
