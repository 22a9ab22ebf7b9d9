/*
 * Listening sockets in a worker: a task for each accepts what comes, some at a time. Called by
 * server/worker.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "http/http_priv.h"

#define ACCEPT_MAX 64 /* in a row, before others get their turn */
#define PAUSE (100 * NS_PER_MS)
#define MAKE_ROOM 16 /* idle connections closed when descriptors run out */

struct listener {
	struct io io;
	struct list link;
	const struct http_listen *listen;
	struct task_handle task;
};

static struct list listeners = { &listeners, &listeners };
static unsigned limit;
static bool draining;

bool
http_draining(void)
{
	return draining;
}

void
http_limit_connections(unsigned max)
{
	limit = max;
}

unsigned
http_most_connections(void)
{
	return limit;
}

/* A wildcard socket also takes what is meant for addresses that have servers of their own. */
static const struct http_listen *
listen_of(const struct http_listen *l, int fd)
{
	struct addr own = { .len = sizeof(own.u.storage) };

	if (!l->specific || getsockname(fd, &own.u.sa, &own.len) != 0)
		return l;
	for (const struct http_listen *s = l->specific; s; s = s->next)
		if (addr_eq(&s->addr, &own))
			return s;
	return l;
}

static void
take(struct listener *l, int fd, const struct addr *peer)
{
	if (limit && http_connections() >= limit && !http_conn_drop_idle()) {
		close(fd);
		http_count_connection(false);
		log_event(LOG_WARN, "http", "worker_connections are not enough",
		    LOG_I("open", http_connections()), LOG_END);
		return;
	}
	http_count_connection(true);
	http_conn_start(fd, peer, listen_of(l->listen, fd));
}

/* Who is idle goes before who comes: true if anybody was. */
static bool
make_room(void)
{
	unsigned n = 0;

	while (n < MAKE_ROOM && http_conn_drop_idle())
		n++;
	return n > 0;
}

/* One connection, or a wait for one: 0, or an error that ends accepting. */
static int
accept_one(struct listener *l)
{
	struct addr peer;
	int fd = listen_accept(l->io.fd, &peer), errnum = errno;

	if (fd >= 0) {
		take(l, fd, &peer);
		return 0;
	}
	if (fd == ERR_AGAIN) {
		io_unready(&l->io, IO_READ);
		return io_wait(&l->io, IO_READ, CLOCK_NEVER);
	}
	log_event(LOG_ERROR, "http",
	    fd == ERR_BUSY ? "out of descriptors: a connection was dropped" : "accept failed",
	    LOG_ERR(fd), LOG_ERRNO(errnum), LOG_END);
	if (fd == ERR_BUSY && make_room())
		return 0;
	return task_sleep_until(clock_mono() + PAUSE);
}

static void
accept_all(void *arg)
{
	struct listener *l = arg;
	int err = 0;

	for (unsigned n = 1; err == 0; n++) {
		err = accept_one(l);
		if (err == 0 && n % ACCEPT_MAX == 0)
			err = task_yield();
	}
	io_del(&l->io);
	list_del(&l->link);
	free(l);
}

int
http_serve(int listen_fd, const struct http_listen *l)
{
	struct listener *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return ERR_NOMEM;
	s->listen = l;
	list_init(&s->link);
	err = io_add(&s->io, listen_fd, NULL);
	if (err == 0)
		err = task_go("accept", accept_all, s, &s->task);
	if (err < 0) {
		io_del(&s->io);
		free(s);
		return err;
	}
	draining = false;
	list_push(&listeners, &s->link);
	return 0;
}

void
http_drain(void)
{
	struct list *pos;

	draining = true;
	LIST_FOREACH (pos, &listeners)
		task_cancel(CONTAINER_OF(pos, struct listener, link)->task);
	http_conn_drain();
}
