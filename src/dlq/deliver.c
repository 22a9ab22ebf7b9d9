/*
 * Sending entries again: who delivers takes what is due, tells of each attempt, and ends with what came of it. Between dlq_take and dlq_end an
 * entry is on its way: nobody else decides on it, and it is not dropped. A crash in between puts it back.
 */
#include "dlq/dlq_priv.h"

bool
dlq_take(struct dlq *d, struct str stream, int64_t wall_now, struct dlq_entry *out, int64_t *next)
{
	struct dlq_stream *s = index_find_stream(d, stream);
	struct entry *e = s ? order_first(&s->due) : NULL;
	const struct entry *then;

	*next = e ? e->now.due : 0;
	if (!e || e->now.due > wall_now)
		return false;
	if (!out)
		return true;
	e->on_way = true;
	index_queue(d, e);
	then = order_first(&s->due);
	*next = then ? then->now.due : 0;
	index_show(e, out);
	return true;
}

static struct str
why_of(const struct sink_result *r)
{
	return str_sub(str_of(r->why), 0, DLQ_ERROR_MAX);
}

static void
put_event(struct buf *out, struct id id, const struct frame_change *c)
{
	size_t begun = frame_begin(out, FRAME_EVENT, id);

	frame_put_change(out, c);
	frame_end(out, begun);
}

void
dlq_attempt(
    struct dlq *d, struct id id, const struct sink_result *r, int64_t started, int64_t duration)
{
	struct entry *e = index_find(d, id);
	struct frame_change c;
	struct buf frames;

	if (!e || e->unborn)
		return;
	c = index_now(e);
	c.kind = DLQ_EV_ATTEMPT;
	c.outcome = (int)r->outcome;
	c.time = c.last_attempt = started;
	c.duration = duration;
	if (r->outcome != SINK_HELD) { /* it refused us, not the message */
		c.attempts++;
		c.tries++;
	}
	if (r->outcome != SINK_CONFIRMED) {
		c.status = r->status;
		c.error = why_of(r);
	}
	index_change(d, e, &c);
	c = index_now(e);
	c.kind = DLQ_EV_ATTEMPT;
	c.status = r->status; /* of a success, too: the entry's own belongs to its last error */
	buf_init(&frames, 0);
	put_event(&frames, id, &c);
	if (buf_failed(&frames)) {
		buf_fini(&frames);
		return; /* what the entry says next says this, too */
	}
	e->inflight++;
	(void)commit_post(d, &frames);
}

static enum dlq_type
type_of(enum sink_outcome outcome)
{
	return outcome == SINK_POISON      ? DLQ_POISON
	       : outcome == SINK_PERMANENT ? DLQ_PERMANENT
					   : DLQ_TRANSIENT;
}

static void
end_change(struct frame_change *c, enum dlq_ending how, const struct sink_result *r)
{
	c->time = c->since = clock_wall();
	c->duration = 0;
	c->due = 0;
	if (how == DLQ_DELIVERED) {
		c->kind = DLQ_EV_RESOLVED;
		c->state = DLQ_RESOLVED;
		c->outcome = SINK_CONFIRMED;
		c->resolved = c->time;
		return;
	}
	c->kind = DLQ_EV_RETURNED;
	c->state = DLQ_PENDING;
	c->outcome = (int)r->outcome;
	c->status = r->status;
	c->type = type_of(r->outcome);
	c->error = why_of(r);
}

int
dlq_end(struct dlq *d, struct id id, enum dlq_ending how, const struct sink_result *r)
{
	struct frame_change c;
	struct buf frames;
	struct entry *e;
	int err = OK;

	while ((e = index_find(d, id)) && e->changing && !err)
		err = commit_settled(d);
	if (err || !e || !e->on_way)
		return err ? err : ERR_NOT_FOUND;
	c = index_now(e);
	end_change(&c, how, r);
	buf_init(&frames, 0);
	put_event(&frames, id, &c);
	if (buf_failed(&frames)) {
		buf_fini(&frames);
		return ERR_NOMEM;
	}
	e->changing = true;
	return commit_add(d, PART_CHANGES, &frames);
}

void
dlq_give_back(struct dlq *d, struct id id)
{
	struct entry *e = index_find(d, id);

	if (!e || !e->on_way)
		return;
	e->on_way = false;
	e->now.due = 0;
	index_queue(d, e);
}

void
dlq_on_due(struct dlq *d, void (*fn)(void *arg, struct str stream), void *arg)
{
	d->on_due = fn;
	d->on_due_arg = arg;
}
