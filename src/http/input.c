/*
 * From the socket to a complete head. Heads are parsed where they were received; a buffer grows
 * only for heads beyond its 16 KiB, up to what the configuration allows. Called by conn.c.
 */
#include <stdlib.h>

#include "http/http_priv.h"

#define REQUEST_LINE_EXTRA 12 /* two spaces, version, CRLF */
#define FIELD_EXTRA 4         /* colon, space, CRLF */

/* What all buffers of nginx together would hold. */
static size_t
head_limit(const struct http_scope *s)
{
	return s->client_header_buffer_size +
	       s->large_client_header_buffers_n * s->large_client_header_buffers_size;
}

static int
check_unfinished(const struct http_scope *s, const char *p, size_t n)
{
	size_t line_max = MAX(s->large_client_header_buffers_size, s->client_header_buffer_size);

	if (n > line_max && !memchr(p, '\n', line_max))
		return ERR_URI_TOO_LONG;
	return n >= head_limit(s) ? ERR_HEADER_TOO_LARGE : ERR_NEED_MORE;
}

/* Each line has to fit in one large buffer. */
static int
check_lines(const struct http_scope *s, const struct http_head *h, size_t n)
{
	size_t line_max = MAX(s->large_client_header_buffers_size, s->client_header_buffer_size);

	if (n <= line_max)
		return 0;
	if (h->method.n + h->target.n + REQUEST_LINE_EXTRA > line_max)
		return ERR_URI_TOO_LONG;
	for (unsigned i = 0; i < h->n_headers; i++)
		if (h->headers[i].name.n + h->headers[i].value.n + FIELD_EXTRA > line_max)
			return ERR_HEADER_TOO_LARGE;
	return n > head_limit(s) ? ERR_HEADER_TOO_LARGE : 0;
}

/* Room for more behind the bytes of an unfinished head. */
static int
make_room(struct http_work *w)
{
	struct http_input *in = &w->in, bigger;
	size_t n = in->end - in->start;

	if (n == 0)
		in->start = in->end = 0;
	if (in->end < in->cap)
		return 0;
	if (in->start == 0) {
		if (!http_input_new(
			&bigger, MIN(in->cap * 2, MAX(head_limit(w->scope), in->cap + 1))))
			return ERR_NOMEM;
		memcpy(bigger.p, in->p, n);
		http_input_free(in);
		*in = bigger;
	} else {
		memmove(in->p, in->p + in->start, n);
	}
	in->start = 0;
	in->end = n;
	return 0;
}

/* Something may be there to read, as far as is known without asking. */
static bool
may_read(const struct conn *c)
{
	return c->tls || (c->io.ready & (IO_READ | IO_HUP));
}

static ssize_t
receive(struct http_work *w)
{
	struct http_input *in = &w->in;
	struct conn *c = &w->conn->conn;
	bool first = in->start == in->end;
	ssize_t n = make_room(w);

	if (n < 0)
		return n;
	if (first && !may_read(c))
		return ERR_AGAIN;
	if (first)
		n = conn_read_now(c, in->p + in->end, in->cap - in->end);
	else
		n = conn_read(c, in->p + in->end, in->cap - in->end,
		    w->req.start + w->scope->client_header_timeout);
	if (n == 0)
		return ERR_CLOSED;
	if (n == ERR_TIMEOUT)
		w->conn->timed_out = true;
	if (n > 0)
		in->end += (size_t)n;
	return n;
}

static int
take_head(struct http_work *w, size_t n)
{
	w->in.start += n;
	w->head_end = w->in.start;
	w->req.bytes_in = n;
	return check_lines(w->scope, &w->head, n);
}

int
http_read_head(struct http_work *w)
{
	struct http_input *in = &w->in;
	size_t scanned = 0;
	ssize_t n;

	w->req.start = clock_cached_mono();
	for (;;) {
		if (in->start < in->end) {
			n = http_parse_request(
			    &w->head, in->p + in->start, in->end - in->start, &scanned);
			if (n > 0)
				return take_head(w, (size_t)n);
			if (n == ERR_NEED_MORE)
				n = check_unfinished(
				    w->scope, in->p + in->start, in->end - in->start);
			if (n != ERR_NEED_MORE)
				return (int)n;
		}
		n = receive(w);
		if (n < 0)
			return (int)n;
	}
}
