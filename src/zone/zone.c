/*
 * See zone.h. Made by the master before its first fork; everything here is inherited, nothing is attached by name.
 */
#include "zone/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zone/directory.h"

struct zone_shared {
	_Atomic int64_t stop_deadline;
	struct zone_stream streams[ZONE_MAX_STREAMS];
	struct zone_slot slots[];
};

struct bell {
	int fds[2]; /* a pipe, both ends non-blocking */
	struct io io;
	void (*on_ring)(void *arg);
	void *arg;
};

struct area {
	char name[ZONE_AREA_NAME_MAX];
	uint32_t version;
	size_t size;
	void *at;
};

struct zone {
	unsigned n;
	struct zone_shared *shared;
	struct area areas[ZONE_AREAS_MAX];
	unsigned n_areas;
	struct bell bells[];
};

static int
open_bell(struct bell *b)
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
zone_free(struct zone *z)
{
	for (unsigned i = 0; i < z->n; i++)
		for (int k = 0; k < 2; k++)
			if (z->bells[i].fds[k] >= 0)
				close(z->bells[i].fds[k]);
	for (unsigned i = 0; i < z->n_areas; i++)
		munmap(z->areas[i].at, z->areas[i].size);
	free(z);
}

/* ---- areas ---- */

static struct area *
find_area(const struct zone *z, const char *name)
{
	for (unsigned i = 0; i < z->n_areas; i++)
		if (strcmp(z->areas[i].name, name) == 0)
			return (struct area *)&z->areas[i];
	return NULL;
}

void *
zone_area(struct zone *z, const char *name, uint32_t version, size_t size, bool *fresh)
{
	struct area *a = find_area(z, name);

	*fresh = false;
	if (a != NULL && a->version == version && a->size == size)
		return a->at;
	if (a != NULL || z->n_areas == ZONE_AREAS_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	a = &z->areas[z->n_areas];
	a->at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a->at == MAP_FAILED)
		return NULL;
	(void)str_copyz(a->name, sizeof(a->name), str_of(name));
	a->version = version;
	a->size = size;
	z->n_areas++;
	*fresh = true;
	return a->at;
}

void *
zone_area_find(const struct zone *z, const char *name, size_t *size)
{
	const struct area *a = find_area(z, name);

	if (a == NULL)
		return NULL;
	if (size != NULL)
		*size = a->size;
	return a->at;
}

/* ---- making ---- */

static int
make_series(struct zone *z)
{
	struct dir d = { .zone = z };
	size_t size = (size_t)10 << 20;
	bool fresh;
	void *area = zone_area(z, DIRECTORY_AREA, DIRECTORY_VERSION, size, &fresh);

	if (area == NULL)
		return -1;
	if (!directory_map(&d, area, size, z->n, true)) {
		errno = EINVAL;
		return -1;
	}
	directory_format(&d);
	return 0;
}

struct zone *
zone_new(unsigned slots)
{
	struct zone *z = calloc(1, sizeof(*z) + slots * sizeof(struct bell));
	bool fresh;
	int saved;

	if (z == NULL)
		return NULL;
	z->n = slots;
	for (unsigned i = 0; i < slots; i++)
		z->bells[i].fds[0] = z->bells[i].fds[1] = -1;
	z->shared = zone_area(
	    z, "run", 1, sizeof(struct zone_shared) + slots * sizeof(struct zone_slot), &fresh);
	if (z->shared == NULL || make_series(z) != 0)
		goto fail;
	for (unsigned i = 0; i < slots; i++)
		if (open_bell(&z->bells[i]) != 0)
			goto fail;
	return z;
fail:
	saved = errno;
	zone_free(z);
	errno = saved;
	return NULL;
}

unsigned
zone_slots(const struct zone *z)
{
	return z->n;
}

const char *
zone_name(const struct zone *z)
{
	(void)z;
	return "main";
}

struct zone_slot *
zone_slot(struct zone *z, unsigned slot)
{
	assert(slot < z->n);
	return &z->shared->slots[slot];
}

struct zone_stream *
zone_stream(struct zone *z, unsigned stream)
{
	assert(stream < ZONE_MAX_STREAMS);
	return &z->shared->streams[stream];
}

uint64_t
zone_added(struct zone *z, unsigned stream)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < z->n; i++)
		sum +=
		    atomic_load_explicit(&z->shared->slots[i].added[stream], memory_order_relaxed);
	return sum;
}

void
zone_set_stop_deadline(struct zone *z, int64_t deadline)
{
	atomic_store(&z->shared->stop_deadline, deadline);
}

int64_t
zone_stop_deadline(const struct zone *z)
{
	return atomic_load(&z->shared->stop_deadline);
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
	struct bell *b = CONTAINER_OF(io, struct bell, io);
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
	struct bell *b = &z->bells[slot];

	b->on_ring = on_ring;
	b->arg = arg;
	return io_add(&b->io, b->fds[0], heard);
}
