/*
 * What is read back from the disk of one entry: its payload, its history. Each frame is verified again, so a disk that forgets is noticed. The
 * reading is a helper's, with copies of the entry's places; when it finds a file gone, the entry may have been written anew meanwhile, and
 * it is asked again where it is.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "dlq/dlq_priv.h"

#define TRIES 8u

/* ---- frames of an entry ---- */

struct gather_job {
	struct dlq *d;
	struct buf out;
	unsigned lost;
	unsigned n;
	struct place at[]; /* the letter, then events */
};

static int
gather(void *arg)
{
	struct gather_job *g = arg;
	char path[DLQ_PATH_MAX];

	for (unsigned i = 0; i < g->n; i++) {
		int err;

		files_log_path(g->d, g->at[i].file, path);
		err = files_read_frame(path, g->at[i], &g->out);
		if (err == ERR_NOMEM || err == ERR_IO || (err && i == 0))
			return err;
		g->lost += err != OK;
	}
	return OK;
}

int
history_gather(struct dlq *d, struct entry *e, struct buf *out, unsigned *lost)
{
	struct gather_job *g = malloc(sizeof(*g) + (e->n_events + 1u) * sizeof(struct place));
	int err;

	if (!g)
		return ERR_NOMEM;
	*g = (struct gather_job){ .d = d, .n = e->n_events + 1u };
	buf_init(&g->out, 0);
	g->at[0] = e->letter;
	if (e->n_events > 0)
		memcpy(g->at + 1, e->events, e->n_events * sizeof(struct place));
	err = offload(OFFLOAD_MISC, gather, g);
	*lost = g->lost;
	buf_fini(out);
	*out = g->out;
	free(g);
	return err;
}

/* The same for whoever does not hold the entry: it may move, or go, meanwhile. */
static int
gather_by_id(struct dlq *d, struct id id, struct buf *out, unsigned *lost, uint32_t *left_out)
{
	for (unsigned i = 0;; i++) {
		struct entry *e = index_find(d, id);
		struct place was;
		int err;

		if (!e || e->unborn)
			return ERR_NOT_FOUND;
		was = e->letter;
		*left_out = e->left_out;
		err = history_gather(d, e, out, lost);
		e = index_find(d, id);
		if (err != ERR_NOT_FOUND || i == TRIES)
			return err == ERR_NOT_FOUND ? ERR_IO : err;
		if (e && memcmp(&e->letter, &was, sizeof(was)) == 0)
			return ERR_IO; /* somebody took the file away */
	}
}

/* ---- history ---- */

const char *
dlq_event_name(enum dlq_event_kind k)
{
	static const char *const names[] = { [DLQ_EV_DEAD] = "dead",
		[DLQ_EV_REPROCESS] = "reprocess",
		[DLQ_EV_ATTEMPT] = "attempt",
		[DLQ_EV_RETURNED] = "returned",
		[DLQ_EV_CANCELLED] = "cancelled",
		[DLQ_EV_RESOLVED] = "resolved",
		[DLQ_EV_DISCARDED] = "discarded" };

	return (unsigned)k < ARRAY_LEN(names) ? names[k] : "";
}

/* A change holds all of an entry; told is what belongs to the event. */
static struct dlq_event
event_of(const struct frame_change *c)
{
	bool failed = c->kind == DLQ_EV_DEAD || c->kind == DLQ_EV_RETURNED ||
		      (c->kind == DLQ_EV_ATTEMPT && c->outcome != SINK_CONFIRMED);
	bool tried = c->kind == DLQ_EV_ATTEMPT || c->kind == DLQ_EV_DEAD;
	bool decided = c->kind == DLQ_EV_REPROCESS || c->kind >= DLQ_EV_CANCELLED;

	return (struct dlq_event){
		.kind = (enum dlq_event_kind)c->kind,
		.time = c->time,
		.duration = c->duration,
		.attempt = tried ? c->attempts : 0,
		.outcome = c->outcome,
		.status = failed || tried ? c->status : 0,
		.by = decided ? c->by : STR(""),
		.reason = decided ? c->reason : STR(""),
		.error = failed ? c->error : STR(""),
	};
}

static void
walk_letter(struct str contents, void (*visit)(void *arg, const struct frame_change *c), void *arg)
{
	struct frame_letter l;
	struct frame_change c;

	if (frame_take_letter(contents, &l))
		return;
	while (l.n_past-- > 0 && frame_take_change(&l.past, &c) == OK)
		visit(arg, &c);
	if (l.now.kind == DLQ_EV_DEAD)
		visit(arg, &l.now);
}

