/*
 * The pool of what connections hold while a request is in flight. Last given is first taken, so
 * that a busy server runs in warm memory; what a second has not needed is freed, so that a quiet
 * one is small. Called by conn.c; no locks, one loop.
 */
#include <stdlib.h>

#include "http/http_priv.h"

#define TRIM_EVERY NS_PER_S
#define KEEP_OUT (8u * 1024) /* answers' buffers beyond this are freed after the request */
#define ANSWER_MAX (128u * 1024)

static struct http_work *pool;
static unsigned pooled, pooled_min; /* pooled_min: since the last trim; that many were not needed */
static struct timer trim_timer;

bool
http_input_new(struct http_input *in, size_t cap)
{
	*in = (struct http_input){ .p = malloc(cap), .cap = cap };
	return in->p != NULL;
}

void
http_input_free(struct http_input *in)
{
	free(in->p);
	*in = (struct http_input){ .p = NULL };
}

static void
work_free(struct http_work *w)
{
	buf_fini(&w->answer.extra);
	buf_fini(&w->answer.out);
	http_input_free(&w->in);
	free(w);
}

static void
trim(struct timer *t)
{
	for (; pooled_min > 0; pooled_min--) {
		struct http_work *w = pool;

		pool = w->next;
		pooled--;
		work_free(w);
	}
	pooled_min = pooled;
	if (pooled)
		timer_set(t, clock_cached_mono() + TRIM_EVERY);
}

static struct http_work *
work_new(void)
{
	struct http_work *w = calloc(1, sizeof(*w));

	if (!w || !http_input_new(&w->in, HTTP_INPUT_SIZE)) {
		free(w);
		return NULL;
	}
	buf_init(&w->answer.extra, ANSWER_MAX);
	buf_init(&w->answer.out, ANSWER_MAX * 2);
	return w;
}

struct http_work *
http_work_take(struct http_conn *hc)
{
	struct http_work *w = pool;

	if (w) {
		pool = w->next;
		pooled--;
		pooled_min = MIN(pooled_min, pooled);
	} else {
		w = work_new();
		if (!w)
			return NULL;
	}
	w->conn = hc;
	w->linger = w->over = false;
	http_work_reset(w);
	return w;
}

void
http_work_give(struct http_work *w)
{
	if (w->in.cap != HTTP_INPUT_SIZE) {
		work_free(w);
		return;
	}
	w->in.start = w->in.end = 0;
	w->next = pool;
	pool = w;
	pooled++;
	if (!timer_armed(&trim_timer)) {
		trim_timer.fire = trim;
		pooled_min = 0;
		timer_set(&trim_timer, clock_cached_mono() + TRIM_EVERY);
	}
}

static void
answer_reset(struct http_answer *a)
{
	if (a->out.cap > KEEP_OUT)
		buf_fini(&a->out);
	if (a->extra.cap > KEEP_OUT)
		buf_fini(&a->extra);
	buf_reset(&a->out);
	buf_reset(&a->extra);
	a->begun = a->ended = a->chunked = a->no_body = a->has_length = false;
	a->left = a->length = 0;
	a->head = a->type_n = 0;
	a->err = 0;
}

void
http_work_reset(struct http_work *w)
{
	answer_reset(&w->answer);
	http_head_init(&w->head);
	w->req = (struct http_request){ .conn = w->conn, .head = &w->head };
	w->route = (struct http_route){ NULL, NULL };
	w->scope = w->conn->listen->servers->scope;
	w->client[0] = 0;
	w->host[0] = 0;
	w->set_values = NULL;
	w->ended = 0;
	w->scratch_n = 0;
	w->counted = w->has_real = false;
}
