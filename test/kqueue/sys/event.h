/*
 * A stand-in for the BSDs' <sys/event.h> on Linux, so that event_kqueue.c is compiled and driven by the tests here. As
 * much of kqueue as that file uses: EVFILT_READ and EVFILT_WRITE with EV_CLEAR, EV_EOF, EV_ERROR. See kevent.c.
 */
#ifndef SLUICE_TEST_KQUEUE_EVENT_H
#define SLUICE_TEST_KQUEUE_EVENT_H

#include <stdint.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_CLEAR 0x0020
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned int fflags;
	intptr_t data;
	void *udata;
};

#define EV_SET(k, id, filt, flag, ff, dat, ud)  \
	(*(k) = (struct kevent){ .ident = (id), \
	     .filter = (filt),                  \
	     .flags = (unsigned short)(flag),   \
	     .fflags = (ff),                    \
	     .data = (dat),                     \
	     .udata = (ud) })

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
    const struct timespec *timeout);

#endif
