/*
 * Descriptors: the table from descriptor to struct io, and what happens when the back-end reports an event.
 *
 * An event carries descriptor and generation, never a pointer. io_del() empties the table's place at once; whatever is
 * still in the kernel's batch for a closed descriptor, or for an older user of the same number, finds no io of
 * its generation and is dropped. So memory and numbers may be used again straight away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/resource.h>

#include "task/event.h"
#include "task/task_priv.h"

#define TABLE_MIN 64
#define TABLE_HINT_MAX 65536 /* beyond it grows when needed */

static struct io **table;   /* by descriptor */
static int table_size, top; /* top: one above the highest in use */
static unsigned count;
static uint32_t next_gen = 1;

int
io_init(size_t max_fds)
{
	struct rlimit limit;

	if (max_fds == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0)
		max_fds = limit.rlim_cur > TABLE_HINT_MAX ? TABLE_HINT_MAX : limit.rlim_cur;
	table_size = (int)MIN(MAX(max_fds, TABLE_MIN), TABLE_HINT_MAX);
	table = calloc((size_t)table_size, sizeof(struct io *));
	top = 0;
	count = 0;
	return table ? 0 : ERR_NOMEM;
}

void
io_fini(void)
{
	for (int fd = 0; fd < top; fd++)
		if (table[fd])
			table[fd]->fd = -1;
	free(table);
	table = NULL;
	table_size = top = 0;
	count = 0;
}

static int
grow(int fd)
{
	int size = MAX(fd + 1, table_size * 2);
	struct io **bigger = realloc(table, (size_t)size * sizeof(struct io *));

	if (!bigger)
		return ERR_NOMEM;
	memset(bigger + table_size, 0, (size_t)(size - table_size) * sizeof(struct io *));
	table = bigger;
	table_size = size;
	return 0;
}

int
io_add(struct io *io, int fd, void (*on_event)(struct io *, unsigned))
{
	int rc;

	*io = (struct io){ .fd = -1, .on_event = on_event };
	if (fd < 0)
		return ERR_IO;
	if (fd >= table_size && grow(fd) != 0)
		return ERR_NOMEM;
	if (table[fd])
		return ERR_EXISTS;
	io->fd = fd;
	io->gen = next_gen++;
	table[fd] = io;
	rc = event_add(io);
	if (rc != 0) {
		table[fd] = NULL;
		io->fd = -1;
		return rc;
	}
	top = MAX(top, fd + 1);
	count++;
	return 0;
}

void
io_del(struct io *io)
{
	if (io->fd < 0 || io->fd >= top || table[io->fd] != io)
		return;
	event_del(io);
	table[io->fd] = NULL;
	while (top > 0 && !table[top - 1])
		top--;
	count--;
	io->fd = -1;
	io->ready = 0;
	for (unsigned dir = 0; dir < 2; dir++)
		if (io->waiter[dir])
			wait_end(io->waiter[dir]->task, ERR_CLOSED);
}

void
io_deliver(int fd, uint32_t gen, unsigned events)
{
	struct io *io = io_at(fd);
	unsigned unclaimed;

	if (!io || io->gen != gen)
		return;
	io->ready |= events & (IO_READ | IO_WRITE | IO_HUP);
	if (events & EVENT_ERROR) {
		io->ready |= IO_READ | IO_WRITE;
		events |= IO_READ | IO_WRITE | IO_HUP;
	}
	if (events & IO_HUP)
		io->ready |= IO_TOLD;
	unclaimed = events & (IO_READ | IO_HUP);
	if (unclaimed && io->waiter[0]) {
		wait_end(io->waiter[0]->task, io->waiter[0]->result);
		unclaimed = 0;
	}
	if ((events & IO_WRITE) && io->waiter[1])
		wait_end(io->waiter[1]->task, io->waiter[1]->result);
	if (unclaimed && io->on_event)
		io->on_event(io, unclaimed);
}

struct io *
io_at(int fd)
{
	return fd >= 0 && fd < top ? table[fd] : NULL;
}

int
io_limit(void)
{
	return top;
}

unsigned
io_count(void)
{
	return count;
}

int
io_pipe(int fd[2])
{
	if (pipe(fd) != 0)
		return ERR_IO;
	for (int i = 0; i < 2; i++) {
		fcntl(fd[i], F_SETFD, FD_CLOEXEC);
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}
