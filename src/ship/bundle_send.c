/*
 * Sending a bundle: steps 11 and 12 of the durability protocol, one task each; and which of those that are ready is next. Called by plan.c.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/shipment.h"
#include "sink/gzid.h"

struct bundle_upload {
	struct shipment h;
	struct stat st;
	uint64_t records;
	struct bundle bundle;
};

static int
open_gz(struct bundle_upload *w)
{
	int fd = file_open(w->h.file.s, O_RDONLY), err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &w->st) != 0)
		err = ERR_IO;
	(void)gzid_read_records(fd, &w->records);
	file_close(fd);
	return err;
}

static int
open_on_disk(void *arg)
{
	struct bundle_upload *w = arg;
	int err = bundle_read_list(w->h.dir, &w->h.u->id, &w->bundle);

	if (err == 0)
		err = open_gz(w);
	return err ? err : tries_read(w->h.tries_file.s, &w->h.tries);
}

static int
fix_on_disk(void *arg)
{
	struct bundle_upload *w = arg;
	int err = bundle_write_list(&w->bundle, w->h.dir);

	file_crash_point("ship.n_fixed");
	return err;
}

static int
finish_on_disk(void *arg)
{
	struct bundle_upload *w = arg;

	return bundle_finish(w->h.dir, &w->h.u->id);
}

/* Another object has our key: the next n, durable before the next PUT. */
static int
next_n(struct ship_stream *s, struct bundle_upload *w)
{
	int err;

	log_event(LOG_INFO, "ship", "key is taken: next number", LOG_STR("stream", s->conf->name),
	    LOG_S("key", w->bundle.key), LOG_END);
	w->bundle.n = MAX(w->bundle.n + 1, upload_number(s, w->bundle.hour));
	upload_number_fixed(s, w->bundle.hour, w->bundle.n);
	err = bundle_make_key(&w->bundle, s->conf->sink->prefix);
	return err ? err : ship_block(fix_on_disk, w);
}

/* The store turned out to ignore If-None-Match: only a key with our id in it cannot overwrite another's object. Nothing was
 * sent before that was known. */
static int
make_unique(struct ship_stream *s, struct bundle_upload *w)
{
	int err;

	w->bundle.unique = true;
	err = bundle_make_key(&w->bundle, s->conf->sink->prefix);
	return err ? err : ship_block(fix_on_disk, w);
}

static void
log_sent(struct ship_stream *s, const struct bundle_upload *w)
{
	s->status.sent_objects++;
	s->status.sent_bytes += (uint64_t)w->st.st_size;
	log_event(LOG_INFO, "ship", "bundle sent", LOG_STR("stream", s->conf->name),
	    LOG_STR("destination", s->conf->sink->destination), LOG_S("key", w->bundle.key),
	    LOG_I("size", w->st.st_size), LOG_I("files", w->bundle.n_sources), LOG_END);
}

/* 1: confirmed; 0: to be tried again; or an error of the disk. */
static int
deliver_bundle(struct ship_stream *s, struct bundle_upload *w)
{
	struct sink_item item = { .id = w->h.u->id,
		.path = w->h.file.s,
		.length = (uint64_t)w->st.st_size,
		.content_type = STR("application/gzip"),
		.gzip_id = true };
	int err = 0;

	if (!s->sink->conditional && !w->bundle.unique)
		err = make_unique(s, w);
	while (err == 0) {
		item.key = str_of(w->bundle.key);
		if (!upload_attempt(&w->h, &item))
			return 0;
		if (w->h.result.outcome != SINK_TAKEN)
			return w->h.result.outcome == SINK_CONFIRMED;
		err = next_n(s, w);
	}
	return err;
}

static void
forget_ready(struct ship_stream *s, const struct id *id)
{
	for (unsigned i = 0; i < s->n_ready; i++)
		if (id_eq(s->ready[i], *id)) {
			s->ready[i] = s->ready[--s->n_ready];
			return;
		}
}

static struct dlq_letter
make_letter(const struct bundle_upload *w, const struct stream_conf *conf)
{
	return (struct dlq_letter){ .id = w->h.u->id,
		.kind = DLQ_BUNDLE,
		.type = DLQ_TRANSIENT,
		.why = w->h.tries.why,
		.status = w->h.tries.status,
		.attempts = w->h.tries.n,
		.first_attempt = w->h.tries.first,
		.last_attempt = w->h.tries.last,
		.m = { .stream = conf->name,
		    .content_type = STR("application/gzip"),
		    .received = w->bundle.hour,
		    .path = w->h.file.s,
		    .length = (uint64_t)w->st.st_size },
		.key = str_of(w->bundle.key),
		.list = w->h.list.s,
		.records = w->records };
}

