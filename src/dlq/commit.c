/*
 * Group commit: frames of many callers gather in the filling batch; the writer sends it to a helper, which writes and syncs it at the end of the
 * active log file while the next one fills; then the frames are applied to the index, in their order, and all who waited are woken.
 *
 * It promises: whoever is told 0 finds it so after any crash. A file whose write or sync failed is cut back to what was durable and
 * never touched again. Letters leave room for decisions: blocks for DECISIONS_ROOM more bytes are reserved behind every letter, so on a full
 * disk letters are refused while there is still room to discard some.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "dlq/dlq_priv.h"

#define BATCH_SOFT (1024u * 1024)     /* who may wait, waits while this much is waiting */
#define BATCH_KEEP (4u * 1024 * 1024) /* memory a batch keeps when it was larger once */
#define BATCH_MAX (UINT32_MAX / 8u)   /* places are 32 bits */
#define DECISIONS_ROOM (4u * 1024 * 1024)
#define STEP (1024u * 1024) /* reserved at a time */
#define NUMBERS_TRIED 16u   /* somebody may have put files of his own where ours go */
#define SLICE 32u           /* frames applied without a look at others */

/* Who waits for a batch, on its task's stack. */
struct commit_wait {
	struct list link;
	enum part part;
	bool done;
	int result;
};

/* One batch on its way: on the heap, a helper's until it is done. */
struct commit_job {
	struct dlq *d;
	struct batch *batch;
	uint64_t at[PARTS]; /* where each part begins */
	uint32_t number;    /* of the file it went to */
	bool began_file;
	int result[PARTS];
	int errnum;
};

/* ---- on the helper ---- */

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

static int
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

/* ---- in the loop ---- */

/* What callers may hear of it. */
static int
public_error(int err)
{
	return err == OK || err == ERR_NOSPACE || err == ERR_NOMEM ? err : ERR_IO;
}

/* A frame that did not become durable: its entry is as before. */
static void
undo(struct dlq *d, const struct frame *f)
{
	struct entry *e = index_find(d, f->entry);
	struct str contents = f->contents;
	struct frame_change c;

	if (!e || frame_take_change(&contents, &c))
		return;
	if (e->unborn) {
		index_remove(d, e);
		return;
	}
	if (c.kind == DLQ_EV_ATTEMPT) {
		e->inflight--;
		return;
	}
	d->leaving -= e->leaving;
	e->leaving = false;
	index_release(d, e);
}

void
commit_undo(struct dlq *d, const struct buf *frames)
{
	struct frame f;

	for (size_t at = 0; at < frames->n; at += frame_total(&f)) {
		if (frame_decode((const unsigned char *)frames->p + at, frames->n - at, &f))
			break;
		if (f.type != FRAME_HOURS)
			undo(d, &f);
	}
}

/* The same that reads them at the next start, so both come to the same. */
static void
apply_frames(struct dlq *d, const struct buf *frames, uint64_t at, uint32_t number)
{
	struct frame f;
	unsigned n = 0;

	for (size_t i = 0; i < frames->n; i += frame_total(&f)) {
		struct place place = { number, (uint32_t)(at + i), 0 };
		int err = frame_decode((const unsigned char *)frames->p + i, frames->n - i, &f);

		assert(err == OK);
		place.len = (uint32_t)frame_total(&f);
		/* What the statistics say is known already. */
		err = f.type == FRAME_HOURS ? OK : index_apply(d, &f, place, true);
		assert(err == OK || err == ERR_NOMEM);
		(void)err;
		if (++n % SLICE == 0)
			(void)task_breathe();
	}
}

static void
note_file(struct dlq *d, const struct commit_job *c)
{
	struct log_info *log = d->n_logs > 0 ? &d->logs[d->n_logs - 1] : NULL;
	uint64_t end = d->active.end;

	if (d->active.fd < 0)
		return;
	if (c->began_file) {
		d->next_number = d->active.header.number + 1;
		(void)files_log_add(d, d->active.header.number, end, false);
		d->log_bytes += end;
	} else if (log && log->number == c->number) {
		d->log_bytes += end - log->bytes;
		log->bytes = end;
	}
}

static void
note_failure(struct dlq *d, const struct commit_job *c)
{
	int err = c->result[PART_LETTERS] ? c->result[PART_LETTERS] : c->result[PART_CHANGES];

	if (err && err != d->failing)
		log_event(LOG_ERROR, "dlq", "cannot write dead letters", LOG_S("folder", d->dir),
		    LOG_ERR(err), LOG_ERRNO(c->errnum), LOG_END);
	else if (!err && d->failing)
		log_event(LOG_INFO, "dlq", "dead letters can be written again",
		    LOG_S("folder", d->dir), LOG_END);
	d->failing = err;
}

static void
empty(struct buf *b)
{
	if (b->cap > BATCH_KEEP)
		buf_fini(b);
	buf_reset(b);
}

/* Frames are applied, waiters woken; then the batch is empty. */
static void
conclude(struct dlq *d, struct commit_job *c)
{
	struct batch *b = c->batch;
	struct list *node;

	note_file(d, c);
	note_failure(d, c);
	for (unsigned i = 0; i < PARTS; i++) {
		if (c->result[i])
			commit_undo(d, &b->part[i]);
		else
			apply_frames(d, &b->part[i], c->at[i], c->number);
		empty(&b->part[i]);
	}
	b->hours = false;
	while ((node = list_pop(&b->waiting))) {
		struct commit_wait *w = CONTAINER_OF(node, struct commit_wait, link);

		w->done = true;
		w->result = public_error(c->result[w->part]);
	}
	waitq_wake_all(&b->committed);
	waitq_wake_all(&d->settled);
	file_crash_point("dlq.applied");
	metrics_dlq_bytes(d);
	tend_log_drops(d, false);
}

