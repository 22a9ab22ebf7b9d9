/*
 * One request, from its head to the end of its answer: checks, routing, phases, handler, and what
 * the connection does next. Called by conn.c on the connection's task.
 */
#include <stdlib.h>

#include "http/http_priv.h"
#include "http/path.h"

#define ARENA_MAX (1024u * 1024)

static unsigned serving;

unsigned
http_serving(void)
{
	return serving;
}

/* The status for a head that could not be taken. */
static int
refusal(const struct http_work *w, int err)
{
	switch (err) {
	case ERR_TIMEOUT:
		return 408;
	case ERR_UNSUPPORTED:
		return w->head.minor < 0 ? 505 : 501;
	default:
		return err_http_status(err);
	}
}

/* The connection cannot go on: where the next request begins is not known. */
static void
refuse(struct http_work *w, int err)
{
	int status = refusal(w, err);

	w->over = w->linger = true;
	/* A head that was not understood has nothing to say. */
	if (err == ERR_BAD)
		w->head.n_headers = 0;
	http_reply_message(&w->req, status, NULL);
}

/* Fields whose names hold an underscore, where the configuration wants none of them. */
static int
drop_underscores(struct http_work *w)
{
	struct http_head *h = &w->head;
	unsigned kept = 0;

	if (w->scope->underscores_in_headers)
		return 0;
	for (unsigned i = 0; i < h->n_headers; i++) {
		if (str_find(h->headers[i].name, '_') < 0)
			h->headers[kept++] = h->headers[i];
		else if (!w->scope->ignore_invalid_headers)
			return ERR_BAD;
	}
	h->n_headers = kept;
	return 0;
}

static int
find_path(struct http_work *w)
{
	struct http_request *r = &w->req;
	bool merge = w->scope->merge_slashes;
	char *room;
	int err = path_normalise(w->head.target, merge, NULL, &r->path, &r->query);

	if (err != ERR_NEED_MORE)
		return err;
	room = arena_alloc(&r->arena, w->head.target.n + 2);
	if (!room)
		return ERR_NOMEM;
	return path_normalise(w->head.target, merge, room, &r->path, &r->query);
}

struct regex_job {
	const struct http_listen *listen;
	struct str host, path;
	struct http_route *route;
};

static int
route_by_regex(void *arg)
{
	struct regex_job *job = arg;

	return http_route_find(job->listen, job->host, job->path, true, job->route);
}

/* Expressions run on a helper: they may take more stack and time than a task has. */
static int
find_route(struct http_work *w)
{
	struct http_request *r = &w->req;
	struct regex_job job = { .listen = w->conn->listen, .route = &w->route };
	size_t n = http_normalise_host(w->head.host, w->host, sizeof(w->host));
	int err = http_route_find(w->conn->listen, str_make(w->host, n), r->path, false, &w->route);

	if (err == ERR_AGAIN) {
		job.host = str_make(w->host, n);
		job.path = arena_str(&r->arena, r->path);
		if (!job.path.p)
			return ERR_NOMEM;
		err = offload(OFFLOAD_MISC, route_by_regex, &job);
	}
	if (err < 0)
		return err;
	r->location = w->route.location;
	w->scope = r->location ? r->location->scope : w->route.server->scope;
	return 0;
}

/* 0, or the status that refuses this request before anybody looks at what it wants. */
static int
check(struct http_work *w)
{
	const struct http_head *h = &w->head;
	int err;

	if (h->minor >= 1 && !h->host.p)
		return 400;
	err = drop_underscores(w);
	if (err == 0)
		err = find_path(w);
	if (err == 0)
		err = find_route(w);
	if (err < 0)
		return err == ERR_CANCELLED ? ERR_CANCELLED : err_http_status(err);
	http_run_routed(&w->req);
	if (h->expect_unknown)
		return 417;
	if (w->scope->client_max_body_size && h->content_length > 0 &&
	    (uint64_t)h->content_length > w->scope->client_max_body_size)
		return 413;
	return 0;
}

static void
answer_return(struct http_work *w, const struct http_return *ret)
{
	struct http_request *r = &w->req;
	struct str text = ret->text.n ? http_text_expand(&ret->text, r) : str_make(NULL, 0);

	if (ret->text.n && !text.p) {
		http_reply_error(r, ERR_NOMEM);
		return;
	}
	if (ret->status == 444) {
		r->status = 444;
		w->over = true;
	} else if (text.p && ret->status / 100 == 3) {
		http_add_header(r, "Location", text);
		http_reply_message(r, ret->status, NULL);
	} else if (text.p) {
		http_reply(r, ret->status, "text/plain", text);
	} else if (ret->status >= 400) {
		http_reply_message(r, ret->status, NULL);
	} else {
		http_reply(r, ret->status, NULL, text);
	}
}

static bool
is_allowed(const char *methods, struct str method)
{
	struct str rest = str_of(methods), m;

	while (rest.p) {
		m = http_next_method(&rest);
		if (str_eq(m, method) || (str_is(m, "GET") && str_is(method, "HEAD")))
			return true;
	}
	return false;
}

static void
run_location(struct http_work *w)
{
	struct http_request *r = &w->req;
	const struct http_location *l = r->location;

	if (l && l->ret.status) {
		answer_return(w, &l->ret);
	} else if (!l || !l->handler) {
		http_reply_message(r, 404, NULL);
	} else if (l->methods && !is_allowed(l->methods, w->head.method)) {
		http_add_header(r, "Allow", str_of(l->allow));
		http_reply_message(r, 405, NULL);
	} else {
		l->handler(r, l->arg);
	}
}

static void
run(struct http_work *w)
{
	struct http_request *r = &w->req;
	int status = check(w);

	if (!status)
		http_run_sets(w);
	if (status == ERR_CANCELLED) {
		http_reply_error(r, ERR_CANCELLED);
	} else if (status) {
		w->over |= status == 400;
		w->linger |= status == 400;
		http_reply_message(r, status, NULL);
	} else if (w->route.server->ret.status) {
		answer_return(w, &w->route.server->ret);
	} else if (http_run_phases(r) == 0) {
		run_location(w);
	}
}

/* An answer that was not given, or not ended, is a broken connection for the client to see. */
static bool
is_answered(struct http_work *w)
{
	struct http_answer *a = &w->answer;

	if (!a->begun && !w->over && !task_cancelled()) {
		http_reply_error(&w->req, ERR_IO);
		w->over = true;
	}
	if (!a->begun && w->req.status == 0)
		w->req.status = 499;
	return a->ended && a->err == 0;
}

bool
http_serve_request(struct http_work *w, int err)
{
	struct http_request *r = &w->req;
	bool goes_on;

	serving++;
	w->conn->requests++;
	w->conn->watched = false;
	r->keep_alive = w->head.keep_alive;
	arena_init(&r->arena, ARENA_MAX);
	if (err < 0) {
		w->head.content_length = -1;
		w->head.chunked = false;
	}
	http_body_begin(w);
	http_identify(w);
	if (err < 0)
		refuse(w, err);
	else
		run(w);
	goes_on = is_answered(w) && r->keep_alive && !w->over;
	http_run_counts(r);
	http_run_logs(r);
	w->conn->watched = false;
	if (goes_on && http_body_skip(w) < 0)
		goes_on = false;
	arena_fini(&r->arena);
	http_body_end(w);
	serving--;
	return goes_on;
}

void
http_watch_client(struct http_request *r, bool on)
{
	r->conn->watched = on;
	if (on && (r->conn->conn.io.ready & IO_HUP))
		task_cancel(task_self());
}
