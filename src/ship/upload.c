/*
 * Uploads: step 11 of the durability protocol. One task for each bundle or object on its way, at most `concurrency` a stream (bundle_send.c,
 * object_send.c). A task makes one attempt (and further ones at once while the key turns out to be taken) and ends; what was not confirmed is started again by
 * the planner, after the others that wait, when back-off and breaker allow. So one that fails for ever holds up nobody for ever.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "ship/shipment.h"

/* Below this rate an upload is given up and tried again. */
#define UPLOAD_SLOWEST (256 * 1024)
/* No destination makes us wait longer by asking for it. */
#define RETRY_AFTER_MAX (300 * NS_PER_S)

/* ---- when ---- */

bool
upload_is_busy(const struct ship_stream *s, const struct id *id, const char *name)
{
	for (unsigned i = 0; i < SHIP_MAX_UPLOADS; i++) {
		const struct ship_upload *u = &s->uploads[i];

		if (u->busy && (id ? id_eq(u->id, *id) : strcmp(u->name, name) == 0))
			return true;
	}
	return false;
}

/* While the destination fails one goes ahead of the others. */
int64_t
upload_next(const struct ship_stream *s)
{
	bool alone = s->streak > 0 || s->breaker.state != BREAKER_CLOSED || !s->probed;
	uint64_t most = alone ? 1 : MIN(s->conf->concurrency, (uint64_t)SHIP_MAX_UPLOADS);

	/* What a failed call left may not be durable: the planner sees to that first. */
	if (s->n_uploads >= most || s->distrust)
		return CLOCK_NEVER;
	return MAX(s->retry_at, breaker_next(&s->breaker, s->retry_at));
}

/* ---- one attempt ---- */

static void
succeeded(struct ship_stream *s)
{
	if (s->breaker.state != BREAKER_CLOSED || s->streak > 0)
		log_event(LOG_INFO, "ship", "destination answers again",
		    LOG_STR("stream", s->conf->name),
		    LOG_STR("destination", s->conf->sink->destination), LOG_END);
	breaker_success(&s->breaker);
	metrics_breaker(s, false);
	s->streak = 0;
	s->retry_at = 0;
	s->status.held = false;
	s->status.why[0] = '\0';
}

/* Attempts that ran side by side and fail together are one failure to the back-off. With the breaker open that alone says when. */
static void
back_off(struct ship_stream *s, int64_t begun, const struct sink_result *r)
{
	const struct stream_retry *retry = &s->conf->retry;
	struct backoff_policy policy = { retry->initial, retry->max_interval, retry->multiplier,
		retry->jitter };
	int64_t now = clock_mono(), wait = MIN(r->retry_after, RETRY_AFTER_MAX);

	if (begun >= s->failed_at) {
		if (s->breaker.state == BREAKER_CLOSED)
			wait = MAX(wait, backoff_wait(&policy, s->streak, random_u64()));
		s->streak++;
	}
	s->failed_at = now;
	s->retry_at = MAX(s->retry_at, now + wait);
}

static void
failed(struct ship_stream *s, uint32_t ticket, int64_t begun, const struct sink_result *r)
{
	int64_t now = clock_mono();

	s->status.failures++;
	s->status.held = r->outcome == SINK_HELD || r->outcome == SINK_PERMANENT;
	str_copyz(s->status.why, sizeof(s->status.why), str_of(r->why));
	breaker_failure(&s->breaker, ticket, s->status.held, now);
	metrics_breaker(s, false);
	back_off(s, begun, r);
	log_event(LOG_ERROR, "ship",
	    s->status.held ? "destination refuses us: data is held" : "upload failed",
	    LOG_STR("stream", s->conf->name), LOG_STR("destination", s->conf->sink->destination),
	    LOG_S("why", r->why), LOG_I("attempt", s->streak),
	    LOG_MS("retry_in_ms", MAX(s->retry_at, breaker_next(&s->breaker, now)) - now), LOG_END);
}

/* A ticket, or 0. */
static uint32_t
may_begin(struct ship_stream *s, int64_t now)
{
	uint32_t ticket = now < s->retry_at ? 0 : breaker_take(&s->breaker, now);

	metrics_breaker(s, false);
	return ticket;
}

/* For the count of attempts, and for a letter's history. One that only asks whether the destination is back says nothing of what it
 * carried: an open breaker fills no dead letters. */
static void
count(struct shipment *h, const struct sink_item *item, bool probe, int64_t began, int64_t took)
{
	struct ship_stream *s = h->u->stream;

	if (h->result.outcome == SINK_TAKEN || (probe && h->result.outcome != SINK_CONFIRMED))
		return;
	if (h->u->letter) {
		dlq_attempt(s->ship->dlq, item->id, &h->result, began, took);
	} else if (h->result.outcome == SINK_AGAIN) {
		tries_add(&h->tries, &h->result, began);
		h->counted = true;
	}
}

bool
upload_attempt(struct shipment *h, const struct sink_item *item)
{
	struct ship_stream *s = h->u->stream;
	int64_t now = clock_mono(), began = clock_wall();
	int64_t deadline =
	    now + s->conf->deliver_timeout + (int64_t)(item->length / UPLOAD_SLOWEST) * NS_PER_S;
	uint32_t ticket = may_begin(s, now);
	bool probe = s->breaker.state == BREAKER_HALF_OPEN;

	if (ticket == 0)
		return false;
	h->result = (struct sink_result){ .outcome = SINK_AGAIN };
	s->sink->ops->put(s->sink, item, s->conf->verify, deadline, &h->result);
	delivery_metrics_attempt(&s->metrics.delivery, h->result.outcome, clock_mono() - now);
	count(h, item, probe, began, clock_mono() - now);
	if (h->result.outcome == SINK_CONFIRMED || h->result.outcome == SINK_TAKEN)
		succeeded(s);
	else
		failed(s, ticket, now, &h->result);
	return true;
}

