/*
 * event.h by poll(), the reference: nothing but POSIX, at a cost that grows with the number of descriptors.
 *
 * poll() tells states, not edges, so each turn only that is asked for which somebody needs: a direction a task waits for; reading,
 * for on_event, while no readiness is pending; the peer's end, until it was told. An idle connection that could be
 * written to for ever is thus never reported for it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "task/event.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0 /* then the peer's half-close is seen when it is read */
#endif

const char event_name[] = "poll";

static struct pollfd *set; /* what one wait asks for; as large as the table of descriptors */
static uint32_t *gens;     /* of the io each entry stands for */
static int capacity;

int
event_init(void)
{
	return 0;
}

void
event_fini(void)
{
	free(set);
	free(gens);
	set = NULL;
	gens = NULL;
	capacity = 0;
}

static int
reserve(int n)
{
	struct pollfd *wider;
	uint32_t *wider_gens;

	if (n <= capacity)
		return 0;
	n = MAX(n, capacity * 2);
	wider = realloc(set, (size_t)n * sizeof(*set));
	if (wider)
		set = wider;
	wider_gens = realloc(gens, (size_t)n * sizeof(*gens));
	if (wider_gens)
		gens = wider_gens;
	if (!wider || !wider_gens)
		return ERR_NOMEM;
	capacity = n;
	return 0;
}

int
event_add(const struct io *io)
{
	return reserve(MAX(io->fd + 1, 64));
}

void
event_del(const struct io *io)
{
	(void)io;
}

/* What to ask poll() about io; -1: nothing, leave it out (POLLHUP would come unasked). */
static int
wanted(const struct io *io)
{
	int events = 0;
	bool watch = io->on_event && !(io->ready & IO_TOLD);

	if (io->waiter[0] || (watch && !(io->ready & IO_READ)))
		events |= POLLIN;
	if (io->waiter[1])
		events |= POLLOUT;
	if (watch)
		events |= POLLRDHUP;
	return events || watch ? events : -1;
}

static int
fill(void)
{
	int n = 0;

	for (int fd = 0; fd < io_limit(); fd++) {
		const struct io *io = io_at(fd);
		int events = io ? wanted(io) : -1;

		if (events < 0)
			continue;
		set[n] = (struct pollfd){ .fd = fd, .events = (short)events };
		gens[n++] = io->gen;
	}
	return n;
}

static unsigned
translate(int revents)
{
	unsigned out = 0;

	if (revents & (POLLIN | POLLPRI))
		out |= IO_READ;
	if (revents & POLLOUT)
		out |= IO_WRITE;
	if (revents & POLLRDHUP)
		out |= IO_READ | IO_HUP;
	if (revents & POLLHUP)
		out |= IO_READ | IO_WRITE | IO_HUP;
	if (revents & (POLLERR | POLLNVAL))
		out |= EVENT_ERROR;
	return out;
}

int
event_wait(int64_t timeout, const sigset_t *mask)
{
	struct timespec ts = { .tv_sec = (time_t)(timeout / NS_PER_S),
		.tv_nsec = (long)(timeout % NS_PER_S) };
	int n = fill();
	int hits = ppoll(set, (nfds_t)n, timeout == CLOCK_NEVER ? NULL : &ts, mask);

	if (hits < 0)
		return errno == EINTR ? 0 : ERR_IO;
	for (int i = 0; i < n && hits > 0; i++) {
		if (!set[i].revents)
			continue;
		hits--;
		io_deliver(set[i].fd, gens[i], translate(set[i].revents));
	}
	return 0;
}

int
event_waker(int fd[2])
{
	return io_pipe(fd);
}
