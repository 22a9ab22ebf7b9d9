/*
 * The store's memory: entries by id and in the order of death, queues, counts. It changes only by index_apply, with what is durable, be it just
 * committed or read at the start, so that both come to the same.
 */
#include <stdlib.h>

#include "dlq/dlq_priv.h"

/* ---- streams ---- */

struct dlq_stream *
index_find_stream(const struct dlq *d, struct str name)
{
	return map_get(&d->streams, name);
}

struct dlq_stream *
index_stream(struct dlq *d, struct str name)
{
	struct dlq_stream *s = map_get(&d->streams, name);

	if (s)
		return s;
	s = calloc(1, sizeof(*s) + name.n + 1);
	if (!s)
		return NULL;
	memcpy(s + 1, name.p, name.n);
	s->name = str_make(s + 1, name.n);
	order_init(&s->due, ORDER_DUE);
	if (map_put(&d->streams, s->name, s)) {
		free(s);
		return NULL;
	}
	return s;
}

/* ---- counts ---- */

static bool
is_waiting(const struct entry *e)
{
	return e->now.state == DLQ_PENDING || e->now.state == DLQ_REPROCESSING;
}

/* by: 1 or -1 */
static void
count(struct dlq *d, struct entry *e, int by)
{
	struct dlq_stream *s = e->stream;
	uint64_t n = (uint64_t)(int64_t)by;

	s->by_state[e->now.state] += n;
	if (is_waiting(e))
		s->by_type[e->now.type] += n;
	if (e->kind == DLQ_MESSAGE)
		d->messages += n;
	if (e->flags & FRAME_FILE)
		d->file_bytes += n * e->size;
	d->live += n * e->bytes;
}

void
index_queue(struct dlq *d, struct entry *e)
{
	bool free_now = !e->unborn && !e->on_way && !e->changing;

	if (free_now && e->now.state == DLQ_REPROCESSING)
		order_add(&e->stream->due, e);
	else
		order_del(&e->stream->due, e);
	if (free_now && e->kind == DLQ_MESSAGE)
		order_add(&d->victims, e);
	else
		order_del(&d->victims, e);
}

/* Who delivers asked in vain while it was changing. */
void
index_release(struct dlq *d, struct entry *e)
{
	e->changing = false;
	index_queue(d, e);
	if (e->place[ORDER_DUE] && d->on_due)
		d->on_due(d->on_due_arg, e->stream->name);
}

/* ---- strings ---- */

/* Several strings in one block. NULL: no memory. */
static char *
pack(const struct str *strings, unsigned n, uint16_t *len)
{
	size_t total = 1;
	char *block, *to;

	for (unsigned i = 0; i < n; i++)
		total += strings[i].n;
	to = block = malloc(total);
	if (!block)
		return NULL;
	for (unsigned i = 0; i < n; i++) {
		memcpy(to, strings[i].n > 0 ? strings[i].p : "", strings[i].n);
		to += strings[i].n;
		len[i] = (uint16_t)strings[i].n;
	}
	return block;
}

static struct str
unpack(const char *block, const uint16_t *len, unsigned which)
{
	size_t at = 0;

	if (!block)
		return STR("");
	for (unsigned i = 0; i < which; i++)
		at += len[i];
	return str_make(block + at, len[which]);
}

struct str
index_string(const struct entry *e, unsigned which)
{
	return which == LETTER_STREAM ? e->stream->name : unpack(e->fixed, e->fixed_len, which - 1);
}

/* What may be the same memory is copied before the old is given up. */
static void
set_text(struct entry *e, const struct frame_change *c)
{
	const struct str strings[TEXTS] = {
		[TEXT_ERROR] = c->error, [TEXT_BY] = c->by, [TEXT_REASON] = c->reason
	};
	char *old = e->text;

	e->text = pack(strings, TEXTS, e->text_len);
	free(old);
}

struct str
index_error(const struct entry *e)
{
	return unpack(e->text, e->text_len, TEXT_ERROR);
}

struct frame_change
index_now(const struct entry *e)
{
	struct frame_change c = e->now;

	c.error = unpack(e->text, e->text_len, TEXT_ERROR);
	c.by = unpack(e->text, e->text_len, TEXT_BY);
	c.reason = unpack(e->text, e->text_len, TEXT_REASON);
	return c;
}

void
index_change(struct dlq *d, struct entry *e, const struct frame_change *c)
{
	if (!e->unborn)
		count(d, e, -1);
	set_text(e, c);
	e->now = *c;
	e->now.error = e->now.by = e->now.reason = STR(""); /* are in text */
	if (!e->unborn)
		count(d, e, 1);
}

