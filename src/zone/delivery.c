/*
 * See delivery.h. An odd sequence: being written. A writer that died there leaves it odd; then readers take what they find, and the
 * next shipper's first report makes it whole.
 */
#include "zone/delivery.h"

#include "base/clock.h"
#include "base/hash.h"

#define TRIES 64

_Static_assert(sizeof(struct delivery) <= ZONE_DELIVERY_WORDS * sizeof(uint64_t),
    "a report fits the words the zone has for it");

void
delivery_report(struct zone *z, unsigned index, struct str stream, struct delivery *d)
{
	struct zone_stream *s = zone_stream(z, index);
	uint64_t words[ZONE_DELIVERY_WORDS] = { 0 };
	uint32_t sequence = atomic_load_explicit(&s->delivery_sequence, memory_order_relaxed) | 1;

	d->at = clock_wall();
	d->stream = crc32c(0, stream.p, stream.n);
	memcpy(words, d, sizeof(*d));
	atomic_store_explicit(&s->delivery_sequence, sequence, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < ZONE_DELIVERY_WORDS; i++)
		atomic_store_explicit(&s->delivery[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&s->delivery_sequence, sequence + 1, memory_order_release);
}

/* True if nobody wrote meanwhile. */
static bool
copy(struct zone_stream *s, struct delivery *out)
{
	uint64_t words[ZONE_DELIVERY_WORDS];
	uint32_t before = atomic_load_explicit(&s->delivery_sequence, memory_order_acquire);

	for (size_t i = 0; i < ZONE_DELIVERY_WORDS; i++)
		words[i] = atomic_load_explicit(&s->delivery[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	memcpy(out, words, sizeof(*out));
	return before % 2 == 0 &&
	       before == atomic_load_explicit(&s->delivery_sequence, memory_order_relaxed);
}

bool
delivery_read(struct zone *z, unsigned index, struct str stream, struct delivery *out)
{
	struct zone_stream *s = zone_stream(z, index);

	for (unsigned i = 0; i < TRIES && !copy(s, out); i++)
		continue;
	out->why[DELIVERY_WHY_MAX - 1] = '\0';
	return out->at != 0 && out->stream == crc32c(0, stream.p, stream.n);
}
