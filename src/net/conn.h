/*
 * A connected byte stream, plain or TLS, for tasks. All calls but close, idle and read_now park; each takes an absolute deadline.
 * A struct conn is small (an idle connection is one of these and nothing else): TLS state hangs behind a pointer.
 * One task may read while another writes.
 */
#ifndef SLUICE_NET_CONN_H
#define SLUICE_NET_CONN_H

#include <sys/uio.h>

#include "net/addr.h"
#include "task/task.h"

struct tls; /* net/tls.h */

struct conn {
	struct io io;
	struct tls *tls; /* NULL: plain */
};

/* A conn that holds nothing; conn_close leaves one like it. */
#define CONN_NONE ((struct conn){ .io = { .fd = -1 } })

/* Takes fd, a connected socket (non-blocking, close-on-exec), on success; on failure c is CONN_NONE and fd stays the caller's. */
int conn_init(struct conn *c, int fd, void (*on_event)(struct io *, unsigned));
/* Bytes read, 0 at the end of the stream (TLS: close_notify seen), or an error: ERR_CLOSED for a reset (and for a TLS stream cut off), ERR_TLS, ERR_TIMEOUT,
 * ERR_CANCELLED. Returns what is there, at least one byte; n must not be 0. What is there is taken even if the deadline has passed. */
ssize_t conn_read(struct conn *c, void *p, size_t n, int64_t deadline);
/* Bytes waiting without parking: > 0, 0 at the end, ERR_AGAIN if nothing is there now, or an error as above. Asks the kernel whatever the loop
 * thinks, so it also tells whether a kept connection is still alive. */
ssize_t conn_read_now(struct conn *c, void *p, size_t n);
/* All of it, or an error. The deadline is one for each stretch without progress when stall is > 0 (nanoseconds, then deadline is the overall one).
 * Yields every 256 KiB. */
int conn_write(struct conn *c, const void *p, size_t n, int64_t stall, int64_t deadline);
/* iov is used up (changed). */
int conn_writev(struct conn *c, struct iovec *iov, int n, int64_t stall, int64_t deadline);
/* TLS: sends close_notify if it can be had without waiting. Closes the descriptor; never parks. Idempotent. No other task may be within a call
 * on c. */
void conn_close(struct conn *c);
/* Half-closes for writing (and close_notify), so that a lingering reader gets our last answer; parks briefly under TLS, where what still arrives
 * is dropped and conn_read tells only of the end. */
int conn_shutdown_write(struct conn *c, int64_t deadline);
/* Called when a connection goes idle: TLS without a record in flight gives back BearSSL's buffers (they come back with the next byte).
 * False: bytes, or the peer's end, are here already and no event will announce them; read instead of waiting for on_event. */
bool conn_idle(struct conn *c);

#endif