/* ---- entries ---- */

struct entry *
index_find(const struct dlq *d, struct id id)
{
	return map_get(&d->by_id, str_make(id.b, ID_LEN));
}

static int
reserve_places(struct dlq *d, struct dlq_stream *s)
{
	int err = order_reserve(&s->due, s->entries + 1);

	return err ? err : order_reserve(&d->victims, d->by_id.n + 1);
}

struct entry *
index_new(struct dlq *d, struct id id, const struct frame_letter *l)
{
	struct dlq_stream *s = index_stream(d, l->strings[LETTER_STREAM]);
	struct entry *e = s ? calloc(1, sizeof(*e)) : NULL;

	if (!e || reserve_places(d, s))
		goto fail;
	list_init(&e->link);
	e->id = id;
	e->stream = s;
	e->born = l->born;
	e->size = l->size;
	e->records = l->records;
	e->created = l->created;
	e->dead = l->dead;
	e->kind = l->kind;
	e->flags = l->flags;
	e->unborn = true;
	e->fixed = pack(l->strings + 1, ENTRY_STRINGS, e->fixed_len);
	if (!e->fixed || map_put(&d->by_id, str_make(e->id.b, ID_LEN), e))
		goto fail;
	s->entries++;
	d->unborn += e->kind == DLQ_MESSAGE;
	return e;
fail:
	if (e)
		free(e->fixed);
	free(e);
	return NULL;
}

static void
free_entry(struct entry *e)
{
	free(e->fixed);
	free(e->text);
	free(e->events);
	free(e);
}

void
index_remove(struct dlq *d, struct entry *e)
{
	order_del(&e->stream->due, e);
	order_del(&d->victims, e);
	if (!e->unborn)
		count(d, e, -1);
	else
		d->unborn -= e->kind == DLQ_MESSAGE;
	d->leaving -= e->leaving;
	e->stream->entries--;
	list_del(&e->link);
	map_del(&d->by_id, str_make(e->id.b, ID_LEN));
	free_entry(e);
}

void
index_show(const struct entry *e, struct dlq_entry *out)
{
	struct frame_change now = index_now(e);

	*out = (struct dlq_entry){
		.id = e->id,
		.kind = e->kind,
		.type = now.type,
		.state = now.state,
		.stream = e->stream->name,
		.user = index_string(e, LETTER_USER),
		.content_type = index_string(e, LETTER_CONTENT_TYPE),
		.content_encoding = index_string(e, LETTER_CONTENT_ENCODING),
		.method = index_string(e, LETTER_METHOD),
		.traceparent = index_string(e, LETTER_TRACEPARENT),
		.message_id = index_string(e, LETTER_MESSAGE_ID),
		.key = index_string(e, LETTER_KEY),
		.error = now.error,
		.status = now.status,
		.attempts = now.attempts,
		.tries = now.tries,
		.reprocessed = now.reprocessed,
		.by_rule = now.by_rule,
		.size = e->size,
		.records = e->records,
		.created = e->created,
		.dead = e->dead,
		.since = now.since,
		.last_attempt = now.last_attempt,
		.due = now.due,
		.job = now.job,
		.resolved = now.resolved,
		.resolved_by = now.state >= DLQ_RESOLVED ? now.by : STR(""),
		.reason = now.reason,
	};
}

/* ---- frames ---- */

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
	count(d, e, 1);
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

/* ---- the start, the end ---- */

static int
compare_born(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	return x->born < y->born ? -1 : x->born > y->born;
}

int
index_settle(struct dlq *d)
{
	size_t n = 0, cap = d->by_id.n;
	struct entry **all = malloc((cap + 1) * sizeof(struct entry *));
	struct list *node;

	if (!all)
		return ERR_NOMEM;
	while ((node = list_pop(&d->entries)))
		all[n++] = CONTAINER_OF(node, struct entry, link);
	qsort(all, n, sizeof(struct entry *), compare_born);
	for (size_t i = 0; i < n; i++)
		list_push(&d->entries, &all[i]->link);
	free(all);
	return OK;
}

void
index_free(struct dlq *d)
{
	struct str key;
	void *value;

	for (size_t at = 0; map_each(&d->by_id, &at, &key, &value);)
		free_entry(value);
	map_fini(&d->by_id);
	for (size_t at = 0; map_each(&d->streams, &at, &key, &value);) {
		struct dlq_stream *s = value;

		order_fini(&s->due);
		free(s);
	}
	map_fini(&d->streams);
	order_fini(&d->victims);
	files_forget_trash(d);
}
