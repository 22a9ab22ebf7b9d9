/*
 * The life of a server's connection: idle (a small struct in the loop) until bytes arrive, then a
 * task that serves requests as long as they are there, then idle again or closed. A request costs
 * no timer: an idle connection's moment is noted, and its timer, armed once, looks at that when it
 * fires. Called by listener.c.
 */
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "http/http_priv.h"

#define SLAB 64
#define PIPELINE_MAX 32 /* requests in a row before others get their turn */
#define DROP_LOOKS 32
#define DRAIN_FRESH NS_PER_S
#define DRAIN_LINGER NS_PER_S
/* A request may be under way to a connection that looks idle: it is answered, and told to close. */
#define DRAIN_IDLE (250 * NS_PER_MS)

static struct list idle = { &idle, &idle }; /* the one idle for longest first */
static struct list busy = { &busy, &busy };
static struct list spare = { &spare, &spare };
static unsigned n_open, n_busy;
static uint32_t n_made; /* ever */

/* From slabs that are never freed: the peak of connections bounds them. */
static struct http_conn *
conn_take(void)
{
	struct list *node = list_pop(&spare);
	struct http_conn *slab;

	if (!node) {
		slab = calloc(SLAB, sizeof(*slab));
		if (!slab)
			return NULL;
		for (size_t i = 1; i < SLAB; i++)
			list_push(&spare, &slab[i].link);
		list_init(&slab[0].link);
		return &slab[0];
	}
	return CONTAINER_OF(node, struct http_conn, link);
}

static void
conn_free(struct http_conn *hc)
{
	struct linger reset = { 1, 0 };

	if (hc->timed_out && hc->listen->servers->scope->reset_timedout_connection &&
	    hc->conn.io.fd >= 0)
		setsockopt(hc->conn.io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	timer_clear(&hc->timer);
	conn_close(&hc->conn);
	list_del(&hc->link);
	list_push_front(&spare, &hc->link);
	n_open--;
}

/* Idle until then. The timer moves only where it would be late. */
static void
rest_until(struct http_conn *hc, int64_t deadline)
{
	hc->idle_deadline = deadline;
	hc->idle = true;
	list_del(&hc->link);
	list_push(&idle, &hc->link);
	if (!timer_armed(&hc->timer) || hc->timer.deadline > deadline)
		timer_set(&hc->timer, deadline);
}

static void
on_timer(struct timer *t)
{
	struct http_conn *hc = CONTAINER_OF(t, struct http_conn, timer);
	int64_t now = clock_cached_mono();

	if (!hc->idle)
		timer_set(t, now + hc->listen->servers->scope->keepalive_timeout + NS_PER_S);
	else if (hc->idle_deadline > now)
		timer_set(t, hc->idle_deadline);
	else
		conn_free(hc);
}

static const struct http_server_conf *
server_of(const struct http_conn *hc)
{
	return hc->listen->servers;
}

static struct tls_server *
choose_tls(void *arg, struct str name)
{
	const struct http_conn *hc = arg;
	char host[256];
	size_t n = http_normalise_host(name, host, sizeof(host));

	return http_server_by_name(hc->listen, str_make(host, n))->tls;
}

static int
handshake(struct http_conn *hc)
{
	const struct http_server_conf *s = server_of(hc);
	int err = tls_accept(
	    &hc->conn, s->tls, choose_tls, hc, clock_mono() + s->scope->client_header_timeout);

	if (err < 0)
		log_event(LOG_INFO, "http", "TLS handshake failed",
		    LOG_S("why", tls_error_text(&hc->conn)), LOG_ERR(err), LOG_END);
	hc->ready_tls = err == 0;
	return err;
}

/* Requests as long as they are there. ERR_AGAIN: none is, the connection goes on; else it ends. */
static int
serve_requests(struct http_work *w)
{
	int err;

	for (unsigned n = 1;; n++) {
		err = http_read_head(w);
		if (err == ERR_AGAIN || err == ERR_CLOSED || err == ERR_CANCELLED)
			return err;
		if (!http_serve_request(w, err))
			return ERR_CLOSED;
		if (n % PIPELINE_MAX == 0 && task_yield() < 0)
			return ERR_CANCELLED;
		w->keep = w->scope->keepalive_timeout;
		w->linger = false;
		http_work_reset(w);
	}
}

/* A close with bytes unread would reset the connection and take our last answer with it: so read
 * for a while. */
static void
linger(struct http_work *w)
{
	struct conn *c = &w->conn->conn;
	const struct http_scope *s = w->scope;
	int64_t end = clock_mono() + (http_draining() ? DRAIN_LINGER : s->lingering_time), now;

	if (s->lingering_close == HTTP_LINGER_OFF || w->answer.err || !w->answer.begun ||
	    (s->lingering_close == HTTP_LINGER_ON && !w->linger))
		return;
	if (conn_shutdown_write(c, end) < 0)
		return;
	do
		now = clock_mono();
	while (now < end &&
	       conn_read(c, w->in.p, w->in.cap, MIN(end, now + s->lingering_timeout)) > 0 &&
	       task_breathe() == 0);
}

static void wake(struct http_conn *hc);

/* How long a connection may rest, now that we go. */
static int64_t
while_draining(const struct http_conn *hc, int64_t deadline)
{
	int64_t patience = hc->requests ? DRAIN_IDLE : DRAIN_FRESH;

	return http_draining() ? MIN(deadline, clock_cached_mono() + patience) : deadline;
}

static void
serve(void *arg)
{
	struct http_conn *hc = arg;
	bool shakes = hc->listen->tls && !hc->ready_tls;
	int err = shakes ? handshake(hc) : 0;
	int64_t keep = server_of(hc)->scope->client_header_timeout;
	uint32_t requests = hc->requests;

	hc->work = err == 0 ? http_work_take(hc) : NULL;
	if (hc->work) {
		hc->work->keep = keep;
		err = serve_requests(hc->work);
		keep = hc->work->keep;
		if (err == ERR_CLOSED)
			linger(hc->work);
		http_work_give(hc->work);
		hc->work = NULL;
	}
	n_busy--;
	if (err != ERR_AGAIN || task_cancelled()) {
		conn_free(hc);
		return;
	}
	/* Bytes that made no request, such as a record's by and by, win no time. */
	if (shakes || hc->requests != requests)
		hc->idle_deadline = clock_cached_mono() + keep;
	rest_until(hc, while_draining(hc, hc->idle_deadline));
	if (!conn_idle(&hc->conn))
		wake(hc);
}

/* No task to be had. */
static void
turn_away(struct http_conn *hc)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
				   "Retry-After: 5\r\nConnection: close\r\n\r\n";

	if (!hc->listen->tls)
		(void)!write(hc->conn.io.fd, text, sizeof(text) - 1);
	log_event(LOG_WARN, "http", "no task for a connection", LOG_I("open", n_open), LOG_END);
	conn_free(hc);
}

