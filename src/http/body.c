/*
 * Request bodies on their way in. Bytes are received behind the head in the connection's buffer,
 * where a small body is simply borrowed; long ones go straight to the reader's memory. Two layers:
 * the window (payload as transferred, after chunking) and the content (after gzip). Called by
 * handlers through server.h, and by request.c around them.
 */
#include <stdlib.h>

#include "http/http_priv.h"

#define SKIP_MAX (64u * 1024) /* taken in after an answer to keep the connection */
#define ROOM_MIN (4u * 1024)  /* behind the head; less, and the body gets a buffer of its own */

void
http_body_begin(struct http_work *w)
{
	struct http_body *b = &w->body;

	b->kind = HTTP_BODY_NONE;
	b->left = 0;
	if (w->head.chunked)
		b->kind = HTTP_BODY_CHUNKED;
	else if (w->head.content_length > 0)
		b->kind = HTTP_BODY_LENGTH;
	if (b->kind == HTTP_BODY_LENGTH)
		b->left = (uint64_t)w->head.content_length;
	chunk_init(&b->chunk);
	b->window = b->replay = b->whole = str_make(NULL, 0);
	b->payload = b->content = b->max = b->content_max = 0;
	b->must_continue = w->head.expect_continue && b->kind != HTTP_BODY_NONE;
	b->keep_encoding = b->started = b->have_whole = false;
	b->gunzip = NULL;
	b->err = 0;
	buf_init(&b->gathered, 0);
}

void
http_body_end(struct http_work *w)
{
	http_gunzip_free(w->body.gunzip);
	w->body.gunzip = NULL;
	buf_fini(&w->body.gathered);
	if (w->held.p) {
		http_input_free(&w->held);
		w->head_end = 0;
	}
}

static int
fail(struct http_body *b, int err)
{
	b->err = err;
	return err;
}

/* Only when the client has sent nothing of its body yet may it still be waiting for leave. */
static int
say_continue(struct http_work *w)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	w->body.must_continue = false;
	w->req.bytes_out += sizeof(text) - 1;
	return conn_write(
	    &w->conn->conn, text, sizeof(text) - 1, w->scope->send_timeout, CLOCK_NEVER);
}

/* Before waiting for more of the body. */
static int
before_wait(struct http_work *w)
{
	int err = w->body.must_continue ? say_continue(w) : 0;

	return err < 0 ? fail(&w->body, err) : 0;
}

static ssize_t
receive_into(struct http_work *w, void *p, size_t n)
{
	ssize_t got = before_wait(w);

	if (got < 0)
		return got;
	got = conn_read(&w->conn->conn, p, n, clock_mono() + w->scope->client_body_timeout);
	if (got == 0)
		got = ERR_CLOSED;
	if (got == ERR_TIMEOUT)
		w->conn->timed_out = true;
	if (got < 0)
		return fail(&w->body, (int)got);
	return got;
}

/* The head fills its buffer: it stays where it is, and the body gets another. */
static int
separate_input(struct http_work *w)
{
	struct http_input in;

	if (w->held.p || w->in.cap - w->head_end >= ROOM_MIN)
		return 0;
	if (!http_input_new(&in, HTTP_INPUT_SIZE))
		return fail(&w->body, ERR_NOMEM);
	w->held = w->in;
	w->in = in;
	w->head_end = 0;
	return 0;
}

/* More input; what was there is used up. */
static int
receive(struct http_work *w)
{
	struct http_input *in = &w->in;
	ssize_t n = separate_input(w);

	if (n < 0)
		return (int)n;
	in->start = in->end = w->head_end;
	n = receive_into(w, in->p + in->end, in->cap - in->end);
	if (n < 0)
		return (int)n;
	in->end += (size_t)n;
	return 0;
}

