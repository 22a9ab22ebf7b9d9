/*
 * Answers on their way out. A head is formatted by hand into the connection's buffer, a short body
 * is put behind it, and both leave with one send. Called by handlers through server.h.
 */
#include <stdlib.h>

#include "config.h"
#include "http/http_priv.h"

#define HEAD_ROOM 640         /* status line and our own fields, values included */
#define COPY_MAX (16u * 1024) /* a body up to this is copied behind the head */
#define RETRY_AFTER "5"

/* The Date field, formatted once a second. */
static struct str
date_now(void)
{
	static int64_t second = -1;
	static char text[CLOCK_HTTP_LEN + 1];
	int64_t now = clock_cached_wall();

	if (now / NS_PER_S != second) {
		second = now / NS_PER_S;
		clock_http(now, text);
	}
	return str_make(text, CLOCK_HTTP_LEN);
}

/* SLUICE_DELAY_MS: a test mode that delays every answer, so that a stop can be tried with requests
 * in flight. */
static int64_t
answer_delay(void)
{
	static int64_t delay = -1;
	const char *text;
	uint64_t ms = 0;

	if (delay < 0) {
		text = getenv("SLUICE_DELAY_MS");
		if (text && str_to_u64(str_of(text), &ms) < 0)
			ms = 0;
		delay = (int64_t)MIN(ms, (uint64_t)3600 * 1000) * NS_PER_MS;
	}
	return delay;
}

/* A value that would end its line, or look like one that does, is not a value. */
static bool
is_clean(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
			return false;
	return true;
}

void
http_add_header(struct http_request *r, const char *name, struct str value)
{
	struct buf *extra = &r->conn->work->answer.extra;

	if (!is_clean(value))
		return;
	buf_puts(extra, name);
	buf_put(extra, ": ", 2);
	buf_put_str(extra, value);
	buf_put(extra, "\r\n", 2);
}

/* Takes out the lines of that name. */
static void
remove_header(struct buf *extra, struct str name)
{
	size_t at = 0;

	while (at < extra->n) {
		char *line = extra->p + at, *end = memchr(line, '\n', extra->n - at);
		size_t n = (size_t)(end - line) + 1; /* each ends in CR LF */

		if (n > name.n && line[name.n] == ':' && str_ieq(str_make(line, name.n), name)) {
			memmove(line, line + n, extra->n - at - n);
			extra->n -= n;
		} else {
			at += n;
		}
	}
}

void
http_set_header(struct http_request *r, const char *name, struct str value)
{
	struct buf *extra = &r->conn->work->answer.extra;

	if (!is_clean(value))
		return;
	if (extra->n > 0 && !buf_failed(extra))
		remove_header(extra, str_of(name));
	http_add_header(r, name, value);
}