static void
wake(struct http_conn *hc)
{
	hc->idle = false;
	list_del(&hc->link);
	list_push(&busy, &hc->link);
	if (task_go("http", serve, hc, &hc->task) < 0) {
		turn_away(hc);
		return;
	}
	n_busy++;
}

/* Both directions are gone. A peer that only closed its own may still read our answer. */
static bool
was_reset(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static void
on_event(struct io *io, unsigned events)
{
	struct http_conn *hc = CONTAINER_OF(io, struct http_conn, conn.io);

	if (hc->idle)
		wake(hc);
	else if ((events & IO_HUP) && (hc->watched || was_reset(io->fd)))
		task_cancel(hc->task);
}

void
http_conn_start(int fd, const struct addr *peer, const struct http_listen *l)
{
	struct http_conn *hc = conn_take();
	const struct http_scope *s = l->servers->scope;
	int off = 0;

	if (!hc) {
		close(fd);
		return;
	}
	*hc = (struct http_conn){
		.link = hc->link, .listen = l, .timer.fire = on_timer, .number = ++n_made
	};
	list_init(&hc->link);
	if (conn_init(&hc->conn, fd, on_event) < 0) {
		close(fd);
		list_push_front(&spare, &hc->link);
		return;
	}
	memcpy(&hc->peer, &peer->u, MIN(sizeof(hc->peer), (size_t)peer->len));
	if (!s->tcp_nodelay && peer->u.sa.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
	n_open++;
	rest_until(hc, while_draining(hc, clock_cached_mono() + s->client_header_timeout));
}

static bool
has_bytes(const struct http_conn *hc)
{
	char c;

	return recv(hc->conn.io.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Not one whose request is here already, and not after a long search. */
bool
http_conn_drop_idle(void)
{
	unsigned looked = 0;
	struct list *pos;

	LIST_FOREACH (pos, &idle) {
		struct http_conn *hc = CONTAINER_OF(pos, struct http_conn, link);

		if (!has_bytes(hc)) {
			conn_free(hc);
			return true;
		}
		if (++looked == DROP_LOOKS)
			break;
	}
	return false;
}

void
http_conn_drain(void)
{
	struct list *pos, *tmp, todo;

	list_init(&todo);
	while ((pos = list_pop(&idle)))
		list_push(&todo, pos);
	LIST_FOREACH_SAFE (pos, tmp, &todo) {
		struct http_conn *hc = CONTAINER_OF(pos, struct http_conn, link);

		if (has_bytes(hc))
			wake(hc);
		else
			rest_until(hc, while_draining(hc, hc->idle_deadline));
	}
}

unsigned
http_connections(void)
{
	return n_open;
}

unsigned
http_active(void)
{
	return n_busy;
}
