/*
 * The journal's door (journal.h) and its group commit: rows gather in one buffer while a helper writes and syncs the other one.
 *
 *	journal_add ──> progress (at once)
 *	           └──> filling ──swap──> leaving ──> current file
 *	                                          └─> or a new one, behind a checkpoint of the progress, if that is full or was spoilt
 *
 * It promises: rows reach the disk in the order in which they were added; a file whose write or sync failed is never written to again; at any
 * moment the files hold a whole checkpoint and all durable rows behind it, however often the journal dies on the way to the next.
 *
 * Nobody waits for a single row, so a commit begins some milliseconds after the last one did, unless somebody flushes or much has gathered:
 * fewer syncs leave the disk to those who wait for it.
 */
#include "message/journal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "message/journal_priv.h"

#define GATHER_NS (10 * NS_PER_MS)
#define RETRY_NS NS_PER_S
#define BATCH_CAP (4u * 1024 * 1024)
#define BATCH_KEEP (256u * 1024) /* memory that a batch holds on to while little comes */
#define FILES 8                  /* of this part of the limit each */
#define FILE_MIN (32u * 1024)
#define FILES_MAX 64 /* small ones, after many restarts */
#define CHECKPOINT_MAX (256u * 1024 * 1024)

struct journal {
	char dir[JOURNAL_PATH_MAX - 32];
	uint64_t limit, file_size;
	struct progress progress;
	struct buf batches[2], *filling, *leaving;
	uint64_t added, leaving_added,
	    durable; /* rows ever: so many are in memory, leave, are on disk */
	struct journal_file current;
	struct journal_files old;
	uint64_t next; /* number of the next file */
	bool spoilt;   /* the next rows go into a new file */
	unsigned flushing;
	bool stopping;           /* nothing will be added */
	bool gone;               /* the committer is */
	bool abandoned;          /* who closes it cannot wait: the committer frees it */
	struct waitq work, done; /* the committer; those who flush, and journal_close */
	int64_t last;            /* monotonic: when the last commit began */
	int64_t retry_at;        /* monotonic; 0: the last one went well */
	unsigned failures;
	int fail_err;
	struct journal_stats stats;
	/* Of the commit under way: what the helper works with. */
	struct commit {
		struct journal_file file;
		struct buf checkpoint;
		bool make; /* a new file */
		bool touched, ran;
		int errnum;
	} commit;
};

/* ---- names of results ---- */

static const char *const result_names[JOURNAL_RESULTS] = {
	[JOURNAL_DELIVERED] = "success",
	[JOURNAL_RETRY] = "retry",
	[JOURNAL_DEAD] = "failed",
	[JOURNAL_DROPPED] = "purged",
	[JOURNAL_HELD] = "held",
};

const char *
journal_result_name(enum journal_result r)
{
	return (unsigned)r < JOURNAL_RESULTS ? result_names[r] : "unknown";
}

int
journal_result_of(struct str name)
{
	for (int i = 0; i < JOURNAL_RESULTS; i++)
		if (str_is(name, result_names[i]))
			return i;
	return -1;
}

/* ---- adding ---- */

static void
add_record(struct journal *j, const struct journal_record *r)
{
	if (progress_apply(&j->progress, r) != OK)
		log_event(LOG_ERROR, "journal",
		    "no memory: a message may be delivered again after a restart",
		    LOG_S("dir", j->dir), LOG_END);
	j->added++;
	journal_put(j->filling, r);
	if (buf_failed(j->filling)) {
		/* The progress knows it: a checkpoint will tell what the row would have. */
		j->filling->err = OK;
		j->spoilt = true;
		j->stats.dropped += r->kind == JOURNAL_ATTEMPT;
	}
	if (j->filling->n >= BATCH_CAP / 2 || j->added - j->durable == 1)
		waitq_wake(&j->work, 1);
}

void
journal_add(struct journal *j, const struct journal_row *row)
{
	struct journal_record r = { .kind = JOURNAL_ATTEMPT, .row = *row };

	if (row->number < JOURNAL_NUMBER_MAX)
		add_record(j, &r);
}

void
journal_forget(struct journal *j, struct id segment)
{
	struct journal_record r = { .kind = JOURNAL_FORGET, .row.segment = segment };

	if (progress_has(&j->progress, segment))
		add_record(j, &r);
}

/* ---- committing ---- */

static void
remove_old(struct journal *j)
{
	for (size_t i = 0; i < j->old.n; i++) {
		char path[JOURNAL_PATH_MAX];

		if (!j->old.old[i].going)
			continue;
		journal_file_path(j->dir, j->old.old[i].number, path);
		(void)file_unlink(path); /* one that stays is found again at the next start */
		file_crash_point("journal.old.removed");
	}
}

