/*
 * Moves bytes between BearSSL's engine and the socket. The engine turns application data into records and back and does no I/O;
 * this file carries its records over the plain half of the conn, parking where the socket is not ready. Called by conn.c.
 *
 * Invariants:
 * 1. Application data given to the engine is flushed into records before a write returns, so between calls the engine holds
 *    outgoing bytes only as finished records.
 * 2. Taking bytes from the engine or the socket and acknowledging them happens without parking in between; so one task may read while
 *    another writes.
 * 3. t->buffers == NULL only while no byte is in flight in either direction.
 *
 * For 3 the engine must live without its buffers for a while, which its interface does not offer: br_ssl_engine_set_buffer() forgets the keys.
 * But between records the engine's state is offsets alone, so its two pointers can be exchanged (attach and
 * detach below, the only places that touch BearSSL's private members, with said_goodbye). Version 0.6 is meant; the
 * tests would notice another layout.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "net/tls_priv.h"

/* From read_step: records must go out before any can come in. Not in the table of errors, never returned. */
#define WANT_SEND (-1000)

static unsigned char *
ahead_of(const struct tls *t)
{
	return t->buffers + BR_SSL_BUFSIZE_INPUT + BR_SSL_BUFSIZE_OUTPUT;
}

static int
attach(struct tls *t)
{
	if (t->buffers != NULL)
		return 0;
	t->buffers = tls_buffers_get();
	if (t->buffers == NULL)
		return ERR_NOMEM;
	t->u.engine.ibuf = t->buffers;
	t->u.engine.obuf = t->buffers + BR_SSL_BUFSIZE_INPUT;
	return 0;
}

static void
detach(struct tls *t)
{
	tls_buffers_put(t->buffers);
	t->buffers = NULL;
	t->u.engine.ibuf = NULL;
	t->u.engine.obuf = NULL;
}

/* The peer sent close_notify: nothing will come any more, even before our own has gone out. */
static bool
said_goodbye(const struct tls *t)
{
	return t->u.engine.shutdown_recv != 0;
}

static bool
engine_closed(const struct tls *t)
{
	return br_ssl_engine_current_state(&t->u.engine) == BR_SSL_CLOSED;
}

static bool
has_records(const struct tls *t)
{
	size_t n;

	return br_ssl_engine_sendrec_buf(&t->u.engine, &n) != NULL;
}

struct tls *
tls_new(void)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	waitq_init(&t->sent);
	t->buffers = tls_buffers_get();
	if (t->buffers != NULL)
		return t;
	free(t);
	return NULL;
}

void
tls_start(struct tls *t, const void *context, size_t n)
{
	unsigned char seed[32];

	memcpy(&t->u, context, n);
	br_ssl_engine_set_buffers_bidi(&t->u.engine, t->buffers, BR_SSL_BUFSIZE_INPUT,
	    t->buffers + BR_SSL_BUFSIZE_INPUT, BR_SSL_BUFSIZE_OUTPUT);
	random_bytes(seed, sizeof(seed));
	br_ssl_engine_inject_entropy(&t->u.engine, seed, sizeof(seed));
	wipe(seed, sizeof(seed));
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	tls_verifier_free(t->verifier);
	tls_buffers_put(t->buffers);
	wipe(t, sizeof(*t));
	free(t);
}

/* ---- records out ---- */

/* One send of what is ready: 0 if all is out or some went, ERR_AGAIN, or an error. */
static int
send_records(struct conn *c)
{
	br_ssl_engine_context *e = &c->tls->u.engine;
	size_t n;
	unsigned char *p = br_ssl_engine_sendrec_buf(e, &n);
	ssize_t r;

	if (p == NULL)
		return 0;
	r = conn_plain_send(c, p, n);
	if (r < 0)
		return (int)r;
	br_ssl_engine_sendrec_ack(e, (size_t)r);
	return 0;
}

/* Until no record is left. Two tasks may be in here; one of them waits for the socket, the other for the first. */
static int
flush_records(struct conn *c, int64_t stall, int64_t deadline)
{
	struct tls *t = c->tls;
	int r;

	while (has_records(t)) {
		r = send_records(c);
		if (r == ERR_AGAIN && t->send_waiting) {
			r = waitq_park(&t->sent, deadline);
		} else if (r == ERR_AGAIN) {
			t->send_waiting = true;
			r = conn_plain_wait(c, IO_WRITE, stall, deadline);
			t->send_waiting = false;
			waitq_wake_all(&t->sent);
		}
		if (r != 0)
			return r;
	}
	return 0;
}

