/*
 * The tasks that send: each takes a message, makes one attempt, and sees to what came of it. There are `concurrency` of them, for as long as the stream
 * is open.
 *
 *	confirmed           done
 *	again               counted, and tried again after 1, 2, 4 s …; when that was tried `retry max` times, or it is older than max_age: dead letter
 *	held                not counted; the breaker opens
 *	permanent, poison   dead letter
 *
 * While the breaker is open nothing is sent. Half-open it lets one pass; if the destination does not even answer that one, it is not counted against
 * the message, so that an outage, however long, fills no dead letters.
 */
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "limit/backoff.h"
#include "message/message_priv.h"

/* Below this rate a long message is given up and tried again. */
#define SLOWEST (256 * 1024)
/* No destination makes us wait longer by asking for it. */
#define RETRY_AFTER_MAX (300 * NS_PER_S)
#define LOG_LINES 20 /* about single messages, a second */

/* ---- when ---- */

void
send_wake(struct message_stream *s, unsigned n)
{
	waitq_wake(&s->work, MIN(n, s->n_idle));
}

void
send_timer(struct timer *t)
{
	send_wake(CONTAINER_OF(t, struct message_stream, timer), 1);
}

int64_t
send_wait(const struct message_stream *s, unsigned n)
{
	const struct stream_retry *r = &s->conf->retry;
	struct backoff_policy policy = { r->initial, r->max_interval, r->multiplier, r->jitter };

	return backoff_wait(&policy, n - 1, random_u64());
}

/* Those who wait are woken when there is something to do. */
static void
set_timer(struct message_stream *s, int64_t now)
{
	int64_t at = s->queue.counts[MESSAGE_READY] > 0 ? now : queue_next(&s->queue);

	at = MIN(at, letter_next(s));
	at = MAX(at, s->pause_until);
	if (at != CLOCK_NEVER)
		at = MAX(at, breaker_next(&s->breaker, now));
	if (at == CLOCK_NEVER)
		timer_clear(&s->timer);
	else
		(void)timer_set(&s->timer, at);
}

/* The next message, with a ticket for it. NULL: there is none, or nothing may be sent. */
static struct message *
take(struct sender *me, int64_t now)
{
	struct message_stream *s = me->stream;
	bool letter = letter_due(s, now), record = queue_has(&s->queue, now);
	struct message *m = NULL;

	if (now < s->pause_until || (!letter && !record))
		return NULL;
	me->ticket = breaker_take(&s->breaker, now);
	if (me->ticket == 0)
		return NULL;
	me->probing = s->breaker.state == BREAKER_HALF_OPEN;
	delivery_metrics_breaker(&s->metrics, s->breaker.state);
	s->letters_turn = !s->letters_turn;
	if (letter && (s->letters_turn || !record))
		m = letter_take(s, now);
	if (m == NULL)
		m = queue_take(&s->queue, now);
	if (m == NULL)
		breaker_cancel(&s->breaker, me->ticket);
	return m;
}

/* Whoever was woken and has something to do sees to it that the next one is woken, now or when there is more: his own attempt may take long. */
static void
pass_on(struct message_stream *s, int64_t now)
{
	if (s->n_idle == 0)
		return;
	if (queue_has(&s->queue, now) || letter_due(s, now))
		send_wake(s, 1);
	else
		set_timer(s, now);
}

static struct message *
next(struct sender *me)
{
	struct message_stream *s = me->stream;

	while (!s->closing && !task_cancelled()) {
		int64_t now = clock_mono();
		struct message *m = take(me, now);

		if (m != NULL) {
			pass_on(s, now);
			return m;
		}
		set_timer(s, now);
		s->n_idle++;
		(void)waitq_park(&s->work, CLOCK_NEVER);
		s->n_idle--;
	}
	return NULL;
}

/* ---- what came of it ---- */

void
send_journal(
    struct sender *me, const struct message *m, enum journal_result result, struct str error)
{
	struct journal_row row = { .message = m->id,
		.number = m->number,
		.result = result,
		.attempt = me->m.attempt,
		.time = me->wall,
		.duration = me->took,
		.status = me->r.status,
		.error = error };
	struct id trace;

	if (m->segment != NULL)
		row.segment = m->segment->id;
	if (id_parse(str_sub(me->m.traceparent, 3, (size_t)2 * ID_LEN), &trace) == 0)
		memcpy(row.trace, trace.b, sizeof(row.trace));
	journal_add(me->stream->journal, &row);
	if (m->segment == NULL)
		dlq_attempt(me->stream->opt.dlq, m->letter, &me->r, me->wall, me->took);
}

/* Not more lines than a person can read; how many were left out is told. */
static bool
may_log(struct message_stream *s)
{
	int64_t second = clock_cached_mono() / NS_PER_S;

	if (second != s->log_second) {
		s->log_second = second;
		s->log_lines = 0;
	}
	if (s->log_lines++ < LOG_LINES)
		return true;
	s->log_left_out++;
	return false;
}

