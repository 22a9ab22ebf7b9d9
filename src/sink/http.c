/*
 * `sink http URL;`: each message sent as the request it came in, to a service that answers for having dealt with it. What its answer means is classify.c's
 * to say. Called by message/ through http_ops.
 *
 * At least once: an answer that did not arrive in full counts as none, and the message is sent again. Every attempt carries the same Idempotency-Key.
 *
 * One attempt costs one send and one receive, and nothing of the heap: what an attempt needs is kept for the next one.
 */
#include "sink/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "http/conf.h"
#include "sink/http_priv.h"

enum { IDLE_MAX = 256 }; /* no more connections than attempts at once are ever made */

#define REPLY_KEPT 512u          /* of an answer's body, for the text of a failure */
#define REPLY_READ (256u * 1024) /* and so much is read, so that the connection can be kept */
#define MEMORY_KEPT (64u * 1024) /* of one attempt, for the next */

/* What one attempt needs. */
struct flight {
	struct flight *next; /* of the spare ones */
	struct http_exchange x;
	struct http_fields fields;
};

struct http_sink {
	struct sink sink;
	const struct http_sink_conf *conf;
	const struct classify_rule *rules;
	struct tls_client *tls;
	struct http_client *client;
	struct flight *spare;
};

/* ---- open, close */

static int
http_open(const struct sink_conf *conf, struct sink **out, char *why, size_t cap)
{
	const struct http_sink_conf *h = conf->arg;
	struct http_sink *s = calloc(1, sizeof(*s));
	struct dial_target target = {
		.host = h->host, .port = h->port, .resolver = http_scope_resolver(conf->scope)
	};
	int err = s ? 0 : ERR_NOMEM;

	snprintf(why, cap, "%s", err_text(ERR_NOMEM));
	if (!err && h->https)
		err = tls_client_new(h->ca_file, &s->tls, why, cap);
	if (err) {
		free(s);
		return err;
	}
	s->sink.ops = &http_ops;
	s->conf = h;
	s->rules = classify_rules(conf->scope);
	target.tls = s->tls;
	s->client = http_client_new(&target, h->keepalive ? IDLE_MAX : 0, h->keepalive);
	if (!s->client) {
		tls_client_free(s->tls);
		free(s);
		return ERR_NOMEM;
	}
	*out = &s->sink;
	return 0;
}

static void
flight_free(struct flight *f)
{
	http_exchange_fini(&f->x);
	buf_fini(&f->fields.safe);
	free(f);
}

static void
http_close(struct sink *sink)
{
	struct http_sink *s = CONTAINER_OF(sink, struct http_sink, sink);

	while (s->spare) {
		struct flight *f = s->spare;

		s->spare = f->next;
		flight_free(f);
	}
	http_client_free(s->client);
	tls_client_free(s->tls);
	free(s);
}

static struct flight *
take_flight(struct http_sink *s)
{
	struct flight *f = s->spare;

	if (!f)
		return calloc(1, sizeof(*f));
	s->spare = f->next;
	return f;
}

static void
give_flight(struct http_sink *s, struct flight *f)
{
	if (f->x.raw.cap + f->x.request.cap + f->fields.safe.cap > MEMORY_KEPT) {
		flight_free(f);
		return;
	}
	f->next = s->spare;
	s->spare = f;
}

/* ---- the body's file */

struct opening {
	const char *path;
	int fd, errnum;
};

static int
open_file(void *arg)
{
	struct opening *o = arg;

	o->fd = file_open(o->path, O_RDONLY);
	o->errnum = errno;
	return o->fd < 0 ? ERR_IO : 0;
}

/* Parks. The descriptor, or an error with why. */
static int
open_body(const char *path, char *why, size_t cap)
{
	struct opening *o = malloc(sizeof(*o));
	int fd = o ? 0 : ERR_NOMEM;

	if (o) {
		*o = (struct opening){ .path = path, .fd = -1 };
		fd = offload(OFFLOAD_MISC, open_file, o);
		if (fd == 0)
			fd = o->fd;
	}
	if (fd < 0)
		snprintf(why, cap, "read %s: %s", path,
		    o && o->errnum ? log_errno_text(o->errnum) : err_text(fd));
	free(o);
	return fd;
}

/* ---- one attempt */

static int
prepare(struct http_sink *s, const struct sink_message *m, int64_t deadline, struct flight *f)
{
	struct http_exchange *x = &f->x;
	int err = http_fields_make(s->conf, m, random_u64(), &x->method, &f->fields);

	x->target = s->conf->target;
	x->host = s->conf->field;
	x->headers = f->fields.headers;
	x->n_headers = f->fields.n;
	x->body = m->body.p ? m->body : STR("");
	x->body_fd = -1;
	x->deadline = deadline;
	x->reply_max = REPLY_KEPT;
	x->reply_skip = REPLY_READ;
	return err;
}

static void
judge_answer(const struct http_sink *s, const struct http_exchange *x, struct sink_result *out)
{
	const struct http_head *h = &x->head;
	struct str reason = h->reason.n ? h->reason : str_of(http_reason(h->status));

	out->status = h->status;
	out->outcome = classify_status(CLASSIFY_HTTP, s->rules, h->status);
	out->why[0] = '\0';
	if (out->outcome == SINK_CONFIRMED)
		return;
	out->retry_after = http_retry_after(h);
	classify_why(out->why, sizeof(out->why), h->status, reason, buf_str(&x->reply));
}

static void
judge_error(const struct http_exchange *x, int err, struct sink_result *out)
{
	out->outcome = classify_error(err);
	snprintf(out->why, sizeof(out->why), "%s", x->why[0] ? x->why : err_text(err));
}

static void
exchange(struct http_sink *s, struct http_exchange *x, struct sink_result *out)
{
	int err = http_exchange(s->client, x);

	if (err)
		judge_error(x, err, out);
	else
		judge_answer(s, x, out);
}

static void
attempt(struct http_sink *s, const struct sink_message *m, struct flight *f, int64_t deadline,
    struct sink_result *out)
{
	int err = prepare(s, m, deadline, f);

	if (err) {
		snprintf(out->why, sizeof(out->why), "%s", err_text(err));
		return;
	}
	if (!m->body.p && m->path) {
		f->x.body_fd = open_body(m->path, out->why, sizeof(out->why));
		if (f->x.body_fd < 0)
			return;
		f->x.body_offset = m->offset;
		f->x.body_length = m->length;
	}
	exchange(s, &f->x, out);
	if (f->x.body_fd >= 0)
		file_calls->close(f->x.body_fd);
}

static void
http_send_message(
    struct sink *sink, const struct sink_message *m, int64_t deadline, struct sink_result *out)
{
	struct http_sink *s = CONTAINER_OF(sink, struct http_sink, sink);
	struct flight *f = take_flight(s);

	*out = (struct sink_result){ .outcome = SINK_AGAIN };
	if (!f) {
		snprintf(out->why, sizeof(out->why), "%s", err_text(ERR_NOMEM));
		return;
	}
	attempt(s, m, f, deadline, out);
	give_flight(s, f);
}

const struct sink_ops http_ops = {
	.kind = "http",
	.parse = http_sink_parse,
	.check = http_sink_check,
	.open = http_open,
	.send = http_send_message,
	.close = http_close,
	.show = http_sink_show,
};
