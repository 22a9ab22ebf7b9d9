/*
 * See queue.h. Messages lie in blocks that are made as they are needed; keys are found by a table of chains that go through the messages.
 */
#include "message/queue.h"

#include <stdlib.h>

#include "base/clock.h"

#define BLOCK 128

struct queue_block {
	struct queue_block *next;
	struct message messages[BLOCK];
};

int
queue_init(struct queue *q, size_t max)
{
	*q = (struct queue){ .max = max, .n_buckets = 64 };
	list_init(&q->free);
	list_init(&q->ready);
	while (q->n_buckets < max)
		q->n_buckets *= 2;
	q->buckets = calloc(q->n_buckets, sizeof(struct message *));
	if (q->buckets != NULL)
		return OK;
	return ERR_NOMEM;
}

static void
free_blocks(struct queue *q)
{
	while (q->blocks != NULL) {
		struct queue_block *b = q->blocks;

		q->blocks = b->next;
		free(b);
	}
	list_init(&q->free);
	q->counts[MESSAGE_FREE] = 0;
	free(q->heap);
	q->heap = NULL;
}

void
queue_fini(struct queue *q)
{
	for (struct queue_block *b = q->blocks; b != NULL; b = b->next)
		for (size_t i = 0; i < BLOCK; i++) {
			chunk_drop(b->messages[i].chunk);
			free(b->messages[i].verdict);
		}
	free_blocks(q);
	free(q->buckets);
}

size_t
queue_count(const struct queue *q)
{
	return q->counts[MESSAGE_READY] + q->counts[MESSAGE_WAITING] + q->counts[MESSAGE_BLOCKED] +
	       q->counts[MESSAGE_SENDING];
}

void
queue_trim(struct queue *q)
{
	if (queue_count(q) == 0 && q->counts[MESSAGE_FILLED] == 0)
		free_blocks(q);
}

static void
set_state(struct queue *q, struct message *m, enum message_state state)
{
	q->counts[m->state]--;
	q->counts[state]++;
	m->state = state;
}

/* ---- free ones ---- */

/* The heap grows along: whatever is in a block may have to wait. */
static bool
add_block(struct queue *q)
{
	size_t n = BLOCK;
	struct queue_block *b;
	void *heap;

	for (b = q->blocks; b != NULL; b = b->next)
		n += BLOCK;
	heap = realloc(q->heap, n * sizeof(struct message *));
	if (heap == NULL)
		return false;
	q->heap = heap;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return false;
	b->next = q->blocks;
	q->blocks = b;
	for (size_t i = 0; i < BLOCK; i++)
		list_push(&q->free, &b->messages[i].link);
	q->counts[MESSAGE_FREE] += BLOCK;
	return true;
}

struct message *
queue_get_extra(struct queue *q, size_t extra)
{
	struct message *m;

	if (queue_count(q) + q->counts[MESSAGE_FILLED] >= q->max + extra)
		return NULL;
	if (list_empty(&q->free) && !add_block(q))
		return NULL;
	m = CONTAINER_OF(list_pop(&q->free), struct message, link);
	*m = (struct message){ .state = MESSAGE_FREE };
	list_init(&m->link);
	list_init(&m->behind);
	set_state(q, m, MESSAGE_FILLED);
	return m;
}

struct message *
queue_get(struct queue *q)
{
	return queue_get_extra(q, 0);
}

/* The last one that was used is the first to be used again: few are touched where few are needed. */
void
queue_return(struct queue *q, struct message *m)
{
	assert(list_empty(&m->behind));
	chunk_drop(m->chunk);
	m->chunk = NULL;
	free(m->verdict);
	m->verdict = NULL;
	set_state(q, m, MESSAGE_FREE);
	list_push_front(&q->free, &m->link);
}

/* ---- those that wait: a heap by time ---- */

static void
heap_put(struct queue *q, size_t i, struct message *m)
{
	q->heap[i] = m;
	m->heap = i;
}

static void
heap_up(struct queue *q, size_t i)
{
	struct message *m = q->heap[i];

	for (; i > 0 && q->heap[(i - 1) / 2]->due > m->due; i = (i - 1) / 2)
		heap_put(q, i, q->heap[(i - 1) / 2]);
	heap_put(q, i, m);
}

static void
heap_down(struct queue *q, size_t i, size_t n)
{
	struct message *m = q->heap[i];

	for (;;) {
		size_t least = 2 * i + 1;

		if (least + 1 < n && q->heap[least + 1]->due < q->heap[least]->due)
			least++;
		if (least >= n || q->heap[least]->due >= m->due)
			break;
		heap_put(q, i, q->heap[least]);
		i = least;
	}
	heap_put(q, i, m);
}

static void
make_waiting(struct queue *q, struct message *m)
{
	set_state(q, m, MESSAGE_WAITING);
	heap_put(q, q->counts[MESSAGE_WAITING] - 1, m);
	heap_up(q, m->heap);
}

