/*
 * Keep-alive connections to one origin. An idle one is watched by the loop: whatever it says while
 * nobody asked, its end included, closes it. The last given back is the first taken again, so that
 * the surplus ages and goes. Called by client.c.
 */
#include <stdlib.h>

#include "http/client_priv.h"

struct http_client {
	struct dial_target target;
	struct list idle; /* the one idle for longest first */
	struct timer timer;
	unsigned n_idle, idle_max;
	int64_t idle_ns;
};

static void
link_free(struct http_link *l)
{
	list_del(&l->link);
	if (l->idle)
		l->client->n_idle--;
	conn_close(&l->conn);
	free(l);
}

static void
expire(struct timer *t)
{
	struct http_client *c = CONTAINER_OF(t, struct http_client, timer);

	while (!list_empty(&c->idle)) {
		struct http_link *l = CONTAINER_OF(c->idle.next, struct http_link, link);

		if (l->idle_since + c->idle_ns > clock_cached_mono()) {
			timer_set(t, l->idle_since + c->idle_ns);
			return;
		}
		link_free(l);
	}
}

static void
on_event(struct io *io, unsigned events)
{
	struct http_link *l = CONTAINER_OF(io, struct http_link, conn.io);

	(void)events;
	if (l->idle)
		link_free(l);
}

struct http_client *
http_client_new(const struct dial_target *target, unsigned idle_max, int64_t idle_ns)
{
	struct http_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->target = *target;
	c->idle_max = idle_max;
	c->idle_ns = idle_ns;
	c->timer.fire = expire;
	list_init(&c->idle);
	return c;
}

void
http_client_free(struct http_client *c)
{
	if (!c)
		return;
	timer_clear(&c->timer);
	while (!list_empty(&c->idle))
		link_free(CONTAINER_OF(c->idle.next, struct http_link, link));
	free(c);
}

static struct http_link *
take_idle(struct http_client *c)
{
	struct http_link *l;

	if (list_empty(&c->idle))
		return NULL;
	l = CONTAINER_OF(c->idle.prev, struct http_link, link);
	list_del(&l->link);
	l->idle = false;
	c->n_idle--;
	return l;
}

int
http_pool_take(struct http_client *c, struct http_exchange *x, bool fresh, struct http_link **out)
{
	struct http_link *l = fresh ? NULL : take_idle(c);
	int err;

	*out = l;
	if (l)
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return ERR_NOMEM;
	list_init(&l->link);
	l->client = c;
	err = dial(&l->conn, &c->target, x->deadline, x->why, sizeof(x->why));
	if (err < 0) {
		free(l);
		return err;
	}
	l->conn.io.on_event = on_event;
	*out = l;
	return 0;
}

/* Nothing has come since the answer. The loop may still think so after a read that took just what
 * there was. */
static bool
is_silent(struct http_link *l)
{
	char byte;

	if (!l->conn.tls && !(l->conn.io.ready & (IO_READ | IO_HUP)))
		return true;
	return conn_read_now(&l->conn, &byte, 1) == ERR_AGAIN;
}

void
http_pool_give(struct http_link *l, bool keep)
{
	struct http_client *c = l->client;

	if (!keep || c->idle_max == 0 || !is_silent(l) || !conn_idle(&l->conn)) {
		link_free(l);
		return;
	}
	if (c->n_idle >= c->idle_max)
		link_free(CONTAINER_OF(c->idle.next, struct http_link, link));
	l->used = l->idle = true;
	l->idle_since = clock_cached_mono();
	list_push(&c->idle, &l->link);
	c->n_idle++;
	if (!timer_armed(&c->timer))
		timer_set(&c->timer, l->idle_since + c->idle_ns);
}
