/*
 * A binary heap over the readers, each with its next record at hand. See merge.h.
 */
#include "ship/merge.h"

#include <stdlib.h>

struct lane {
	struct reader *reader;
	uint64_t length;
	struct reader_record record; /* next to come out */
	uint64_t skipped;
};

struct merge {
	unsigned n;        /* lanes */
	unsigned heap_n;   /* of them not at their end */
	struct lane *last; /* gave the record the caller still looks at */
	unsigned *heap;    /* lane numbers, least first */
	struct lane lanes[];
};

static bool
before(const struct merge *m, unsigned a, unsigned b)
{
	const struct lane *x = &m->lanes[a], *y = &m->lanes[b];
	const struct segment_header *hx = reader_header(x->reader), *hy = reader_header(y->reader);

	if (x->record.frame.time != y->record.frame.time)
		return x->record.frame.time < y->record.frame.time;
	if (hx->slot != hy->slot)
		return hx->slot < hy->slot;
	if (hx->sequence != hy->sequence)
		return hx->sequence < hy->sequence;
	return a < b;
}

static void
sift_down(struct merge *m, unsigned i)
{
	for (;;) {
		unsigned least = i, child = 2 * i + 1, tmp;

		for (unsigned c = child; c < m->heap_n && c <= child + 1; c++)
			if (before(m, m->heap[c], m->heap[least]))
				least = c;
		if (least == i)
			return;
		tmp = m->heap[i];
		m->heap[i] = m->heap[least];
		m->heap[least] = tmp;
		i = least;
	}
}

/*
 * 1: the lane has a next record; 0: it is at its end; or an error. Zeros before the end of a sealed segment are a block that was lost,
 * unless nothing valid follows. A search that became too dear ends the lane: what is left of it is kept as damaged.
 */
static int
advance(struct lane *lane)
{
	for (;;) {
		uint64_t end = reader_end(lane->reader), skipped = 0;
		int got = reader_next(lane->reader, &lane->record), more;

		if (got == 1 || (got < 0 && got != ERR_CORRUPT))
			return got;
		if (got == 0 && reader_end(lane->reader) >= lane->length)
			return 0;
		more = reader_resync(lane->reader, &skipped);
		if (more == ERR_CORRUPT)
			skipped = lane->length - end;
		else if (more < 0)
			return more;
		if (got != 0 || more != 0)
			lane->skipped += skipped;
		if (more != 1)
			return 0;
	}
}

/* False: the disk does not give it any more, so nobody knows whose file it is but by its name. */
static bool
has_header(const struct merge_source *source)
{
	struct reader *r;
	int err = reader_open(source->path, source->length, &r);

	if (err == 0)
		reader_close(r);
	return err != ERR_IO;
}

/* 1: it may hold records; 0: not one that can be read; or an error. */
static int
open_lane(struct lane *lane, const struct merge_source *source, bool failing)
{
	int err = failing ? reader_open_failing(source->path, source->length, &lane->reader)
			  : reader_open(source->path, source->length, &lane->reader);

	lane->length = source->length;
	if (err == ERR_CORRUPT && failing && !has_header(source)) {
		lane->skipped = lane->length;
		return 0;
	}
	if (err == ERR_CORRUPT)
		return ERR_NOT_FOUND;
	if (err != 0)
		return err;
	return id_eq(reader_header(lane->reader)->id, source->id) ? 1 : ERR_NOT_FOUND;
}

int
merge_open(const struct merge_source *sources, unsigned n, bool failing, struct merge **out)
{
	struct merge *m = calloc(1, sizeof(*m) + n * sizeof(struct lane));
	int err = 0;

	if (m == NULL)
		return ERR_NOMEM;
	m->heap = calloc(n ? n : 1, sizeof(*m->heap));
	if (m->heap == NULL)
		err = ERR_NOMEM;
	m->n = n;
	for (unsigned i = 0; i < n && err == 0; i++) {
		err = open_lane(&m->lanes[i], &sources[i], failing);
		if (err == 1)
			err = advance(&m->lanes[i]);
		if (err == 1) {
			m->heap[m->heap_n++] = i;
			err = 0;
		}
	}
	if (err != 0) {
		merge_close(m);
		return err;
	}
	for (unsigned i = m->heap_n; i-- > 0;)
		sift_down(m, i);
	*out = m;
	return 0;
}

void
merge_close(struct merge *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->lanes[i].reader != NULL)
			reader_close(m->lanes[i].reader);
	free(m->heap);
	free(m);
}

int
merge_next(struct merge *m, struct reader_record *record, struct reader **from)
{
	/* The record given last lies in its reader's buffer, so that lane moves on only now. */
	if (m->last != NULL) {
		int got = advance(m->last);

		m->last = NULL;
		if (got < 0)
			return got;
		if (got == 0)
			m->heap[0] = m->heap[--m->heap_n];
		sift_down(m, 0);
	}
	if (m->heap_n == 0)
		return 0;
	m->last = &m->lanes[m->heap[0]];
	*record = m->last->record;
	*from = m->last->reader;
	return 1;
}

uint64_t
merge_skipped(const struct merge *m, unsigned i)
{
	return m->lanes[i].skipped;
}
