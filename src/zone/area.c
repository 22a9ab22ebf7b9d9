/*
 * Areas: named regions, each a mapping of its own, of the file or of anonymous memory. See zone.h and, for the file, zone_priv.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "zone/zone_priv.h"

#define PATH_CAP 1024

static uint64_t
align(uint64_t n)
{
	return (n + ZONE_ALIGN - 1) / ZONE_ALIGN * ZONE_ALIGN;
}

/* ---- the file ---- */

static int
write_head(struct zone *z)
{
	z->head.sequence++;
	z->head.crc = crc32c(0, &z->head, offsetof(struct zone_file_head, crc));
	return file_write_all(
	    z->fd, &z->head, sizeof(z->head), (off_t)(z->head.sequence % 2 * ZONE_HEAD_BLOCK));
}

int
zone_file_make(struct zone *z, const char *path)
{
	int err = file_unlink(path);

	if (err != 0)
		return err;
	/* The folder may be another user's: no link of theirs leads us to another file. */
	z->fd = file_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
	if (z->fd < 0) {
		err = z->fd;
		z->fd = -1;
		return err;
	}
	memcpy(z->head.magic, ZONE_MAGIC, sizeof(z->head.magic));
	z->head.version = ZONE_VERSION;
	z->head.order = ZONE_ORDER;
	z->head.size = ZONE_ALIGN;
	return file_allocate(z->fd, 0, ZONE_ALIGN);
}

static int
sync_folder(const char *path)
{
	char dir[PATH_CAP];
	char *slash;

	if (!str_copyz(dir, sizeof(dir), str_of(path)))
		return ERR_TOO_LARGE;
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return file_sync_dir(".");
	slash[slash == dir] = '\0';
	return file_sync_dir(dir);
}

int
zone_file_publish(struct zone *z, const char *from, const char *to)
{
	int err = 0;

	for (unsigned i = 0; i < z->head.n_areas && err == 0; i++)
		if (msync(z->maps[i].at, z->head.areas[i].size, MS_SYNC) != 0)
			err = ERR_IO;
	/* Both copies. */
	if (err == 0)
		err = write_head(z);
	if (err == 0)
		err = write_head(z);
	if (err == 0)
		err = file_sync(z->fd);
	if (err == 0)
		err = file_rename(from, to);
	return err ? err : sync_folder(to);
}

/* ---- areas ---- */

static struct zone_file_area *
find_area(const struct zone *z, const char *name)
{
	for (unsigned i = 0; i < z->head.n_areas; i++)
		if (strcmp(z->head.areas[i].name, name) == 0)
			return (struct zone_file_area *)&z->head.areas[i];
	return NULL;
}

static struct zone_mapping *
mapping_of(const struct zone *z, const struct zone_file_area *a)
{
	return (struct zone_mapping *)&z->maps[a - z->head.areas];
}

/* At the end of the file; NULL with errno. What does not fit is not begun: it would fill the file system first. */
static void *
map_in_file(struct zone *z, size_t size)
{
	uint64_t room = 0;
	void *p;

	if (file_space_of(z->fd, &room) == 0 && size > room) {
		errno = ENOSPC;
		return NULL;
	}
	if (file_allocate(z->fd, z->head.size, align(size)) != 0) {
		int saved = errno;

		(void)file_truncate(
		    z->fd, z->head.size); /* what there was of it, perhaps all of the disk */
		errno = saved;
		return NULL;
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, z->fd, (off_t)z->head.size);
	return p == MAP_FAILED ? NULL : p;
}

static void *
map_anonymous(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *
add_area(
    struct zone *z, const char *name, uint32_t version, uint32_t idle, size_t size, bool in_memory)
{
	struct zone_file_area *a = &z->head.areas[z->head.n_areas];
	void *p;

	if (z->head.n_areas == ZONE_AREAS_MAX || size == 0 || strlen(name) >= sizeof(a->name)) {
		errno = EINVAL;
		return NULL;
	}
	p = z->fd >= 0 && !in_memory ? map_in_file(z, size) : map_anonymous(size);
	if (p == NULL)
		return NULL;
	*a = (struct zone_file_area){ .version = version, .idle = idle, .size = size };
	(void)str_copyz(a->name, sizeof(a->name), str_of(name));
	if (!in_memory) {
		a->at = z->head.size;
		z->head.size += align(size);
	}
	mapping_of(z, a)->at = p;
	mapping_of(z, a)->asked = idle == 0;
	z->head.n_areas++;
	return p;
}

void *
zone_area_add(struct zone *z, const char *name, uint32_t version, uint32_t idle, size_t size)
{
	return add_area(z, name, version, idle, size, false);
}

/* Only of what no process of this run has seen. */
static void
forget_area(struct zone *z, struct zone_file_area *a)
{
	struct zone_mapping *m = mapping_of(z, a);
	unsigned last = --z->head.n_areas;

	munmap(m->at, a->size);
	*a = z->head.areas[last];
	*m = z->maps[last];
}

/* The header on disk follows; without it the area is as good, but will not be known at the next start. */
static void
record_areas(struct zone *z, const char *name)
{
	if (z->fd >= 0 && write_head(z) != 0)
		log_event(LOG_ERROR, "zone",
		    "cannot record an area: it will not outlive the server", LOG_S("area", name),
		    LOG_ERRNO(errno), LOG_END);
}

void *
zone_area(struct zone *z, const char *name, uint32_t version, size_t size, bool *fresh)
{
	struct zone_file_area *a = find_area(z, name);
	void *p;

	*fresh = false;
	if (a != NULL && a->version == version && a->size == size) {
		bool first = !mapping_of(z, a)->asked;

		mapping_of(z, a)->asked = true;
		a->idle = 0;
		if (first)
			record_areas(z, name);
		return mapping_of(z, a)->at;
	}
	if (a != NULL && mapping_of(z, a)->asked) {
		errno = EEXIST;
		return NULL;
	}
	if (a != NULL)
		forget_area(z, a);
	p = add_area(z, name, version, 0, size, false);
	if (p == NULL && z->fd >= 0) {
		log_event(LOG_ERROR, "zone",
		    "no room in the zone file: an area is kept in memory and will not outlive the "
		    "server",
		    LOG_S("area", name), LOG_I("bytes", size), LOG_ERRNO(errno), LOG_END);
		p = add_area(z, name, version, 0, size, true);
	}
	*fresh = p != NULL;
	if (p != NULL)
		record_areas(z, name);
	return p;
}

void *
zone_area_find(const struct zone *z, const char *name, size_t *size)
{
	const struct zone_file_area *a = find_area(z, name);

	if (a == NULL || !mapping_of(z, a)->asked)
		return NULL;
	if (size != NULL)
		*size = a->size;
	return mapping_of(z, a)->at;
}

void
zone_unload(struct zone *z)
{
	for (unsigned i = 0; i < z->head.n_areas; i++)
		if (z->fd >= 0 && z->head.areas[i].at != 0)
			(void)madvise(z->maps[i].at, z->head.areas[i].size, MADV_DONTNEED);
}

void
zone_areas_drop(struct zone *z)
{
	for (unsigned i = 0; i < z->head.n_areas; i++)
		munmap(z->maps[i].at, z->head.areas[i].size);
	if (z->fd >= 0)
		(void)file_close(z->fd);
	z->fd = -1;
	memset(&z->head, 0, sizeof(z->head));
}
