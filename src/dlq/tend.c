/*
 * What keeps the store within its limits: retention, the number of messages, and the length of the log.
 *
 * The log is a ring: only its oldest file is ever written anew, at the other end, and then removed. So whatever says that an entry is gone, or
 * replaces an older frame, outlives what it speaks of, and a crash at any step leaves old frames behind that newer ones overrule. It happens
 * while more than half of the log is dead weight, so each byte is rewritten about once for each byte added.
 */
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "dlq/dlq_priv.h"

#define SWEEP 256u           /* entries dropped with one sync */
#define GATHER (512u * 1024) /* bytes written anew with one sync */
#define GONE_MAX 2048u       /* of the frame that drops an entry */
#define LOGS_FEW 16u
#define PAUSE (10 * NS_PER_S)

_Static_assert(GONE_MAX > FRAME_HEAD_LEN + 128 + DLQ_ERROR_MAX + DLQ_NAME_MAX + DLQ_REASON_MAX + 6,
    "room for any change");

/* ---- dropping ---- */

bool
tend_put_gone(struct dlq *d, struct buf *out, struct entry *e, enum dlq_drop why)
{
	struct frame_change c = index_now(e);
	size_t begun;

	if (!buf_reserve(out, GONE_MAX))
		return false;
	begun = frame_begin(out, FRAME_EVENT, e->id);
	c.kind = FRAME_GONE + why;
	c.time = clock_wall();
	frame_put_change(out, &c);
	frame_end(out, begun);
	e->changing = e->leaving = true;
	d->leaving++;
	index_queue(d, e);
	return true;
}

unsigned
tend_make_room(struct dlq *d, struct buf *out, unsigned max)
{
	unsigned n = 0;
	struct entry *e;

	while (d->limits.max_messages > 0 && n < max &&
	       d->messages + d->unborn > d->limits.max_messages + d->leaving &&
	       (e = order_first(&d->victims)) && tend_put_gone(d, out, e, DLQ_DROP_MAX_MESSAGES))
		n++;
	return n;
}

static bool
is_over(const struct dlq *d, const struct entry *e, int64_t now)
{
	int64_t since = e->now.state >= DLQ_RESOLVED ? e->now.resolved : e->dead;

	if (e->changing || e->on_way || since + d->limits.retention > now)
		return false;
	return e->now.state >= DLQ_RESOLVED || e->kind == DLQ_MESSAGE;
}

static unsigned
drop_old(struct dlq *d, struct buf *out, unsigned max)
{
	int64_t now = clock_wall();
	struct list *at;
	unsigned n = 0;

	LIST_FOREACH (at, &d->entries) {
		struct entry *e = CONTAINER_OF(at, struct entry, link);

		if (n == max || !is_over(d, e, now) ||
		    !tend_put_gone(d, out, e, DLQ_DROP_RETENTION))
			continue;
		n++;
	}
	return n;
}

/* In rounds, so that others have their turn in between. */
static int
drop(struct dlq *d)
{
	unsigned n = SWEEP;
	int err = OK;

	while (n == SWEEP && !err && !d->stopping) {
		struct buf frames;

		buf_init(&frames, 0);
		n = tend_make_room(d, &frames, SWEEP);
		if (d->limits.retention > 0)
			n += drop_old(d, &frames, SWEEP - n);
		if (n > 0)
			err = commit_add(d, PART_CHANGES, &frames);
		buf_fini(&frames);
	}
	return err;
}

void
tend_log_drops(struct dlq *d, bool all)
{
	static const char *const why[DLQ_DROPS] = { "max_messages", "retention" };
	int64_t now = clock_mono();

	if (!all && d->drops_logged && now - d->drops_logged < NS_PER_S)
		return;
	for (unsigned i = 0; i < DLQ_DROPS; i++) {
		if (d->unlogged[i] == 0)
			continue;
		log_event(LOG_WARN, "dlq", "dead letters dropped", LOG_S("reason", why[i]),
		    LOG_I("entries", d->unlogged[i]), LOG_I("ever", d->dropped[i]), LOG_END);
		d->unlogged[i] = 0;
		d->drops_logged = now;
	}
}

/* ---- writing an entry anew ---- */

struct past {
	struct buf changes;
	size_t n, skip;
};

static void
count_change(void *arg, const struct frame_change *c)
{
	struct past *p = arg;

	(void)c;
	p->n++;
}

static void
put_change(void *arg, const struct frame_change *c)
{
	struct past *p = arg;

	if (p->skip > 0)
		p->skip--;
	else
		frame_put_change(&p->changes, c);
}

