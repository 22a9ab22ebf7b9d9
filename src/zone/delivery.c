/*
 * See delivery.h. Two places, used in turn: a report is written where the last one is not, and then counted, which makes it the last one.
 * A reader copies the last one and is done if no other was counted meanwhile; a writer that dies in the middle leaves it whole.
 */
#include "zone/delivery.h"

#include "base/clock.h"
#include "base/hash.h"

#define TRIES 64 /* reports come once a second */

_Static_assert(sizeof(struct delivery) <= ZONE_DELIVERY_WORDS * sizeof(uint64_t),
    "a report fits the words the zone has for it");

void
delivery_report(struct zone *z, unsigned index, struct str stream, struct delivery *d)
{
	struct zone_stream *s = zone_stream(z, index);
	uint64_t words[ZONE_DELIVERY_WORDS] = { 0 };
	uint32_t n = atomic_load_explicit(&s->deliveries, memory_order_relaxed) + 1;

	d->at = clock_wall();
	d->stream = crc32c(0, stream.p, stream.n);
	memcpy(words, d, sizeof(*d));
	/* Not before the count of the last report, or its readers would not notice. */
	atomic_thread_fence(memory_order_seq_cst);
	for (size_t i = 0; i < ZONE_DELIVERY_WORDS; i++)
		atomic_store_explicit(&s->delivery[n % 2][i], words[i], memory_order_relaxed);
	atomic_store_explicit(&s->deliveries, n, memory_order_release);
}

/* True if it is whole. */
static bool
copy(struct zone_stream *s, struct delivery *out)
{
	uint64_t words[ZONE_DELIVERY_WORDS];
	uint32_t n = atomic_load_explicit(&s->deliveries, memory_order_acquire);

	for (size_t i = 0; i < ZONE_DELIVERY_WORDS; i++)
		words[i] = atomic_load_explicit(&s->delivery[n % 2][i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	memcpy(out, words, sizeof(*out));
	return n == atomic_load_explicit(&s->deliveries, memory_order_relaxed);
}

bool
delivery_read(struct zone *z, unsigned index, struct str stream, struct delivery *out)
{
	struct zone_stream *s = zone_stream(z, index);
	bool whole = false;

	for (unsigned i = 0; i < TRIES && !whole; i++)
		whole = copy(s, out);
	out->why[DELIVERY_WHY_MAX - 1] = '\0';
	return whole && out->at != 0 && out->stream == crc32c(0, stream.p, stream.n);
}
