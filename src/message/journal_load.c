/*
 * What an earlier shipper left of the journal: its files, the progress that follows from them, and where to go on. Runs on a helper, once.
 *
 * Progress begins with the newest file that has a whole checkpoint; what follows is replayed over it. The last file is gone on with unless it is
 * damaged: then there will be a new one, with a checkpoint of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "message/journal_priv.h"

static int
collect(const char *name, void *arg)
{
	uint64_t number;

	return journal_file_number(name, &number) ? journal_files_add(arg, number, 0) : OK;
}

static int
by_number(const void *a, const void *b)
{
	const struct journal_old *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int
open_scan(const struct journal_load *l, uint64_t number, struct journal_scan *scan)
{
	char path[JOURNAL_PATH_MAX];

	journal_file_path(l->dir, number, path);
	return journal_scan_open(scan, path, 0);
}

/* There is no row to be had from a file that cannot be opened for this. */
static bool
says_nothing(int err)
{
	return err == ERR_CORRUPT || err == ERR_EOF || err == ERR_NOT_FOUND;
}

/* 1: its checkpoint is whole; 0: it is not, or cannot be read; or ERR_NOMEM, ERR_IO. */
static int
is_whole(const struct journal_load *l, uint64_t number)
{
	struct journal_record r = { .kind = JOURNAL_DONE };
	struct journal_scan scan;
	int got = open_scan(l, number, &scan);

	if (got != OK)
		return says_nothing(got) ? 0 : got;
	do
		got = journal_scan_next(&scan, &r);
	while (
	    got == 1 && scan.damaged == 0 && (r.kind == JOURNAL_DONE || r.kind == JOURNAL_TRIED));
	journal_scan_close(&scan);
	if (got < 0)
		return got;
	return got == 1 && scan.damaged == 0 && r.kind == JOURNAL_CHECKPOINT;
}

/* What replaying a file has shown. */
struct replay {
	uint64_t start; /* behind its checkpoint; 0: that is not there */
	uint64_t end, size, damaged;
	uint64_t rows; /* for the log */
	bool foreign;  /* no header of ours */
	struct journal_header header;
};

static int
replay_rows(struct journal_load *l, struct journal_scan *scan, struct replay *out)
{
	struct journal_record r;
	int got;

	while ((got = journal_scan_next(scan, &r)) == 1) {
		if (progress_apply(l->progress, &r) != OK)
			return ERR_NOMEM;
		if (r.kind == JOURNAL_CHECKPOINT)
			out->start = scan->valid;
		out->rows += r.kind == JOURNAL_ATTEMPT;
	}
	return got;
}

static void
note_damage(struct journal_load *l, uint64_t number, uint64_t bytes)
{
	l->damaged += bytes;
	if (bytes > 0)
		log_event(LOG_ERROR, "journal", "damaged rows passed over", LOG_S("dir", l->dir),
		    LOG_I("file", number), LOG_I("bytes", bytes), LOG_END);
}

/* 0, or an error; one that has no header has nothing to tell. */
static int
replay_file(struct journal_load *l, uint64_t number, struct replay *out)
{
	struct journal_scan scan;
	int err = open_scan(l, number, &scan);

	*out = (struct replay){ 0 };
	if (err == ERR_CORRUPT) {
		out->foreign = true;
		log_event(LOG_ERROR, "journal", "a file without a valid header is passed over",
		    LOG_S("dir", l->dir), LOG_I("file", number), LOG_END);
	}
	if (err)
		return says_nothing(err) ? OK : err;
	out->size = scan.limit;
	out->header = scan.header;
	err = replay_rows(l, &scan, out);
	out->end = scan.valid;
	out->damaged = scan.damaged;
	note_damage(l, number, scan.damaged);
	journal_scan_close(&scan);
	return err;
}

/* Where the progress begins: the index of the newest file that says all there was before it. */
static int
find_start(const struct journal_load *l, size_t *out)
{
	size_t i = l->files->n;
	int whole = 0;

	while (i > 0 && whole == 0)
		whole = is_whole(l, l->files->old[--i].number);
	*out = i;
	return whole < 0 ? whole : OK;
}

/* How long they are, for the limit; one that is gone meanwhile has no length. */
static void
measure(struct journal_load *l)
{
	for (size_t i = 0; i < l->files->n; i++) {
		char path[JOURNAL_PATH_MAX];
		struct stat st;

		journal_file_path(l->dir, l->files->old[i].number, path);
		l->files->old[i].size = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	}
}

/* The tail behind the last good row goes; what is left is on the disk before anybody relies on it. */
static int
go_on(struct journal_load *l, uint64_t number, const struct replay *last)
{
	char path[JOURNAL_PATH_MAX];
	struct journal_file *f = &l->current;
	int err;

	journal_file_path(l->dir, number, path);
	*f = (struct journal_file){ .fd = file_open(path, O_RDWR),
		.header = last->header,
		.start = last->start,
		.end = last->end,
		.reserved = last->end };
	if (f->fd < 0)
		return f->fd;
	err = last->size > last->end ? file_truncate(f->fd, last->end) : OK;
	if (!err)
		err = file_datasync(f->fd);
	if (err)
		journal_file_close(f);
	return err;
}

/* The newest file: gone on with; or, if it is damaged or a crash left it half made, kept until there is a new one with all that is known. */
static int
settle_last(struct journal_load *l, const struct replay *last)
{
	if (last->start == 0 || last->damaged > 0)
		return OK;
	return go_on(l, l->files->old[--l->files->n].number, last);
}

int
journal_load(struct journal_load *l)
{
	struct replay last = { 0 };
	size_t first = 0;
	int err = file_make_dirs(l->dir);

	l->current.fd = -1;
	l->next = 1;
	if (!err)
		err = file_sync_dir(l->dir);
	if (!err)
		err = file_each(l->dir, collect, l->files);
	if (err || l->files->n == 0)
		return err;
	qsort(l->files->old, l->files->n, sizeof(l->files->old[0]), by_number);
	l->next = l->files->old[l->files->n - 1].number + 1;
	err = find_start(l, &first);
	for (size_t i = first; i < l->files->n && !err; i++) {
		err = replay_file(l, l->files->old[i].number, &last);
		l->files->old[i].spent = last.rows == 0 && !last.foreign;
	}
	measure(l);
	return err ? err : settle_last(l, &last);
}
