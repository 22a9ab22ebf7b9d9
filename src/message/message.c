/*
 * See message.h. A stream's life: open, wake, drain, close; what it is asked, and told by an operator.
 */
#include "message/message.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "message/message_priv.h"

/* Of what messages in memory hold: beside what is being sent, each of which may hold a chunk. */
#define MEMORY_CHUNKS 32u
/* Whoever purges a stream that cannot be read is not kept for ever, nor is a shipper that is to end. */
#define PURGE_PATIENCE (20 * NS_PER_S)
/* Senders that were cancelled return soon. */
#define CANCEL_NS (5 * NS_PER_S)

/* ---- the tail's events ---- */

static void
removing(void *arg, uint64_t bytes)
{
	struct message_stream *s = arg;

	atomic_fetch_sub_explicit(
	    &zone_stream(s->opt.zone, s->conf->index)->disk_base, bytes, memory_order_relaxed);
}

static void
removed(void *arg, struct id segment)
{
	struct message_stream *s = arg;

	journal_forget(s->journal, segment);
}

/* ---- open ---- */

static int
open_tail(struct message_stream *s)
{
	struct tail_options opt = { .dir = s->conf->dir,
		.zone = s->opt.zone,
		.stream = s->conf->index,
		.order = &s->conf->order_by,
		.chunks = &s->chunks,
		.removing = removing,
		.removed = removed,
		.arg = s };

	chunks_init(&s->chunks, (MEMORY_CHUNKS + (size_t)s->conf->concurrency) * CHUNK_SIZE);
	return tail_new(&opt, &s->tail);
}

static int
open_journal(struct message_stream *s)
{
	struct buf path;
	int err;

	buf_init(&path, 0);
	buf_printf(&path, "%s/journal", s->conf->dir);
	err = buf_failed(&path);
	if (err == OK)
		err = journal_open(buf_cstr(&path), s->conf->delivery_log, &s->journal);
	buf_fini(&path);
	return err;
}

static int
start_tasks(struct message_stream *s)
{
	int err = task_go("read", read_run, s, NULL);

	s->n_tasks += err == OK;
	for (unsigned i = 0; i < s->n_senders && err == OK; i++) {
		s->senders[i].stream = s;
		err = task_go("send", send_run, &s->senders[i], &s->senders[i].task);
		s->n_tasks += err == OK;
	}
	return err;
}

static void
release(struct message_stream *s)
{
	timer_clear(&s->timer);
	if (s->journal != NULL)
		journal_close(s->journal);
	queue_fini(&s->queue);
	tail_free(s->tail);
	chunks_fini(&s->chunks);
	free(s->senders);
	free(s);
}

static struct message_stream *
new_stream(const struct message_options *opt)
{
	struct message_stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->opt = *opt;
	s->conf = opt->conf;
	s->n_senders = (unsigned)s->conf->concurrency;
	s->senders = calloc(s->n_senders, sizeof(struct sender));
	s->timer.fire = send_timer;
	waitq_init(&s->wake);
	waitq_init(&s->work);
	waitq_init(&s->ended);
	waitq_init(&s->purged);
	breaker_init(&s->breaker, s->conf->breaker_failures, s->conf->breaker_open);
	delivery_metrics_open(&s->metrics, s->conf);
	return s;
}

int
message_open(const struct message_options *opt, struct message_stream **out)
{
	struct message_stream *s = new_stream(opt);
	int err;

	if (s == NULL)
		return ERR_NOMEM;
	err = queue_init(&s->queue, MESSAGE_WINDOW);
	if (err == OK && s->senders == NULL)
		err = ERR_NOMEM;
	if (err == OK)
		err = open_tail(s);
	if (err == OK)
		err = open_journal(s);
	if (err == OK)
		err = start_tasks(s);
	if (err == OK)
		*out = s;
	else if (s->n_tasks > 0)
		message_close(s, clock_mono());
	else
		release(s);
	return err;
}

/* ---- wake, drain, close ---- */

void
message_wake(struct message_stream *s)
{
	s->letters_at = 0;
	read_wake(s);
	send_wake(s, 1);
}

void
message_look(struct message_stream *s)
{
	s->idle = false;
	tail_look(s->tail);
	read_wake(s);
}

