/*
 * Timers: a heap with four children a node, which keeps the entries that one step compares in one cache line. An
 * entry holds the deadline too, so that moving through the heap touches no timer but the one that moves.
 *
 * A task's wait must never fail for lack of memory: the heap always has room for one timer a task (`reserved`),
 * whatever the other timers take. Callers: everybody through task.h; loop.c runs it.
 */
#include <stdlib.h>

#include "task/task_priv.h"

#define ARITY 4

struct entry {
	int64_t deadline;
	struct timer *timer;
};

static struct entry *heap;
static uint32_t count, capacity;
static uint32_t plain;    /* of count: timers without a reserved place */
static uint32_t reserved; /* places kept for tasks */

static void
place(uint32_t i, struct entry e)
{
	heap[i] = e;
	e.timer->heap_index = i + 1;
}

static void
sift_up(uint32_t i, struct entry e)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / ARITY;

		if (heap[parent].deadline <= e.deadline)
			break;
		place(i, heap[parent]);
		i = parent;
	}
	place(i, e);
}

static uint32_t
least_child(uint32_t i)
{
	uint32_t first = i * ARITY + 1, end = MIN(first + ARITY, count), least = first;

	for (uint32_t c = first + 1; c < end; c++)
		if (heap[c].deadline < heap[least].deadline)
			least = c;
	return least;
}

static void
sift_down(uint32_t i, struct entry e)
{
	while (i * ARITY + 1 < count) {
		uint32_t child = least_child(i);

		if (e.deadline <= heap[child].deadline)
			break;
		place(i, heap[child]);
		i = child;
	}
	place(i, e);
}

/* Puts e where the hole i is, in whichever direction it belongs. */
static void
settle(uint32_t i, struct entry e)
{
	if (i > 0 && e.deadline < heap[(i - 1) / ARITY].deadline)
		sift_up(i, e);
	else
		sift_down(i, e);
}

static int
grow(void)
{
	uint32_t wider = capacity * 2;
	struct entry *bigger;

	if (wider > UINT32_MAX / 2)
		return ERR_NOMEM;
	bigger = realloc(heap, wider * sizeof(*heap));
	if (!bigger)
		return ERR_NOMEM;
	heap = bigger;
	capacity = wider;
	return 0;
}

int
timer_set(struct timer *t, int64_t deadline)
{
	struct entry e = { deadline, t };

	t->deadline = deadline;
	if (t->heap_index) {
		settle(t->heap_index - 1, e);
		return 0;
	}
	if (!t->reserved) {
		if (plain + reserved >= capacity && grow() != 0)
			return ERR_NOMEM;
		plain++;
	}
	assert(count < capacity);
	sift_up(count++, e);
	return 0;
}

void
timer_clear(struct timer *t)
{
	uint32_t i = t->heap_index;

	if (!i)
		return;
	t->heap_index = 0;
	if (!t->reserved)
		plain--;
	if (--count > i - 1)
		settle(i - 1, heap[count]);
}

int
timer_init(unsigned tasks)
{
	reserved = tasks;
	capacity = reserved + 1024;
	count = plain = 0;
	heap = malloc(capacity * sizeof(*heap));
	return heap ? 0 : ERR_NOMEM;
}

void
timer_fini(void)
{
	for (uint32_t i = 0; i < count; i++)
		heap[i].timer->heap_index = 0;
	free(heap);
	heap = NULL;
	count = capacity = plain = 0;
}

void
timer_run(int64_t now)
{
	/* One that arms itself again for a time already past waits for the next turn. */
	for (uint32_t n = count; n > 0 && count > 0 && heap[0].deadline <= now; n--) {
		struct timer *t = heap[0].timer;

		timer_clear(t);
		t->fire(t);
	}
}

int64_t
timer_next(void)
{
	return count ? heap[0].deadline : CLOCK_NEVER;
}

unsigned
timer_count(void)
{
	return count;
}
