/*
 * The planner of an object stream: each sealed segment holds one object, sent at once (object_send.c).
 */
#include <stdlib.h>

#include "base/log.h"
#include "ship/ship_priv.h"

/* Claimed at a time: bounds what is held in memory, however long the backlog. */
#define CLAIM_MAX 1024
/* A look costs at most this share of the time, and is taken now and then even if nobody asked for it. */
#define LOOK_SHARE 20
#define LOOK_AT_LEAST (60 * NS_PER_S)
#define USAGE_SHARE 50

/* The planner's memory. */
struct shelf {
	struct ship_stream *stream;
	struct scan_objects scan;
	unsigned next,
	    left;   /* of scan.names: the next to begin with, and how many are still to be begun */
	bool fresh; /* nothing was begun since the look */
	bool weigh;
	struct scan_usage usage;
	int64_t look_after, look_latest, weigh_after; /* monotonic */
};

static int
scan_on_disk(void *arg)
{
	struct shelf *w = arg;
	int err = scan_objects(&w->scan);

	if (err == 0 && w->weigh)
		err = scan_usage(w->scan.dir, true, &w->usage);
	return err;
}

/* Begins behind the object that was begun last, so that the first ones, failing for ever, do not keep the others waiting. */
static void
take_names(struct shelf *w)
{
	w->next = 0;
	w->left = w->scan.n;
	while (w->next < w->scan.n && strcmp(w->scan.names[w->next], w->stream->last_name) <= 0)
		w->next++;
}

static int
look(struct shelf *w)
{
	struct ship_stream *s = w->stream;
	int64_t begun = clock_mono(), now;
	int err;

	free(w->scan.names);
	w->scan = (struct scan_objects){
		.dir = s->conf->dir, .distrust = s->distrust, .claim_max = CLAIM_MAX
	};
	w->left = 0;
	w->weigh = begun >= w->weigh_after;
	s->rescan = s->distrust = false;
	s->added_before = zone_added(s->ship->zone, s->conf->index);
	metrics_look_begins(s);
	s->looking = true;
	err = ship_block(scan_on_disk, w);
	s->looking = false;
	if (err != 0) {
		s->distrust = true;
		return err;
	}
	now = clock_mono();
	take_names(w);
	w->fresh = true;
	w->look_after = now + MIN(LOOK_SHARE * (now - begun), NS_PER_S);
	w->look_latest = now + LOOK_AT_LEAST;
	if (w->weigh)
		w->weigh_after = now + USAGE_SHARE * (now - begun);
	else
		w->look_latest = w->weigh_after;
	ship_stream_report(s, w->scan.waiting_files, 0, w->weigh ? &w->usage : NULL);
	poison_tell(s);
	return 0;
}

static bool
must_look(const struct shelf *w)
{
	const struct ship_stream *s = w->stream;
	int64_t now = clock_mono();

	if (s->distrust || now >= w->look_latest)
		return true;
	if (w->left > 0)
		return false;
	if (s->rescan && (now >= w->look_after || s->ship->draining))
		return true;
	return s->n_uploads == 0 && (w->scan.more || !w->fresh) && now >= w->look_after;
}

/* The object that comes next, begun if it is not on its way. False: not now. */
static bool
start_object(struct shelf *w)
{
	struct ship_stream *s = w->stream;
	const char *name = w->scan.names[w->next % w->scan.n];

	if (!upload_is_busy(s, NULL, name)) {
		if (upload_start(s, NULL, name, object_send) != 0)
			return false;
		str_copyz(s->last_name, sizeof(s->last_name), str_of(name));
		w->fresh = false;
	}
	w->next = w->next % w->scan.n + 1;
	w->left--;
	return true;
}

/* Letters and the stream's own objects take turns: neither keep the other waiting for ever. */
static bool
start_next(struct shelf *w, bool letter)
{
	struct ship_stream *s = w->stream;

	if (letter && (w->left == 0 || s->letters_turn)) {
		s->letters_turn = false;
		return upload_start_letter(s, object_send);
	}
	s->letters_turn = true;
	return start_object(w);
}

/* As upload_bundles() does: when to go on, CLOCK_NEVER if there is nothing or the end of an upload will tell. */
static int64_t
start_objects(struct shelf *w)
{
	struct ship_stream *s = w->stream;
	int64_t now = clock_mono(), next, due;

	while ((next = upload_next(s)) <= now) {
		bool letter = upload_letter_waits(s, &due);

		if (w->left == 0 && !letter && (s->probed || s->probe_tried))
			return due;
		if (!s->probed)
			return upload_probe(s) == 0 ? CLOCK_NEVER : now + NS_PER_S;
		if (!start_next(w, letter))
			return now + NS_PER_S;
	}
	if (w->left > 0 || upload_letter_waits(s, &due))
		return next;
	return due == CLOCK_NEVER ? due : MAX(next, due);
}

static int
take_turn(struct shelf *w, int64_t *until)
{
	struct ship_stream *s = w->stream;
	int64_t send_at;
	int err = must_look(w) ? look(w) : 0;

	if (err != 0)
		return err;
	send_at = start_objects(w);
	if (must_look(w))
		return 1;
	*until = MIN(send_at, w->look_latest);
	if (w->left == 0 && (s->rescan || (s->n_uploads == 0 && (w->scan.more || !w->fresh))))
		*until = MIN(*until, w->look_after);
	return 0;
}

static bool
is_idle(const struct shelf *w)
{
	const struct ship_stream *s = w->stream;

	return w->fresh && w->scan.waiting_files == 0 && s->n_uploads == 0 && !s->rescan &&
	       !s->distrust;
}

void
object_run(void *arg)
{
	struct ship_stream *s = arg;
	struct shelf *w = calloc(1, sizeof(*w));
	unsigned failures = 0;

	if (w == NULL) {
		log_event(LOG_ERROR, "ship", "no memory for the planner", LOG_END);
		return;
	}
	w->stream = s;
	while (!task_cancelled()) {
		int64_t until = CLOCK_NEVER;
		int got = take_turn(w, &until);

		ship_stream_idle(s, got == 0 && is_idle(w));
		if (got < 0)
			log_event(LOG_ERROR, "ship", "turn failed: reading the disk again",
			    LOG_STR("stream", s->conf->name), LOG_ERR(got), LOG_END);
		else if (got == 0 && !s->distrust)
			ship_stream_wait(s, until);
		if (!s->distrust)
			failures = 0;
		else
			ship_retreat(failures++);
	}
	free(w->scan.names);
	free(w);
}
