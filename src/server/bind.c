/*
 * See bind.h.
 */
#include "server/bind.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "server/admin_socket.h"
#include "server/shipper_socket.h"
#include "server/state.h"

static int
find_old(const struct generation *old, const struct http_listen *l, int index)
{
	for (unsigned i = 0; old != NULL && i < old->n_fds; i++)
		if (old->fds[i].fd >= 0 && old->fds[i].index == index &&
		    addr_eq(&old->fds[i].listen->addr, &l->addr))
			return old->fds[i].fd;
	return -1;
}

static const char *
unix_path(const struct addr *a)
{
	return ((const struct sockaddr_un *)&a->u.storage)->sun_path;
}

static bool
is_unix(const struct http_listen *l)
{
	return l->addr.u.sa.sa_family == AF_UNIX;
}

/* Our own sockets lie in a folder of the configured user's, and are that user's. */
static int
open_own(const struct generation *gen, const struct http_listen *l, bool shipper)
{
	struct listen_options opt = l->opt;
	int fd, saved;

	if (shipper)
		opt.unix_mode = SHIPPER_SOCKET_MODE;
	if (state_act_as_user(core_of(gen->conf)) != 0)
		return ERR_DENIED;
	fd = listen_open(&l->addr, &opt);
	saved = errno;
	(void)state_act_as_root();
	errno = saved;
	return fd;
}

static int
open_listen(const struct generation *gen, const struct http_listen *l, bool shipper)
{
	if (shipper || (is_unix(l) && admin_socket_is(gen->conf, unix_path(&l->addr))))
		return open_own(gen, l, shipper);
	return listen_open(&l->addr, &l->opt);
}

static int
bind_one(struct generation *gen, const struct generation *old, struct http_listen *l, int index)
{
	struct bound *b = &gen->fds[gen->n_fds];
	char text[ADDR_TEXT_MAX];

	*b = (struct bound){ .listen = l, .index = index };
	b->shipper = is_unix(l) && shipper_socket_is(gen->conf, unix_path(&l->addr));
	b->fd = find_old(old, l, index);
	if (b->fd < 0)
		b->fd = open_listen(gen, l, b->shipper);
	if (b->fd >= 0) {
		gen->n_fds++;
		return 0;
	}
	addr_text(&l->addr, true, text);
	log_event(LOG_ERROR, "master", "cannot listen", LOG_S("address", text), LOG_ERR(b->fd),
	    LOG_ERRNO(errno), LOG_END);
	return b->fd;
}

int
bind_generation(struct generation *gen, const struct generation *old, unsigned workers)
{
	unsigned n = 0;
	int err = 0;

	for (struct http_listen *l = gen->listens; l != NULL; l = l->next)
		n += l->opt.reuseport ? workers : 1;
	gen->fds = calloc(n ? n : 1, sizeof(*gen->fds));
	if (gen->fds == NULL)
		return ERR_NOMEM;
	for (struct http_listen *l = gen->listens; l != NULL && err == 0; l = l->next) {
		if (!l->opt.reuseport)
			err = bind_one(gen, old, l, -1);
		for (unsigned i = 0; l->opt.reuseport && i < workers && err == 0; i++)
			err = bind_one(gen, old, l, (int)i);
	}
	if (err != 0)
		bind_release(gen, old);
	return err;
}

static bool
holds(const struct generation *gen, int fd)
{
	for (unsigned i = 0; gen != NULL && i < gen->n_fds; i++)
		if (gen->fds[i].fd == fd)
			return true;
	return false;
}

void
bind_release(struct generation *old, const struct generation *next)
{
	for (unsigned i = 0; i < old->n_fds; i++) {
		const struct addr *a = &old->fds[i].listen->addr;

		if (old->fds[i].fd < 0 || holds(next, old->fds[i].fd))
			continue;
		close(old->fds[i].fd);
		if (a->u.sa.sa_family == AF_UNIX)
			unlink(unix_path(a));
	}
	free(old->fds);
	old->fds = NULL;
	old->n_fds = 0;
}

static void
forget(struct bound *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

void
bind_forget(const struct generation *gen)
{
	for (unsigned i = 0; i < gen->n_fds; i++)
		forget(&gen->fds[i]);
}

void
bind_forget_others(const struct generation *gen, unsigned index)
{
	for (unsigned i = 0; i < gen->n_fds; i++)
		if (gen->fds[i].shipper ||
		    (gen->fds[i].index >= 0 && (unsigned)gen->fds[i].index != index))
			forget(&gen->fds[i]);
}

void
bind_forget_workers(const struct generation *gen)
{
	for (unsigned i = 0; i < gen->n_fds; i++)
		if (!gen->fds[i].shipper)
			forget(&gen->fds[i]);
}
