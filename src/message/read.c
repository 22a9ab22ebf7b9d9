/*
 * The task that keeps the queue filled: reads ahead while there is room, passes over what the journal knows to be done, removes segments that are done
 * with. While much is ready to be sent, or all that there is room for waits, it reads nothing, and the spool grows: so it comes to the client.
 */
#include "base/log.h"
#include "limit/backoff.h"
#include "message/message_priv.h"

/* Ready ones beyond which nothing more is read, and how few there are when it goes on. */
#define AHEAD 1024u
#define AGAIN (AHEAD / 2)
/* A ring that was lost costs no more. */
#define LOOK_AT_LEAST NS_PER_S
#define UNLOAD_EVERY (100 * NS_PER_MS)
#define FORGET_MAX 1024
/* Records are read in the order of their time, but for names that came late. */
#define ORDER_SLACK (2 * NS_PER_S)

static const struct backoff_policy disk_policy = { 100 * NS_PER_MS, 5 * NS_PER_S, 2, true };

void
read_wake(struct message_stream *s)
{
	s->woken = true;
	waitq_wake_all(&s->wake);
}

static size_t
records_in_queue(const struct message_stream *s)
{
	return queue_count(&s->queue) - s->n_letters;
}

void
read_done(struct message_stream *s, struct message *m)
{
	bool removable = tail_done(s->tail, m->segment);
	size_t ready = s->queue.counts[MESSAGE_READY];

	s->done++;
	queue_done(&s->queue, m);
	if (removable || records_in_queue(s) == 0 || (s->wants_room && ready <= AGAIN))
		read_wake(s);
}

/* ---- room ---- */

/* What waits can be read again when its time has come. */
static void
unload(void *arg, struct message *m)
{
	(void)arg;
	if (m->state == MESSAGE_WAITING || m->state == MESSAGE_BLOCKED)
		queue_unload(m);
}

static bool
has_memory(struct message_stream *s)
{
	int64_t now = clock_mono();

	if (chunks_full(&s->chunks) && now - s->unloaded >= UNLOAD_EVERY) {
		s->unloaded = now;
		queue_each(&s->queue, unload, NULL);
	}
	return !chunks_full(&s->chunks);
}

/* Messages to be filled in, as many as there is room for. Those that were not needed the last time are at hand. */
static unsigned
get_room(struct message_stream *s)
{
	struct message *m;

	if ((s->queue.counts[MESSAGE_READY] >= AHEAD && !s->purge) || !has_memory(s))
		return 0;
	while (s->n_read < MESSAGE_READ_MAX && (m = queue_get_extra(&s->queue, s->n_letters)))
		s->read[s->n_read++] = m;
	return s->n_read;
}

static void
return_room(struct message_stream *s)
{
	while (s->n_read > 0)
		queue_return(&s->queue, s->read[--s->n_read]);
}

/* ---- what was read ---- */

/* When the next attempt is due, by what the journal says of the last one. */
static void
recall(struct message_stream *s, struct message *m, int64_t now)
{
	struct journal_attempts a;
	int64_t since;

	journal_attempts(s->journal, m->segment->id, m->number, &a);
	if (a.n == 0)
		return;
	m->attempts = m->tries = a.n;
	m->first = a.first;
	m->last = a.last;
	since = MAX(clock_wall() - a.last, 0);
	m->due = now + send_wait(s, a.n) - since;
}

static void
drop(struct message_stream *s, const struct message *m)
{
	struct journal_row row = { .segment = m->segment->id,
		.number = m->number,
		.message = m->id,
		.result = JOURNAL_DROPPED,
		.attempt = m->attempts,
		.time = clock_wall(),
		.error = s->purge->why };

	journal_add(s->journal, &row);
	s->purge->n++;
	s->done++;
	(void)tail_done(s->tail, m->segment);
}

static void
pass_by(struct message_purge *p, const struct message *m)
{
	p->younger = true;
	p->past = p->past || m->received > p->before + ORDER_SLACK;
}

/* Somebody died between the letter and the row that tells of it: so the row is added now. */
static bool
is_letter(struct message_stream *s, const struct message *m)
{
	struct journal_row row = { .segment = m->segment->id,
		.number = m->number,
		.message = m->id,
		.result = JOURNAL_DEAD };
	struct dlq_entry e;

	if (dlq_find(s->opt.dlq, letter_id(m), &e) != OK)
		return false;
	row.attempt = e.attempts;
	row.time = e.last_attempt ? e.last_attempt : e.dead;
	row.status = e.status;
	row.error = e.error;
	journal_add(s->journal, &row);
	return true;
}