static void
log_failed(struct sender *me, const char *what, int64_t wait)
{
	struct message_stream *s = me->stream;

	if (!may_log(s))
		return;
	log_event(LOG_WARN, "message", what, LOG_STR("stream", s->conf->name),
	    LOG_S("id", me->m.id), LOG_I("attempt", me->m.attempt), LOG_S("why", me->r.why),
	    LOG_MS("retry_in_ms", wait), LOG_MS("ms", me->took),
	    LOG_STR("traceparent", me->m.traceparent), LOG_I("left_out", s->log_left_out), LOG_END);
	s->log_left_out = 0;
}

static void
answered(struct sender *me)
{
	struct message_stream *s = me->stream;

	if (s->breaker.state != BREAKER_CLOSED)
		log_event(LOG_INFO, "message", "destination answers again",
		    LOG_STR("stream", s->conf->name),
		    LOG_STR("destination", s->conf->sink->destination), LOG_END);
	breaker_success(&s->breaker);
	delivery_metrics_breaker(&s->metrics, s->breaker.state);
	s->held = false;
}

static void
not_answered(struct sender *me, bool held)
{
	struct message_stream *s = me->stream;
	int64_t now = clock_mono();

	s->failed++;
	s->held = held;
	(void)str_copyz(s->why, sizeof(s->why), str_of(me->r.why));
	if (breaker_failure(&s->breaker, me->ticket, held, now) && !me->probing)
		log_event(LOG_ERROR, "message",
		    held ? "destination refuses us: messages are held"
			 : "destination fails: nothing is sent for a while",
		    LOG_STR("stream", s->conf->name),
		    LOG_STR("destination", s->conf->sink->destination), LOG_S("why", me->r.why),
		    LOG_MS("retry_in_ms", breaker_next(&s->breaker, now) - now), LOG_END);
	delivery_metrics_breaker(&s->metrics, s->breaker.state);
}

static void
delivered(struct sender *me, struct message *m)
{
	struct message_stream *s = me->stream;

	file_crash_point("message.sent");
	answered(me);
	s->why[0] = '\0';
	s->sent++;
	log_event(LOG_DEBUG, "message", "delivered", LOG_STR("stream", s->conf->name),
	    LOG_S("id", me->m.id), LOG_I("attempt", me->m.attempt), LOG_MS("ms", me->took),
	    LOG_STR("traceparent", me->m.traceparent), LOG_END);
	send_journal(me, m, JOURNAL_DELIVERED, STR(""));
	if (m->segment != NULL)
		read_done(s, m);
	else
		letter_delivered(me, m);
}

/* Nothing is counted. Behind the others, so that the next probe is another one. */
static void
put_back(struct sender *me, struct message *m)
{
	struct message_stream *s = me->stream;

	me->r.outcome = SINK_HELD; /* of a dead letter, too, it does not count */
	log_failed(me, "message is held", MAX(s->breaker.open_until - clock_mono(), 0));
	send_journal(me, m, JOURNAL_HELD, str_of(me->r.why));
	queue_again(&s->queue, m);
}

static bool
is_overdue(const struct message_stream *s, const struct message *m)
{
	return m->segment != NULL && clock_wall() - m->received > s->conf->max_age;
}

/* The destination, or what stands before it, says that nobody looked at the message. */
static bool
was_looked_at(const struct sink_result *r)
{
	static const int away[] = { 0, 421, 429, 502, 503, 504 };

	for (size_t i = 0; i < ARRAY_LEN(away); i++)
		if (r->status == away[i])
			return false;
	return true;
}

static void
count_attempt(struct sender *me, struct message *m)
{
	m->attempts++;
	m->tries++;
	m->last = me->wall;
	if (m->first == 0)
		m->first = me->wall;
}

static void
again(struct sender *me, struct message *m)
{
	struct message_stream *s = me->stream;
	bool counts = !me->probing || was_looked_at(&me->r);
	int64_t asked = MIN(me->r.retry_after, RETRY_AFTER_MAX), now = clock_mono(), wait;

	not_answered(me, false);
	/* That is said of all messages, not of this one. */
	if (asked > 0 && (me->r.status == 429 || me->r.status == 503))
		s->pause_until = MAX(s->pause_until, now + asked);
	if (counts)
		count_attempt(me, m);
	if (counts && (m->tries > s->conf->retry.max || is_overdue(s, m))) {
		letter_bury(me, m, DLQ_TRANSIENT);
		return;
	}
	if (!counts) {
		put_back(me, m);
		return;
	}
	wait = MAX(send_wait(s, m->tries), asked);
	log_failed(me, "delivery failed", wait);
	send_journal(me, m, JOURNAL_RETRY, str_of(me->r.why));
	file_crash_point("message.retry");
	delivery_metrics_retry(&s->metrics);
	queue_wait(&s->queue, m, now + wait);
}

