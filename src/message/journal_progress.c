/*
 * See journal_progress.h.
 */
#include "message/journal_progress.h"

#include <stdlib.h>
#include <string.h>

#define ALL_DONE UINT64_MAX
#define FIRST_WORDS 4
#define BITS_STEP 1024 /* bytes of them in a row that is written */

_Static_assert(BITS_STEP <= JOURNAL_BITS_MAX && BITS_STEP % 8 == 0, "they fit a row");

/* The failed attempts at one message. */
struct tried {
	uint64_t number; /* the key */
	unsigned n;
	int status;
	int64_t first, last;
	size_t error_n;
	char error[];
};

/*
 * Messages 64 * low to 64 * (low + n) have their bits in words; all before are done, none behind.
 */
struct progress_segment {
	struct id id; /* the key */
	uint64_t low;
	uint64_t *words;
	size_t n, cap;
	struct map tried; /* of struct tried, by their numbers */
};

static struct str
id_key(const struct id *id)
{
	return str_make((const char *)id->b, ID_LEN);
}

static struct str
number_key(const uint64_t *number)
{
	return str_make((const char *)number, sizeof(*number));
}

static struct progress_segment *
find(const struct progress *p, const struct id *id)
{
	return map_get(&p->segments, id_key(id));
}

static void
free_segment(struct progress_segment *s)
{
	size_t at = 0;
	struct str key;
	void *tried;

	while (map_each(&s->tried, &at, &key, &tried))
		free(tried);
	map_fini(&s->tried);
	free(s->words);
	free(s);
}

void
progress_init(struct progress *p)
{
	map_init(&p->segments);
}

void
progress_fini(struct progress *p)
{
	size_t at = 0;
	struct str key;
	void *segment;

	while (map_each(&p->segments, &at, &key, &segment))
		free_segment(segment);
	map_fini(&p->segments);
}

/* The segment's progress, made if there is none; NULL: no memory. */
static struct progress_segment *
claim(struct progress *p, const struct id *id)
{
	struct progress_segment *s = find(p, id);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->id = *id;
	map_init(&s->tried);
	if (map_put(&p->segments, id_key(&s->id), s) == 0)
		return s;
	free_segment(s);
	return NULL;
}

/* ---- what is done ---- */

static bool
is_done(const struct progress_segment *s, uint64_t number)
{
	uint64_t word = number / 64;

	if (word < s->low)
		return true;
	return word - s->low < s->n && (s->words[word - s->low] >> number % 64 & 1) != 0;
}

/* Words up to this one (counted from message 0) have their place. */
static int
reach(struct progress_segment *s, uint64_t word)
{
	size_t need = (size_t)(word - s->low) + 1, cap = MAX(s->cap, (size_t)FIRST_WORDS);
	uint64_t *words;

	if (need > s->cap) {
		while (cap < need)
			cap *= 2;
		words = realloc(s->words, cap * sizeof(*words));
		if (!words)
			return ERR_NOMEM;
		s->words = words;
		s->cap = cap;
	}
	if (need > s->n) {
		memset(s->words + s->n, 0, (need - s->n) * sizeof(*s->words));
		s->n = need;
	}
	return OK;
}

/* Words that are all done at the beginning go; not one at a time: each is moved at most once on average. */
static void
trim(struct progress_segment *s)
{
	size_t full = 0;

	if (s->n == 0 || s->words[0] != ALL_DONE || s->words[s->n / 2] != ALL_DONE)
		return;
	while (full < s->n && s->words[full] == ALL_DONE)
		full++;
	if (full < s->n / 2 + 1)
		return;
	memmove(s->words, s->words + full, (s->n - full) * sizeof(*s->words));
	s->low += full;
	s->n -= full;
}

static void
forget_tried(struct progress_segment *s, uint64_t number)
{
	free(map_del(&s->tried, number_key(&number)));
}

static int
set_done(struct progress_segment *s, uint64_t number)
{
	uint64_t word = number / 64;

	if (word < s->low)
		return OK;
	if (reach(s, word) != OK)
		return ERR_NOMEM;
	s->words[word - s->low] |= UINT64_C(1) << number % 64;
	if (s->tried.n > 0)
		forget_tried(s, number);
	if (s->words[word - s->low] == ALL_DONE)
		trim(s);
	return OK;
}

/* All before this word are done. */
static void
raise_low(struct progress_segment *s, uint64_t word)
{
	size_t gone;

	if (word <= s->low)
		return;
	gone = (size_t)MIN(word - s->low, (uint64_t)s->n);
	if (gone > 0)
		memmove(s->words, s->words + gone, (s->n - gone) * sizeof(*s->words));
	s->n -= gone;
	s->low = word;
}

