/*
 * A model of the dead letters beside the store, and tasks that do to both what comes to their mind: whatever the store said was done is in the
 * model. When the process dies, or file calls fail, each task has at most one wish that nobody knows the end of; everything else must be
 * found in the store as the model has it.
 *
 * The model lives in memory that a child shares with the test.
 */
#ifndef SLUICE_TEST_DLQ_MODEL_H
#define SLUICE_TEST_DLQ_MODEL_H

#include <sys/mman.h>

#include "unit/dlq/harness.h"

#define MODEL_TASKS 4u
#define MODEL_EACH 8u /* ids of a task */
#define MODEL_IDS (MODEL_TASKS * MODEL_EACH)
#define MODEL_LONG 300000u

struct model_entry {
	bool there;
	int state;
	unsigned attempts, reprocessed;
	bool unsure;  /* the last attempt may not be on disk */
	unsigned gen; /* how often it was added: its payload says so */
};

struct model {
	struct model_entry e[MODEL_IDS];
	struct {
		bool open;
		unsigned n;
		struct model_entry after;
	} wish[MODEL_TASKS];
	uint64_t adds;   /* that were told done */
	uint64_t random; /* state of the dice */
	_Atomic unsigned steps;
	char source[64]; /* folder for files of bundles */
};

static inline struct model *
model_new(const char *source)
{
	struct model *m =
	    mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(m != MAP_FAILED);
	snprintf(m->source, sizeof(m->source), "%s", source);
	m->random = 88172645463325252u;
	return m;
}

static inline void
model_free(struct model *m)
{
	munmap(m, sizeof(*m));
}

static inline unsigned
dice(struct model *m, unsigned sides)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (unsigned)(m->random >> 33) % sides;
}

static inline enum dlq_kind
kind_of(unsigned n)
{
	return n % 8 == 7 ? DLQ_BUNDLE : DLQ_MESSAGE;
}

static inline size_t
text_of(unsigned n, unsigned gen, char text[32])
{
	return (size_t)snprintf(text, 32, "%u.%u;", n, gen);
}

/* ---- what a task may do; each returns the store's word */

struct worker {
	struct dlq *d;
	struct model *m;
	unsigned task;
	char stream[16];
};

static inline struct model_entry *
wish(struct worker *w, unsigned n)
{
	w->m->wish[w->task].n = n;
	w->m->wish[w->task].after = w->m->e[n];
	w->m->wish[w->task].open = true;
	return &w->m->wish[w->task].after;
}

static inline int
granted(struct worker *w, int err)
{
	if (!err) {
		w->m->e[w->m->wish[w->task].n] = w->m->wish[w->task].after;
		w->m->wish[w->task].open = false;
	}
	return err;
}

static inline void
source_path(const struct worker *w, unsigned n, const char *suffix, char path[128])
{
	snprintf(path, 128, "%s/%u.%s", w->m->source, n, suffix);
}