static void
refused(struct sender *me, struct message *m, enum dlq_type type)
{
	answered(me);
	me->stream->failed++;
	count_attempt(me, m);
	letter_bury(me, m, type);
}

/* ---- an attempt ---- */

void
send_fill(struct sender *me, const struct message *m)
{
	const struct message_stream *s = me->stream;

	me->m = (struct sink_message){ .stream = s->conf->name,
		.method = m->method.n > 0 ? m->method : STR("POST"),
		.user = m->user,
		.content_type = m->type,
		.content_encoding = m->encoding,
		.traceparent = m->trace,
		.received = m->received,
		.attempt = m->attempts + 1,
		.body = m->body,
		.path = m->path,
		.offset = m->body_at,
		.length = m->body_length };
	if (m->chunk == NULL) {
		me->m.body = STR("");
		me->m.length = 0;
	}
	id_text(m->id, me->m.id);
	me->r = (struct sink_result){ .outcome = SINK_AGAIN };
	me->wall = clock_wall();
	me->took = 0;
}

static void
attempt(struct sender *me, struct message *m)
{
	struct message_stream *s = me->stream;
	int64_t begun = clock_mono();
	int64_t deadline =
	    begun + s->conf->deliver_timeout + (int64_t)(m->body_length / SLOWEST) * NS_PER_S;

	s->conf->sink->ops->send(s->opt.sink, &me->m, deadline, &me->r);
	me->took = clock_mono() - begun;
	if (task_cancelled() && me->r.outcome != SINK_CONFIRMED) {
		/* Cut short by us: it goes back as if it had not been tried. */
		breaker_cancel(&s->breaker, me->ticket);
		queue_again(&s->queue, m);
		return;
	}
	delivery_metrics_attempt(&s->metrics, me->r.outcome, me->took);
	switch (me->r.outcome) {
	case SINK_CONFIRMED:
		delivered(me, m);
		break;
	case SINK_HELD:
		not_answered(me, true);
		put_back(me, m);
		break;
	case SINK_PERMANENT:
		refused(me, m, DLQ_PERMANENT);
		break;
	case SINK_POISON:
		refused(me, m, DLQ_POISON);
		break;
	default:
		again(me, m);
	}
}

/* Its memory was wanted for others while it waited. False: it could not be had back. */
static bool
load(struct sender *me, struct message *m)
{
	struct message_stream *s = me->stream;
	int err = m->segment != NULL ? tail_load(s->tail, m) : letter_load(s, m);

	send_fill(me, m);
	if (err == OK)
		return true;
	breaker_cancel(&s->breaker, me->ticket);
	snprintf(me->r.why, sizeof(me->r.why), "its contents cannot be read: %s", err_text(err));
	if (err == ERR_NOT_FOUND || err == ERR_CORRUPT) {
		me->r.outcome = SINK_POISON;
		letter_bury(me, m, DLQ_POISON);
	} else {
		log_failed(me, "message cannot be read: trying again", NS_PER_S);
		queue_wait(&s->queue, m, clock_mono() + NS_PER_S);
	}
	return false;
}

/* Not tried any more: too old, or given up before the dead letters could take it. */
static bool
is_given_up(struct sender *me, const struct message *m)
{
	struct message_stream *s = me->stream;
	struct journal_attempts a = { .n = 0 };

	if (m->segment == NULL || me->probing ||
	    (m->tries <= s->conf->retry.max && !is_overdue(s, m)))
		return false;
	journal_attempts(s->journal, m->segment->id, m->number, &a);
	if (a.n > 0 && a.error.n > 0)
		(void)str_copyz(me->r.why, sizeof(me->r.why), a.error);
	else
		snprintf(me->r.why, sizeof(me->r.why), "older than max_age");
	me->r.status = a.status;
	me->m.attempt = m->attempts;
	return true;
}

static void
handle(struct sender *me, struct message *m)
{
	if (m->verdict != NULL) {
		breaker_cancel(&me->stream->breaker, me->ticket);
		letter_resume(me, m);
		return;
	}
	if (m->chunk == NULL && !load(me, m))
		return;
	send_fill(me, m);
	if (is_given_up(me, m)) {
		breaker_cancel(&me->stream->breaker, me->ticket);
		letter_bury(me, m, DLQ_TRANSIENT);
		return;
	}
	attempt(me, m);
}

void
send_run(void *arg)
{
	struct sender *me = arg;
	struct message_stream *s = me->stream;
	struct message *m;

	while ((m = next(me)) != NULL)
		handle(me, m);
	s->n_tasks--;
	waitq_wake_all(&s->ended);
}