/* ---- places ---- */

static int
start(struct ship_stream *s, const struct ship_upload *what, task_fn *fn)
{
	for (unsigned i = 0; i < SHIP_MAX_UPLOADS; i++) {
		struct ship_upload *u = &s->uploads[i];

		if (u->busy)
			continue;
		*u = *what;
		u->stream = s;
		u->busy = task_go("upload", fn, u, NULL) == 0;
		s->n_uploads += u->busy;
		return u->busy ? 0 : ERR_NOMEM;
	}
	return ERR_BUSY;
}

int
upload_start(struct ship_stream *s, const struct id *id, const char *name, task_fn *fn)
{
	struct ship_upload what = { .id = id ? *id : (struct id){ { 0 } } };

	str_copyz(what.name, sizeof(what.name), str_of(name));
	return start(s, &what, fn);
}

/* The same name each time, and none that a segment has: of a sealed one made by a process that there cannot be. */
static void
name_letter(const struct dlq_entry *e, char out[SCAN_NAME_MAX])
{
	uint32_t a, b;
	struct clock_utc t;

	memcpy(&a, e->id.b, sizeof(a));
	memcpy(&b, e->id.b + sizeof(a), sizeof(b));
	clock_split(e->created, &t);
	snprintf(out, SCAN_NAME_MAX, "%04u%02u%02uT%02u%02u%02u%09uZ.0%u.%u",
	    (unsigned)t.year % 10000, (unsigned)t.month % 100, (unsigned)t.day % 100,
	    (unsigned)t.hour % 100, (unsigned)t.minute % 100, (unsigned)t.second % 100,
	    (unsigned)t.nanosecond % 1000000000u, a, b);
}

bool
upload_letter_waits(const struct ship_stream *s, int64_t *next)
{
	int64_t wall = clock_wall(), due = 0;

	*next = CLOCK_NEVER;
	if (s->ship->dlq == NULL || s->ship->draining)
		return false;
	if (dlq_take(s->ship->dlq, s->conf->name, wall, NULL, &due)) {
		*next = 0;
		return true;
	}
	if (due != 0)
		*next = clock_mono() + MAX(due - wall, NS_PER_MS);
	return false;
}

bool
upload_start_letter(struct ship_stream *s, task_fn *fn)
{
	struct ship_upload what = { .letter = true };
	struct dlq_entry e;
	int64_t due;

	if (!upload_letter_waits(s, &due) ||
	    !dlq_take(s->ship->dlq, s->conf->name, clock_wall(), &e, &due))
		return false;
	what.id = e.id;
	name_letter(&e, what.name);
	/* What a crash left of it may be being removed. */
	if (!upload_is_busy(s, &e.id, NULL) && !upload_is_busy(s, NULL, what.name) &&
	    start(s, &what, fn) == 0)
		return true;
	dlq_give_back(s->ship->dlq, e.id);
	return false;
}

void
upload_done(struct ship_upload *u, int err)
{
	struct ship_stream *s = u->stream;

	u->busy = false;
	s->n_uploads--;
	s->rescan = true;
	if (err != 0)
		s->distrust = true;
	ship_stream_wake(s);
}

/* ---- the probe ---- */

static void
probe_task(void *arg)
{
	struct ship_upload *u = arg;
	struct ship_stream *s = u->stream;
	struct sink_result *r = calloc(1, sizeof(*r));
	int64_t now = clock_mono();
	uint32_t ticket = r ? may_begin(s, now) : 0;
	int got = 1;

	if (ticket == 0)
		goto done;
	if (s->sink->ops->probe != NULL)
		got = s->sink->ops->probe(
		    s->sink, now + s->conf->deliver_timeout, r->why, sizeof(r->why));
	if (got < 0) {
		r->outcome = err_class(got) == ERR_CLASS_HELD ? SINK_HELD : SINK_AGAIN;
		failed(s, ticket, now, r);
	} else {
		s->probed = true;
		succeeded(s);
	}
done:
	free(r);
	upload_done(u, 0);
}

int
upload_probe(struct ship_stream *s)
{
	s->probe_tried = true;
	return upload_start(s, NULL, "", probe_task);
}

/* ---- numbers ---- */

static struct ship_hour *
find_hour(struct ship_stream *s, int64_t hour)
{
	for (unsigned i = 0; i < SHIP_MAX_HOURS; i++)
		if (s->hours[i].next > 0 && s->hours[i].hour == hour)
			return &s->hours[i];
	return NULL;
}

unsigned
upload_number(struct ship_stream *s, int64_t hour)
{
	const struct ship_hour *h = find_hour(s, hour);

	return h ? h->next : 0;
}

void
upload_number_fixed(struct ship_stream *s, int64_t hour, unsigned n)
{
	struct ship_hour *h = find_hour(s, hour);

	if (h == NULL) {
		h = &s->hours[s->hours_turn++ % SHIP_MAX_HOURS];
		*h = (struct ship_hour){ .hour = hour };
	}
	h->next = MAX(h->next, n + 1);
}
