/*
 * A connected byte stream, plain or TLS, for tasks. All calls but close park; each takes an absolute deadline.
 * A struct conn is small (an idle connection is one of these and nothing else): TLS state hangs behind a pointer.
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

/* Takes fd (made non-blocking, close-on-exec) on success. */
int conn_init(struct conn *c, int fd, void (*on_event)(struct io *, unsigned));
/* Bytes read, 0 at the end of the stream (TLS: close_notify seen), or an error: ERR_CLOSED for a reset (and for a TLS stream cut off), ERR_TLS, ERR_TIMEOUT,
 * ERR_CANCELLED. Returns what is there, at least one byte. */
ssize_t conn_read(struct conn *c, void *p, size_t n, int64_t deadline);
/* Bytes waiting without parking: > 0, 0 at the end, ERR_AGAIN if nothing is there now. */
ssize_t conn_read_now(struct conn *c, void *p, size_t n);
/* All of it, or an error. The deadline is one for each stretch without progress when stall is > 0 (nanoseconds, then deadline is the overall one). */
int conn_write(struct conn *c, const void *p, size_t n, int64_t stall, int64_t deadline);
/* iov is used up (changed). */
int conn_writev(struct conn *c, struct iovec *iov, int n, int64_t stall, int64_t deadline);
/* TLS: sends close_notify if it can be had without waiting. Closes the descriptor; never parks. Idempotent. */
void conn_close(struct conn *c);
/* Half-closes for writing (and close_notify), so that a lingering reader gets our last answer; parks briefly under TLS. */
int conn_shutdown_write(struct conn *c, int64_t deadline);
/* TLS without a record in flight gives back BearSSL's buffers if it can; called when a connection goes idle. */
void conn_idle(struct conn *c);

#endif