void
history_walk(struct str frames, void (*visit)(void *arg, const struct frame_change *c), void *arg)
{
	struct frame_change c;
	struct frame f;

	for (; frame_decode((const unsigned char *)frames.p, frames.n, &f) == OK;
	     frames = str_from(frames, frame_total(&f))) {
		struct str contents = f.contents;

		if (f.type == FRAME_LETTER)
			walk_letter(contents, visit, arg);
		else if (frame_take_change(&contents, &c) == OK)
			visit(arg, &c);
	}
}

struct telling {
	void (*visit)(void *arg, const struct dlq_event *e);
	void *arg;
	size_t skip, n;
};

static void
count(void *arg, const struct frame_change *c)
{
	struct telling *t = arg;

	(void)c;
	t->n++;
}

static void
tell(void *arg, const struct frame_change *c)
{
	struct telling *t = arg;
	struct dlq_event e = event_of(c);

	if (t->n++ >= t->skip)
		t->visit(t->arg, &e);
}

int
dlq_history(struct dlq *d, struct id id, uint64_t *left_out,
    void (*visit)(void *arg, const struct dlq_event *e), void *arg)
{
	struct telling t = { .visit = visit, .arg = arg };
	uint32_t older = 0;
	unsigned lost = 0;
	struct buf frames;
	int err;

	buf_init(&frames, 0);
	err = gather_by_id(d, id, &frames, &lost, &older);
	if (err == OK) {
		history_walk(buf_str(&frames), count, &t);
		t.skip = t.n > DLQ_HISTORY_MAX ? t.n - DLQ_HISTORY_MAX : 0;
		t.n = 0;
		if (left_out)
			*left_out = older + lost + t.skip;
		history_walk(buf_str(&frames), tell, &t);
	}
	buf_fini(&frames);
	return err == ERR_CORRUPT ? ERR_IO : err;
}

/* ---- payload ---- */

struct read_job {
	char path[DLQ_PATH_MAX];
	struct place letter;
	bool file;
	uint64_t at, size;
	struct buf out; /* what was read; or the frame that holds it */
	size_t n;
};

static int
read_file(struct read_job *r)
{
	int fd = file_open(r->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	char *to = buf_reserve(&r->out, MAX(r->n, 1));
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return fd;
	if (!to)
		got = ERR_NOMEM;
	else if (fstat(fd, &st) < 0)
		got = ERR_IO;
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != r->size)
		got = ERR_CORRUPT;
	else
		got = file_read_full(fd, to, r->n, (off_t)r->at);
	(void)file_close(fd);
	if (got >= 0)
		buf_added(&r->out, (size_t)got);
	return (int)MIN(got, 0);
}

static int
read_payload(void *arg)
{
	struct read_job *r = arg;

	return r->file ? read_file(r) : files_read_frame(r->path, r->letter, &r->out);
}

/* What was asked for, of what was read. */
static ssize_t
hand_out(const struct read_job *r, void *p)
{
	struct frame_letter l;
	struct frame f;
	struct str from;

	if (r->file) {
		from = buf_str(&r->out);
	} else {
		if (frame_decode((const unsigned char *)r->out.p, r->out.n, &f) ||
		    f.type != FRAME_LETTER || frame_take_letter(f.contents, &l))
			return ERR_CORRUPT;
		from = str_sub(l.payload, (size_t)MIN(r->at, l.payload.n), r->n);
	}
	if (from.n > 0)
		memcpy(p, from.p, from.n);
	return (ssize_t)from.n;
}

static ssize_t
read_once(struct dlq *d, const struct entry *e, uint64_t at, void *p, size_t n)
{
	struct read_job *r = calloc(1, sizeof(*r));
	ssize_t got;

	if (!r)
		return ERR_NOMEM;
	r->file = e->flags & FRAME_FILE;
	r->at = MIN(at, e->size);
	r->n = (size_t)MIN(n, e->size - r->at);
	r->size = e->size;
	r->letter = e->letter;
	buf_init(&r->out, 0);
	if (r->file)
		files_path(d, e->id, e->kind, false, r->path);
	else
		files_log_path(d, e->letter.file, r->path);
	got = offload(OFFLOAD_MISC, read_payload, r);
	if (got == OK)
		got = hand_out(r, p);
	buf_fini(&r->out);
	free(r);
	return got;
}

ssize_t
dlq_read(struct dlq *d, struct id id, uint64_t at, void *p, size_t n)
{
	for (unsigned i = 0;; i++) {
		struct entry *e = index_find(d, id);
		struct place was;
		ssize_t got;

		if (!e || e->unborn)
			return ERR_NOT_FOUND;
		if (e->flags & FRAME_LOST)
			return ERR_CORRUPT;
		was = e->letter;
		got = read_once(d, e, at, p, n);
		if (got != ERR_NOT_FOUND || i == TRIES)
			return got;
		e = index_find(d, id);
		if (!e || memcmp(&e->letter, &was, sizeof(was)) == 0)
			return ERR_NOT_FOUND;
	}
}
