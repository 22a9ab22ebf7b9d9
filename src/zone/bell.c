/*
 * Bells: a pipe a slot, made by the master before its first fork and kept over respawns. See zone.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "zone/zone_priv.h"

int
zone_bell_open(struct zone_bell *b)
{
	b->io.fd = -1;
	if (pipe(b->fds) != 0) {
		b->fds[0] = b->fds[1] = -1;
		return -1;
	}
	for (int i = 0; i < 2; i++)
		if (fcntl(b->fds[i], F_SETFL, O_NONBLOCK) != 0 ||
		    fcntl(b->fds[i], F_SETFD, FD_CLOEXEC) != 0)
			return -1;
	return 0;
}

void
zone_bell_close(struct zone_bell *b)
{
	for (int i = 0; i < 2; i++)
		if (b->fds[i] >= 0)
			close(b->fds[i]);
}

void
zone_ring(struct zone *z, unsigned slot)
{
	int saved = errno;

	/* A full pipe is a bell already ringing. */
	if (slot < z->n && write(z->bells[slot].fds[1], "", 1) < 0)
		errno = saved;
}

static void
heard(struct io *io, unsigned events)
{
	struct zone_bell *b = CONTAINER_OF(io, struct zone_bell, io);
	char rings[256];

	(void)events;
	while (read(b->fds[0], rings, sizeof(rings)) == (ssize_t)sizeof(rings))
		continue;
	io_unready(io, IO_READ);
	b->on_ring(b->arg);
}

int
zone_listen(struct zone *z, unsigned slot, void (*on_ring)(void *arg), void *arg)
{
	struct zone_bell *b = &z->bells[slot];

	b->on_ring = on_ring;
	b->arg = arg;
	return io_add(&b->io, b->fds[0], heard);
}