static void
accept(struct message_stream *s, struct message *m, int64_t now)
{
	if (journal_is_done(s->journal, m->segment->id, m->number) || is_letter(s, m)) {
		(void)tail_done(s->tail, m->segment);
		s->done++;
		queue_return(&s->queue, m);
	} else if (s->purge && m->received <= s->purge->before) {
		drop(s, m);
		queue_return(&s->queue, m);
	} else {
		if (s->purge)
			pass_by(s->purge, m);
		recall(s, m, now);
		queue_add(&s->queue, m, now);
	}
}

/* What is left of segments that somebody took away. Once all that are there have been seen. */
static void
reconcile(struct message_stream *s)
{
	static struct id ids[FORGET_MAX];
	size_t n = MIN(journal_segments(s->journal, ids, FORGET_MAX), (size_t)FORGET_MAX);

	s->reconciled = true;
	for (size_t i = 0; i < n; i++) {
		const struct tail_segment *t = tail_each(s->tail, NULL);

		while (t != NULL && !id_eq(t->id, ids[i]))
			t = tail_each(s->tail, t);
		if (t == NULL)
			journal_forget(s->journal, ids[i]);
	}
}

/* How many messages came in, or an error. */
static int
read_ahead(struct message_stream *s)
{
	unsigned n = get_room(s);
	int got = n > 0 ? tail_read(s->tail, s->read, n) : 0;
	int64_t now = clock_mono();

	s->no_room = n == 0;
	s->wants_room = n == 0 || tail_has_more(s->tail);
	s->all_read = n > 0 && tail_is_read(s->tail);
	for (int i = 0; i < got; i++)
		accept(s, s->read[i], now);
	if (got > 0) {
		s->n_read -= (unsigned)got;
		memmove(s->read, s->read + got, s->n_read * sizeof(s->read[0]));
		send_wake(s, (unsigned)got);
	}
	if (s->all_read && !s->reconciled)
		reconcile(s);
	return got;
}

/* ---- a turn ---- */

static int
tell_damages(struct message_stream *s)
{
	const struct tail_damage *d;
	int err;

	while ((d = tail_damage(s->tail)) != NULL) {
		err = letter_damage(s, d);
		if (err != OK)
			return err;
		tail_told(s->tail);
	}
	return OK;
}

static int
sweep(struct message_stream *s)
{
	int got;

	while ((got = tail_sweep(s->tail)) == 1 && !s->closing)
		;
	return MIN(got, 0);
}

/* Not as soon as there is nothing to do: the next record may come the moment after. */
static void
give_back_memory(struct message_stream *s)
{
	return_room(s);
	tail_rest(s->tail);
	queue_trim(&s->queue);
	chunks_trim(&s->chunks);
}

static void
tell_idle(struct message_stream *s)
{
	bool idle;

	idle = s->all_read && tail_is_empty(s->tail) && records_in_queue(s) == 0;
	if (idle && s->idle)
		give_back_memory(s);
	if (idle == s->idle)
		return;
	s->idle = idle;
	if (s->opt.changed)
		s->opt.changed(s->opt.arg);
}

/* Nothing older is left, whatever comes in meanwhile, and though the window may be full of it. */
static void
tell_purged(struct message_stream *s, int got)
{
	const struct message_purge *p = s->purge;

	if (p == NULL || (!p->past && !(p->younger && s->no_room) && (got != 0 || s->wants_room)))
		return;
	s->purge = NULL;
	waitq_wake_all(&s->purged);
}

/* When to go on, if nobody wakes us. */
static int64_t
take_turn(struct message_stream *s)
{
	int told = tell_damages(s), got = read_ahead(s), swept = sweep(s);
	int err = got < 0 ? got : told ? told : swept;
	int64_t now = clock_mono();

	tell_idle(s);
	tell_purged(s, got);
	delivery_metrics_waiting(&s->metrics, s->queue.counts[MESSAGE_WAITING]);
	if (err != OK) {
		log_event(LOG_ERROR, "message", "spool cannot be read or tidied: trying again",
		    LOG_STR("stream", s->conf->name), LOG_ERR(err), LOG_END);
		return now + backoff_wait(&disk_policy, s->failures++, random_u64());
	}
	s->failures = 0;
	if (got > 0)
		return now;
	if (s->no_room)
		return now + LOOK_AT_LEAST; /* who makes room tells */
	if (tail_has_more(s->tail))
		return now + NS_PER_MS;
	return MIN(tail_next(s->tail), now + LOOK_AT_LEAST);
}

void
read_run(void *arg)
{
	struct message_stream *s = arg;

	while (!s->closing) {
		int64_t until;

		s->woken = false;
		until = take_turn(s);
		if (!s->woken && !s->closing && until > clock_mono())
			(void)waitq_park(&s->wake, until);
		else
			(void)task_breathe();
	}
	s->n_tasks--;
	waitq_wake_all(&s->ended);
}
