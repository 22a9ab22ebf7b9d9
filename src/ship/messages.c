/*
 * A stream of messages within the shipper: message/ delivers them. This opens it, tells it what happens in the stream's folder, and tells the other
 * processes what waits there. Started by ship.c in the place of a planner.
 */
#include <stdlib.h>

#include "base/log.h"
#include "ship/ship_priv.h"

/* Weighing costs at most this share of the time, and is done now and then even if nobody asked for it. */
#define WEIGH_SHARE 50
#define WEIGH_LEAST (100 * NS_PER_MS)
#define WEIGH_LATEST (60 * NS_PER_S)
#define REFRESH_EVERY (50 * NS_PER_MS)

/* ---- how many wait ---- */

/* What the last weighing found in sealed files, less what was done of it by then and since. */
static void
count_stored(struct ship_stream *s, const struct message_status *now)
{
	s->metrics.stored = s->weighed.records - (int64_t)s->weighed.settled -
			    (int64_t)(now->done - s->weighed.done);
	series_set(s->metrics.stream, SPOOL_METRIC_STORED, s->metrics.stored);
}

static void
weigh(struct ship_stream *s)
{
	struct message_status now;

	if (!ship_weigh(s) || s->messages == NULL)
		return;
	message_get_status(s->messages, &now);
	s->weighed.files = s->status.waiting_files;
	s->weighed.records = s->metrics.stored;
	s->weighed.settled = now.settled;
	s->weighed.done = now.done;
	count_stored(s, &now);
}

static void
refresh(struct ship_stream *s)
{
	struct message_status now;

	if (s->messages == NULL)
		return;
	s->refreshed = clock_mono();
	message_get_status(s->messages, &now);
	s->breaker = *now.breaker;
	s->status.sent_objects = now.sent;
	s->status.failures = now.failures;
	s->status.held = now.held;
	s->status.oldest = now.oldest;
	/* Files outlive what they hold: of an open one, all may be done. */
	s->status.waiting_files = now.oldest != 0 ? MAX(s->weighed.files, 1) : 0;
	str_copyz(s->status.why, sizeof(s->status.why), str_of(now.why));
	series_set(s->metrics.stream, SPOOL_METRIC_OLDEST, now.oldest);
	count_stored(s, &now);
}

void
messages_refresh(struct ship_stream *s)
{
	if (clock_mono() - s->refreshed >= REFRESH_EVERY)
		refresh(s);
}

/* ---- the stream's task ---- */

static void
changed(void *arg)
{
	struct ship_stream *s = arg;

	refresh(s); /* who asks how many wait hears at once that none does */
	ship_stream_idle(s, s->messages != NULL && message_is_idle(s->messages) && !s->rescan);
}

static bool
open_stream(struct ship_stream *s)
{
	struct message_options opt = { .conf = s->conf,
		.sink = s->sink,
		.zone = s->ship->zone,
		.dlq = s->ship->dlq,
		.changed = changed,
		.arg = s };
	unsigned failures = 0;
	int err;

	if (opt.dlq == NULL) {
		log_event(LOG_ERROR, "ship", "no dead letters, so no messages",
		    LOG_STR("stream", s->conf->name), LOG_END);
		return false;
	}
	while ((err = message_open(&opt, &s->messages)) != 0 && !task_cancelled()) {
		log_event(LOG_ERROR, "ship", "delivery of messages cannot begin: trying again",
		    LOG_STR("stream", s->conf->name), LOG_ERR(err), LOG_END);
		ship_retreat(failures++);
	}
	if (err == 0 && s->ship->draining)
		message_drain(s->messages);
	return err == 0;
}

void
messages_run(void *arg)
{
	struct ship_stream *s = arg;
	int64_t after = 0, latest = 0;
	bool stale = true;

	if (!open_stream(s))
		return;
	while (s->messages != NULL && !task_cancelled()) {
		int64_t now = clock_mono();

		if (s->rescan) {
			s->rescan = false;
			s->idle = false;
			stale = true;
			message_look(s->messages);
		}
		if (now >= latest || (stale && now >= after)) {
			weigh(s);
			stale = false;
			after = clock_mono() + MAX(WEIGH_SHARE * (clock_mono() - now), WEIGH_LEAST);
			latest = MAX(after, now + WEIGH_LATEST);
		}
		ship_stream_wait(s, stale ? after : latest);
	}
}

void
messages_drain(struct ship_stream *s)
{
	if (s->messages != NULL)
		message_drain(s->messages);
}

void
messages_close(struct ship_stream *s, int64_t deadline)
{
	struct message_stream *m = s->messages;

	if (m == NULL)
		return;
	refresh(s);
	s->messages = NULL;
	message_close(m, deadline);
	ship_stream_wake(s);
}
