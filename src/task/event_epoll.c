/*
 * event.h by epoll (Linux): each descriptor is registered once, for both directions, edge-triggered. Waiting for it
 * later costs no call.
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "task/event.h"

#define BATCH 256

const char event_name[] = "epoll";

static int epoll_fd = -1;
static struct epoll_event batch[BATCH];

int
event_init(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd < 0 ? ERR_IO : 0;
}

void
event_fini(void)
{
	close(epoll_fd);
	epoll_fd = -1;
}

int
event_add(const struct io *io)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

	e.data.u64 = (uint64_t)io->gen << 32 | (uint32_t)io->fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, io->fd, &e) == 0)
		return 0;
	return errno == ENOMEM || errno == ENOSPC ? ERR_NOMEM : ERR_IO;
}

void
event_del(const struct io *io)
{
	struct epoll_event e = { .events = 0 }; /* old kernels want one */

	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, io->fd, &e);
}

static unsigned
translate(uint32_t events)
{
	unsigned out = 0;

	if (events & (EPOLLIN | EPOLLPRI))
		out |= IO_READ;
	if (events & EPOLLOUT)
		out |= IO_WRITE;
	if (events & EPOLLRDHUP)
		out |= IO_READ | IO_HUP;
	if (events & EPOLLHUP)
		out |= IO_READ | IO_WRITE | IO_HUP;
	if (events & EPOLLERR)
		out |= EVENT_ERROR;
	return out;
}

static int
milliseconds(int64_t ns)
{
	int64_t ms;

	if (ns == CLOCK_NEVER)
		return -1;
	ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);
	return (int)MIN(ms, INT_MAX);
}

int
event_wait(int64_t timeout, const sigset_t *mask)
{
	int n = epoll_pwait(epoll_fd, batch, BATCH, milliseconds(timeout), mask);

	if (n < 0)
		return errno == EINTR ? 0 : ERR_IO;
	for (int i = 0; i < n; i++) {
		uint64_t id = batch[i].data.u64;

		io_deliver((int)(uint32_t)id, (uint32_t)(id >> 32), translate(batch[i].events));
	}
	return 0;
}

int
event_waker(int fd[2])
{
	fd[0] = fd[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return fd[0] < 0 ? ERR_IO : 0;
}