/* As much as goes without waiting; a failure shows in the next write. */
static void
push_records(struct conn *c)
{
	while (!c->tls->send_waiting && has_records(c->tls) && send_records(c) == 0) {
	}
}

/* ---- records in ---- */

static void
feed_ahead(struct tls *t, unsigned char *to, size_t room)
{
	size_t n = MIN(room, t->ahead_n);

	memcpy(to, ahead_of(t) + t->ahead_at, n);
	t->ahead_at += n;
	t->ahead_n -= n;
	br_ssl_engine_recvrec_ack(&t->u.engine, n);
}

/* Gives the engine some bytes of the peer's: 0, ERR_AGAIN, ERR_CLOSED at the end of the stream, or an error. */
static int
take_records(struct conn *c, unsigned char *to, size_t room)
{
	struct tls *t = c->tls;
	struct iovec iov[2];
	ssize_t r;

	if (t->ahead_n > 0) {
		feed_ahead(t, to, room);
		return 0;
	}
	iov[0] = (struct iovec){ to, room };
	iov[1] = (struct iovec){ ahead_of(t), TLS_AHEAD_SIZE };
	r = conn_plain_recv(c, iov, 2);
	if (r <= 0)
		return r == 0 ? ERR_CLOSED : (int)r;
	t->ahead_at = 0;
	t->ahead_n = (size_t)r > room ? (size_t)r - room : 0;
	br_ssl_engine_recvrec_ack(&t->u.engine, MIN((size_t)r, room));
	return 0;
}

static ssize_t
take_data(struct tls *t, void *p, size_t n)
{
	size_t have;
	unsigned char *from = br_ssl_engine_recvapp_buf(&t->u.engine, &have);

	if (from == NULL)
		return 0;
	have = MIN(have, n);
	memcpy(p, from, have);
	br_ssl_engine_recvapp_ack(&t->u.engine, have);
	return (ssize_t)have;
}

static int
closed_error(const struct tls *t)
{
	return br_ssl_engine_last_error(&t->u.engine) == BR_ERR_OK ? 0 : ERR_TLS;
}

/* A read without parking: bytes, 0 at the proper end, ERR_AGAIN (the socket is empty, as far as the loop knows unless ask is set),
 * WANT_SEND, or an error. */
static ssize_t
read_step(struct conn *c, void *p, size_t n, bool ask)
{
	struct tls *t = c->tls;
	unsigned char *to;
	size_t room;
	ssize_t r;

	for (;;) {
		r = take_data(t, p, n);
		if (r > 0)
			return r;
		push_records(c);
		if (engine_closed(t))
			return closed_error(t);
		if (said_goodbye(t))
			return 0;
		to = br_ssl_engine_recvrec_buf(&t->u.engine, &room);
		if (to == NULL)
			return has_records(t) ? WANT_SEND : ERR_TLS;
		if (!ask && t->ahead_n == 0 && !conn_plain_readable(c))
			return ERR_AGAIN;
		r = take_records(c, to, room);
		if (r != 0)
			return r;
	}
}

ssize_t
tls_read_now(struct conn *c, void *p, size_t n)
{
	ssize_t r = attach(c->tls);

	if (r != 0)
		return r;
	r = read_step(c, p, n, true);
	return r == WANT_SEND ? ERR_AGAIN : r;
}

ssize_t
tls_read(struct conn *c, void *p, size_t n, int64_t deadline)
{
	struct tls *t = c->tls;
	ssize_t r;

	for (;;) {
		/* Buffers are had once there is something to put into them. */
		if (t->buffers == NULL) {
			r = conn_plain_wait(c, IO_READ, 0, deadline);
			if (r == 0)
				r = attach(t);
			if (r != 0)
				return r;
		}
		r = read_step(c, p, n, false);
		if (r == ERR_AGAIN)
			r = conn_plain_wait(c, IO_READ, 0, deadline);
		else if (r == WANT_SEND)
			r = flush_records(c, 0, deadline);
		else
			break;
		if (r != 0)
			return r;
	}
	/* Cancelled meanwhile or not, the bytes are the caller's; the next wait tells. */
	if (r > 0)
		(void)task_breathe();
	return r;
}