void
message_drain(struct message_stream *s)
{
	s->draining = true;
	message_look(s);
}

/* Whoever still sends at the deadline is told to stop. */
static void
wait_for_tasks(struct message_stream *s, int64_t deadline)
{
	bool told = false;

	while (s->n_tasks > 0) {
		if (waitq_park(&s->ended, deadline) == OK)
			continue;
		if (told)
			break;
		told = true;
		deadline = clock_mono() + CANCEL_NS;
		for (unsigned i = 0; i < s->n_senders; i++)
			task_cancel(s->senders[i].task);
	}
}

void
message_close(struct message_stream *s, int64_t deadline)
{
	s->closing = true;
	waitq_wake_all(&s->work);
	read_wake(s);
	wait_for_tasks(s, deadline);
	if (s->n_tasks > 0) {
		log_event(LOG_ERROR, "message", "senders do not end: left to themselves",
		    LOG_STR("stream", s->conf->name), LOG_I("tasks", s->n_tasks), LOG_END);
		(void)journal_flush(s->journal, clock_mono() + CANCEL_NS);
		return;
	}
	letter_give_back_all(s);
	release(s);
}

/* ---- asked and told ---- */

static void
find_oldest(void *arg, struct message *m)
{
	int64_t *oldest = arg;

	if (m->segment != NULL && (*oldest == 0 || m->received < *oldest))
		*oldest = m->received;
}

bool
message_is_idle(const struct message_stream *s)
{
	return s->idle;
}

void
message_get_status(const struct message_stream *s, struct message_status *out)
{
	/* It only looks. */
	struct queue *q = (struct queue *)&s->queue;

	*out = (struct message_status){ .waiting = queue_count(q) - s->n_letters,
		.sent = s->sent,
		.failures = s->failed,
		.done = s->done,
		.settled = tail_settled(s->tail),
		.oldest = tail_oldest(s->tail),
		.breaker = &s->breaker,
		.held = s->held,
		.idle = s->idle };
	queue_each(q, find_oldest, &out->oldest);
	(void)str_copyz(out->why, sizeof(out->why), str_of(s->why));
}

struct journal *
message_journal(struct message_stream *s)
{
	return s->journal;
}

static void
drop_waiting(void *arg, struct message *m)
{
	struct message_stream *s = arg;
	struct journal_row row = { .result = JOURNAL_DROPPED, .time = clock_wall() };

	if (m->segment == NULL || m->state == MESSAGE_SENDING || m->received > s->purge->before)
		return;
	row.segment = m->segment->id;
	row.number = m->number;
	row.message = m->id;
	row.attempt = m->attempts;
	row.error = s->purge->why;
	journal_add(s->journal, &row);
	s->purge->n++;
	s->done++;
	(void)tail_done(s->tail, m->segment);
	queue_remove(&s->queue, m);
}

/* What one removal made ready may stand where the visit has been already. */
static void
drop_all_waiting(struct message_stream *s)
{
	uint64_t before;

	do {
		before = s->purge->n;
		queue_each(&s->queue, drop_waiting, s);
	} while (s->purge->n > before);
}

int
message_purge(struct message_stream *s, struct str by, struct str reason, uint64_t *n)
{
	struct message_purge purge = { .before = clock_wall() };
	int64_t deadline = clock_mono() + PURGE_PATIENCE;
	struct buf why;
	int err = OK;

	*n = 0;
	if (s->purge != NULL || s->closing)
		return ERR_BUSY;
	buf_init(&why, 0);
	buf_printf(&why, "purged by %.*s: %.*s", STR_ARG(by), STR_ARG(reason));
	purge.why = buf_str(&why);
	s->purge = &purge;
	drop_all_waiting(s);
	tail_look(s->tail);
	read_wake(s);
	while (s->purge == &purge && err == OK)
		err = waitq_park(&s->purged, deadline);
	if (s->purge == &purge)
		s->purge = NULL;
	*n = purge.n;
	log_event(LOG_WARN, "message", "purged", LOG_STR("stream", s->conf->name),
	    LOG_I("messages", purge.n), LOG_STR("operator", by), LOG_STR("reason", reason),
	    LOG_ERR(err), LOG_END);
	buf_fini(&why);
	return err ? err : journal_flush(s->journal, deadline);
}
