/*
 * See zone.h. Made by the master before its first fork; everything here is inherited, nothing is attached by name. A new file is built beside
 * the old one and takes its name when it is complete and on disk: a kill at any instant of the start leaves one or the other.
 */
#include "zone/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "zone/directory.h"
#include "zone/zone_priv.h"

#define PATH_CAP 1024
#define DEFAULT_SIZE (UINT64_C(1) << 20)

/* ---- making ---- */

void
zone_free(struct zone *z)
{
	for (unsigned i = 0; i < z->n; i++)
		zone_bell_close(&z->bells[i]);
	zone_areas_drop(z);
	free(z);
}

static struct zone *
new_zone(unsigned slots, struct str name)
{
	struct zone *z = calloc(1, sizeof(*z) + slots * sizeof(struct zone_bell));

	if (z == NULL)
		return NULL;
	z->n = slots;
	z->fd = -1;
	(void)str_copyz(z->name, sizeof(z->name), name);
	for (unsigned i = 0; i < slots; i++)
		z->bells[i].fds[0] = z->bells[i].fds[1] = -1;
	for (unsigned i = 0; i < slots; i++)
		if (zone_bell_open(&z->bells[i]) != 0) {
			int saved = errno;

			zone_free(z);
			errno = saved;
			return NULL;
		}
	return z;
}

/* With what the old one holds. */
static int
make_series(struct zone *z, size_t size, const struct zone_old *old)
{
	struct dir d = { .zone = z };
	void *area = zone_area_add(z, DIRECTORY_AREA, DIRECTORY_VERSION, 0, size);
	const void *from;
	size_t from_size = 0;

	if (area == NULL)
		return -1;
	if (!directory_map(&d, area, size, z->n, true)) {
		errno = EINVAL;
		return -1;
	}
	directory_format(&d);
	from = zone_old_area(old, DIRECTORY_AREA, DIRECTORY_VERSION, &from_size);
	if (from != NULL)
		directory_restore(&d, from, from_size);
	return 0;
}

/* All that a zone begins with: 0, or -1 with errno. */
static int
make_areas(struct zone *z, size_t size, const struct zone_old *old)
{
	z->shared = zone_area_add(
	    z, ZONE_RUN_AREA, 1, 0, sizeof(struct zone_shared) + z->n * sizeof(struct zone_slot));
	if (z->shared == NULL || make_series(z, size, old) != 0)
		return -1;
	return zone_old_copy(old, z) == 0 ? 0 : -1;
}

struct zone *
zone_new(unsigned slots)
{
	const struct zone_old none = { .head = NULL };
	struct zone *z = new_zone(slots, STR("main"));

	if (z == NULL || make_areas(z, DEFAULT_SIZE, &none) == 0)
		return z;
	zone_free(z);
	errno = ENOMEM;
	return NULL;
}

/* In a file: 0, or an error with errno, and then there is nothing of it. */
static int
build_file(struct zone *z, const struct zone_options *opt, const struct zone_old *old)
{
	char temporary[PATH_CAP];
	int err, saved;

	if (snprintf(temporary, sizeof(temporary), "%s.tmp", opt->path) >= (int)sizeof(temporary))
		return ERR_TOO_LARGE;
	err = zone_file_make(z, temporary);
	if (err == 0 && make_areas(z, opt->size, old) != 0)
		err = err_from_errno(errno);
	if (err == 0)
		err = zone_file_publish(z, temporary, opt->path);
	if (err == 0)
		return OK;
	saved = errno;
	zone_areas_drop(z);
	(void)file_unlink(temporary);
	errno = saved;
	return err;
}

static void
count(struct zone *z, enum directory_event event)
{
	struct dir d;

	if (directory_open(&d, z, ZONE_SLOT_MASTER))
		directory_count_event(&d, event, 1);
}

struct zone *
zone_open(const struct zone_options *opt)
{
	struct zone *z = new_zone(opt->slots, opt->name);
	struct zone_old old;
	int err;

	if (z == NULL)
		return NULL;
	err = zone_old_open(&old, opt->path);
	if (err == 0)
		err = build_file(z, opt, &old);
	if (err != 0) {
		log_event(LOG_ERROR, "zone",
		    "no zone file: counters and limits work, but will not outlive the server",
		    LOG_S("path", opt->path), LOG_I("bytes", opt->size), LOG_ERR(err),
		    LOG_ERRNO(errno), LOG_END);
		if (make_areas(z, opt->size, &old) != 0) {
			zone_old_close(&old);
			zone_free(z);
			errno = ENOMEM;
			return NULL;
		}
		count(z, DIRECTORY_NO_FILE);
	}
	if (old.set_aside)
		count(z, DIRECTORY_SET_ASIDE);
	zone_old_close(&old);
	return z;
}

bool
zone_has_file(const struct zone *z)
{
	return z->fd >= 0;
}

const char *
zone_name(const struct zone *z)
{
	return z->name;
}

/* ---- slots ---- */

unsigned
zone_slots(const struct zone *z)
{
	return z->n;
}

struct zone_slot *
zone_slot(struct zone *z, unsigned slot)
{
	assert(slot < z->n);
	return &z->shared->slots[slot];
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
