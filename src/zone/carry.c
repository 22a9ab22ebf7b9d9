/*
 * What an earlier server left in the zone file: opened, checked, set aside if it is not what it should be, and read into a new one while no
 * other process has either. See zone_priv.h for what is valid.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "zone/directory.h"
#include "zone/zone_priv.h"

#define PATH_CAP 1024
/* Starts without anybody asking for it, after which an area is left out. */
#define IDLE_MAX 3

/* Why this copy is not valid; NULL: it is. */
static const char *
why_invalid(const struct zone_file_head *h, uint64_t file_size)
{
	if (memcmp(h->magic, ZONE_MAGIC, sizeof(h->magic)) != 0)
		return "not a zone";
	if (h->order != ZONE_ORDER)
		return "of a machine with another byte order";
	if (h->version != ZONE_VERSION)
		return "of another version";
	if (h->crc != crc32c(0, h, offsetof(struct zone_file_head, crc)) ||
	    h->n_areas > ZONE_AREAS_MAX)
		return "torn";
	if (h->size > file_size)
		return "truncated";
	for (unsigned i = 0; i < h->n_areas; i++) {
		const struct zone_file_area *a = &h->areas[i];

		if (a->at > h->size || a->at % ZONE_ALIGN != 0 ||
		    (a->at > 0 && a->size > h->size - a->at) ||
		    memchr(a->name, '\0', sizeof(a->name)) == NULL)
			return "torn";
	}
	return NULL;
}

/* The newer valid copy, or NULL and why not. */
static const struct zone_file_head *
choose_head(const char *map, uint64_t size, const char **why)
{
	const struct zone_file_head *best = NULL;

	for (int i = 0; i < 2; i++) {
		const struct zone_file_head *h = (const void *)(map + i * ZONE_HEAD_BLOCK);
		const char *bad = why_invalid(h, size);

		if (bad == NULL && (best == NULL || h->sequence > best->sequence))
			best = h;
		/* The first one says more, unless it was the one being written. */
		if (bad != NULL && (*why == NULL || strcmp(bad, "not a zone") != 0))
			*why = bad;
	}
	return best;
}

/* Fills *why if it is none of ours. An error: it may be, but cannot be read now. */
static int
map_old(struct zone_old *old, int fd, const char **why)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		*why = "not a file";
		return OK;
	}
	if (st.st_size < 2 * ZONE_HEAD_BLOCK) {
		*why = "truncated";
		return OK;
	}
	old->size = (size_t)st.st_size;
	p = mmap(NULL, old->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_from_errno(errno);
	old->map = p;
	old->head = choose_head(old->map, old->size, why);
	if (old->head == NULL)
		munmap(p, old->size);
	else
		*why = NULL;
	return OK;
}

/* One is kept for the curious; an earlier one makes room. */
static void
set_aside(const char *path, const char *why)
{
	char aside[PATH_CAP];
	int err;

	snprintf(aside, sizeof(aside), "%s.bad", path);
	err = file_rename(path, aside);
	if (err)
		log_event(LOG_ERROR, "zone", "the zone file cannot be used, nor set aside",
		    LOG_S("path", path), LOG_S("aside", aside), LOG_S("because", why), LOG_ERR(err),
		    LOG_END);
	else
		log_event(LOG_ERROR, "zone",
		    "the zone file cannot be used and was set aside: counters begin at zero",
		    LOG_S("path", path), LOG_S("aside", aside), LOG_S("because", why), LOG_END);
}

/* Can this file never be opened, or only not now (too many open files, a disk that fails)? */
static bool
is_hopeless(int errnum)
{
	return errnum == ELOOP || errnum == EMLINK || errnum == EACCES || errnum == EPERM ||
	       errnum == ENXIO;
}

int
zone_old_open(struct zone_old *old, const char *path)
{
	int fd = file_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), err = OK;
	const char *why = NULL;

	memset(old, 0, sizeof(*old));
	if (fd >= 0) {
		err = map_old(old, fd, &why);
		(void)file_close(fd);
	} else if (is_hopeless(errno)) {
		why = log_errno_text(errno);
	} else if (errno != ENOENT) {
		err = fd;
	}
	if (why != NULL) {
		old->set_aside = true;
		set_aside(path, why);
	}
	return err;
}

void
zone_old_close(struct zone_old *old)
{
	if (old->head != NULL)
		munmap((void *)old->map, old->size);
	old->head = NULL;
}

const void *
zone_old_area(const struct zone_old *old, const char *name, uint32_t version, size_t *size)
{
	for (unsigned i = 0; old->head != NULL && i < old->head->n_areas; i++) {
		const struct zone_file_area *a = &old->head->areas[i];

		if (strcmp(a->name, name) == 0 && a->version == version && a->at > 0) {
			*size = a->size;
			return old->map + a->at;
		}
	}
	return NULL;
}

int
zone_old_copy(const struct zone_old *old, struct zone *z)
{
	for (unsigned i = 0; old->head != NULL && i < old->head->n_areas; i++) {
		const struct zone_file_area *a = &old->head->areas[i];
		void *p;

		if (strcmp(a->name, ZONE_RUN_AREA) == 0 || strcmp(a->name, DIRECTORY_AREA) == 0 ||
		    a->idle >= IDLE_MAX || a->size == 0 || a->at == 0)
			continue;
		p = zone_area_add(z, a->name, a->version, a->idle + 1, a->size);
		if (p == NULL)
			return ERR_NOSPACE;
		memcpy(p, old->map + a->at, a->size);
	}
	return OK;
}
