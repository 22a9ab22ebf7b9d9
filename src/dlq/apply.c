/*
 * Frames applied to the index, one after the other: as they become durable (commit.c), and as the store is read (open.c), which is the same.
 */
#include <stdlib.h>

#include "dlq/dlq_priv.h"

static void
forget_frames(struct dlq *d, struct entry *e)
{
	if (!e->unborn)
		d->live -= e->bytes;
	e->bytes = 0;
	e->n_events = 0;
}

static void
set_letter(struct dlq *d, struct entry *e, const struct frame_letter *l, struct place at)
{
	forget_frames(d, e);
	e->letter = at;
	e->left_out = l->left_out;
	e->n_past = l->n_past;
	e->dead_event = l->now.kind == DLQ_EV_DEAD;
	e->flags = l->flags;
	e->bytes = at.len;
	if (!e->unborn)
		d->live += e->bytes;
}

/* Makes room for one more; where there is no memory the event is counted, not kept. */
static bool
room_for_event(struct entry *e)
{
	unsigned cap = e->cap_events ? MIN(2u * e->cap_events, DLQ_HISTORY_MAX) : 4;
	struct place *events;

	if (e->n_events < e->cap_events)
		return true;
	events = realloc(e->events, cap * sizeof(*events));
	if (!events)
		return false;
	e->events = events;
	e->cap_events = (uint16_t)cap;
	return true;
}

static void
add_event(struct dlq *d, struct entry *e, struct place at)
{
	if (e->n_events == DLQ_HISTORY_MAX) {
		e->bytes -= e->events[0].len;
		d->live -= e->events[0].len;
		memmove(e->events, e->events + 1, (DLQ_HISTORY_MAX - 1) * sizeof(*e->events));
		e->n_events--;
		e->left_out++;
	}
	if (!room_for_event(e)) {
		e->left_out++;
		return;
	}
	e->events[e->n_events++] = at;
	e->bytes += at.len;
	d->live += at.len;
}

/* Those that come at the same time may change places on their way to the disk. (What is read is put in order at the end.) */
static void
be_born(struct dlq *d, struct entry *e, bool live)
{
	struct list *before = &d->entries;

	while (live && before->prev != &d->entries &&
	       CONTAINER_OF(before->prev, struct entry, link)->born > e->born)
		before = before->prev;
	e->unborn = false;
	d->unborn -= e->kind == DLQ_MESSAGE;
	list_insert(before, &e->link);
	index_count(d, e, 1);
}

/* A letter for the first time; or, when the store is read, once more: an entry written anew, or one whose first commit was in doubt. */
static int
apply_letter(struct dlq *d, const struct frame *f, struct place at, bool live)
{
	struct frame_letter l;
	struct entry *e = index_find(d, f->entry);
	bool copy;

	if (frame_take_letter(f->contents, &l))
		return ERR_CORRUPT;
	copy = l.now.kind == FRAME_COPY;
	if (!e && !(e = index_new(d, f->entry, &l)))
		return ERR_NOMEM;
	if (live && copy) {
		/* What changed since it was written down follows in frames behind it. */
		set_letter(d, e, &l, at);
		index_release(d, e);
		return OK;
	}
	if (e->unborn && !copy)
		hours_add(d, l.dead, e->stream, l.now.type, 1);
	index_change(d, e, &l.now);
	set_letter(d, e, &l, at);
	d->next_born = MAX(d->next_born, l.born + 1);
	if (e->unborn)
		be_born(d, e, live);
	if (live)
		metrics_dlq_added(e->stream, e->now.type);
	index_release(d, e);
	return OK;
}

/* Its files go, now or, after a crash in between, at the next start. Where there is no memory for the note: at the next start. */
static void
throw_away(struct dlq *d, const struct entry *e)
{
	struct trash *t;

	if (!(e->flags & (FRAME_FILE | FRAME_LIST)) || !(t = malloc(sizeof(*t))))
		return;
	*t = (struct trash){ d->trash, e->id, e->kind };
	d->trash = t;
}

static void
apply_gone(struct dlq *d, struct entry *e, enum dlq_drop why, bool live)
{
	d->dropped[why]++;
	if (live) {
		d->unlogged[why]++;
		metrics_dlq_dropped(d, why);
	}
	if (!e)
		return;
	throw_away(d, e);
	index_remove(d, e);
}

/* An attempt is in memory already, and so may be later ones. */
static void
apply_change(
    struct dlq *d, struct entry *e, const struct frame_change *c, struct place at, bool live)
{
	add_event(d, e, at);
	if (live && c->kind == DLQ_EV_ATTEMPT) {
		e->inflight--;
		return;
	}
	index_change(d, e, c);
	e->on_way = false;
	index_release(d, e);
}

static int
apply_event(struct dlq *d, const struct frame *f, struct place at, bool live)
{
	struct entry *e = index_find(d, f->entry);
	struct dlq_stream *s = e ? e->stream : NULL;
	struct str contents = f->contents;
	struct frame_change c;

	if (frame_take_change(&contents, &c) || c.kind == FRAME_COPY)
		return ERR_CORRUPT;
	if (c.kind >= FRAME_GONE)
		apply_gone(d, e, (enum dlq_drop)(c.kind - FRAME_GONE), live);
	else if (e)
		apply_change(d, e, &c, at, live);
	else
		d->strays++;
	if (live && s)
		metrics_dlq_stream(s);
	return OK;
}

int
index_apply(struct dlq *d, const struct frame *f, struct place at, bool live)
{
	switch (f->type) {
	case FRAME_LETTER:
		return apply_letter(d, f, at, live);
	case FRAME_EVENT:
		return apply_event(d, f, at, live);
	case FRAME_HOURS:
		return hours_load(d, f->contents);
	}
	return ERR_CORRUPT;
}