/* Takes a window out of the input: length (0: none in there), or an error. */
static ssize_t
next_window(struct http_work *w)
{
	struct http_body *b = &w->body;
	struct http_input *in = &w->in;
	ssize_t used;

	if (b->kind == HTTP_BODY_LENGTH) {
		b->window = str_make(in->p + in->start, (size_t)MIN(in->end - in->start, b->left));
		b->left -= b->window.n;
		in->start += b->window.n;
		w->req.bytes_in += b->window.n;
		return (ssize_t)b->window.n;
	}
	while (in->start < in->end && !chunk_done(&b->chunk)) {
		used = chunk_feed(&b->chunk, in->p + in->start, in->end - in->start, &b->window);
		if (used < 0)
			return fail(b, (int)used);
		in->start += (size_t)used;
		w->req.bytes_in += (size_t)used;
		if (b->window.n)
			break;
	}
	return (ssize_t)b->window.n;
}

static bool
at_end(const struct http_body *b)
{
	if (b->window.n)
		return false;
	if (b->kind == HTTP_BODY_CHUNKED)
		return chunk_done(&b->chunk);
	return b->left == 0;
}

/* The same, when the bytes are counted. */
static int
count(struct http_body *b, size_t n)
{
	b->payload += n;
	return b->max && b->payload > b->max ? fail(b, ERR_TOO_LARGE) : 0;
}

ssize_t
http_body_window(struct http_work *w)
{
	struct http_body *b = &w->body;
	ssize_t n;

	if (b->err)
		return b->err;
	b->window = str_make(NULL, 0);
	while (!at_end(b)) {
		n = next_window(w);
		if (n > 0)
			n = count(b, (size_t)n) < 0 ? b->err : n;
		if (n != 0)
			return n;
		if (!at_end(b) && receive(w) < 0)
			return b->err;
	}
	return 0;
}

/* A long body's bytes need not pass through our buffer. */
static ssize_t
read_straight(struct http_work *w, void *p, size_t n)
{
	ssize_t got = receive_into(w, p, (size_t)MIN(n, w->body.left));

	if (got < 0)
		return got;
	w->body.left -= (uint64_t)got;
	w->req.bytes_in += (uint64_t)got;
	return count(&w->body, (size_t)got) < 0 ? w->body.err : got;
}

static ssize_t
read_payload(struct http_work *w, void *p, size_t n)
{
	struct http_body *b = &w->body;
	ssize_t got;

	if (b->window.n == 0 && b->kind == HTTP_BODY_LENGTH && b->left && w->in.start == w->in.end)
		return read_straight(w, p, n);
	got = b->window.n ? (ssize_t)b->window.n : http_body_window(w);
	if (got <= 0)
		return got;
	n = MIN(n, b->window.n);
	memcpy(p, b->window.p, n);
	b->window = str_from(b->window, n);
	return (ssize_t)n;
}

/* Decides on decoding, once. */
static int
start(struct http_work *w)
{
	struct http_body *b = &w->body;

	b->started = true;
	b->max = w->scope->client_max_body_size;
	if (b->keep_encoding || !http_gunzip_wanted(&w->head))
		return 0;
	b->content_max = w->scope->gunzip_max ? w->scope->gunzip_max : b->max;
	b->gunzip = http_gunzip_new();
	return b->gunzip ? 0 : fail(b, ERR_NOMEM);
}

int64_t
http_body_length(const struct http_request *r)
{
	if (r->head->chunked)
		return -1;
	return MAX(r->head->content_length, (int64_t)0);
}

void
http_body_keep_encoding(struct http_request *r)
{
	r->conn->work->body.keep_encoding = true;
}

ssize_t
http_body_read(struct http_request *r, void *p, size_t n)
{
	struct http_work *w = r->conn->work;
	struct http_body *b = &w->body;
	ssize_t got;

	if (b->replay.n) {
		n = MIN(n, b->replay.n);
		memcpy(p, b->replay.p, n);
		b->replay = str_from(b->replay, n);
		return (ssize_t)n;
	}
	if (!b->started && start(w) < 0)
		return b->err;
	if (b->err)
		return b->err;
	got = b->gunzip ? http_gunzip_read(w, p, n) : read_payload(w, p, n);
	if (got < 0)
		return fail(b, (int)got);
	b->content += (uint64_t)got;
	if (b->content_max && b->content > b->content_max)
		return fail(b, ERR_TOO_LARGE);
	return got;
}