static inline void
write_source(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

static inline int
do_add(struct worker *w, unsigned n)
{
	struct model_entry *after = wish(w, n);
	struct dlq_letter l = letter(n, w->stream, "");
	char text[32], file[128], list_file[128], *longer = NULL;
	int err;

	*after = (struct model_entry){ true, DLQ_PENDING, 4, 0, false, after->gen + 1 };
	l.m.body = str_make(text, text_of(n, after->gen, text));
	if (n % 8 == 6) {
		longer = calloc(1, MODEL_LONG);
		memcpy(longer, text, l.m.body.n);
		l.m.body = str_make(longer, MODEL_LONG);
	} else if (kind_of(n) == DLQ_BUNDLE) {
		source_path(w, n, "gz", file);
		source_path(w, n, "list", list_file);
		write_source(file, text);
		write_source(list_file, "list");
		l.kind = DLQ_BUNDLE;
		l.m.path = file;
		l.list = list_file;
		l.m.body.p = NULL;
	}
	err = granted(w, dlq_add(w->d, &l));
	if (!err)
		w->m->adds++;
	if (!err && l.kind == DLQ_BUNDLE) {
		unlink(file);
		unlink(list_file);
	}
	free(longer);
	return err;
}

static inline int
do_decide(struct worker *w, unsigned n, decide_fn *fn)
{
	struct model_entry *after = wish(w, n);
	struct dlq_decision how = by("eve", "reason");

	how.force = true;
	after->state = fn == dlq_reprocess ? DLQ_REPROCESSING
		       : fn == dlq_discard ? DLQ_DISCARDED
					   : DLQ_PENDING;
	after->reprocessed += fn == dlq_reprocess;
	return granted(w, decide_one(fn, w->d, n, &how));
}

static inline int
do_drop(struct worker *w, unsigned n)
{
	struct entry *e = index_find(w->d, id_of(n));
	struct buf frames;

	while (e->changing || e->inflight) {
		(void)commit_settled(w->d);
		e = index_find(w->d, id_of(n));
	}
	wish(w, n)->there = false;
	buf_init(&frames, 0);
	assert_true(tend_put_gone(w->d, &frames, e, DLQ_DROP_RETENTION));
	return granted(w, commit_add(w->d, PART_CHANGES, &frames));
}

/* Whichever of its own comes first. */
static inline int
do_deliver(struct worker *w, unsigned what)
{
	struct sink_result r = result(what ? SINK_CONFIRMED : SINK_AGAIN, 200, "word");
	struct model_entry *after;
	struct dlq_entry e;
	int64_t next;
	unsigned n;
	int err;

	if (!dlq_take(w->d, str_of(w->stream), INT64_MAX, &e, &next))
		return 0; /* is being written anew just now */
	n = e.id.b[0] * 256u + e.id.b[1];
	if (what == 2) {
		dlq_give_back(w->d, e.id);
		return 0;
	}
	after = wish(w, n);
	after->attempts++;
	after->state = what ? DLQ_RESOLVED : DLQ_PENDING;
	dlq_attempt(w->d, e.id, &r, clock_wall(), 1);
	for (unsigned i = 0; i < 3; i++) {
		err = granted(w, dlq_end(w->d, e.id, what ? DLQ_DELIVERED : DLQ_FAILED, &r));
		if (!err)
			return 0;
	}
	/* It was tried, and is known in memory; the disk may have heard of it or not. */
	w->m->e[n].attempts++;
	w->m->e[n].unsure = true;
	dlq_give_back(w->d, e.id);
	return err;
}

static inline int
step(struct worker *w)
{
	unsigned n = w->task * MODEL_EACH + dice(w->m, MODEL_EACH), roll = dice(w->m, 4);
	const struct model_entry *e = &w->m->e[n];

	w->m->steps++;
	if (!e->there)
		return do_add(w, n);
	if (e->state == DLQ_REPROCESSING)
		return roll ? do_deliver(w, dice(w->m, 3)) : do_decide(w, n, dlq_cancel);
	if (e->state == DLQ_PENDING)
		return roll == 0   ? do_drop(w, n)
		       : roll == 1 ? do_decide(w, n, dlq_discard)
				   : do_decide(w, n, dlq_reprocess);
	return roll < 3 ? do_drop(w, n) : do_decide(w, n, dlq_reprocess);
}

/* ---- the store against the model */

static inline bool
same(const struct model_entry *m, bool there, const struct dlq_entry *e)
{
	if (!m->there || !there)
		return m->there == there;
	return (int)e->state == m->state && e->attempts == m->attempts &&
	       e->reprocessed == m->reprocessed;
}

static inline bool
has_payload(struct dlq *d, unsigned n, unsigned gen)
{
	char text[32], found[32];
	size_t len = text_of(n, gen, text);

	return dlq_read(d, id_of(n), 0, found, len) == (ssize_t)len &&
	       memcmp(text, found, len) == 0;
}

struct last {
	enum dlq_event_kind kind;
	unsigned n;
};

static inline void
note_last(void *arg, const struct dlq_event *e)
{
	struct last *l = arg;

	l->kind = e->kind;
	l->n++;
}

/* The last word of its history says how it came to be what it is. */
static inline bool
history_fits(struct dlq *d, unsigned n, enum dlq_state state)
{
	struct last l = { .n = 0 };

	if (dlq_history(d, id_of(n), NULL, note_last, &l) || l.n < 3)
		return false;
	switch (state) {
	case DLQ_PENDING:
		return l.kind == DLQ_EV_DEAD || l.kind == DLQ_EV_RETURNED ||
		       l.kind == DLQ_EV_CANCELLED;
	case DLQ_REPROCESSING:
		return l.kind == DLQ_EV_REPROCESS || l.kind == DLQ_EV_ATTEMPT;
	case DLQ_RESOLVED:
		return l.kind == DLQ_EV_RESOLVED;
	default:
		return l.kind == DLQ_EV_DISCARDED;
	}
}

static inline void
add_up(void *arg, int64_t hour, struct str stream, enum dlq_type type, uint64_t n)
{
	(void)hour;
	(void)stream;
	(void)type;
	*(uint64_t *)arg += n;
}

static inline void
check_one(struct dlq *d, struct model *m, unsigned n)
{
	struct dlq_entry e = { .kind = DLQ_MESSAGE };
	bool there = dlq_find(d, id_of(n), &e) == 0;
	struct model_entry *want = &m->e[n];
	unsigned t = n / MODEL_EACH;

	if (m->wish[t].open && m->wish[t].n == n && !same(want, there, &e)) {
		struct model_entry tried = *want;

		tried.attempts++;
		if (same(&m->wish[t].after, there, &e))
			*want = m->wish[t].after;
		else if (same(&tried, there, &e))
			*want = tried;
	}
	if (want->unsure && !same(want, there, &e))
		want->attempts--;
	want->unsure = false;
	if (!same(want, there, &e))
		fail_msg("%u: want there %d state %d attempts %u reprocessed %u, found %d %d %u %u",
		    n, want->there, want->state, want->attempts, want->reprocessed, there, e.state,
		    e.attempts, e.reprocessed);
	if (there && !has_payload(d, n, want->gen))
		fail_msg("%u: the payload is not that of its %u. letter", n, want->gen);
	if (there && !history_fits(d, n, e.state))
		fail_msg("%u: its history does not end in state %d", n, e.state);
}

static inline int
count_name(const char *name, void *arg)
{
	*(unsigned *)arg += !str_ends(str_of(name), STR(".list"));
	return 0;
}

/* The store has just been opened. What is not known is settled by what is found. */
static inline void
model_check(struct dlq *d, struct model *m)
{
	uint64_t hours = 0, open_adds = 0;
	unsigned files = 0, wanted = 0, listed = 0;
	struct dlq_filter f = all();
	struct words w = { "" };

	for (unsigned t = 0; t < MODEL_TASKS; t++) {
		unsigned n = m->wish[t].n;

		open_adds += m->wish[t].open && m->wish[t].after.there && !m->e[n].there;
	}
	dlq_hours(d, 48, add_up, &hours);
	assert_true(hours >= m->adds && hours <= m->adds + open_adds);
	m->adds = hours;
	for (unsigned n = 0; n < MODEL_IDS; n++) {
		check_one(d, m, n);
		listed += m->e[n].there;
		wanted += m->e[n].there && n % 8 >= 6;
	}
	memset(m->wish, 0, sizeof(m->wish));
	assert_int_equal(dlq_list(d, &f, 0, 0, add_number, &w), listed);
	assert_int_equal(file_each(d->files, count_name, &files), 0);
	assert_int_equal(files, wanted);
}

#endif