/* On a helper. */
static int
write_rows(void *arg)
{
	struct journal *j = arg;
	struct commit *c = &j->commit;
	unsigned char *rows = (unsigned char *)j->leaving->p;
	int err;

	c->ran = true;
	if (c->make)
		err = journal_file_make(
		    j->dir, c->file.header.number, &c->checkpoint, rows, j->leaving->n, &c->file);
	else
		err = journal_file_append(&c->file, rows, j->leaving->n, &c->touched);
	c->errnum = errno;
	if (!err && c->make) {
		journal_file_close(&j->current);
		remove_old(j);
	}
	return err;
}

/* Which files go once there is a new one: those without a use, and the oldest while all are longer than the limit. */
static void
choose_going(struct journal *j)
{
	uint64_t size = journal_files_size(&j->old) + j->file_size;
	size_t left = j->old.n;

	if (j->current.fd >= 0)
		size += j->current.end;
	for (size_t i = 0; i < j->old.n; i++) {
		struct journal_old *o = &j->old.old[i];

		o->going = o->spent || size > j->limit || left > FILES_MAX;
		if (o->going) {
			size -= o->size;
			left--;
		}
	}
}

static bool
is_full(const struct journal *j)
{
	return j->current.end - j->current.start + j->leaving->n > j->file_size;
}

/* A new file instead of the current one: 0, or ERR_NOMEM. */
static int
prepare_file(struct journal *j)
{
	struct commit *c = &j->commit;

	buf_init(&c->checkpoint, CHECKPOINT_MAX);
	progress_checkpoint(&j->progress, &c->checkpoint);
	/* A place in the list for the current one, before it is needed. */
	if (buf_failed(&c->checkpoint) || journal_files_add(&j->old, 0, 0) != OK) {
		buf_fini(&c->checkpoint);
		return ERR_NOMEM;
	}
	j->old.n--;
	c->make = true;
	c->file = (struct journal_file){ .fd = -1, .header.number = j->next++ };
	choose_going(j);
	return OK;
}

static int
prepare(struct journal *j)
{
	j->commit = (struct commit){ .file = j->current };
	if (j->spoilt || j->current.fd < 0)
		return prepare_file(j);
	/* Where there is no memory for the next one, this one grows beyond its size. */
	if (is_full(j))
		(void)prepare_file(j);
	return OK;
}

/* The new file takes the current one's place, and that its place among the old. */
static void
enter_file(struct journal *j)
{
	size_t left = 0;

	for (size_t i = 0; i < j->old.n; i++)
		if (!j->old.old[i].going)
			j->old.old[left++] = j->old.old[i];
	j->old.n = left;
	if (j->current.header.number > 0)
		(void)journal_files_add(&j->old, j->current.header.number, j->current.end);
}

static void
committed(struct journal *j)
{
	if (j->commit.make)
		enter_file(j);
	j->current = j->commit.file;
	j->durable = j->leaving_added;
	if (j->leaving->cap > BATCH_KEEP && j->leaving->n < j->leaving->cap / 4)
		buf_fini(j->leaving);
	buf_reset(j->leaving);
	j->retry_at = 0;
}

static void
failed(struct journal *j, int err)
{
	j->failures++;
	j->fail_err = err;
	j->spoilt = j->spoilt || j->commit.make || j->commit.touched;
	j->retry_at = clock_mono() + RETRY_NS;
	log_event(LOG_ERROR, "journal", "cannot write", LOG_S("dir", j->dir), LOG_ERR(err),
	    LOG_ERRNO(j->commit.ran ? j->commit.errnum : 0), LOG_END);
}

/* One commit: of the rows that a failed one left, else of those that have gathered. Parks. */
static void
commit(struct journal *j)
{
	uint64_t dropped = j->stats.dropped;
	int err;

	if (j->leaving->n == 0) {
		struct buf *empty = j->leaving;

		j->leaving = j->filling;
		j->filling = empty;
		j->leaving_added = j->added;
	}
	j->last = clock_mono();
	err = prepare(j);
	if (!err) {
		/* What is added from here on is not in the checkpoint. */
		j->spoilt = false;
		err = offload(OFFLOAD_COMMIT, write_rows, j);
	}
	buf_fini(&j->commit.checkpoint);
	if (err)
		failed(j, err);
	else
		committed(j);
	if (j->stats.dropped != dropped)
		log_event(LOG_WARN, "journal", "rows missing from the log", LOG_S("dir", j->dir),
		    LOG_I("rows", j->stats.dropped - dropped), LOG_END);
	waitq_wake_all(&j->done);
}

static bool
is_pending(const struct journal *j)
{
	return j->filling->n + j->leaving->n > 0;
}

/* When the next commit is to begin. */
static int64_t
due(const struct journal *j)
{
	if (!is_pending(j))
		return CLOCK_NEVER;
	if (j->retry_at > 0)
		return j->retry_at;
	if (j->flushing > 0 || j->stopping || j->filling->n >= BATCH_CAP / 2)
		return INT64_MIN;
	return j->last + GATHER_NS;
}

