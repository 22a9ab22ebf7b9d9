/*
 * The sending half of an exchange: head, then a body from memory, or from a file in slices that a
 * helper reads, so that the disk never holds up the loop. Between slices it looks whether the
 * answer is here already. Called by client.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "http/client_priv.h"

#define SLICE (128u * 1024)
#define CONTINUE_WAIT NS_PER_S
#define COPY_MAX (16u * 1024) /* a body up to this is copied behind its head */
#define EARLY 1024u

int64_t
http_wait_until(const struct http_exchange *x)
{
	int64_t now;

	if (x->stall == 0)
		return x->deadline;
	now = clock_mono();
	return x->deadline - now > x->stall ? now + x->stall : x->deadline;
}

int
http_explain(struct http_exchange *x, const char *doing, int err)
{
	snprintf(x->why, sizeof(x->why), "%s: %s", doing, err_text(err));
	return err;
}

static int
write_some(struct http_link *l, struct http_exchange *x, const void *p, size_t n)
{
	x->sent = true;
	return conn_write(&l->conn, p, n, x->stall, x->deadline);
}

static bool
has_body(const struct http_exchange *x)
{
	return x->body.n || (x->body_fd >= 0 && x->body_length);
}

/* Methods whose body a server looks for even if it is empty. */
static bool
wants_length(const struct http_exchange *x)
{
	return str_is(x->method, "PUT") || str_is(x->method, "POST") || str_is(x->method, "PATCH");
}

static void
put_head(struct http_exchange *x, struct buf *out)
{
	uint64_t length = x->body_fd >= 0 ? x->body_length : x->body.n;

	buf_put_str(out, x->method);
	buf_putc(out, ' ');
	buf_put_str(out, x->target);
	buf_puts(out, " HTTP/1.1\r\nHost: ");
	buf_put_str(out, x->host);
	buf_puts(out, "\r\n");
	for (unsigned i = 0; i < x->n_headers; i++) {
		buf_put_str(out, x->headers[i].name);
		buf_puts(out, ": ");
		buf_put_str(out, x->headers[i].value);
		buf_puts(out, "\r\n");
	}
	if (length || wants_length(x)) {
		buf_puts(out, "Content-Length: ");
		buf_put_u64(out, length);
		buf_puts(out, "\r\n");
	}
	if (x->expect_continue && has_body(x))
		buf_puts(out, "Expect: 100-continue\r\n");
	buf_puts(out, "\r\n");
}

struct slice {
	int fd;
	uint64_t at;
	size_t n;
	char bytes[];
};

static int
read_slice(void *arg)
{
	struct slice *s = arg;
	ssize_t n = file_read_full(s->fd, s->bytes, s->n, (off_t)s->at);

	if (n < 0)
		return (int)n;
	return (size_t)n == s->n ? 0 : ERR_EOF;
}

/* Without waiting. The loop's word is a hint: the last read may have taken just what there was. */
static bool
answer_is_here(struct http_link *l, struct http_exchange *x)
{
	char *to;
	ssize_t n;

	if (!l->conn.tls && !(l->conn.io.ready & (IO_READ | IO_HUP)))
		return false;
	to = buf_reserve(&x->raw, EARLY);
	n = to ? conn_read_now(&l->conn, to, EARLY) : ERR_AGAIN;
	if (n > 0)
		buf_added(&x->raw, (size_t)n);
	return n != ERR_AGAIN;
}

static int
send_slices(struct http_link *l, struct http_exchange *x, struct slice *s)
{
	uint64_t end = x->body_offset + x->body_length;
	int err = 0;

	for (s->at = x->body_offset; s->at < end && err == 0; s->at += s->n) {
		s->n = (size_t)MIN(end - s->at, (uint64_t)SLICE);
		err = offload(OFFLOAD_MISC, read_slice, s);
		if (err < 0)
			return http_explain(x, "read the body", err);
		if (answer_is_here(l, x))
			return ERR_EXISTS;
		err = write_some(l, x, s->bytes, s->n);
		if (err < 0)
			http_explain(x, "send the body", err);
	}
	return err;
}

static int
send_file(struct http_link *l, struct http_exchange *x)
{
	struct slice *s = malloc(sizeof(*s) + SLICE);
	int err;

	if (!s)
		return ERR_NOMEM;
	s->fd = x->body_fd;
	err = send_slices(l, x, s);
	free(s);
	return err;
}

/* 0: go on with the body, told to or not; ERR_EXISTS: a final answer instead. */
static int
await_continue(struct http_link *l, struct http_exchange *x)
{
	int64_t deadline = x->deadline, soon = clock_mono() + CONTINUE_WAIT;
	int err;

	do {
		x->deadline = MIN(deadline, soon);
		err = http_receive_head(l, x);
		x->deadline = deadline;
		if (err == ERR_TIMEOUT && soon < deadline)
			return 0;
		if (err < 0)
			return err;
		if (x->head.status >= 200)
			return ERR_EXISTS;
		buf_consume(&x->raw, x->head_n);
	} while (x->head.status != 100);
	return 0;
}

/* Head and body in one write. */
static int
send_together(struct http_link *l, struct http_exchange *x)
{
	struct iovec iov[2];
	int err;

	x->sent = true;
	if (x->body.n <= COPY_MAX) {
		buf_put_str(&x->request, x->body);
		err = buf_failed(&x->request);
		return err ? err : write_some(l, x, x->request.p, x->request.n);
	}
	iov[0] = (struct iovec){ .iov_base = x->request.p, .iov_len = x->request.n };
	iov[1] = (struct iovec){ .iov_base = (void *)(uintptr_t)x->body.p, .iov_len = x->body.n };
	return conn_writev(&l->conn, iov, 2, x->stall, x->deadline);
}

int
http_send(struct http_link *l, struct http_exchange *x)
{
	bool waits = x->expect_continue && has_body(x);
	bool together = !waits && x->body_fd < 0;
	int err;

	buf_reset(&x->request);
	put_head(x, &x->request);
	err = buf_failed(&x->request);
	if (err == 0)
		err = together ? send_together(l, x) : write_some(l, x, x->request.p, x->request.n);
	if (err < 0)
		return http_explain(x, "send the request", err);
	if (waits)
		err = await_continue(l, x);
	if (err < 0 || together)
		return err;
	if (x->body_fd >= 0)
		return send_file(l, x);
	err = write_some(l, x, x->body.p, x->body.n);
	return err < 0 ? http_explain(x, "send the body", err) : 0;
}
