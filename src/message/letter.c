/*
 * Dead letters: what cannot be delivered goes to them, durably, before it is done; and what is to be sent again comes from them, through the same queue
 * and the same senders.
 *
 * What could not be written down (the disk is full) waits in the queue with its verdict, and is not sent again meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "limit/backoff.h"
#include "message/message_priv.h"

struct verdict {
	bool delivered; /* of a letter: it arrived */
	enum dlq_type type;
	unsigned failures, attempt;
	struct sink_result r;
};

static const struct backoff_policy disk_policy = { NS_PER_S, 30 * NS_PER_S, 2, true };

/* ---- to the dead letters ---- */

struct id
letter_id(const struct message *m)
{
	return message_id(m->segment->id, m->number, str_make(NULL, 0));
}

static int
add_record(struct sender *me, const struct message *m, enum dlq_type type)
{
	struct dlq_letter l = { .id = letter_id(m),
		.kind = DLQ_MESSAGE,
		.type = type,
		.why = me->r.why,
		.status = me->r.status,
		.attempts = m->attempts,
		.first_attempt = m->first,
		.last_attempt = m->last,
		.m = me->m,
		.records = 1 };

	return dlq_add(me->stream->opt.dlq, &l);
}

static void
log_dead(struct sender *me, const struct message *m, enum dlq_type type)
{
	const struct message_stream *s = me->stream;

	log_event(LOG_WARN, "message", "message cannot be delivered: dead letter",
	    LOG_STR("stream", s->conf->name), LOG_S("id", me->m.id),
	    LOG_S("type", dlq_type_name(type)), LOG_I("attempts", m->attempts),
	    LOG_S("why", me->r.why), LOG_STR("traceparent", me->m.traceparent), LOG_END);
}

static void
record_is_dead(struct sender *me, struct message *m, enum dlq_type type)
{
	file_crash_point("message.buried");
	send_journal(me, m, JOURNAL_DEAD, str_of(me->r.why));
	file_crash_point("message.dead");
	delivery_metrics_dead(&me->stream->metrics, type);
	log_dead(me, m, type);
	read_done(me->stream, m);
}

static void
letter_leaves(struct message_stream *s, struct message *m)
{
	s->n_letters--;
	queue_done(&s->queue, m);
}

/* The disk does not take it: kept in mind, and tried again later. Without memory for that it is sent, and refused, again. */
static void
keep_verdict(struct sender *me, struct message *m, enum dlq_type type, bool delivered, int err)
{
	struct message_stream *s = me->stream;
	struct verdict *v = m->verdict ? m->verdict : calloc(1, sizeof(*v));
	int64_t wait = backoff_wait(&disk_policy, v ? v->failures : 0, random_u64());

	if (v != NULL) {
		v->delivered = delivered;
		v->type = type;
		v->failures++;
		v->attempt = me->m.attempt;
		v->r = me->r;
		m->verdict = v;
	}
	log_event(LOG_ERROR, "message", "dead letters cannot be written: trying again",
	    LOG_STR("stream", s->conf->name), LOG_S("id", me->m.id), LOG_ERR(err),
	    LOG_MS("retry_in_ms", wait), LOG_END);
	queue_wait(&s->queue, m, clock_mono() + wait);
}

static void
carry_out(struct sender *me, struct message *m, enum dlq_type type, bool delivered)
{
	struct dlq *dlq = me->stream->opt.dlq;
	enum dlq_ending how = delivered ? DLQ_DELIVERED : DLQ_FAILED;
	bool first = m->verdict == NULL;
	int err =
	    m->segment != NULL ? add_record(me, m, type) : dlq_end(dlq, m->letter, how, &me->r);

	if (err != OK) {
		/* The attempt counts, whatever becomes of us before it can be written down. */
		if (m->segment != NULL && first)
			send_journal(me, m, JOURNAL_RETRY, str_of(me->r.why));
		keep_verdict(me, m, type, delivered, err);
	} else if (m->segment != NULL) {
		record_is_dead(me, m, type);
	} else {
		if (!delivered)
			log_dead(me, m, type);
		letter_leaves(me->stream, m);
	}
}

void
letter_bury(struct sender *me, struct message *m, enum dlq_type type)
{
	if (m->segment == NULL)
		send_journal(me, m, JOURNAL_DEAD, str_of(me->r.why));
	carry_out(me, m, type, false);
}

void
letter_delivered(struct sender *me, struct message *m)
{
	carry_out(me, m, DLQ_TRANSIENT, true);
}

void
letter_resume(struct sender *me, struct message *m)
{
	const struct verdict *v = m->verdict;
	int err = OK;

	if (m->segment != NULL && m->chunk == NULL)
		err = tail_load(me->stream->tail, m);
	send_fill(me, m);
	me->r = v->r;
	me->m.attempt = v->attempt;
	me->wall = m->last;
	if (err != OK && err != ERR_NOT_FOUND && err != ERR_CORRUPT)
		keep_verdict(me, m, v->type, v->delivered, err);
	else
		carry_out(me, m, v->type, v->delivered);
}

