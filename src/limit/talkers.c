/*
 * See talkers.h.
 */
#include "limit/talkers.h"

#include "base/clock.h"
#include "task/task.h"

#define HALF_LIFE (60 * NS_PER_S)

static uint64_t
get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void
set(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static struct talkers_set *
set_of(struct talkers *t, uint64_t key)
{
	return &t->sets[(key >> 32) % TALKERS_SETS];
}

static void
halve(struct talkers *t, int64_t now)
{
	uint64_t since = (uint64_t)now - get(&t->halved);
	unsigned times = since / HALF_LIFE > 63 ? 63 : (unsigned)(since / HALF_LIFE);

	set(&t->halved, (uint64_t)now);
	for (unsigned s = 0; s < TALKERS_SETS; s++)
		for (unsigned i = 0; i < TALKERS_WAYS; i++)
			set(&t->sets[s].cells[i].score, get(&t->sets[s].cells[i].score) >> times);
}

/* The way of the key: its own, or one emptied for it. */
static unsigned
place_of(struct talkers_set *in, uint64_t key, bool *is_new)
{
	unsigned least = 0;

	*is_new = false;
	for (unsigned i = 0; i < TALKERS_WAYS; i++)
		if (get(&in->keys[i]) == key)
			return i;
	for (unsigned i = 1; i < TALKERS_WAYS; i++)
		if (get(&in->cells[i].score) < get(&in->cells[least].score))
			least = i;
	set(&in->keys[least], 0);
	set(&in->cells[least].requests, 0);
	set(&in->cells[least].limited, 0);
	*is_new = true;
	return least;
}

struct talker_cell *
talkers_note(struct talkers *t, uint64_t key, int64_t now, bool *is_new)
{
	struct talkers_set *in = set_of(t, key);
	struct talker_cell *cell;

	if ((uint64_t)now - get(&t->halved) > (uint64_t)HALF_LIFE)
		halve(t, now);
	cell = &in->cells[place_of(in, key, is_new)];
	set(&cell->score, get(&cell->score) + 1);
	set(&cell->requests, get(&cell->requests) + 1);
	set(&cell->seen, (uint64_t)now);
	return cell;
}

void
talkers_name(struct talkers *t, struct talker_cell *place, uint64_t key, struct str text)
{
	struct talkers_set *in = set_of(t, key);
	uint64_t words[TALKERS_TEXT / 8] = { 0 };

	memcpy(words, text.p, MIN(text.n, (size_t)TALKERS_TEXT));
	/* Readers of the former text saw its key go before. */
	atomic_thread_fence(memory_order_release);
	for (unsigned w = 0; w < ARRAY_LEN(words); w++)
		set(&place->text[w], words[w]);
	atomic_store_explicit(&in->keys[place - in->cells], key, memory_order_release);
}

/* ---- reading ---- */

/* False: nobody is there, or it changed under our eyes. */
static bool
read_cell(const struct talkers_set *in, unsigned i, struct talker *out)
{
	const struct talker_cell *cell = &in->cells[i];
	uint64_t words[TALKERS_TEXT / 8];

	out->key = atomic_load_explicit(&in->keys[i], memory_order_acquire);
	if (out->key == 0)
		return false;
	out->score = get(&cell->score);
	out->requests = get(&cell->requests);
	out->limited = get(&cell->limited);
	out->seen = (int64_t)get(&cell->seen);
	out->limit = get(&cell->limit);
	out->remaining = get(&cell->remaining);
	out->until = (int64_t)get(&cell->until);
	for (unsigned w = 0; w < ARRAY_LEN(words); w++)
		words[w] = get(&cell->text[w]);
	atomic_thread_fence(memory_order_acquire);
	memcpy(out->text, words, TALKERS_TEXT);
	out->text[TALKERS_TEXT] = '\0';
	return get(&in->keys[i]) == out->key;
}

/* Whether b belongs behind a. */
static bool
is_before(const struct talker *a, const struct talker *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	return a->requests != b->requests ? a->requests > b->requests : a->key < b->key;
}

/* Puts it into the sorted list, which keeps its best. */
static unsigned
insert(struct talker *out, unsigned n, unsigned max, const struct talker *one)
{
	unsigned at = n;

	while (at > 0 && is_before(one, &out[at - 1]))
		at--;
	if (at == max)
		return n;
	n = MIN(n + 1, max);
	memmove(&out[at + 1], &out[at], (n - 1 - at) * sizeof(*out));
	out[at] = *one;
	return n;
}

/* Adds what another sketch knows of the same key; of two states the later one counts. */
static void
add(struct talker *one, const struct talker_cell *cell)
{
	one->score += get(&cell->score);
	one->requests += get(&cell->requests);
	one->limited += get(&cell->limited);
	if ((int64_t)get(&cell->seen) <= one->seen)
		return;
	one->seen = (int64_t)get(&cell->seen);
	one->limit = get(&cell->limit);
	one->remaining = get(&cell->remaining);
	one->until = (int64_t)get(&cell->until);
}

/* The key's sums over all sketches; false: an earlier sketch has it, and it was counted there. */
static bool
sum_up(const struct talkers *all, unsigned n, unsigned first, unsigned s, struct talker *one)
{
	for (unsigned k = 0; k < n; k++)
		for (unsigned i = 0; i < TALKERS_WAYS && k != first; i++) {
			if (get(&all[k].sets[s].keys[i]) != one->key)
				continue;
			if (k < first)
				return false;
			add(one, &all[k].sets[s].cells[i]);
		}
	return true;
}

/* Puts those of one set, of all sketches, into the list. */
static unsigned
add_set(const struct talkers *all, unsigned n, unsigned s, struct talker *out, unsigned found,
    unsigned max)
{
	struct talker one;

	for (unsigned k = 0; k < n; k++)
		for (unsigned i = 0; i < TALKERS_WAYS; i++)
			if (read_cell(&all[k].sets[s], i, &one) && sum_up(all, n, k, s, &one))
				found = insert(out, found, max, &one);
	return found;
}

/* The work grows with the square of the processes: others have their turn in between. */
unsigned
talkers_top(const struct talkers *all, unsigned n, struct talker *out, unsigned max)
{
	unsigned found = 0;

	for (unsigned s = 0; s < TALKERS_SETS && max > 0; s++) {
		found = add_set(all, n, s, out, found, max);
		if (task_on_stack() && task_breathe() != 0)
			break;
	}
	return found;
}
