/*
 * Tasks: starting, running, cancelling and joining them. The loop switches to a task, the task switches back to the loop when
 * it parks or ends; tasks never switch to each other.
 *
 * A slot is what a handle names: its generation changes when the task ends, so that a stale handle is noticed. Slots and
 * stacks are taken again last in, first out; starting a task allocates nothing while there are warm stacks.
 */
#include <stdlib.h>

#include "task/fiber.h"
#include "task/switch.h"
#include "task/task_priv.h"

#define RUN_MAX 512           /* tasks run in one turn, so that events are looked at now and then */
#define SLICE (1 * NS_PER_MS) /* task_breathe */

struct slot {
	struct task *task; /* NULL while free */
	uint32_t gen;      /* of the task in it, or of the next one; never 0 */
	uint32_t next;     /* free list */
};

struct task *task_current;

static struct slot *slots;
static uint32_t slot_limit, slot_used, slot_free; /* free: index + 1 of the first, 0: none */
static unsigned alive;
static struct list ready;
static int64_t slice_start; /* at or before the moment the running task was switched to */
static bool slice_over;     /* a task has used up its slice: the turn ends */
static void *loop_context, *loop_fake;
static const void *loop_low; /* bounds of the loop's own stack, for AddressSanitizer */
static size_t loop_size;

int
task_init(unsigned max_tasks)
{
	slots = calloc(max_tasks, sizeof(*slots));
	if (!slots)
		return ERR_NOMEM;
	slot_limit = max_tasks;
	slot_used = slot_free = 0;
	alive = 0;
	list_init(&ready);
	return 0;
}

void
task_fini(void)
{
	/* The running one's stack stays: we may be on it, in a child forked there or a test that failed there. */
	for (uint32_t i = 0; i < slot_used; i++)
		if (slots[i].task && slots[i].task != task_current)
			stack_unmap(slots[i].task);
	free(slots);
	slots = NULL;
	task_current = NULL;
	alive = slot_used = slot_free = 0;
}

static struct slot *
take_slot(void)
{
	struct slot *s;

	if (slot_free) {
		s = &slots[slot_free - 1];
		slot_free = s->next;
		return s;
	}
	if (slot_used == slot_limit)
		return NULL;
	s = &slots[slot_used++];
	s->gen = 1;
	return s;
}

static void
give_slot(struct slot *s)
{
	s->task = NULL;
	if (++s->gen == 0)
		s->gen = 1;
	s->next = slot_free;
	slot_free = (uint32_t)(s - slots) + 1;
}

static struct task *
find(struct task_handle h)
{
	if (h.index >= slot_used || slots[h.index].gen != h.gen)
		return NULL;
	return slots[h.index].task;
}

static void
reset(struct task *t, const char *name, task_fn *fn, void *arg)
{
	t->name = name;
	t->fn = fn;
	t->arg = arg;
	t->result = 0;
	t->cancelled = t->shielded = false;
	t->nodes = NULL;
	t->node_count = 0;
	t->woken_by = NULL;
	t->fake = NULL;
	t->timer.heap_index = 0;
	waitq_init(&t->joiners);
}

int
task_go(const char *name, task_fn *fn, void *arg, struct task_handle *handle)
{
	struct slot *s = take_slot();
	struct task *t;

	if (!s)
		return ERR_BUSY;
	t = stack_take();
	if (!t) {
		give_slot(s);
		return ERR_NOMEM;
	}
	s->task = t;
	t->index = (uint32_t)(s - slots);
	t->gen = s->gen;
	reset(t, name, fn, arg);
	alive++;
	task_make_ready(t);
	if (handle)
		*handle = (struct task_handle){ t->index, t->gen };
	return 0;
}

/* One stack runs many tasks, one after another. It has no locals whose address is taken, so that AddressSanitizer
 * keeps nothing of this frame elsewhere. */
void
task_main(void)
{
	fiber_enter(NULL, &loop_low, &loop_size);
	for (;;) {
		task_current->fn(task_current->arg);
		task_current->state = TASK_DONE;
		fiber_leave(NULL, loop_low, loop_size);
		switch_to(&task_current->context, loop_context);
		fiber_enter(NULL, &loop_low, &loop_size);
	}
}

void
task_switch_out(void)
{
	struct task *t = task_current;

	fiber_leave(&t->fake, loop_low, loop_size);
	switch_to(&t->context, loop_context);
	fiber_enter(t->fake, &loop_low, &loop_size);
}

static void
finish(struct task *t)
{
	waitq_wake_all(&t->joiners);
	give_slot(&slots[t->index]);
	alive--;
	stack_give(t);
}

void
task_run_ready(void)
{
	struct list *node;

	slice_over = false;
	slice_start = clock_cached_mono();
	for (unsigned n = 0; n < RUN_MAX && !slice_over && (node = list_pop(&ready)); n++) {
		struct task *t = CONTAINER_OF(node, struct task, link);

		task_current = t;
		t->state = TASK_RUNNING;
		fiber_leave(&loop_fake, t->low, t->size);
		switch_to(&loop_context, t->context);
		fiber_enter(loop_fake, NULL, NULL);
		task_current = NULL;
		if (t->state == TASK_DONE)
			finish(t);
	}
}

bool
task_any_ready(void)
{
	return !list_empty(&ready);
}

unsigned
task_count(void)
{
	return alive;
}

void
task_make_ready(struct task *t)
{
	t->state = TASK_READY;
	list_push(&ready, &t->link);
}

struct task_handle
task_self(void)
{
	if (!task_current)
		return (struct task_handle){ 0, 0 };
	return (struct task_handle){ task_current->index, task_current->gen };
}

bool
task_on_stack(void)
{
	return task_current != NULL;
}

bool
task_alive(struct task_handle h)
{
	return find(h) != NULL;
}

void
task_cancel(struct task_handle h)
{
	struct task *t = find(h);
	struct waitq *pass_on;

	if (!t || t->cancelled)
		return;
	t->cancelled = true;
	if (t->state == TASK_PARKED && !t->shielded)
		wait_end(t, ERR_CANCELLED);
	if (t->state != TASK_READY)
		return;
	pass_on = t->woken_by;
	t->woken_by = NULL;
	t->result = ERR_CANCELLED;
	if (pass_on)
		waitq_wake(pass_on, 1);
}

bool
task_cancelled(void)
{
	return task_current && task_current->cancelled;
}

int
task_join(struct task_handle h, int64_t deadline)
{
	struct task *t = find(h);

	assert(task_current && t != task_current);
	if (task_current->cancelled)
		return ERR_CANCELLED;
	return t ? waitq_park(&t->joiners, deadline) : 0;
}

int
task_yield(void)
{
	struct task *t = task_current;

	assert(t);
	if (t->cancelled)
		return ERR_CANCELLED;
	t->result = 0;
	task_make_ready(t);
	task_switch_out();
	return t->result;
}

int
task_breathe(void)
{
	int64_t now;

	assert(task_current);
	if (task_current->cancelled)
		return ERR_CANCELLED;
	now = clock_mono();
	if (now - slice_start < SLICE)
		return 0;
	slice_start = now;
	slice_over = true;
	return task_yield();
}

int
task_give_way(void)
{
	assert(task_current);
	slice_over = true;
	return task_yield();
}