int
letter_damage(struct message_stream *s, const struct tail_damage *d)
{
	char why[160];
	struct str body;
	struct dlq_letter l = { .id = message_id(d->segment->id, d->offset | UINT64_C(1) << 63,
				    str_make(NULL, 0)),
		.kind = DLQ_MESSAGE,
		.type = DLQ_POISON,
		.why = why,
		.m = { .stream = s->conf->name,
		    .method = STR("POST"),
		    .content_type = STR("text/plain"),
		    .received = clock_wall() },
		.records = 1 };
	int err;

	snprintf(why, sizeof(why),
	    "%llu bytes at %llu hold no record that can be read; kept as corrupt/%s",
	    (unsigned long long)d->length, (unsigned long long)d->offset, d->segment->name);
	body = str_of(why);
	l.m.body = body;
	l.m.length = body.n;
	id_text(l.id, l.m.id);
	err = dlq_add(s->opt.dlq, &l);
	if (err != OK)
		return err;
	delivery_metrics_damaged(&s->metrics, d->length);
	delivery_metrics_dead(&s->metrics, DLQ_POISON);
	log_event(LOG_ERROR, "message", "damaged bytes passed over: dead letter",
	    LOG_STR("stream", s->conf->name), LOG_S("file", d->segment->name),
	    LOG_I("bytes", d->length), LOG_I("offset", d->offset), LOG_END);
	return OK;
}

/* ---- from the dead letters ---- */

int64_t
letter_next(const struct message_stream *s)
{
	return s->draining || s->n_letters >= MESSAGE_LETTERS ? CLOCK_NEVER : s->letters_at;
}

bool
letter_due(const struct message_stream *s, int64_t now)
{
	return letter_next(s) <= now;
}

static void
take_over(struct message *m, const struct dlq_entry *e)
{
	m->letter = e->id;
	if (id_parse(e->message_id, &m->id) != 0)
		m->id = e->id;
	m->attempts = e->attempts;
	m->tries = e->tries;
	m->received = e->created;
	m->body_length = e->size;
}

/* Of a time when the stream was not one of messages. */
static void
refuse_kind(const struct dlq_entry *e, struct message *m)
{
	struct verdict *v = calloc(1, sizeof(*v));

	if (e->kind == DLQ_MESSAGE || v == NULL) {
		free(v);
		return;
	}
	v->type = DLQ_PERMANENT;
	v->r.outcome = SINK_PERMANENT;
	snprintf(v->r.why, sizeof(v->r.why), "the stream is one of messages now, and this is a %s",
	    dlq_kind_name(e->kind));
	m->verdict = v;
}

struct message *
letter_take(struct message_stream *s, int64_t now)
{
	struct message *m = queue_get_extra(&s->queue, MESSAGE_LETTERS);
	struct dlq_entry e;
	int64_t wall = clock_wall(), next = 0;

	if (m == NULL) {
		s->letters_at = now + NS_PER_S;
		return NULL;
	}
	if (!dlq_take(s->opt.dlq, s->conf->name, wall, &e, &next)) {
		queue_return(&s->queue, m);
		s->letters_at = next > 0 ? now + MAX(next - wall, NS_PER_MS) : CLOCK_NEVER;
		return NULL;
	}
	take_over(m, &e);
	refuse_kind(&e, m);
	s->n_letters++;
	queue_add_sending(&s->queue, m);
	return m;
}

/* What stands beside the body, and room for that or its file's name behind it. */
static int
copy_meta(struct message_stream *s, struct message *m, const struct dlq_entry *e, size_t room)
{
	const struct str *from[] = { &e->user, &e->method, &e->content_type, &e->content_encoding,
		&e->traceparent };
	struct str *to[] = { &m->user, &m->method, &m->type, &m->encoding, &m->trace };
	size_t n = room;

	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		n += from[i]->n;
	m->chunk = chunk_new(&s->chunks, n);
	if (m->chunk == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		char *p = m->chunk->p + m->chunk->used;

		if (from[i]->n > 0)
			memcpy(p, from[i]->p, from[i]->n);
		*to[i] = str_make(p, from[i]->n);
		m->chunk->used += from[i]->n;
	}
	return OK;
}

static int
load_body(struct message_stream *s, struct message *m)
{
	char *p = m->chunk->p + m->chunk->used;
	ssize_t n = dlq_read(s->opt.dlq, m->letter, 0, p, (size_t)m->body_length);

	if (n < 0)
		return (int)n;
	m->body = str_make(p, (size_t)n);
	return (uint64_t)n == m->body_length ? OK : ERR_CORRUPT;
}

static int
load_path(struct message_stream *s, struct message *m)
{
	char *p = m->chunk->p + m->chunk->used;
	struct dlq_files *files = calloc(1, sizeof(*files));
	int err = ERR_NOMEM;

	if (files != NULL)
		err = dlq_find_files(s->opt.dlq, m->letter, files);
	if (err == OK && files->file[0] == '\0')
		err = ERR_NOT_FOUND;
	if (err == OK)
		(void)str_copyz(p, sizeof(files->file), str_of(files->file));
	free(files);
	m->body = str_make(NULL, 0);
	m->path = p;
	m->body_at = 0;
	return err;
}

int
letter_load(struct message_stream *s, struct message *m)
{
	bool held = m->body_length <= DLQ_INLINE_MAX;
	struct dlq_entry e;
	int err = dlq_find(s->opt.dlq, m->letter, &e);

	if (err == OK)
		err = copy_meta(s, m, &e,
		    held ? (size_t)m->body_length : sizeof(((struct dlq_files *)0)->file));
	if (err == OK)
		err = held ? load_body(s, m) : load_path(s, m);
	if (err != OK)
		queue_unload(m);
	return err;
}

static void
give_back(void *arg, struct message *m)
{
	struct message_stream *s = arg;

	if (m->segment != NULL)
		return;
	dlq_give_back(s->opt.dlq, m->letter);
	s->n_letters--;
	queue_remove(&s->queue, m);
}

void
letter_give_back_all(struct message_stream *s)
{
	queue_each(&s->queue, give_back, s);
}
