/*
 * One batch to the disk: at the end of the active log file, or of a new one; written, synced, and its name, too. Called by commit.c, on a helper.
 *
 * It promises: a file whose write or sync failed is cut back to what was durable and never touched again. Letters leave room for
 * decisions: blocks for DECISIONS_ROOM more bytes are reserved behind every letter, so on a full disk letters are refused while there is still
 * room to discard some.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "dlq/dlq_priv.h"

#define DECISIONS_ROOM (4u * 1024 * 1024)
#define STEP (1024u * 1024) /* reserved at a time */
#define NUMBERS_TRIED 16u   /* somebody may have put files of his own where ours go */

static void
give_up_file(struct dlq *d)
{
	char path[DLQ_PATH_MAX];

	if (d->active.end == 0) {
		files_log_path(d, d->active.header.number, path);
		(void)file_unlink(path);
	} else if (file_truncate(d->active.fd, d->active.end) == 0) {
		(void)file_datasync(d->active.fd);
	}
	(void)file_close(d->active.fd);
	d->active.fd = -1;
}

/* File systems that cannot reserve are taken as they are. */
static int
allocate(struct active *a, uint64_t end)
{
	if (end <= a->reserved)
		return OK;
	if (file_allocate(a->fd, a->reserved, end - a->reserved) == ERR_NOSPACE)
		return ERR_NOSPACE;
	a->reserved = end;
	return OK;
}

/* Blocks up to end, and `beyond` more: if they must be, else as far as there are. */
static int
reserve(struct dlq *d, uint64_t end, uint64_t beyond, bool must)
{
	struct active *a = &d->active;
	int err;

	if (end + beyond <= a->reserved || allocate(a, end + beyond + STEP) == OK)
		return OK;
	err = allocate(a, end + beyond);
	return err && !must ? allocate(a, end) : err;
}

/* A file under the first number that is free. */
static int
make_file(struct dlq *d, struct active *a, char path[DLQ_PATH_MAX])
{
	*a = (struct active){ .fd = ERR_EXISTS };
	a->header = (struct frame_file){ d->next_number, id_new(), clock_wall() };
	for (unsigned i = 0; i < NUMBERS_TRIED && a->fd == ERR_EXISTS; i++) {
		a->header.number = d->next_number + i;
		files_log_path(d, a->header.number, path);
		a->fd = file_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
	}
	file_crash_point("dlq.created");
	return MIN(a->fd, 0);
}

/* A new file, when there is none or it is full. Where none can be had the full one goes on. */
static int
need_file(struct commit_job *c)
{
	struct dlq *d = c->d;
	bool have = d->active.fd >= 0;
	char path[DLQ_PATH_MAX];
	struct active next;
	int err;

	if (have && d->active.end < d->file_size)
		return OK;
	err = make_file(d, &next, path);
	if (err)
		return have ? OK : err;
	if (allocate(&next, DECISIONS_ROOM) && have) {
		(void)file_close(next.fd);
		(void)file_unlink(path);
		return OK;
	}
	if (have) {
		(void)file_truncate(d->active.fd, d->active.end);
		(void)file_close(d->active.fd);
	}
	d->active = next;
	c->began_file = true;
	file_crash_point("dlq.rotated");
	return OK;
}

static void
bind_frames(struct buf *part, const struct id *file, uint64_t at)
{
	for (size_t i = 0; i < part->n;)
		i += frame_bind((unsigned char *)part->p + i, file, at + i);
}

static int
write_part(struct dlq *d, struct buf *part, uint64_t at)
{
	if (part->n == 0)
		return OK;
	bind_frames(part, &d->active.header.id, at);
	return file_write_all(d->active.fd, part->p, part->n, (off_t)at);
}

static int
write_header(struct dlq *d)
{
	unsigned char head[FRAME_FILE_HEADER_LEN];

	frame_encode_file(&d->active.header, head);
	return file_write_all(d->active.fd, head, sizeof(head), 0);
}

/* Letters first. Where only decisions find room, the letters alone fail. */
static int
place_parts(struct commit_job *c)
{
	struct dlq *d = c->d;
	struct buf *letters = &c->batch->part[PART_LETTERS],
		   *changes = &c->batch->part[PART_CHANGES];
	uint64_t at = MAX(d->active.end, (uint64_t)FRAME_FILE_HEADER_LEN);

	c->at[PART_LETTERS] = at;
	c->at[PART_CHANGES] = at + letters->n;
	if (letters->n > 0 && !c->result[PART_LETTERS])
		c->result[PART_LETTERS] =
		    reserve(d, at + letters->n + changes->n, DECISIONS_ROOM, true);
	if (c->result[PART_LETTERS] || letters->n == 0) {
		c->at[PART_CHANGES] = at;
		return reserve(d, at + changes->n, DECISIONS_ROOM, false);
	}
	return OK;
}

static int
write_parts(struct commit_job *c)
{
	struct dlq *d = c->d;
	struct buf *part = c->batch->part;
	int err = place_parts(c);

	if (err || (c->result[PART_LETTERS] && part[PART_CHANGES].n == 0))
		return err;
	file_crash_point("dlq.reserved");
	if (d->active.end == 0)
		err = write_header(d);
	if (!err && !c->result[PART_LETTERS])
		err = write_part(d, &part[PART_LETTERS], c->at[PART_LETTERS]);
	file_crash_point("dlq.letters_written");
	if (!err)
		err = write_part(d, &part[PART_CHANGES], c->at[PART_CHANGES]);
	file_crash_point("dlq.written");
	if (!err)
		err = file_datasync(d->active.fd);
	file_crash_point("dlq.synced");
	if (!err && d->active.end == 0)
		err = file_sync_dir(d->dir);
	file_crash_point("dlq.folder_synced");
	return err;
}

int
write_batch(void *arg)
{
	struct commit_job *c = arg;
	struct dlq *d = c->d;
	int err = need_file(c);

	if (!err) {
		err = write_parts(c);
		c->errnum = errno;
		if (err)
			give_up_file(d);
		else if (!c->result[PART_LETTERS] || c->batch->part[PART_CHANGES].n > 0)
			d->active.end = c->at[PART_CHANGES] + c->batch->part[PART_CHANGES].n;
		else if (d->active.end == 0)
			give_up_file(d);
	} else {
		c->errnum = errno;
	}
	c->number = d->active.header.number;
	if (err)
		c->result[PART_LETTERS] = c->result[PART_CHANGES] = err;
	return OK;
}