static char *
put(char *to, struct str s)
{
	if (s.n)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

static char *
put_status(char *to, int status)
{
	to = put(to, STR("HTTP/1.1 "));
	to = str_put_u64(to, (uint64_t)status);
	*to++ = ' ';
	to = put(to, str_of(http_reason(status)));
	return put(to, STR("\r\n"));
}

static char *
put_connection(char *to, const struct http_work *w)
{
	if (!w->req.keep_alive)
		return put(to, STR("Connection: close\r\n"));
	if (w->head.minor == 0)
		to = put(to, STR("Connection: keep-alive\r\n"));
	if (w->scope->keepalive_header) {
		to = put(to, STR("Keep-Alive: timeout="));
		to = str_put_u64(to, (uint64_t)(w->scope->keepalive_header / NS_PER_S));
		to = put(to, STR("\r\n"));
	}
	return to;
}

/* 1xx, 204 and 304 have neither body nor length. */
static bool
never_has_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

static char *
put_length(char *to, struct http_answer *a, int status, int64_t length)
{
	if (never_has_body(status))
		return to;
	if (a->chunked)
		return put(to, STR("Transfer-Encoding: chunked\r\n"));
	if (length < 0)
		return to;
	to = put(to, STR("Content-Length: "));
	to = str_put_u64(to, (uint64_t)length);
	return put(to, STR("\r\n"));
}

/* What variables tell of the head once it is gone. */
static void
note_head(struct http_answer *a, int status, struct str type, int64_t length)
{
	a->has_length = length >= 0 && !a->chunked && !never_has_body(status);
	a->length = a->has_length ? (uint64_t)length : 0;
	a->type_n = (uint8_t)MIN(type.n, sizeof(a->type));
	if (type.n)
		memcpy(a->type, type.p, a->type_n);
}

/* The head, into out. body_room: more bytes that will be put behind it. */
static int
put_head(struct http_work *w, int status, struct str type, int64_t length, size_t body_room)
{
	struct http_answer *a = &w->answer;
	char *p = buf_reserve(&a->out, HEAD_ROOM + type.n + a->extra.n + body_room), *start = p;

	if (!p || buf_failed(&a->extra))
		return ERR_NOMEM;
	note_head(a, status, type, length);
	p = put_status(p, status);
	p = put(p, w->scope->server_tokens ? STR("Server: sluice/" SLUICE_VERSION "\r\nDate: ")
					   : STR("Server: sluice\r\nDate: "));
	p = put(p, date_now());
	p = put(p, STR("\r\n"));
	if (type.n) {
		p = put(p, STR("Content-Type: "));
		p = put(p, type);
		p = put(p, STR("\r\n"));
	}
	p = put_length(p, a, status, length);
	p = put_connection(p, w);
	p = put(p, STR("X-Request-Id: "));
	p = put(p, w->req.id);
	p = put(p, STR("\r\n"));
	p = put(p, buf_str(&a->extra));
	p = put(p, STR("\r\n"));
	a->head = (size_t)(p - start);
	buf_added(&a->out, a->head);
	return 0;
}

/* Whether the connection goes on after this answer; the head says so. */
static void
settle_connection(struct http_work *w)
{
	struct http_request *r = &w->req;

	if (!http_body_skippable(w)) {
		w->linger = true;
		r->keep_alive = false;
	}
	if (w->over || http_draining() || w->scope->keepalive_timeout == 0 ||
	    (w->scope->keepalive_requests && w->conn->requests >= w->scope->keepalive_requests))
		r->keep_alive = false;
}

static int
begin(struct http_work *w, int status)
{
	struct http_answer *a = &w->answer;
	int err = 0;

	assert(!a->begun);
	a->begun = true;
	a->no_body = never_has_body(status) || str_is(w->head.method, "HEAD");
	w->req.status = status;
	if (answer_delay())
		err = task_sleep_until(clock_mono() + answer_delay());
	settle_connection(w);
	http_put_added(w);
	return err;
}

static int
finish_write(struct http_work *w, int err)
{
	if (err == ERR_TIMEOUT)
		w->conn->timed_out = true;
	return err < 0 ? (w->answer.err = err) : 0;
}

/* n bytes are about to leave, with the last of which the client has the whole answer. */
static void
count_write(struct http_work *w, size_t n)
{
	const struct http_answer *a = &w->answer;

	w->req.bytes_out += n;
	if (a->ended || (a->left == 0 && !a->chunked))
		http_run_counts(&w->req);
}

static int
write_out(struct http_work *w, struct str body, struct str tail)
{
	struct http_answer *a = &w->answer;
	struct iovec iov[3] = { { a->out.p, a->out.n }, { (void *)(uintptr_t)body.p, body.n },
		{ (void *)(uintptr_t)tail.p, tail.n } };
	size_t n = a->out.n + body.n + tail.n;
	int err;

	count_write(w, n);
	err = conn_writev(&w->conn->conn, iov, 3, w->scope->send_timeout, CLOCK_NEVER);
	buf_reset(&a->out);
	return finish_write(w, err);
}

static int
write_small(struct http_work *w)
{
	struct buf *out = &w->answer.out;

	count_write(w, out->n);
	return finish_write(
	    w, conn_write(&w->conn->conn, out->p, out->n, w->scope->send_timeout, CLOCK_NEVER));
}

int
http_reply(struct http_request *r, int status, const char *content_type, struct str body)
{
	struct http_work *w = r->conn->work;
	struct http_answer *a = &w->answer;
	size_t copy;
	int err = begin(w, status);

	a->ended = true;
	copy = a->no_body || body.n > COPY_MAX ? 0 : body.n;
	if (err == 0)
		err = put_head(w, status, str_of(content_type), (int64_t)body.n, copy);
	if (err < 0)
		return a->err = err;
	if (a->no_body || copy == body.n) {
		buf_put(&a->out, body.p, copy);
		return write_small(w);
	}
	return write_out(w, body, str_make(NULL, 0));
}

int
http_reply_buf(struct http_request *r, int status, const char *content_type, struct buf *body)
{
	int err = buf_failed(body) ? http_reply_error(r, ERR_NOMEM)
				   : http_reply(r, status, content_type, buf_str(body));

	buf_fini(body);
	return err;
}

int
http_reply_start(struct http_request *r, int status, const char *content_type, int64_t length)
{
	struct http_work *w = r->conn->work;
	struct http_answer *a = &w->answer;
	int err;

	a->chunked = length < 0 && w->head.minor >= 1 && !never_has_body(status);
	a->left = length < 0 ? UINT64_MAX : (uint64_t)length;
	if (length < 0 && !a->chunked && !never_has_body(status))
		w->over = true;
	err = begin(w, status);
	if (err == 0)
		err = put_head(w, status, str_of(content_type), length, 0);
	return err < 0 ? (a->err = err) : 0;
}

int
http_reply_write(struct http_request *r, const void *p, size_t n)
{
	struct http_work *w = r->conn->work;
	struct http_answer *a = &w->answer;
	char line[20];

	assert(a->begun && !a->ended);
	if (a->err)
		return a->err;
	if (n == 0)
		return 0;
	if (n > a->left)
		return a->err = ERR_TOO_LARGE;
	if (a->left != UINT64_MAX)
		a->left -= n;
	if (a->no_body)
		return 0;
	if (!a->chunked)
		return write_out(w, str_make(p, n), str_make(NULL, 0));
	buf_put(&a->out, line, chunk_size_line(line, n));
	return write_out(w, str_make(p, n), STR("\r\n"));
}

int
http_reply_end(struct http_request *r)
{
	struct http_work *w = r->conn->work;
	struct http_answer *a = &w->answer;

	assert(a->begun && !a->ended);
	if (a->err)
		return a->err;
	/* Cut short: the client must see it as cut, so the connection ends without the proper
	 * end. */
	if (!a->no_body && a->left != 0 && a->left != UINT64_MAX)
		return a->err = ERR_PROTOCOL;
	a->ended = true;
	if (a->chunked && !a->no_body)
		buf_puts(&a->out, "0\r\n\r\n");
	return a->out.n ? write_out(w, str_make(NULL, 0), str_make(NULL, 0)) : 0;
}

int
http_reply_message(struct http_request *r, int status, const char *text)
{
	struct buf body;
	const char *type;
	int err;

	buf_init(&body, 0);
	type = http_message_text(r->head, status, text ? text : http_reason(status), &body);
	if (buf_failed(&body))
		err = http_reply(r, 503, NULL, str_make(NULL, 0));
	else
		err = http_reply(r, status, type, buf_str(&body));
	buf_fini(&body);
	return err;
}

/* Of a body that came too slowly it is the client's time-out, not ours. */
static int
status_of(const struct http_work *w, int err)
{
	if (err == ERR_TIMEOUT && w->body.err == ERR_TIMEOUT)
		return 408;
	return err_http_status(err);
}

int
http_reply_error(struct http_request *r, int err)
{
	struct http_work *w = r->conn->work;
	const struct buf *extra = &w->answer.extra;
	int status = status_of(w, err);

	if (err == ERR_CANCELLED || err == ERR_CLOSED) {
		r->status = 499;
		w->over = true;
		return err;
	}
	if (status == 503 && (extra->n == 0 || !memmem(extra->p, extra->n, "Retry-After:", 12)))
		http_add_header(r, "Retry-After", STR(RETRY_AFTER));
	return http_reply_message(r, status, status == 408 ? NULL : err_text(err));
}
