/*
 * See forward.h.
 */
#include "admin/forward.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/api.h"
#include "base/log.h"
#include "http/client.h"
#include "status/figures.h"

/* How long the shipper may be silent: where only something is shown, and where something is done, which takes a sync or two. */
#define SHOW_PATIENCE (5 * NS_PER_S)
#define DO_PATIENCE (30 * NS_PER_S)
#define HEADERS_MAX 5

/* One request on its way. */
struct forward {
	struct http_request *request;
	struct http_exchange x;
	struct http_header headers[HEADERS_MAX];
	char until[U64_DIGITS + 1];
	bool begun; /* the answer is */
};

/* One a process; it keeps no connections, so nothing is ever sent twice. */
static struct http_client *
shipper_client(void)
{
	static struct http_client *client;
	static struct buf path;
	struct dial_target target = { .connect_timeout = SHOW_PATIENCE };

	if (client != NULL)
		return client;
	buf_init(&path, 0);
	buf_printf(&path, "unix:%.*s/" FORWARD_SOCKET, STR_ARG(figures_server()->state_dir));
	target.host = buf_str(&path);
	if (!buf_failed(&path))
		client = http_client_new(&target, 0, 0);
	return client;
}

/* ---- the request ---- */

static void
add_header(struct forward *f, const char *name, struct str value)
{
	if (value.n > 0)
		f->headers[f->x.n_headers++] = (struct http_header){ str_of(name), value };
}

static void
put_headers(struct forward *f, struct str operator)
{
	const struct http_request *r = f->request;

	f->x.headers = f->headers;
	*str_put_u64(f->until, (uint64_t)(clock_mono() + f->x.stall)) = '\0';
	add_header(f, "X-Request-Id", r->id);
	add_header(f, "traceparent", r->traceparent);
	add_header(f, FORWARD_UNTIL, str_of(f->until));
	add_header(f, FORWARD_OPERATOR, operator);
	if (f->x.body.n > 0)
		add_header(f, "Content-Type", STR("application/json"));
}

/* The path is decoded; the query is as it came. */
static struct str
make_target(struct http_request *r, struct str path)
{
	struct buf out;
	struct str kept;

	buf_init(&out, 0);
	buf_put_percent(&out, path, true);
	if (r->query.n > 0) {
		buf_putc(&out, '?');
		buf_put_str(&out, r->query);
	}
	kept = buf_failed(&out) ? str_make(NULL, 0) : arena_str(&r->arena, buf_str(&out));
	buf_fini(&out);
	return kept;
}

static bool
only_shows(const struct http_request *r)
{
	return str_is(r->head->method, "GET") || str_is(r->head->method, "HEAD");
}

static int
fill(struct forward *f, struct str path, struct str operator)
{
	struct http_request *r = f->request;
	struct http_exchange *x = &f->x;

	x->method = r->head->method;
	x->host = STR("shipper");
	x->target = make_target(r, path);
	x->body_fd = -1;
	x->stall = only_shows(r) ? SHOW_PATIENCE : DO_PATIENCE;
	x->deadline = CLOCK_NEVER;
	if (x->target.p == NULL)
		return ERR_NOMEM;
	if (!only_shows(r)) {
		int err = http_body_gather(r, FORWARD_BODY_MAX, &x->body);

		if (err != 0)
			return err;
	}
	put_headers(f, operator);
	return 0;
}

/* ---- the answer ---- */

static int
begin_answer(struct forward *f)
{
	static const char *const passed[] = { "Allow", "Content-Disposition", "Retry-After" };
	struct http_request *r = f->request;
	const struct http_head *head = &f->x.head;
	struct str type = http_header_get(head, "Content-Type");

	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		struct str value = http_header_get(head, passed[i]);

		if (value.p != NULL)
			http_set_header(r, passed[i], value);
	}
	f->begun = true;
	return http_reply_start(r, head->status, type.n ? arena_strz(&r->arena, type) : NULL,
	    head->chunked ? -1 : MAX(head->content_length, 0));
}

static int
pass_on(void *arg, struct str piece)
{
	struct forward *f = arg;
	int err = f->begun ? 0 : begin_answer(f);

	return err ? err : http_reply_write(f->request, piece.p, piece.n);
}

/* The shipper's silence is ours to explain; what is half said is cut, so that nobody takes it for the whole. */
static int
give_up(struct forward *f, int err)
{
	log_event(LOG_WARN, "admin", "the shipper does not answer", LOG_STR("target", f->x.target),
	    LOG_S("why", f->x.why), LOG_ERR(err), LOG_STR("request_id", f->request->id), LOG_END);
	if (f->begun)
		return err;
	return api_refuse(f->request, 503, "the shipper does not answer");
}

static int
exchange(struct forward *f)
{
	struct http_client *client = shipper_client();
	int err;

	f->x.take = pass_on;
	f->x.take_arg = f;
	if (client == NULL)
		return http_reply_error(f->request, ERR_NOMEM);
	err = http_exchange(client, &f->x);
	if (err == ERR_CANCELLED && !f->begun)
		err = http_reply_error(f->request, err);
	else if (err == 0 && !f->begun)
		err = begin_answer(f);
	else if (err != 0 && err != ERR_CANCELLED)
		err = give_up(f, err);
	if (err == 0 && f->begun)
		err = http_reply_end(f->request);
	http_exchange_fini(&f->x);
	return err;
}

int
forward_request(struct http_request *r, struct str path, struct str operator)
{
	struct forward *f = calloc(1, sizeof(*f));
	int err;

	if (f == NULL)
		return http_reply_error(r, ERR_NOMEM);
	f->request = r;
	err = fill(f, path, operator);
	if (err == 0)
		err = exchange(f);
	else
		err = api_refuse_error(r, err);
	free(f);
	return err;
}
