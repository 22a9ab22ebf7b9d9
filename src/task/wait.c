/*
 * Waiting: queues, descriptors and deadlines in any combination. A wait is an array of nodes on the parked task's
 * stack plus the task's timer; wait_end() unlinks all of them, so whoever calls it first decides the result.
 */
#include "task/task_priv.h"

static void
node_link(struct wait_node *node, struct task *t)
{
	node->task = t;
	if (node->queue) {
		list_push(&node->queue->waiters, &node->link);
		return;
	}
	for (unsigned dir = 0; dir < 2; dir++) {
		if (!(node->events & (1u << dir)))
			continue;
		assert(!node->io->waiter[dir]); /* one task a direction */
		node->io->waiter[dir] = node;
	}
}

static void
node_unlink(struct wait_node *node)
{
	if (node->queue) {
		list_del(&node->link);
		return;
	}
	for (unsigned dir = 0; dir < 2; dir++)
		if (node->io->waiter[dir] == node)
			node->io->waiter[dir] = NULL;
}

void
wait_end(struct task *t, int result)
{
	assert(t->state == TASK_PARKED);
	for (unsigned i = 0; i < t->node_count; i++)
		node_unlink(&t->nodes[i]);
	t->nodes = NULL;
	t->node_count = 0;
	timer_clear(&t->timer);
	t->result = result;
	task_make_ready(t);
}

static void
deadline_passed(struct timer *timer)
{
	wait_end(CONTAINER_OF(timer, struct task, timer), ERR_TIMEOUT);
}

static int
park(struct wait_node *nodes, unsigned n, int64_t deadline, bool shielded)
{
	struct task *t = task_current;

	for (unsigned i = 0; i < n; i++)
		node_link(&nodes[i], t);
	t->nodes = nodes;
	t->node_count = n;
	if (deadline != CLOCK_NEVER) {
		t->timer.reserved = 1;
		t->timer.fire = deadline_passed;
		timer_set(&t->timer, deadline);
	}
	t->shielded = shielded;
	t->state = TASK_PARKED;
	task_switch_out();
	t->shielded = false;
	t->woken_by = NULL;
	return t->result;
}

int
wait_plain(int64_t deadline, bool shielded)
{
	return park(NULL, 0, deadline, shielded);
}

void
waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

int
waitq_park(struct waitq *q, int64_t deadline)
{
	struct wait_node node = { .queue = q };

	assert(task_current);
	if (task_current->cancelled)
		return ERR_CANCELLED;
	if (deadline <= clock_cached_mono())
		return ERR_TIMEOUT;
	return park(&node, 1, deadline, false);
}

static struct task *
wake_first(struct waitq *q)
{
	struct wait_node *node = CONTAINER_OF(q->waiters.next, struct wait_node, link);
	struct task *t = node->task;

	wait_end(t, node->result);
	return t;
}

void
waitq_wake(struct waitq *q, unsigned n)
{
	for (; n > 0 && !waitq_empty(q); n--)
		wake_first(q)->woken_by = q;
}

void
waitq_wake_all(struct waitq *q)
{
	while (!waitq_empty(q))
		wake_first(q);
}

int
task_sleep_until(int64_t deadline)
{
	int rc;

	assert(task_current);
	if (task_current->cancelled)
		return ERR_CANCELLED;
	if (deadline <= clock_cached_mono())
		return task_yield();
	rc = wait_plain(deadline, false);
	return rc == ERR_TIMEOUT ? 0 : rc;
}

/* io->ready has what may be tried now; after the peer's end reading never blocks again. */
static bool
io_is_ready(const struct io *io, unsigned events)
{
	return (io->ready & events) || ((events & IO_READ) && (io->ready & IO_HUP));
}

int
io_wait(struct io *io, unsigned events, int64_t deadline)
{
	struct wait_node node = { .io = io, .events = events };

	assert(task_current && (events & (IO_READ | IO_WRITE)));
	if (task_current->cancelled)
		return ERR_CANCELLED;
	if (io->fd < 0)
		return ERR_CLOSED;
	if (io_is_ready(io, events))
		return 0;
	if (deadline <= clock_cached_mono())
		return ERR_TIMEOUT;
	return park(&node, 1, deadline, false);
}

int
task_wait_fd(int fd, unsigned events, int64_t deadline)
{
	struct io io;
	int rc = io_add(&io, fd, NULL);

	if (rc != 0)
		return rc;
	rc = io_wait(&io, events, deadline);
	io_del(&io);
	return rc;
}

int
task_wait_any(const struct task_source *set, unsigned n, int64_t deadline)
{
	struct wait_node nodes[TASK_WAIT_MAX];

	assert(task_current && n <= TASK_WAIT_MAX);
	if (task_current->cancelled)
		return ERR_CANCELLED;
	for (unsigned i = 0; i < n; i++) {
		if (set[i].io && set[i].io->fd < 0)
			return ERR_CLOSED;
		if (set[i].io && io_is_ready(set[i].io, set[i].events))
			return (int)i;
		nodes[i] = (struct wait_node){ .queue = set[i].queue,
			.io = set[i].io,
			.events = set[i].events,
			.result = (int)i };
	}
	if (deadline <= clock_cached_mono())
		return ERR_TIMEOUT;
	return park(nodes, n, deadline, false);
}
