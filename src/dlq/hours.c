/*
 * How many letters came in each hour, by stream and type. Letters in the log count themselves when it is read; before a log file is removed,
 * all is written down in one frame, which replaces what was counted before it.
 */
#include <stdlib.h>

#include "base/log.h"
#include "dlq/dlq_priv.h"

/* Beyond so many (hour, stream, type) the oldest go: the frame that holds them has a limit. */
#define CELLS_MAX 16384u
#define CELL_FIXED (8 + 8 + 1 + 2)

_Static_assert(CELLS_MAX *(CELL_FIXED + 64) + 64 <= FRAME_CONTENTS_MAX,
    "all cells fit a frame, with names of streams as the configuration takes them");

static bool
grow(struct dlq *d)
{
	size_t cap = d->cap_hours ? d->cap_hours * 2 : 64;
	struct hour_cell *cells;

	if (d->n_hours < d->cap_hours)
		return true;
	cells = realloc(d->hours, cap * sizeof(*cells));
	if (!cells)
		return false;
	d->hours = cells;
	d->cap_hours = cap;
	return true;
}

static void
drop_oldest(struct dlq *d, size_t n)
{
	if (n == 0)
		return;
	memmove(d->hours, d->hours + n, (d->n_hours - n) * sizeof(*d->hours));
	d->n_hours -= n;
}

void
hours_add(struct dlq *d, int64_t time, struct dlq_stream *stream, enum dlq_type type, uint64_t n)
{
	int64_t hour = time - time % DLQ_HOUR;
	size_t i = d->n_hours;

	for (; i > 0 && d->hours[i - 1].hour >= hour; i--) {
		struct hour_cell *c = &d->hours[i - 1];

		if (c->hour == hour && c->stream == stream && c->type == type) {
			c->n += n;
			return;
		}
	}
	if (d->n_hours == CELLS_MAX) {
		drop_oldest(d, 1);
		i -= i > 0;
	}
	if (!grow(d)) {
		log_event(LOG_WARN, "dlq", "no memory for hourly statistics", LOG_END);
		return;
	}
	memmove(d->hours + i + 1, d->hours + i, (d->n_hours - i) * sizeof(*d->hours));
	d->hours[i] = (struct hour_cell){ hour, type, n, stream };
	d->n_hours++;
}

void
hours_expire(struct dlq *d, int64_t now)
{
	size_t n = 0;

	while (n < d->n_hours && d->hours[n].hour + DLQ_HOUR + d->limits.retention <= now)
		n++;
	drop_oldest(d, n);
}

void
hours_put(const struct dlq *d, struct buf *out)
{
	size_t begun = frame_begin(out, FRAME_HOURS, (struct id){ { 0 } });

	for (unsigned i = 0; i < DLQ_DROPS; i++)
		frame_put_number(out, d->dropped[i], 8);
	frame_put_number(out, d->n_hours, 4);
	for (size_t i = 0; i < d->n_hours; i++) {
		frame_put_number(out, (uint64_t)d->hours[i].hour, 8);
		frame_put_number(out, d->hours[i].n, 8);
		frame_put_number(out, d->hours[i].type, 1);
		frame_put_string(out, d->hours[i].stream->name);
	}
	frame_end(out, begun);
}

static int
load_cell(struct dlq *d, struct str *s)
{
	uint64_t hour, n, type;
	struct dlq_stream *stream;
	struct str name;

	if (frame_take_number(s, 8, &hour) || frame_take_number(s, 8, &n) ||
	    frame_take_number(s, 1, &type) || frame_take_string(s, &name) || type >= DLQ_TYPES)
		return ERR_CORRUPT;
	stream = index_stream(d, name);
	if (!stream)
		return ERR_NOMEM;
	hours_add(d, (int64_t)hour, stream, (enum dlq_type)type, n);
	return OK;
}

int
hours_load(struct dlq *d, struct str s)
{
	uint64_t dropped[DLQ_DROPS], n = 0;
	int err = OK;

	for (unsigned i = 0; i < DLQ_DROPS && !err; i++)
		err = frame_take_number(&s, 8, &dropped[i]);
	if (err || frame_take_number(&s, 4, &n))
		return ERR_CORRUPT;
	memcpy(d->dropped, dropped, sizeof(dropped));
	d->n_hours = 0;
	while (n-- > 0 && !err)
		err = load_cell(d, &s);
	return err;
}

void
dlq_hours(struct dlq *d, unsigned hours, dlq_hour_fn *visit, void *arg)
{
	int64_t now = clock_wall();
	int64_t from = now - now % DLQ_HOUR - ((int64_t)hours - 1) * DLQ_HOUR;

	for (size_t i = d->n_hours; i-- > 0 && d->hours[i].hour >= from;)
		visit(arg, d->hours[i].hour, d->hours[i].stream->name, d->hours[i].type,
		    d->hours[i].n);
}
