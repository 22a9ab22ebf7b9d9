/*
 * kqueue over epoll, for tests on Linux. Both filters of a descriptor share one edge-triggered registration; what each filter was
 * given as udata is kept in a table by descriptor. Like the original it reports at most one event a filter, sets EV_EOF
 * on the reading filter when the peer closed its side and on both when the connection is gone, reports a pending error on both without
 * EV_EOF, and forgets a descriptor that was closed.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include <sys/epoll.h>
#include <sys/event.h>

#define FDS_MAX 65536
#define BATCH 64

struct registration {
	bool on[2]; /* reading, writing */
	void *udata[2];
};

static struct registration *table;

int
kqueue(void)
{
	if (!table)
		table = calloc(FDS_MAX, sizeof(*table));
	return table ? epoll_create1(EPOLL_CLOEXEC) : -1;
}

static int
apply(int kq, const struct kevent *c)
{
	struct registration *r;
	unsigned dir = c->filter == EVFILT_WRITE;
	struct epoll_event e = { .events = EPOLLET, .data.fd = (int)c->ident };

	if (c->ident >= FDS_MAX) {
		errno = EBADF;
		return -1;
	}
	r = &table[c->ident];
	r->on[dir] = !(c->flags & EV_DELETE);
	r->udata[dir] = c->udata;
	e.events |= r->on[0] ? EPOLLIN | EPOLLRDHUP : 0;
	e.events |= r->on[1] ? EPOLLOUT : 0;
	if (!r->on[0] && !r->on[1])
		return epoll_ctl(kq, EPOLL_CTL_DEL, e.data.fd, &e);
	if (epoll_ctl(kq, EPOLL_CTL_MOD, e.data.fd, &e) == 0)
		return 0;
	return errno == ENOENT ? epoll_ctl(kq, EPOLL_CTL_ADD, e.data.fd, &e) : -1;
}

static int
report(struct kevent *out, const struct epoll_event *e)
{
	const struct registration *r = &table[e->data.fd];
	unsigned gone = e->events & EPOLLHUP, broken = e->events & EPOLLERR;
	int n = 0;

	if (r->on[0] && ((e->events & (EPOLLIN | EPOLLRDHUP)) || gone || broken)) {
		unsigned eof = (e->events & EPOLLRDHUP) || gone ? EV_EOF : 0;

		EV_SET(&out[n++], (uintptr_t)e->data.fd, EVFILT_READ, eof, 0, 0, r->udata[0]);
	}
	if (r->on[1] && ((e->events & EPOLLOUT) || gone || broken))
		EV_SET(&out[n++], (uintptr_t)e->data.fd, EVFILT_WRITE, gone ? EV_EOF : 0, 0, 0,
		    r->udata[1]);
	return n;
}

int
kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
    const struct timespec *timeout)
{
	struct epoll_event batch[BATCH];
	int64_t ms =
	    timeout ? timeout->tv_sec * INT64_C(1000) + (timeout->tv_nsec + 999999) / 1000000 : -1;
	int n, got = 0;

	for (int i = 0; i < nchanges; i++)
		if (apply(kq, &changes[i]) != 0)
			return -1;
	if (nevents < 2)
		return 0;
	n = epoll_wait(
	    kq, batch, nevents / 2 < BATCH ? nevents / 2 : BATCH, ms > INT_MAX ? INT_MAX : (int)ms);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++)
		got += report(&events[got], &batch[i]);
	return got;
}