/* As shipment_end(). */
static int
send_bundle(struct ship_stream *s, struct bundle_upload *w)
{
	struct dlq_letter letter;
	int got = w->h.u->letter ? shipment_fetch(&w->h) : 0;

	if (got == 0)
		got = ship_block(open_on_disk, w);
	if (got == 0 && !shipment_is_used_up(&w->h))
		got = deliver_bundle(s, w);
	letter = make_letter(w, s->conf);
	id_text(letter.id, letter.m.id);
	return shipment_end(&w->h, got, &letter);
}

static int
run_bundle(struct ship_stream *s, struct bundle_upload *w)
{
	int got = shipment_settle_known(&w->h, w->h.u->id), err = 0;

	if (got == 0)
		got = send_bundle(s, w);
	if (got == SHIPMENT_SENT) {
		file_crash_point("ship.confirmed");
		log_sent(s, w);
		err = ship_block(finish_on_disk, w);
	}
	if (got > 0 && err == 0 && !w->h.u->letter)
		metrics_delivered(s, w->records);
	return err ? err : got;
}

static void
bundle_task(void *arg)
{
	struct ship_upload *u = arg;
	struct ship_stream *s = u->stream;
	struct bundle_upload *w = calloc(1, sizeof(*w));
	int got = ERR_NOMEM;

	if (w != NULL) {
		shipment_init(&w->h, u, DLQ_BUNDLE, NULL);
		got = run_bundle(s, w);
	}
	if (got != 0)
		forget_ready(s, &u->id);
	if (got < 0)
		log_event(LOG_ERROR, "ship", "bundle not finished: will be looked at again",
		    LOG_STR("stream", s->conf->name), LOG_ERR(got), LOG_END);
	if (w == NULL && u->letter)
		dlq_give_back(s->ship->dlq, u->id);
	free(w);
	upload_done(u, MIN(got, 0));
	/* The planner may be packing for a while, so the next one starts here; but not while a look goes by what is on its way. */
	if (!s->looking && got >= 0)
		upload_bundles(s);
}

bool
upload_add_ready(struct ship_stream *s, const struct id *id)
{
	if (s->n_ready == ARRAY_LEN(s->ready))
		return false;
	s->ready[s->n_ready++] = *id;
	return true;
}

/* The first ready one behind the last that was begun, in the order of ids, that is not on its way; NULL: none. */
static const struct id *
next_ready(const struct ship_stream *s)
{
	const struct id *least = NULL, *next = NULL;

	for (unsigned i = 0; i < s->n_ready; i++) {
		const struct id *id = &s->ready[i];

		if (upload_is_busy(s, id, NULL))
			continue;
		if (least == NULL || memcmp(id, least, sizeof(*id)) < 0)
			least = id;
		if (memcmp(id, &s->last, sizeof(*id)) > 0 &&
		    (next == NULL || memcmp(id, next, sizeof(*id)) < 0))
			next = id;
	}
	return next ? next : least;
}

/* Letters and the stream's own bundles take turns: neither keep the other waiting for ever. */
static bool
start_next(struct ship_stream *s, const struct id *id, bool letter)
{
	if (letter && (id == NULL || s->letters_turn)) {
		s->letters_turn = false;
		return upload_start_letter(s, bundle_task);
	}
	s->letters_turn = true;
	s->last = *id;
	return upload_start(s, id, "", bundle_task) == 0;
}

int64_t
upload_bundles(struct ship_stream *s)
{
	int64_t now = clock_mono(), next, due;

	while ((next = upload_next(s)) <= now) {
		const struct id *id = next_ready(s);
		bool letter = upload_letter_waits(s, &due);

		if (id == NULL && !letter && (s->probed || s->probe_tried))
			return due;
		if (!s->probed)
			return upload_probe(s) == 0 ? CLOCK_NEVER : now + NS_PER_S;
		if (!start_next(s, id, letter))
			return now + NS_PER_S;
	}
	if (s->n_ready > 0 || upload_letter_waits(s, &due))
		return next;
	return due == CLOCK_NEVER ? due : MAX(next, due);
}
