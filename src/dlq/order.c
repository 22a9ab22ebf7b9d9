/*
 * See order.h.
 */
#include "dlq/order.h"

#include <stdlib.h>

#include "dlq/dlq_priv.h"

void
order_init(struct order *o, enum order_kind kind)
{
	*o = (struct order){ .kind = kind };
}

void
order_fini(struct order *o)
{
	free(o->at);
	order_init(o, o->kind);
}

int
order_reserve(struct order *o, size_t n)
{
	size_t cap = MAX(o->cap, 64);
	struct entry **at;

	if (n + 1 <= o->cap)
		return OK;
	while (cap < n + 1)
		cap *= 2;
	if (cap > UINT32_MAX)
		return ERR_NOMEM;
	at = realloc(o->at, cap * sizeof(struct entry *));
	if (!at)
		return ERR_NOMEM;
	o->at = at;
	o->cap = (uint32_t)cap;
	return OK;
}

/* What is decided goes before what waits for a decision, and that before what is to be sent again. */
static unsigned
rank(const struct entry *e)
{
	return e->now.state >= DLQ_RESOLVED ? 0 : e->now.state == DLQ_PENDING ? 1 : 2;
}

static bool
before(const struct order *o, const struct entry *a, const struct entry *b)
{
	if (o->kind == ORDER_DUE && a->now.due != b->now.due)
		return a->now.due < b->now.due;
	if (o->kind == ORDER_VICTIM && rank(a) != rank(b))
		return rank(a) < rank(b);
	return a->born < b->born;
}

static void
put(struct order *o, uint32_t i, struct entry *e)
{
	o->at[i] = e;
	e->place[o->kind] = i;
}

static void
sift(struct order *o, uint32_t i, struct entry *e)
{
	while (i > 1 && before(o, e, o->at[i / 2])) {
		put(o, i, o->at[i / 2]);
		i /= 2;
	}
	for (;;) {
		uint32_t child = 2 * i;

		if (child < o->n && before(o, o->at[child + 1], o->at[child]))
			child++;
		if (child > o->n || !before(o, o->at[child], e))
			break;
		put(o, i, o->at[child]);
		i = child;
	}
	put(o, i, e);
}

void
order_add(struct order *o, struct entry *e)
{
	uint32_t i = e->place[o->kind];

	if (i == 0) {
		assert(o->n + 1 < o->cap);
		i = ++o->n;
	}
	sift(o, i, e);
}

void
order_del(struct order *o, struct entry *e)
{
	uint32_t i = e->place[o->kind];
	struct entry *last;

	if (i == 0)
		return;
	e->place[o->kind] = 0;
	last = o->at[o->n--];
	if (last != e)
		sift(o, i, last);
}

struct entry *
order_first(const struct order *o)
{
	return o->n > 0 ? o->at[1] : NULL;
}