static uint64_t
get_word(const unsigned char *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static int
apply_done(struct progress_segment *s, const struct journal_record *r)
{
	uint64_t word = r->row.number / 64;
	size_t n = r->n_bits / 8;

	if (r->below)
		raise_low(s, word);
	if (n > 0 && word + n > s->low && reach(s, word + n - 1) != OK)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		if (word + i >= s->low)
			s->words[word + i - s->low] |= get_word(r->bits + 8 * i);
	return OK;
}

/* ---- what was tried ---- */

static int
set_tried(struct progress_segment *s, const struct journal_record *r, int64_t first)
{
	size_t n = MIN(r->row.error.n, (size_t)JOURNAL_ERROR_MAX);
	struct tried *old = map_get(&s->tried, number_key(&r->row.number)), *t;

	if (is_done(s, r->row.number) || (old && old->n > r->row.attempt))
		return OK;
	t = malloc(sizeof(*t) + n);
	if (!t)
		return ERR_NOMEM;
	*t = (struct tried){ .number = r->row.number,
		.n = r->row.attempt,
		.status = r->row.status,
		.first = old ? old->first : first,
		.last = r->row.time,
		.error_n = n };
	if (n)
		memcpy(t->error, r->row.error.p, n);
	/* The key lies in the entry, so the old one has to leave before it goes. */
	if (old)
		forget_tried(s, r->row.number);
	if (map_put(&s->tried, number_key(&t->number), t) == 0)
		return OK;
	free(t);
	return ERR_NOMEM;
}

static int
apply_attempt(struct progress_segment *s, const struct journal_record *r)
{
	switch (r->row.result) {
	case JOURNAL_DELIVERED:
	case JOURNAL_DEAD:
	case JOURNAL_DROPPED:
		return set_done(s, r->row.number);
	case JOURNAL_RETRY:
		return set_tried(s, r, r->row.time);
	case JOURNAL_HELD:
	case JOURNAL_RESULTS:
		break;
	}
	return OK;
}

static bool
is_nobody(const struct id *id)
{
	static const struct id zeros;

	return id_eq(*id, zeros);
}

int
progress_apply(struct progress *p, const struct journal_record *r)
{
	struct progress_segment *s;

	if (r->kind == JOURNAL_CHECKPOINT || is_nobody(&r->row.segment) ||
	    (r->kind == JOURNAL_ATTEMPT && r->row.result == JOURNAL_HELD))
		return OK;
	if (r->kind == JOURNAL_FORGET) {
		s = map_del(&p->segments, id_key(&r->row.segment));
		if (s)
			free_segment(s);
		return OK;
	}
	s = claim(p, &r->row.segment);
	if (!s)
		return ERR_NOMEM;
	if (r->kind == JOURNAL_DONE)
		return apply_done(s, r);
	return r->kind == JOURNAL_TRIED ? set_tried(s, r, r->first) : apply_attempt(s, r);
}

/* ---- asking ---- */

bool
progress_is_done(const struct progress *p, struct id segment, uint64_t number)
{
	const struct progress_segment *s = find(p, &segment);

	return s && is_done(s, number);
}

void
progress_attempts(
    const struct progress *p, struct id segment, uint64_t number, struct journal_attempts *out)
{
	const struct progress_segment *s = find(p, &segment);
	const struct tried *t = s ? map_get(&s->tried, number_key(&number)) : NULL;

	*out = (struct journal_attempts){ 0 };
	if (t && !is_done(s, number))
		*out = (struct journal_attempts){ t->n, t->first, t->last, t->status,
			str_make(t->error, t->error_n) };
}

bool
progress_has(const struct progress *p, struct id segment)
{
	return find(p, &segment) != NULL;
}

size_t
progress_segments(const struct progress *p, struct id *out, size_t max)
{
	size_t at = 0, n = 0;
	struct str key;
	void *segment;

	while (n < max && map_each(&p->segments, &at, &key, &segment))
		out[n++] = ((struct progress_segment *)segment)->id;
	return p->segments.n;
}

/* ---- writing it down ---- */

/* One DONE row at least, so that a segment of which only that is known stays known. */
static void
put_done(const struct progress_segment *s, struct buf *out)
{
	unsigned char bits[BITS_STEP];
	size_t at = 0;

	do {
		size_t n = MIN(s->n - at, sizeof(bits) / 8);
		struct journal_record r = { .kind = JOURNAL_DONE,
			.row = { .segment = s->id, .number = 64 * (s->low + at) },
			.below = at == 0,
			.bits = bits,
			.n_bits = 8 * n };

		for (size_t i = 0; i < 8 * n; i++)
			bits[i] = (unsigned char)(s->words[at + i / 8] >> (8 * (i % 8)));
		journal_put(out, &r);
		at += n;
	} while (at < s->n);
}

static void
put_tried(const struct progress_segment *s, struct buf *out)
{
	size_t at = 0;
	struct str key;
	void *value;

	while (map_each(&s->tried, &at, &key, &value)) {
		const struct tried *t = value;
		struct journal_record r = { .kind = JOURNAL_TRIED,
			.row = { .segment = s->id,
			    .number = t->number,
			    .attempt = t->n,
			    .time = t->last,
			    .status = t->status,
			    .error = str_make(t->error, t->error_n) },
			.first = t->first };

		journal_put(out, &r);
	}
}

void
progress_checkpoint(const struct progress *p, struct buf *out)
{
	struct journal_record end = { .kind = JOURNAL_CHECKPOINT, .row.number = p->segments.n };
	size_t at = 0;
	struct str key;
	void *segment;

	while (map_each(&p->segments, &at, &key, &segment)) {
		put_done(segment, out);
		put_tried(segment, out);
	}
	journal_put(out, &end);
}
