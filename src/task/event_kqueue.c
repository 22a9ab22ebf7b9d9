/*
 * event.h by kqueue (the BSDs, macOS): both directions of a descriptor are registered once with EV_CLEAR, which makes them
 * edges. kevent() takes no signal mask: signals are let in around it, and since the handler also writes to the waker's
 * descriptor one that arrives just before the wait ends it all the same.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <sys/types.h>

#include <sys/event.h>

#include "task/event.h"

#define BATCH 256

const char event_name[] = "kqueue";

static int kqueue_fd = -1;
static struct kevent batch[BATCH];

int
event_init(void)
{
	kqueue_fd = kqueue();
	return kqueue_fd < 0 ? ERR_IO : 0;
}

void
event_fini(void)
{
	close(kqueue_fd);
	kqueue_fd = -1;
}

static int
change(const struct io *io, unsigned short flags)
{
	struct kevent k[2];
	void *gen = (void *)(uintptr_t)io->gen;

	EV_SET(&k[0], (uintptr_t)io->fd, EVFILT_READ, flags, 0, 0, gen);
	EV_SET(&k[1], (uintptr_t)io->fd, EVFILT_WRITE, flags, 0, 0, gen);
	return kevent(kqueue_fd, k, 2, NULL, 0, NULL);
}

int
event_add(const struct io *io)
{
	if (change(io, EV_ADD | EV_CLEAR) == 0)
		return 0;
	return errno == ENOMEM ? ERR_NOMEM : ERR_IO;
}

void
event_del(const struct io *io)
{
	change(io, EV_DELETE);
}

/* EV_EOF of the writing filter says no more than that writing does not block: our own shutdown() sets it too. */
static unsigned
translate(const struct kevent *k)
{
	unsigned out = k->filter == EVFILT_READ ? IO_READ : IO_WRITE;

	if (k->filter == EVFILT_READ && (k->flags & EV_EOF))
		out |= IO_READ | IO_HUP;
	if (k->flags & EV_ERROR)
		out |= EVENT_ERROR;
	return out;
}

int
event_wait(int64_t timeout, const sigset_t *mask)
{
	struct timespec ts = { .tv_sec = (time_t)(timeout / NS_PER_S),
		.tv_nsec = (long)(timeout % NS_PER_S) };
	sigset_t blocked;
	int n, saved;

	if (mask)
		pthread_sigmask(SIG_SETMASK, mask, &blocked);
	n = kevent(kqueue_fd, NULL, 0, batch, BATCH, timeout == CLOCK_NEVER ? NULL : &ts);
	saved = errno;
	if (mask)
		pthread_sigmask(SIG_SETMASK, &blocked, NULL);
	if (n < 0)
		return saved == EINTR ? 0 : ERR_IO;
	for (int i = 0; i < n; i++)
		io_deliver(
		    (int)batch[i].ident, (uint32_t)(uintptr_t)batch[i].udata, translate(&batch[i]));
	return 0;
}

int
event_waker(int fd[2])
{
	return io_pipe(fd);
}