/* ---- data out ---- */

static int
write_piece(struct conn *c, const unsigned char *p, size_t n, int64_t stall, int64_t deadline)
{
	br_ssl_engine_context *e = &c->tls->u.engine;
	unsigned char *to;
	size_t room;
	int r = 0;

	while (n > 0 && r == 0) {
		to = br_ssl_engine_sendapp_buf(e, &room);
		if (to != NULL) {
			room = MIN(room, n);
			memcpy(to, p, room);
			br_ssl_engine_sendapp_ack(e, room);
			p += room;
			n -= room;
		} else if (has_records(c->tls)) {
			r = flush_records(c, stall, deadline);
			if (r == 0)
				r = task_breathe();
		} else {
			r = closed_error(c->tls) == 0 ? ERR_CLOSED : ERR_TLS;
		}
	}
	return r;
}

int
tls_writev(struct conn *c, struct iovec *iov, int n, int64_t stall, int64_t deadline)
{
	int r = attach(c->tls);

	for (int i = 0; i < n && r == 0; i++)
		r = write_piece(c, iov[i].iov_base, iov[i].iov_len, stall, deadline);
	if (r != 0)
		return r;
	br_ssl_engine_flush(&c->tls->u.engine, 0);
	return flush_records(c, stall, deadline);
}

/* ---- beginning and end ---- */

/* One step: 0 to go on, 1 when done, or an error. */
static int
handshake_step(struct conn *c, int64_t deadline)
{
	struct tls *t = c->tls;
	unsigned char *to;
	size_t room;
	int r;

	if (has_records(t))
		return flush_records(c, 0, deadline);
	if (engine_closed(t))
		return closed_error(t) == 0 ? ERR_CLOSED : ERR_TLS;
	if (br_ssl_engine_current_state(&t->u.engine) & (BR_SSL_SENDAPP | BR_SSL_RECVAPP))
		return 1;
	to = br_ssl_engine_recvrec_buf(&t->u.engine, &room);
	if (to == NULL)
		return ERR_TLS;
	r = t->ahead_n > 0 || conn_plain_readable(c) ? take_records(c, to, room) : ERR_AGAIN;
	if (r == ERR_AGAIN)
		return conn_plain_wait(c, IO_READ, 0, deadline);
	return r == 0 ? task_breathe() : r;
}

int
tls_handshake(struct conn *c, int64_t deadline)
{
	struct tls *t = c->tls;
	int r;

	do
		r = handshake_step(c, deadline);
	while (r == 0);
	t->established = r > 0;
	t->failure = r > 0 ? 0 : r;
	return t->failure;
}

/* Lets the engine make its close_notify; unread data would keep it from taking more records in. */
static void
begin_close(struct tls *t)
{
	size_t n;

	if (br_ssl_engine_recvapp_buf(&t->u.engine, &n) != NULL)
		br_ssl_engine_recvapp_ack(&t->u.engine, n);
	br_ssl_engine_flush(&t->u.engine, 0);
	br_ssl_engine_close(&t->u.engine);
}

void
tls_say_goodbye(struct conn *c)
{
	struct tls *t = c->tls;

	if (!t->established || attach(t) != 0)
		return;
	begin_close(t);
	push_records(c);
}

int
tls_shutdown_write(struct conn *c, int64_t deadline)
{
	int r;

	if (!c->tls->established)
		return 0;
	r = attach(c->tls);
	if (r != 0)
		return r;
	begin_close(c->tls);
	return flush_records(c, 0, deadline);
}

bool
tls_idle(struct conn *c)
{
	struct tls *t = c->tls;
	size_t room;

	if (t->buffers == NULL)
		return true;
	if (t->ahead_n > 0 || !t->established || engine_closed(t) || said_goodbye(t))
		return false;
	if (br_ssl_engine_recvapp_buf(&t->u.engine, &room) != NULL)
		return false;
	/* Between records: nothing to send, and the next byte in is the first of a header. */
	if (!has_records(t) && br_ssl_engine_recvrec_buf(&t->u.engine, &room) == t->u.engine.ibuf)
		detach(t);
	return true;
}

bool
tls_resumed(const struct conn *c)
{
	return c->tls != NULL && c->tls->resumed;
}
