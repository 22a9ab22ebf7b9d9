/*
 * A journal's files being written: append to the current one, begin the next. Every step that a crash can fall between has its crash
 * point (points.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "message/journal_priv.h"

#define RESERVE_STEP (256u * 1024)

void
journal_file_path(const char *dir, uint64_t number, char out[JOURNAL_PATH_MAX])
{
	snprintf(out, JOURNAL_PATH_MAX, "%s/%010" PRIu64 ".log", dir, number);
}

bool
journal_file_number(const char *name, uint64_t *number)
{
	struct str s = str_of(name);

	if (s.n < 14 || !str_ends(s, STR(".log")))
		return false;
	return str_to_u64(str_sub(s, 0, s.n - 4), number) == 0 && *number > 0;
}

int
journal_files_add(struct journal_files *f, uint64_t number, uint64_t size)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		struct journal_old *old = realloc(f->old, cap * sizeof(*old));

		if (!old)
			return ERR_NOMEM;
		f->old = old;
		f->cap = cap;
	}
	f->old[f->n++] = (struct journal_old){ .number = number, .size = size };
	return OK;
}

uint64_t
journal_files_size(const struct journal_files *f)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < f->n; i++)
		sum += f->old[i].size;
	return sum;
}

/* Blocks ahead of the end, so that a full disk is found before the file is touched. File systems that cannot reserve are taken as they are. */
static int
reserve(struct journal_file *f, uint64_t end)
{
	uint64_t step = RESERVE_STEP;
	int err = OK;

	if (end <= f->reserved)
		return OK;
	step = MAX(step, end - f->reserved);
	err = file_allocate(f->fd, f->reserved, step);
	if (err == ERR_NOSPACE && step > end - f->reserved) {
		step = end - f->reserved;
		err = file_allocate(f->fd, f->reserved, step);
	}
	if (err == ERR_UNSUPPORTED || (err && errno == EINVAL))
		err = OK;
	if (!err)
		f->reserved += step;
	return err;
}

int
journal_file_append(struct journal_file *f, unsigned char *rows, size_t n, bool *touched)
{
	int err = reserve(f, f->end + n);

	*touched = false;
	if (err)
		return err;
	file_crash_point("journal.append.reserved");
	*touched = true;
	journal_bind(rows, n, &f->header.id, f->end);
	err = file_write_all(f->fd, rows, n, (off_t)f->end);
	file_crash_point("journal.append.written");
	if (!err)
		err = file_datasync(f->fd);
	file_crash_point("journal.append.synced");
	if (!err)
		f->end += n;
	return err;
}

/* Header, checkpoint, rows: the file is complete and synced before its name is. */
static int
fill(struct journal_file *f, struct buf *checkpoint, unsigned char *rows, size_t n)
{
	unsigned char header[JOURNAL_HEADER_LEN];
	bool touched;
	int err;

	journal_encode_header(&f->header, header);
	err = reserve(f, JOURNAL_HEADER_LEN + checkpoint->n + n);
	if (!err)
		err = file_write_all(f->fd, header, sizeof(header), 0);
	file_crash_point("journal.make.headed");
	if (err)
		return err;
	f->end = JOURNAL_HEADER_LEN;
	journal_bind((unsigned char *)checkpoint->p, checkpoint->n, &f->header.id, f->end);
	err = file_write_all(f->fd, checkpoint->p, checkpoint->n, (off_t)f->end);
	file_crash_point("journal.make.checkpoint");
	if (err)
		return err;
	f->start = f->end = f->end + checkpoint->n;
	return journal_file_append(f, rows, n, &touched);
}

int
journal_file_make(const char *dir, uint64_t number, struct buf *checkpoint, unsigned char *rows,
    size_t n, struct journal_file *out)
{
	char path[JOURNAL_PATH_MAX];
	int err, saved;

	journal_file_path(dir, number, path);
	*out = (struct journal_file){ .header = { .id = id_new(), .number = number } };
	out->fd = file_open(path, O_RDWR | O_CREAT | O_EXCL);
	if (out->fd < 0)
		return out->fd;
	file_crash_point("journal.make.opened");
	err = fill(out, checkpoint, rows, n);
	if (!err)
		err = file_sync_dir(dir);
	file_crash_point("journal.make.foldered");
	if (!err)
		return OK;
	saved = errno;
	(void)file_unlink(path);
	(void)file_close(out->fd);
	out->fd = -1;
	errno = saved;
	return err;
}

void
journal_file_close(struct journal_file *f)
{
	if (f->fd < 0)
		return;
	if (f->reserved > f->end)
		(void)file_truncate(f->fd, f->end);
	(void)file_close(f->fd);
	f->fd = -1;
}
