/*
 * See resets.h.
 */
#include "limit/resets.h"

int
resets_add(struct resets *r, struct str pattern)
{
	uint64_t words[RESETS_PATTERN_MAX / 8] = { 0 };
	struct resets_order *order;
	uint64_t number;

	if (pattern.n >= RESETS_PATTERN_MAX)
		return ERR_TOO_LARGE;
	memcpy(words, pattern.p, pattern.n);
	number = atomic_fetch_add(&r->count, 1) + 1;
	order = &r->orders[number % RESETS_KEPT];
	atomic_store(&order->number, 0);
	/* Not before its number is gone, or readers of the former text would not notice. */
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		atomic_store_explicit(&order->text[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&order->number, number, memory_order_release);
	return 0;
}

bool
resets_match(struct str pattern, struct str text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			resume = t;
		} else if (p < pattern.n && pattern.p[p] == text.p[t]) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

/* 1: the order is about key, 0: it is not, -1: it is not whole. */
static int
ask(const struct resets_order *order, uint64_t number, struct str key)
{
	uint64_t words[RESETS_PATTERN_MAX / 8];

	if (atomic_load_explicit(&order->number, memory_order_acquire) != number)
		return -1;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		words[i] = atomic_load_explicit(&order->text[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&order->number, memory_order_relaxed) != number)
		return -1;
	return resets_match(str_make(words, strnlen((const char *)words, RESETS_PATTERN_MAX)), key);
}

bool
resets_apply(const struct resets *r, uint16_t *seen, struct str key)
{
	uint64_t count = atomic_load_explicit(&r->count, memory_order_acquire);
	uint16_t behind = (uint16_t)((uint16_t)count - *seen);
	bool hit = behind >= RESETS_KEPT;

	if (hit) {
		*seen = (uint16_t)count;
		return true;
	}
	/* Behind one that is not whole yet all wait, or they would be followed again with each request until it is. */
	for (uint64_t number = count - behind + 1; number <= count; number++) {
		int answer = ask(&r->orders[number % RESETS_KEPT], number, key);

		if (answer < 0)
			break;
		hit |= answer > 0;
		*seen = (uint16_t)number;
	}
	return hit;
}