/* The payload, from the entry's old letter; empty where it is a file, or lost. */
static struct str
old_payload(struct str frames)
{
	struct frame_letter l;
	struct frame f;

	if (frame_decode((const unsigned char *)frames.p, frames.n, &f) ||
	    frame_take_letter(f.contents, &l))
		return STR("");
	return l.payload;
}

static void
put_copy(struct entry *e, struct str old, unsigned lost, struct buf *out)
{
	size_t begun = frame_begin(out, FRAME_LETTER, e->id);
	struct past past = { .n = 0 };
	struct frame_letter l = {
		.now = index_now(e),
		.kind = e->kind,
		.flags = e->flags,
		.born = e->born,
		.size = e->size,
		.records = e->records,
		.created = e->created,
		.dead = e->dead,
	};

	history_walk(old, count_change, &past);
	past.skip = past.n > DLQ_HISTORY_MAX ? past.n - DLQ_HISTORY_MAX : 0;
	l.now.kind = FRAME_COPY;
	for (unsigned i = 0; i < LETTER_STRINGS; i++)
		l.strings[i] = index_string(e, i);
	l.n_past = (uint16_t)(past.n - past.skip);
	l.left_out = e->left_out + lost + (uint32_t)past.skip;
	frame_put_letter(out, &l);
	buf_init(&past.changes, 0);
	history_walk(old, put_change, &past);
	if (buf_failed(&past.changes))
		out->err = ERR_NOMEM;
	buf_put_str(out, buf_str(&past.changes));
	buf_put_str(out, old_payload(old));
	buf_fini(&past.changes);
	frame_end(out, begun);
}

/* A letter that cannot be read any more: what is known of the entry without it stays listed. */
static void
note_lost(struct dlq *d, struct entry *e, uint32_t number)
{
	struct log_info *log = files_log(d, number);
	char id[2 * ID_LEN + 1];

	id_text(e->id, id);
	log_event(LOG_ERROR, "dlq", "a dead letter's record cannot be read any more",
	    LOG_S("entry", id), LOG_STR("stream", e->stream->name), LOG_I("file", number), LOG_END);
	if (!(e->flags & FRAME_FILE))
		e->flags |= FRAME_LOST;
	if (log)
		log->damaged = true;
}

/* Nobody decides on the entry meanwhile; only attempts at it may come, and then it is looked at again. */
static int
copy_entry(struct dlq *d, struct id id, uint32_t number, struct buf *out)
{
	struct entry *e;
	struct buf old;
	unsigned lost = 0, events;
	int err = OK;

	while ((e = index_find(d, id)) && (e->changing || e->inflight > 0 || e->unborn) && !err)
		err = commit_settled(d);
	if (err || !e || e->letter.file != number)
		return err;
	e->changing = true;
	index_queue(d, e);
	buf_init(&old, 0);
	events = e->n_events + e->left_out;
	err = history_gather(d, e, &old, &lost);
	if (e->inflight > 0 || events != e->n_events + e->left_out)
		err = ERR_AGAIN;
	if (err == ERR_CORRUPT || err == ERR_NOT_FOUND) {
		note_lost(d, e, number);
		buf_reset(&old);
		err = OK;
	}
	if (!err) {
		put_copy(e, buf_str(&old), lost, out);
		err = buf_failed(out) ? ERR_NOMEM : OK;
	}
	if (err) {
		index_release(d, e);
		waitq_wake_all(&d->settled);
	}
	buf_fini(&old);
	return err;
}

/* ---- the oldest file ---- */

struct id_list {
	struct id *ids;
	size_t n;
};

static int
list_entries(struct dlq *d, uint32_t number, struct id_list *out)
{
	struct list *at;

	*out = (struct id_list){ malloc((d->by_id.n + 1) * sizeof(struct id)), 0 };
	if (!out->ids)
		return ERR_NOMEM;
	LIST_FOREACH (at, &d->entries) {
		struct entry *e = CONTAINER_OF(at, struct entry, link);

		if (e->letter.file == number)
			out->ids[out->n++] = e->id;
	}
	return OK;
}

/* One that is on its way may be tried at any time: its copy is to have its place before that. */
static bool
is_on_way(struct dlq *d, struct id id)
{
	const struct entry *e = index_find(d, id);

	return e && e->on_way;
}

