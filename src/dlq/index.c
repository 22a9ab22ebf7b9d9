/*
 * The store's memory: entries by id and in the order of death, queues, counts. It changes only by index_apply (apply.c), with what is durable, be it just
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
void
index_count(struct dlq *d, struct entry *e, int by)
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
		index_count(d, e, -1);
	set_text(e, c);
	e->now = *c;
	e->now.error = e->now.by = e->now.reason = STR(""); /* are in text */
	if (!e->unborn)
		index_count(d, e, 1);
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
		index_count(d, e, -1);
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
