/*
 * See take.h. The low half of a cell's first word: how many of the orders to forget it has seen (16 bits), refusals (16 bits).
 */
#include "limit/take.h"

/* In CELL_HOLD: until then is a punishment, not only a cell worth keeping. Times are even. */
#define PUNISHED UINT64_C(1)

struct seen {
	uint16_t resets, refusals;
};

static struct seen
seen_of(uint64_t word)
{
	return (struct seen){ (uint16_t)(word >> 16), (uint16_t)word };
}

static uint32_t
seen_low(struct seen s)
{
	return (uint32_t)s.resets << 16 | s.refusals;
}

static struct cells *
table_of(struct limit_store *s, const struct limit_rate *rate)
{
	return rate->sliding ? &s->wide : &s->narrow;
}

/* Changes the first word: when it was seen, and what the low half is to be. If somebody was faster, theirs counts. */
static void
note_seen(cell_word *cell, int64_t now, struct seen seen)
{
	uint64_t was = atomic_load_explicit(&cell[CELL_SEEN], memory_order_relaxed);
	uint64_t word = (uint64_t)cells_stamp(now) << 32 | seen_low(seen);

	if (was != word)
		atomic_compare_exchange_strong(&cell[CELL_SEEN], &was, word);
}

/* A client that has used up its limit stays known until it is unused again. */
static void
hold_until(cell_word *cell, int64_t now, int64_t until)
{
	uint64_t was = atomic_load_explicit(&cell[CELL_HOLD], memory_order_relaxed);

	if ((was & PUNISHED) && (int64_t)was > now)
		return;
	if ((int64_t)was < (until & ~INT64_C(1)) || (was & PUNISHED))
		atomic_compare_exchange_strong(&cell[CELL_HOLD], &was, (uint64_t)until & ~PUNISHED);
}

static void
forget(cell_word *cell, unsigned words)
{
	for (unsigned i = CELL_HOLD; i < words; i++)
		atomic_store(&cell[i], 0);
}

/* How long it is still punished: ns, 0 if it is not. */
static int64_t
punishment(const cell_word *cell, int64_t now)
{
	uint64_t hold = atomic_load_explicit(&cell[CELL_HOLD], memory_order_relaxed);
	int64_t until = (int64_t)hold;

	/* Torn memory may say anything. */
	if (!(hold & PUNISHED) || until <= now || until - now > CELLS_HOLD_MAX)
		return 0;
	return until - now;
}

static struct limit_result
ask_bucket(const struct gcra_limit *l, cell_word *tat, int64_t now, bool take)
{
	uint64_t was = atomic_load(tat);
	struct limit_result r;

	for (;;) {
		int64_t next = (int64_t)was;

		if (!take)
			return gcra_peek(l, next, now);
		r = gcra_take(l, &next, now);
		if (!r.allowed || atomic_compare_exchange_weak(tat, &was, (uint64_t)next))
			return r;
	}
}

static struct limit_result
ask(const struct limit_rate *rate, uint32_t scale, cell_word *cell, int64_t now, bool take)
{
	if (rate->sliding) {
		struct window_limit w = rate->window;

		if (scale < 65536)
			w = window_scale(&w, scale);
		return take ? window_take(&w, &cell[CELL_DATA], now)
			    : window_peek(&w, &cell[CELL_DATA], now);
	} else {
		struct gcra_limit g = rate->gcra;

		if (scale < 65536)
			g = gcra_scale(&g, scale);
		return ask_bucket(&g, &cell[CELL_DATA], now, take);
	}
}

/* Counts a refusal, and punishes the one too many. */
static enum limit_verdict
refuse(const struct limit_rate *rate, cell_word *cell, int64_t now, struct seen *seen,
    struct limit_result *r)
{
	uint64_t hold;

	hold_until(cell, now, now + r->full);
	if (rate->after == 0)
		return LIMIT_EXCEEDED;
	if (++seen->refusals < rate->after)
		return LIMIT_EXCEEDED;
	seen->refusals = 0;
	/* Held since a moment ago; if that is gone, the cell changed hands, and its new owner did nothing wrong. */
	hold = atomic_load(&cell[CELL_HOLD]);
	if (hold == 0 || !atomic_compare_exchange_strong(
			     &cell[CELL_HOLD], &hold, (uint64_t)(now + rate->for_ns) | PUNISHED))
		return LIMIT_EXCEEDED;
	r->wait = MAX(r->wait, rate->for_ns);
	r->remaining = 0;
	return LIMIT_PUNISHED;
}

enum limit_verdict
limit_take(struct limit_store *s, const struct limit_rate *rate, uint64_t hash, uint32_t scale,
    int64_t now, limit_key_fn *key, void *arg, struct limit_result *out)
{
	uint16_t resets = resets_now(s->resets);
	struct cells *table = table_of(s, rate);
	cell_word *cell = cells_take(table, hash, now, (uint32_t)resets << 16);
	enum limit_verdict verdict = LIMIT_PASSED;
	struct seen seen;
	int64_t punished;

	if (!cell)
		return LIMIT_NO_ROOM;
	seen = seen_of(atomic_load_explicit(&cell[CELL_SEEN], memory_order_relaxed));
	if (unlikely(seen.resets != resets) && resets_apply(s->resets, &seen.resets, key(arg))) {
		forget(cell, table->words);
		seen.refusals = 0;
	}
	punished = punishment(cell, now);
	*out = ask(rate, scale, cell, now, punished == 0);
	if (punished > 0) {
		out->allowed = false;
		out->remaining = 0;
		out->wait = MAX(out->wait, punished);
		verdict = LIMIT_PUNISHED;
	} else if (!out->allowed) {
		verdict = refuse(rate, cell, now, &seen, out);
	} else if (out->remaining == 0) {
		hold_until(cell, now, now + out->full);
	} else if (seen.refusals && out->remaining == out->limit - 1) {
		seen.refusals = 0;
	}
	note_seen(cell, now, seen);
	return verdict;
}

void
limit_refund(struct limit_store *s, const struct limit_rate *rate, uint64_t hash, uint32_t scale,
    int64_t now)
{
	cell_word *cell = cells_find(table_of(s, rate), hash);
	uint64_t was;
	int64_t interval;

	if (!cell)
		return;
	if (rate->sliding) {
		window_refund(&rate->window, &cell[CELL_DATA], now);
		return;
	}
	interval = scale < 65536 ? gcra_scale(&rate->gcra, scale).interval : rate->gcra.interval;
	was = atomic_load(&cell[CELL_DATA]);
	while ((int64_t)was > interval &&
	       !atomic_compare_exchange_weak(&cell[CELL_DATA], &was, was - (uint64_t)interval))
		;
}

bool
limit_forget(struct limit_store *s, uint64_t hash)
{
	cell_word *narrow = cells_find(&s->narrow, hash), *wide = cells_find(&s->wide, hash);

	if (narrow)
		forget(narrow, s->narrow.words);
	if (wide)
		forget(wide, s->wide.words);
	return narrow || wide;
}