static void
free_journal(struct journal *j)
{
	progress_fini(&j->progress);
	buf_fini(&j->batches[0]);
	buf_fini(&j->batches[1]);
	free(j->old.old);
	free(j);
}

static int
close_file(void *arg)
{
	journal_file_close(&((struct journal *)arg)->current);
	return OK;
}

/* Nobody has its handle, so it is never cancelled. At the end everything is tried once more. */
static void
committer(void *arg)
{
	struct journal *j = arg;
	unsigned failures;

	while (!j->stopping) {
		if (due(j) <= clock_mono())
			commit(j);
		else
			(void)waitq_park(&j->work, due(j));
	}
	for (failures = j->failures; is_pending(j) && j->failures == failures;)
		commit(j);
	if (is_pending(j))
		log_event(LOG_ERROR, "journal", "closed with rows that are not on disk",
		    LOG_S("dir", j->dir), LOG_I("rows", j->added - j->durable), LOG_END);
	if (offload(OFFLOAD_MISC, close_file, j) != OK)
		journal_file_close(&j->current);
	j->gone = true;
	if (j->abandoned)
		free_journal(j);
	else
		waitq_wake_all(&j->done);
}

int
journal_flush(struct journal *j, int64_t deadline)
{
	uint64_t target = j->added;
	unsigned failures = j->failures;
	int err = OK;

	j->flushing++;
	j->retry_at = 0;
	waitq_wake(&j->work, 1);
	while (!err && j->durable < target) {
		err = waitq_park(&j->done, deadline);
		if (!err && j->durable < target && j->failures != failures)
			err = j->fail_err;
	}
	j->flushing--;
	return err;
}

/* ---- opening, closing ---- */

static int
load(void *arg)
{
	return journal_load(arg);
}

/* What is on disk, into j. Parks. */
static int
take_over(struct journal *j)
{
	struct journal_load *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return ERR_NOMEM;
	*l = (struct journal_load){
		.dir = j->dir, .progress = &j->progress, .files = &j->old, .current.fd = -1
	};
	err = offload(OFFLOAD_MISC, load, l);
	j->current = l->current;
	j->next = l->next;
	j->stats.damaged = l->damaged;
	free(l);
	return err;
}

int
journal_open(const char *dir, uint64_t limit, struct journal **out)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return ERR_NOMEM;
	progress_init(&j->progress);
	buf_init(&j->batches[0], BATCH_CAP);
	buf_init(&j->batches[1], BATCH_CAP);
	j->filling = &j->batches[0];
	j->leaving = &j->batches[1];
	j->limit = limit;
	j->file_size = MAX(limit / FILES, (uint64_t)FILE_MIN);
	j->current.fd = -1;
	waitq_init(&j->work);
	waitq_init(&j->done);
	err = str_copyz(j->dir, sizeof(j->dir), str_of(dir)) ? take_over(j) : ERR_TOO_LARGE;
	if (!err)
		err = task_go("journal", committer, j, NULL);
	if (err) {
		journal_file_close(&j->current);
		free_journal(j);
		return err;
	}
	*out = j;
	return OK;
}

void
journal_close(struct journal *j)
{
	int err = OK;

	j->stopping = true;
	waitq_wake_all(&j->work);
	while (!err && !j->gone)
		err = waitq_park(&j->done, CLOCK_NEVER);
	if (j->gone)
		free_journal(j);
	else
		j->abandoned = true;
}

/* ---- asking ---- */

bool
journal_is_done(const struct journal *j, struct id segment, uint64_t number)
{
	return progress_is_done(&j->progress, segment, number);
}

void
journal_attempts(
    const struct journal *j, struct id segment, uint64_t number, struct journal_attempts *out)
{
	progress_attempts(&j->progress, segment, number, out);
}

size_t
journal_segments(const struct journal *j, struct id *out, size_t max)
{
	return progress_segments(&j->progress, out, max);
}

struct journal_stats
journal_get_stats(const struct journal *j)
{
	struct journal_stats s = j->stats;

	s.bytes = journal_files_size(&j->old) + j->current.end;
	s.files = (unsigned)j->old.n + (j->current.header.number > 0);
	return s;
}

int
journal_parts(const struct journal *j, struct journal_parts *out)
{
	size_t n = j->old.n;

	*out = (struct journal_parts){ .parts = malloc((n + 1) * sizeof(*out->parts)) };
	if (!out->parts)
		return ERR_NOMEM;
	(void)str_copyz(out->dir, sizeof(out->dir), str_of(j->dir));
	if (j->current.header.number > 0)
		out->parts[out->n++] = (struct journal_old){ .number = j->current.header.number,
			.size = j->current.end };
	while (n-- > 0)
		out->parts[out->n++] = j->old.old[n];
	return OK;
}