static void
heap_remove(struct queue *q, struct message *m)
{
	size_t i = m->heap, n = q->counts[MESSAGE_WAITING] - 1;

	assert(q->heap[i] == m);
	if (i == n)
		return;
	heap_put(q, i, q->heap[n]);
	heap_down(q, i, n);
	heap_up(q, i);
}

int64_t
queue_next(const struct queue *q)
{
	return q->counts[MESSAGE_WAITING] > 0 ? q->heap[0]->due : CLOCK_NEVER;
}

/* ---- keys ---- */

static struct message **
bucket(struct queue *q, uint64_t key)
{
	return &q->buckets[key & (q->n_buckets - 1)];
}

static struct message *
find_key(struct queue *q, uint64_t key)
{
	struct message *m = *bucket(q, key);

	while (m != NULL && m->key != key)
		m = m->chain;
	return m;
}

static void
link_key(struct queue *q, struct message *m)
{
	m->chain = *bucket(q, m->key);
	*bucket(q, m->key) = m;
}

static void
unlink_key(struct queue *q, struct message *m)
{
	struct message **at = bucket(q, m->key);

	while (*at != m)
		at = &(*at)->chain;
	*at = m->chain;
}

/* ---- those that may be sent ---- */

static void
make_ready(struct queue *q, struct message *m)
{
	set_state(q, m, MESSAGE_READY);
	list_push(&q->ready, &m->link);
}

/* m, whose turn of its key it is, leaves: the next one has it, and the rest behind it. */
static void
pass_key(struct queue *q, struct message *m)
{
	struct message *next;

	if (m->key == 0)
		return;
	unlink_key(q, m);
	if (list_empty(&m->behind))
		return;
	next = CONTAINER_OF(list_pop(&m->behind), struct message, link);
	if (!list_empty(&m->behind)) {
		list_insert(&m->behind, &next->behind);
		list_del(&m->behind);
	}
	link_key(q, next);
	make_ready(q, next);
}

void
queue_add(struct queue *q, struct message *m, int64_t now)
{
	struct message *before = m->key != 0 ? find_key(q, m->key) : NULL;

	assert(m->state == MESSAGE_FILLED);
	if (before != NULL) {
		set_state(q, m, MESSAGE_BLOCKED);
		list_push(&before->behind, &m->link);
		return;
	}
	if (m->key != 0)
		link_key(q, m);
	if (m->due > now)
		make_waiting(q, m);
	else
		make_ready(q, m);
}

void
queue_add_sending(struct queue *q, struct message *m)
{
	assert(m->state == MESSAGE_FILLED && m->key == 0);
	set_state(q, m, MESSAGE_SENDING);
}

bool
queue_has(const struct queue *q, int64_t now)
{
	return q->counts[MESSAGE_READY] > 0 || queue_next(q) <= now;
}

struct message *
queue_take(struct queue *q, int64_t now)
{
	struct message *m;

	if (queue_next(q) <= now) {
		m = q->heap[0];
		heap_remove(q, m);
	} else if (q->counts[MESSAGE_READY] > 0) {
		m = CONTAINER_OF(list_pop(&q->ready), struct message, link);
	} else {
		return NULL;
	}
	set_state(q, m, MESSAGE_SENDING);
	return m;
}

void
queue_done(struct queue *q, struct message *m)
{
	assert(m->state == MESSAGE_SENDING);
	pass_key(q, m);
	queue_return(q, m);
}

void
queue_wait(struct queue *q, struct message *m, int64_t due)
{
	assert(m->state == MESSAGE_SENDING);
	m->due = due;
	make_waiting(q, m);
}

void
queue_again(struct queue *q, struct message *m)
{
	assert(m->state == MESSAGE_SENDING);
	make_ready(q, m);
}

void
queue_remove(struct queue *q, struct message *m)
{
	switch (m->state) {
	case MESSAGE_BLOCKED:
		list_del(&m->link);
		queue_return(q, m);
		return;
	case MESSAGE_WAITING:
		heap_remove(q, m);
		break;
	case MESSAGE_READY:
		list_del(&m->link);
		break;
	default:
		assert(!"only what is not on its way can be removed");
	}
	pass_key(q, m);
	queue_return(q, m);
}

void
queue_unload(struct message *m)
{
	const struct str none = { NULL, 0 };

	chunk_drop(m->chunk);
	m->chunk = NULL;
	m->user = m->method = m->type = m->encoding = m->trace = m->body = none;
	m->path = NULL;
}

void
queue_each(struct queue *q, void (*visit)(void *arg, struct message *m), void *arg)
{
	for (struct queue_block *b = q->blocks; b != NULL; b = b->next)
		for (size_t i = 0; i < BLOCK; i++)
			if (b->messages[i].state > MESSAGE_FILLED)
				visit(arg, &b->messages[i]);
}
