/*
 * A back-end: how the kernel tells what descriptors are ready. One file each (event_epoll.c, event_kqueue.c, event_poll.c), chosen
 * by configure. io.c registers descriptors with it, loop.c waits with it; it hands what it learns to io_deliver().
 */
#ifndef SLUICE_TASK_EVENT_H
#define SLUICE_TASK_EVENT_H

#include <signal.h>

#include "task/task.h"

/* With the bits of IO_*: an error is pending. Told as IO_HUP with both directions, but not remembered: some errors pass. */
#define EVENT_ERROR 16

extern const char event_name[];

int event_init(void);
void event_fini(void);
/* Both directions of io->fd under io->gen, for as long as it is open or until event_del. 0, ERR_NOMEM or ERR_IO. */
int event_add(const struct io *io);
void event_del(const struct io *io);
/* Waits once, at most timeout nanoseconds (0: only looks; CLOCK_NEVER), with the signal mask given (NULL: as it is), and calls
 * io_deliver for each event. A signal ends the wait. 0 or ERR_IO. */
int event_wait(int64_t timeout, const sigset_t *mask);
/* Opens what wakes a sleeping loop from a thread or a signal handler: eight bytes are written to fd[1] and fd[0] becomes
 * readable. Both may be one descriptor; both are non-blocking. */
int event_waker(int fd[2]);

/* io.c, for the back-ends: the descriptor's io if it is still the one of this generation gets the events, else they are dropped. */
void io_deliver(int fd, uint32_t gen, unsigned events);
/* The io registered for fd, or NULL; descriptors are below io_limit(). */
struct io *io_at(int fd);
int io_limit(void);
/* event_waker by a pipe. */
int io_pipe(int fd[2]);

#endif
