/*
 * See window.h. A word: number of the slot (28 bits, cut), time of its last request within it (12 bits), requests (24 bits).
 */
#include "limit/window.h"

#define COUNT_BITS 24
#define PLACE_BITS 12
#define NUMBER_BITS 28
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define PLACE_MASK ((UINT64_C(1) << PLACE_BITS) - 1)
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)

int
window_init(struct window_limit *l, uint64_t count, int64_t length)
{
	if (count == 0 || count > (uint64_t)WINDOW_COUNT_MAX || length < WINDOW_LENGTH_MIN ||
	    length > WINDOW_LENGTH_MAX)
		return ERR_BAD;
	l->count = (int64_t)count;
	l->length = length;
	l->slot = (length - 1) / (WINDOW_WORDS - 1) + 1;
	return 0;
}

struct window_limit
window_scale(const struct window_limit *l, uint32_t scale)
{
	struct window_limit scaled = *l;

	assert(scale >= 1 && scale <= 65536);
	scaled.count = MAX((l->count * scale) >> 16, 1);
	return scaled;
}

static uint64_t
make_word(uint64_t number, uint64_t place, uint64_t count)
{
	return (number & NUMBER_MASK) << (PLACE_BITS + COUNT_BITS) | place << COUNT_BITS | count;
}

static uint64_t
number_of(uint64_t word)
{
	return word >> (PLACE_BITS + COUNT_BITS);
}

static uint64_t
place_of(uint64_t word)
{
	return word >> COUNT_BITS & PLACE_MASK;
}

/* Slots by which the word's lies behind the present one; negative: ahead of it (its writer's clock was read later). */
static int64_t
age_of(uint64_t word, uint64_t number)
{
	uint64_t age = (number - number_of(word)) & NUMBER_MASK;

	return age > NUMBER_MASK / 2 ? (int64_t)age - (int64_t)NUMBER_MASK - 1 : (int64_t)age;
}

/* Until it counts no more: ns from now, 0 if it does not count now. */
static int64_t
life_of(const struct window_limit *l, uint64_t word, int64_t now)
{
	int64_t age = age_of(word, (uint64_t)(now / l->slot)), begin, last;

	if ((word & COUNT_MASK) == 0 || age >= WINDOW_WORDS || age <= -WINDOW_WORDS)
		return 0;
	begin = -age * l->slot - now % l->slot; /* from now */
	last = begin + ((int64_t)place_of(word) + 1) * l->slot / ((int64_t)PLACE_MASK + 1) + 1;
	return MAX(last + l->length, 0);
}

/* Counts one more in the present slot. */
static void
count_one(const struct window_limit *l, _Atomic uint64_t words[WINDOW_WORDS], int64_t now)
{
	uint64_t number = (uint64_t)(now / l->slot), old, next;
	uint64_t place = (uint64_t)(now % l->slot) * (PLACE_MASK + 1) / (uint64_t)l->slot;
	_Atomic uint64_t *word = &words[number % WINDOW_WORDS];

	old = atomic_load(word);
	do {
		int64_t age = age_of(old, number);

		if ((age <= 0 && age > -WINDOW_WORDS) && (old & COUNT_MASK) == COUNT_MASK)
			return;
		if (age == 0)
			next = make_word(number, MAX(place, place_of(old)), (old & COUNT_MASK) + 1);
		else if (age < 0 && age > -WINDOW_WORDS)
			next = old + 1; /* we slept: the ring has gone on */
		else
			next = make_word(number, place, 1);
	} while (!atomic_compare_exchange_weak(word, &old, next));
}

void
window_refund(const struct window_limit *l, _Atomic uint64_t words[WINDOW_WORDS], int64_t now)
{
	uint64_t number = (uint64_t)(now / l->slot);
	_Atomic uint64_t *word = &words[number % WINDOW_WORDS];
	uint64_t old = atomic_load(word);

	while (age_of(old, number) <= 0 && (old & COUNT_MASK) != 0)
		if (atomic_compare_exchange_weak(word, &old, old - 1))
			return;
}

/* When enough has ended that one more fits: the slots end in their order, so the first ones are looked for again and again; there are 13. */
static int64_t
wait_of(const struct window_limit *l, const int64_t *lives, const uint64_t *words, int64_t sum)
{
	int64_t wait = 0;

	while (sum >= l->count) {
		int64_t next = INT64_MAX;

		for (unsigned i = 0; i < WINDOW_WORDS; i++)
			if (lives[i] > wait)
				next = MIN(next, lives[i]);
		if (next == INT64_MAX)
			break;
		for (unsigned i = 0; i < WINDOW_WORDS; i++)
			if (lives[i] == next)
				sum -= (int64_t)(words[i] & COUNT_MASK);
		wait = next;
	}
	return wait;
}

/* All that counts now, in *sum, and what follows from it. */
static struct limit_result
look(const struct window_limit *l, const _Atomic uint64_t words[WINDOW_WORDS], int64_t now,
    int64_t *sum)
{
	struct limit_result r = { .limit = l->count };
	uint64_t copy[WINDOW_WORDS];
	int64_t lives[WINDOW_WORDS];

	*sum = 0;
	for (unsigned i = 0; i < WINDOW_WORDS; i++) {
		copy[i] = atomic_load(&words[i]);
		lives[i] = life_of(l, copy[i], now);
		if (lives[i] > 0)
			*sum += (int64_t)(copy[i] & COUNT_MASK);
		r.full = MAX(r.full, lives[i]);
	}
	r.remaining = MAX(l->count - *sum, 0);
	r.allowed = r.remaining > 0;
	r.wait = r.allowed ? 0 : wait_of(l, lives, copy, *sum);
	return r;
}

struct limit_result
window_peek(const struct window_limit *l, const _Atomic uint64_t words[WINDOW_WORDS], int64_t now)
{
	int64_t sum;

	return look(l, words, now, &sum);
}

struct limit_result
window_take(const struct window_limit *l, _Atomic uint64_t words[WINDOW_WORDS], int64_t now)
{
	int64_t sum;
	struct limit_result r = look(l, words, now, &sum);

	if (!r.allowed)
		return r;
	count_one(l, words, now);
	r = look(l, words, now, &sum);
	r.allowed = sum <= l->count; /* the one just counted is among them */
	if (r.allowed) {
		r.wait = 0;
		return r;
	}
	window_refund(l, words, now);
	r = look(l, words, now, &sum);
	r.allowed = false;
	r.wait = MAX(r.wait, 1);
	return r;
}
