/*
 * Reads the dump file. See vts_dump.h.
 *
 * What it holds goes into blocks of this process, the janitor, which counts nothing itself: they are there as soon as a series is, and
 * nobody else writes them, so a second time over writes the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "status/vts_dump.h"
#include "status/vts_image.h"
#include "status/vts_priv.h"

#define FILE_MAX (UINT64_C(4) << 30)

/* On the heap, since a helper touches it. */
struct restore {
	char path[VTS_DUMP_PATH_MAX], aside[VTS_DUMP_PATH_MAX + 4];
	char *file;
	size_t n;
	struct str records;
	int error; /* errno of what failed */
	uint64_t nodes, left_out;
};

/* ---- the file, on a helper ---- */

static int
read_file(void *arg)
{
	struct restore *r = arg;
	int err = file_read_all(r->path, FILE_MAX, &r->file, &r->n);

	r->error = errno;
	return err ? err : vts_image_check(str_make(r->file, r->n), &r->records);
}

static int
set_aside(void *arg)
{
	struct restore *r = arg;
	int err = file_rename(r->path, r->aside);

	r->error = errno;
	return err;
}

/* ---- the nodes ---- */

/* False: there is no room for the node. */
static bool
put_part(enum vts_kind kind, enum vts_part part, struct str key, const uint64_t *words, unsigned n)
{
	struct metric_set *set = vts_part_set(kind, part);
	struct series *s = series_get(set, key);
	struct series_view view;

	if (!series_find(set, key, &view) || view.index != s->index)
		return false;
	for (unsigned i = 0; i < n; i++)
		vts_store(&s->block[i], words[i]);
	return true;
}

static int
put_nodes(struct restore *r)
{
	static struct vts_image image; /* large; only one restore runs */
	const uint64_t *words;
	unsigned n;
	ssize_t used;

	for (struct str rest = r->records; (used = vts_image_get(rest, &image)) > 0;
	     rest = str_from(rest, (size_t)used)) {
		bool fits = true;

		for (unsigned part = 0; part < VTS_PARTS && fits; part++)
			if (image.parts >> part & 1) {
				words = vts_image_words(&image, part, &n);
				fits = put_part(image.kind, part, image.key, words, n);
			}
		r->nodes += fits;
		r->left_out += !fits;
		if (task_breathe() != 0)
			return ERR_CANCELLED;
	}
	return 0;
}

/* ---- both ---- */

static int
give_way(struct restore *r, int err)
{
	const char *why = err == ERR_BAD           ? "damaged, or not ours"
			  : err == ERR_UNSUPPORTED ? "another version"
						   : log_errno_text(r->error);
	int moved;

	log_event(LOG_ERROR, "vts", "kept statistics cannot be used: set aside",
	    LOG_S("file", r->path), LOG_S("as", r->aside), LOG_S("why", why), LOG_END);
	moved = offload(OFFLOAD_MISC, set_aside, r);
	if (moved != 0)
		log_event(LOG_ERROR, "vts",
		    "cannot be set aside; so that it is not lost, no statistics are kept",
		    LOG_S("file", r->path), LOG_ERRNO(r->error), LOG_END);
	return moved;
}

static int
restore(struct restore *r)
{
	int err = offload(OFFLOAD_MISC, read_file, r);

	if (err == ERR_NOT_FOUND)
		return 0;
	if (err == ERR_CANCELLED)
		return err;
	if (err != 0)
		return give_way(r, err);
	err = put_nodes(r);
	if (err == 0)
		log_event(r->left_out ? LOG_WARN : LOG_INFO, "vts", "statistics taken from file",
		    LOG_S("file", r->path), LOG_I("nodes", r->nodes),
		    LOG_I("left_out", r->left_out), LOG_END);
	return err;
}

int
vts_restore(struct str path)
{
	struct restore *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL)
		return ERR_NOMEM;
	assert(path.n < VTS_DUMP_PATH_MAX);
	snprintf(r->path, sizeof(r->path), "%.*s", STR_ARG(path));
	snprintf(r->aside, sizeof(r->aside), "%.*s.bad", STR_ARG(path));
	err = restore(r);
	free(r->file);
	free(r);
	return err;
}
