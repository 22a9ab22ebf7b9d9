/*
 * The pool of what connections hold while a request is in flight. Last given is first taken, so that a busy server runs in warm memory; what a
 * second has not needed gives its pages back, so that a quiet one is small, however many requests a slow disk once made wait at the same
 * time. Called by conn.c; no locks, one loop.
 *
 * One piece is a struct http_work with its input behind it, and starts at a page. Pieces come from slabs of a mapping each, which are never unmapped:
 * the heap would keep the pages of what is freed between pieces that stay.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/poison.h"
#include "http/http_priv.h"

#define TRIM_EVERY NS_PER_S
#define SLAB 32
#define KEEP_OUT (8u * 1024) /* answers' buffers beyond this are freed after the request */
#define ANSWER_MAX (128u * 1024)

static struct {
	struct http_work **rest; /* those not in use, the last given last; room for all there are */
	unsigned n, cold;        /* the first `cold` of them hold no memory */
	unsigned warm_min;       /* since the last trim: that many were not needed */
	unsigned total;
	struct timer trim;
} pool;

/* ---- buffers ---- */

bool
http_input_new(struct http_input *in, size_t cap)
{
	*in = (struct http_input){ .p = malloc(cap), .cap = cap };
	return in->p != NULL;
}

void
http_input_free(struct http_input *in)
{
	if (!in->pooled)
		free(in->p);
	*in = (struct http_input){ .p = NULL };
}

static void
own_input(struct http_work *w)
{
	w->in = (struct http_input){ .p = (char *)(w + 1), .cap = HTTP_INPUT_SIZE, .pooled = true };
}

/* ---- the pool ---- */

/* The struct, the input, at least 64 bytes that are nobody's. */
static size_t
piece_size(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (sizeof(struct http_work) + HTTP_INPUT_SIZE + 64 + page - 1) / page * page;
}

static bool
add_slab(void)
{
	size_t size = piece_size();
	struct http_work **rest =
	    realloc(pool.rest, (pool.total + SLAB) * sizeof(struct http_work *));
	char *slab;

	if (!rest)
		return false;
	pool.rest = rest;
	slab = mmap(NULL, SLAB * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slab == MAP_FAILED)
		return false;
	poison_root(slab, SLAB * size);
	for (unsigned i = 0; i < SLAB; i++) {
		struct http_work *w = (struct http_work *)(void *)(slab + i * size);

		poison(w + 1, size - sizeof(*w));
		pool.rest[pool.n++] = w;
	}
	pool.total += SLAB;
	pool.cold = pool.n;
	return true;
}

/* Its buffers were freed; its pages go, too. */
static void
chill(struct http_work *w)
{
	buf_fini(&w->answer.extra);
	buf_fini(&w->answer.out);
	madvise(w, piece_size(), MADV_DONTNEED);
}

static void
trim(struct timer *t)
{
	for (; pool.warm_min > 0; pool.warm_min--)
		chill(pool.rest[pool.cold++]);
	pool.warm_min = pool.n - pool.cold;
	if (pool.warm_min > 0)
		timer_set(t, clock_cached_mono() + TRIM_EVERY);
}

static void
warm_up(struct http_work *w)
{
	*w = (struct http_work){ .conn = NULL };
	own_input(w);
	buf_init(&w->answer.extra, ANSWER_MAX);
	buf_init(&w->answer.out, ANSWER_MAX * 2);
}

struct http_work *
http_work_take(struct http_conn *hc)
{
	struct http_work *w;

	/* Only an empty pool grows: then all of it is cold. */
	if (pool.n == 0 && !add_slab())
		return NULL;
	w = pool.rest[--pool.n];
	unpoison(w + 1, HTTP_INPUT_SIZE);
	if (pool.n < pool.cold) {
		pool.cold = pool.n;
		warm_up(w);
	}
	pool.warm_min = MIN(pool.warm_min, pool.n - pool.cold);
	w->conn = hc;
	w->linger = w->over = false;
	http_work_reset(w);
	return w;
}

void
http_work_give(struct http_work *w)
{
	http_input_free(&w->in);
	own_input(w);
	poison(w + 1, HTTP_INPUT_SIZE);
	pool.rest[pool.n++] = w;
	if (!timer_armed(&pool.trim)) {
		pool.trim.fire = trim;
		pool.warm_min = 0;
		timer_set(&pool.trim, clock_cached_mono() + TRIM_EVERY);
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
