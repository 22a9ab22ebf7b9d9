/*
 * vhost_traffic_status_dump: keeps the statistics in a file, so that they outlive the zone: written by the janitor now and then and at the
 * end, read by it when it finds a zone that never held any (vts_restore.c).
 *
 * The file is replaced as a whole: written beside the old one, synced, renamed. One that could not be written leaves the old one as it was,
 * and is logged, once in a while. Nodes are looked at on the janitor's task, a stretch at a time; file calls run on a helper.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "http/conf.h"
#include "status/vts_dump.h"
#include "status/vts_image.h"
#include "status/vts_priv.h"
#include "zone/janitor.h"

#define STRETCH (256u * 1024)
#define SILENCE (10 * 60 * NS_PER_S) /* between two lines about dumps that fail */

/* One file being written; on the heap, since helpers touch it. */
struct dump {
	char path[VTS_DUMP_PATH_MAX], temporary[VTS_DUMP_PATH_MAX + 4], dir[VTS_DUMP_PATH_MAX];
	int fd, error; /* error: errno of what failed */
	uint64_t at, records;
	uint32_t crc;
	struct buf stretch;
};

/* ---- file calls, on a helper ---- */

static int
keep_errno(struct dump *d, int err)
{
	if (err < 0)
		d->error = errno;
	return err < 0 ? err : 0;
}

static int
begin(void *arg)
{
	struct dump *d = arg;
	int err = file_unlink(d->temporary);

	if (err == 0)
		err = d->fd = file_open(d->temporary, O_WRONLY | O_CREAT | O_EXCL);
	return keep_errno(d, err);
}

static int
write_stretch(void *arg)
{
	struct dump *d = arg;
	int err = file_write_all(d->fd, d->stretch.p, d->stretch.n, (off_t)d->at);

	d->at += d->stretch.n;
	return keep_errno(d, err);
}

static int
commit(void *arg)
{
	struct dump *d = arg;
	int err = file_sync(d->fd);

	if (err == 0) {
		err = file_close(d->fd);
		d->fd = -1;
	}
	if (err == 0)
		err = file_rename(d->temporary, d->path);
	if (err == 0)
		err = file_sync_dir(d->dir);
	return keep_errno(d, err);
}

/* After a failure, which may be that this task is to end: no wait. */
static void
give_up(struct dump *d)
{
	if (d->fd >= 0)
		file_close(d->fd);
	file_unlink(d->temporary);
}

/* ---- the nodes ---- */

static int
flush(struct dump *d)
{
	int err = buf_failed(&d->stretch);

	if (err == 0) {
		d->crc = crc32c(d->crc, d->stretch.p, d->stretch.n);
		err = offload(OFFLOAD_MISC, write_stretch, d);
	}
	buf_reset(&d->stretch);
	return err;
}

static int
write_nodes(struct dump *d, enum vts_kind kind)
{
	static struct vts_image image; /* large; nothing parks while it is in use */
	struct vts_entry e;
	uint32_t cursor = 0;
	int err = 0;

	while (err == 0 && vts_next(kind, &cursor, &e)) {
		vts_image_take(&e, &image);
		vts_image_put(&d->stretch, &image);
		d->records++;
		if (d->stretch.n >= STRETCH)
			err = flush(d);
	}
	return err;
}

static int
write_file(struct dump *d)
{
	int err = offload(OFFLOAD_MISC, begin, d);

	vts_image_put_header(&d->stretch, clock_cached_wall() / NS_PER_MS);
	for (unsigned kind = 0; kind < VTS_KINDS && err == 0; kind++)
		err = write_nodes(d, kind);
	if (err == 0)
		err = flush(d);
	vts_image_put_trailer(&d->stretch, d->records, d->crc);
	if (err == 0)
		err = flush(d);
	return err ? err : offload(OFFLOAD_MISC, commit, d);
}

/* ---- the job ---- */

/* Says when dumps begin to fail, that they still do, and that they work again. */
static void
report(const struct dump *d, int err)
{
	static int64_t said; /* 0: the last one worked */

	if (err == ERR_CANCELLED)
		return;
	if (err == 0 && said != 0) {
		log_event(
		    LOG_INFO, "vts", "statistics are kept again", LOG_S("file", d->path), LOG_END);
		said = 0;
	} else if (err != 0 && (said == 0 || clock_mono() - said >= SILENCE)) {
		log_event(LOG_ERROR, "vts", "statistics cannot be kept; the file before stays",
		    LOG_S("file", d->path), LOG_ERR(err), LOG_ERRNO(d->error), LOG_END);
		said = clock_mono();
	}
}

int
vts_dump_write(struct str path)
{
	struct dump *d = calloc(1, sizeof(*d));
	ptrdiff_t slash = str_rfind(path, '/');
	int err;

	if (d == NULL)
		return ERR_NOMEM;
	assert(path.n < VTS_DUMP_PATH_MAX && slash >= 0);
	d->fd = -1;
	snprintf(d->path, sizeof(d->path), "%.*s", STR_ARG(path));
	snprintf(d->temporary, sizeof(d->temporary), "%.*s.tmp", STR_ARG(path));
	snprintf(d->dir, sizeof(d->dir), "%.*s", slash ? (int)slash : 1, path.p);
	buf_init(&d->stretch, 0);
	err = write_file(d);
	report(d, err);
	if (err != 0)
		give_up(d);
	buf_fini(&d->stretch);
	free(d);
	return err;
}

static void
run(void *arg)
{
	const struct vts_scope *s = arg;

	(void)vts_dump_write(s->dump);
}

/* At the janitor's start. Only when what an earlier file holds is in the zone may another take its place. */
static void
setup(struct conf *c)
{
	const struct vts_scope *s = vts_scope_of(conf_main(c));

	if (s->dump.n == 0) {
		vts_state_set_restored();
		return;
	}
	/* Without that note a dump would be restored over and over. */
	if (!vts_state_ready()) {
		log_event(
		    LOG_ERROR, "vts", "no room in the zone: statistics will not be kept", LOG_END);
		return;
	}
	if (!vts_state_restored() && vts_restore(s->dump) != 0)
		return;
	vts_state_set_restored();
	if (janitor_add("vts dump", s->dump_period, run, (void *)(uintptr_t)s) != 0 ||
	    janitor_at_end("vts dump", run, (void *)(uintptr_t)s) != 0)
		log_event(LOG_ERROR, "vts", "statistics will not be kept", LOG_END);
}

void
vts_dump_register(void)
{
	janitor_register(setup);
}