/* As many as fit one commit, from ids[*at] on. */
static int
copy_some(struct dlq *d, const struct id_list *list, size_t *at, uint32_t number)
{
	struct buf frames;
	bool full = false;
	int err = OK;

	buf_init(&frames, 0);
	while (*at < list->n && !full && !err) {
		struct id id = list->ids[*at];

		err = copy_entry(d, id, number, &frames);
		if (!err)
			++*at;
		full = frames.n > 0 && (err == ERR_AGAIN || frames.n >= GATHER || is_on_way(d, id));
		if (err == ERR_AGAIN)
			err = OK;
	}
	file_crash_point("dlq.compact.gathered");
	if (!err && !d->stopping)
		return frames.n > 0 ? commit_copies(d, &frames) : OK;
	commit_undo(d, &frames);
	waitq_wake_all(&d->settled);
	buf_fini(&frames);
	return err ? err : ERR_STOPPING;
}

struct removal {
	struct dlq *d;
	char path[DLQ_PATH_MAX];
	bool damaged;
};

static int
remove_log(void *arg)
{
	struct removal *r = arg;
	int err;

	if (r->damaged)
		return files_set_aside(r->d, r->path, "damaged; what was valid has been copied");
	err = file_unlink(r->path);
	file_crash_point("dlq.compact.unlinked");
	return err ? err : file_sync_dir(r->d->dir);
}

static int
remove_oldest(struct dlq *d)
{
	struct removal *r = malloc(sizeof(*r));
	int err;

	if (!r)
		return ERR_NOMEM;
	r->d = d;
	r->damaged = d->logs[0].damaged;
	files_log_path(d, d->logs[0].number, r->path);
	err = offload(OFFLOAD_SYNC, remove_log, r);
	free(r);
	if (err)
		return err;
	d->log_bytes -= d->logs[0].bytes;
	d->n_logs--;
	memmove(d->logs, d->logs + 1, d->n_logs * sizeof(*d->logs));
	metrics_dlq_bytes(d);
	return OK;
}

static int
compact_oldest(struct dlq *d)
{
	uint32_t number = d->logs[0].number;
	struct id_list list, left;
	size_t at = 0;
	int err = list_entries(d, number, &list);

	while (!err && at < list.n)
		err = copy_some(d, &list, &at, number);
	free(list.ids);
	if (!err)
		err = commit_hours(d);
	file_crash_point("dlq.compact.copied");
	/* Whose letter is not on record any more, its files are not known to be nobody's. */
	if (!err && (d->trash || d->burning))
		files_empty_trash(d);
	if (!err)
		err = d->trash || d->burning ? ERR_AGAIN : list_entries(d, number, &left);
	if (err)
		return err;
	free(left.ids);
	return left.n > 0 ? ERR_AGAIN : remove_oldest(d);
}

/* The active file, the last one, is not touched; it may be the only one and damaged when nothing was added since the start. */
static bool
wants_compaction(const struct dlq *d)
{
	bool damaged = false;

	for (size_t i = 0; i < d->n_logs; i++)
		damaged = damaged || d->logs[i].damaged;
	if (damaged)
		return true;
	if (d->n_logs < 2)
		return false;
	return d->log_bytes > 2 * d->live + 2 * d->file_size ||
	       (d->n_logs > LOGS_FEW && d->log_bytes < d->n_logs * d->file_size / 8);
}

bool
tend_wanted(const struct dlq *d)
{
	return !d->tending && !d->stopping && clock_cached_mono() >= d->tend_after &&
	       (d->trash || wants_compaction(d));
}

void
dlq_tend(struct dlq *d)
{
	size_t rounds = d->n_logs;
	int err;

	if (d->tending || d->stopping)
		return;
	d->tending = true;
	if (d->limits.retention > 0)
		hours_expire(d, clock_wall());
	err = drop(d);
	while (!err && rounds-- > 0 && !d->stopping && wants_compaction(d))
		err = compact_oldest(d);
	if (d->trash)
		files_empty_trash(d);
	if (err && err != ERR_STOPPING && err != ERR_CANCELLED)
		log_event(LOG_WARN, "dlq", "cannot tidy up dead letters; it is tried again",
		    LOG_S("folder", d->dir), LOG_ERR(err), LOG_END);
	if (err || d->trash)
		d->tend_after = clock_mono() + PAUSE;
	tend_log_drops(d, true);
	d->tending = false;
	waitq_wake_all(&d->tended);
}

static void
tend_task(void *arg)
{
	struct dlq *d = arg;

	d->tend_started = false;
	dlq_tend(d);
	waitq_wake_all(&d->tended);
}

void
tend_start(struct dlq *d)
{
	if (!d->tend_started && !d->tending)
		d->tend_started = task_go("dlq-tend", tend_task, d, NULL) == OK;
}