/* The whole body fits behind the head: it is received there and borrowed. */
static int
gather_in_place(struct http_work *w, size_t n)
{
	struct http_input *in = &w->in;
	ssize_t got;

	while (in->end - in->start < n) {
		got = receive_into(w, in->p + in->end, in->cap - in->end);
		if (got < 0) {
			w->req.bytes_in += in->end - in->start;
			return (int)got;
		}
		in->end += (size_t)got;
	}
	w->req.bytes_in += n;
	w->body.whole = str_make(in->p + in->start, n);
	in->start += n;
	w->body.left = 0;
	w->body.payload = w->body.content = n;
	return 0;
}

static int
gather_known(struct http_work *w, size_t n)
{
	struct http_body *b = &w->body;
	ssize_t got;
	char *to;

	if (n <= w->in.cap - w->in.start)
		return gather_in_place(w, n);
	to = buf_reserve(&b->gathered, n);
	if (!to)
		return fail(b, ERR_NOMEM);
	while (b->gathered.n < n) {
		got = read_payload(w, to + b->gathered.n, n - b->gathered.n);
		if (got < 0)
			return (int)got;
		buf_added(&b->gathered, (size_t)got);
	}
	b->content = n;
	b->whole = buf_str(&b->gathered);
	return 0;
}

/* Length not known beforehand: one byte more than max tells that it is too long. */
static int
gather_unknown(struct http_request *r, size_t max)
{
	struct http_body *b = &r->conn->work->body;
	ssize_t got;
	char *to;

	for (;;) {
		to = buf_reserve(&b->gathered, MIN(MAX(b->gathered.n, (size_t)4096), max + 1));
		if (!to)
			return fail(b, ERR_NOMEM);
		got = http_body_read(r, to, MIN(b->gathered.cap, max + 1) - b->gathered.n);
		if (got <= 0)
			break;
		buf_added(&b->gathered, (size_t)got);
		if (b->gathered.n > max) {
			b->replay = buf_str(&b->gathered);
			return ERR_TOO_LARGE;
		}
	}
	b->whole = got == 0 ? buf_str(&b->gathered) : b->whole;
	return (int)got;
}

int
http_body_gather(struct http_request *r, size_t max, struct str *out)
{
	struct http_work *w = r->conn->work;
	struct http_body *b = &w->body;
	int err = 0;

	if (!b->have_whole) {
		if (b->replay.n)
			return ERR_TOO_LARGE;
		if (!b->started)
			err = start(w);
		if (err == 0)
			err = b->err;
		if (err == 0 && b->kind == HTTP_BODY_LENGTH && !b->gunzip) {
			if (b->left > max)
				return ERR_TOO_LARGE;
			err = gather_known(w, (size_t)b->left);
		} else if (err == 0 && b->kind != HTTP_BODY_NONE) {
			err = gather_unknown(r, max);
		}
		if (err < 0)
			return err;
		b->have_whole = true;
	}
	*out = b->whole.p ? b->whole : STR("");
	return 0;
}

bool
http_body_skippable(struct http_work *w)
{
	struct http_body *b = &w->body;

	if (b->err)
		return false;
	/* What is in the input already costs nothing. */
	b->replay = str_make(NULL, 0);
	while (!at_end(b) && w->in.start < w->in.end && next_window(w) >= 0)
		b->window = str_make(NULL, 0);
	b->window = str_make(NULL, 0);
	if (at_end(b))
		return true;
	return b->err == 0 && !b->must_continue && b->kind == HTTP_BODY_LENGTH &&
	       b->left <= SKIP_MAX;
}

int
http_body_skip(struct http_work *w)
{
	struct http_body *b = &w->body;
	ssize_t n;

	b->max = 0;
	do
		n = http_body_window(w);
	while (n > 0);
	return (int)n;
}