/* In front of the batch: what comes behind in it counts on. */
static int
put_hours(struct dlq *d, struct batch *b)
{
	struct buf first;

	if (!b->hours)
		return OK;
	buf_init(&first, 0);
	hours_put(d, &first);
	buf_put_str(&first, buf_str(&b->part[PART_LETTERS]));
	if (buf_failed(&first)) {
		buf_fini(&first);
		return ERR_NOMEM;
	}
	buf_fini(&b->part[PART_LETTERS]);
	b->part[PART_LETTERS] = first;
	return OK;
}

static bool
is_empty(const struct batch *b)
{
	return b->part[PART_LETTERS].n == 0 && b->part[PART_CHANGES].n == 0 && !b->hours;
}

static void
commit(struct dlq *d)
{
	struct commit_job *c = calloc(1, sizeof(*c));
	struct commit_job small = { 0 };
	int err = c ? OK : ERR_NOMEM;

	c = c ? c : &small;
	c->d = d;
	c->batch = d->filling;
	d->filling = d->filling == &d->batches[0] ? &d->batches[1] : &d->batches[0];
	c->result[PART_LETTERS] = put_hours(d, c->batch);
	waitq_wake_all(&d->space);
	if (!err)
		err = offload(OFFLOAD_COMMIT, write_batch, c);
	if (err)
		c->result[PART_LETTERS] = c->result[PART_CHANGES] = err;
	conclude(d, c);
	if (c != &small)
		free(c);
}

/* The task that commits. Nobody has its handle, so it is never cancelled; it ends after d->stopping. */
static void
writer(void *arg)
{
	struct dlq *d = arg;

	while (!d->stopping || !is_empty(d->filling)) {
		if (is_empty(d->filling)) {
			(void)waitq_park(&d->work, CLOCK_NEVER);
			continue;
		}
		commit(d);
		if (tend_wanted(d))
			tend_start(d);
	}
	d->writer_gone = true;
	waitq_wake_all(&d->idle);
}

int
commit_start(struct dlq *d)
{
	for (unsigned i = 0; i < ARRAY_LEN(d->batches); i++) {
		struct batch *b = &d->batches[i];

		for (unsigned k = 0; k < PARTS; k++)
			buf_init(&b->part[k], BATCH_MAX);
		list_init(&b->waiting);
		waitq_init(&b->committed);
	}
	d->filling = &d->batches[0];
	return task_go("dlq", writer, d, NULL);
}

void
commit_stop(struct dlq *d)
{
	d->stopping = true;
	waitq_wake_all(&d->work);
	while (!d->writer_gone && waitq_park(&d->idle, CLOCK_NEVER) == OK)
		continue;
	for (unsigned i = 0; i < ARRAY_LEN(d->batches); i++) {
		for (unsigned k = 0; k < PARTS; k++)
			buf_fini(&d->batches[i].part[k]);
	}
}

static int
put(struct dlq *d, enum part part, struct buf *frames)
{
	struct buf *to = &d->filling->part[part];
	int err = buf_failed(frames);

	if (!err && frames->n > 0 && !buf_reserve(to, frames->n)) {
		err = buf_failed(to);
		to->err = OK; /* what others have put there stands */
	}
	if (!err)
		buf_put_str(to, buf_str(frames));
	waitq_wake(&d->work, 1);
	return err ? ERR_NOMEM : OK;
}

static int
wait_durable(struct dlq *d, enum part part)
{
	struct batch *b = d->filling;
	struct commit_wait w = { .part = part };
	int err = OK;

	list_push(&b->waiting, &w.link);
	while (!w.done && !err)
		err = waitq_park(&b->committed, CLOCK_NEVER);
	if (w.done)
		return w.result;
	list_del(&w.link);
	return err;
}

static size_t
filled(const struct dlq *d)
{
	return d->filling->part[PART_LETTERS].n + d->filling->part[PART_CHANGES].n;
}

int
commit_add(struct dlq *d, enum part part, struct buf *frames)
{
	int err = OK;

	while (filled(d) > BATCH_SOFT && !err)
		err = waitq_park(&d->space, CLOCK_NEVER);
	if (!err)
		err = put(d, part, frames);
	if (err) {
		commit_undo(d, frames);
		waitq_wake_all(&d->settled);
	}
	buf_fini(frames);
	return err ? err : wait_durable(d, part);
}

int
commit_copies(struct dlq *d, struct buf *frames)
{
	int err = put(d, PART_LETTERS, frames);

	if (err)
		commit_undo(d, frames);
	buf_fini(frames);
	return err ? err : wait_durable(d, PART_LETTERS);
}

int
commit_post(struct dlq *d, struct buf *frames)
{
	int err = put(d, PART_CHANGES, frames);

	if (err)
		commit_undo(d, frames);
	buf_fini(frames);
	return err;
}

int
commit_hours(struct dlq *d)
{
	d->filling->hours = true;
	waitq_wake(&d->work, 1);
	return wait_durable(d, PART_LETTERS);
}

int
commit_settled(struct dlq *d)
{
	return waitq_park(&d->settled, CLOCK_NEVER);
}
