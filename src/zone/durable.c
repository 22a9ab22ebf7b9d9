/*
 * See durable.h.
 */
#include "zone/durable.h"

#define END_BITS 40
#define END_MAX ((UINT64_C(1) << END_BITS) - 1)
#define SEQUENCE_MASK UINT32_C(0xffffff)
#define SEQUENCE_HALF UINT32_C(0x800000)

void
durable_publish(struct zone *z, unsigned slot, unsigned stream, uint64_t sequence, uint64_t end)
{
	uint64_t word = (sequence & SEQUENCE_MASK) << END_BITS | MIN(end, END_MAX);

	atomic_store_explicit(&zone_slot(z, slot)->durable[stream], word, memory_order_release);
}

enum durable
durable_end(struct zone *z, unsigned slot, uint32_t generation, unsigned stream, uint64_t sequence,
    uint64_t *end)
{
	const struct zone_slot *s;
	uint32_t ahead;
	uint64_t word;

	if (slot >= zone_slots(z) || stream >= ZONE_MAX_STREAMS)
		return DURABLE_UNKNOWN;
	s = zone_slot(z, slot);
	if (atomic_load_explicit(&s->generation, memory_order_acquire) != generation)
		return DURABLE_UNKNOWN;
	word = atomic_load_explicit(&s->durable[stream], memory_order_acquire);
	/* Of a later process, if the generation has moved meanwhile. */
	if (atomic_load_explicit(&s->generation, memory_order_relaxed) != generation ||
	    (word & END_MAX) == 0)
		return DURABLE_UNKNOWN;
	/* Sequences count modulo 2^24: one less than half of that ahead is later. */
	ahead = ((uint32_t)(word >> END_BITS) - (uint32_t)sequence) & SEQUENCE_MASK;
	if (ahead >= SEQUENCE_HALF)
		return DURABLE_UNKNOWN;
	if (ahead > 0)
		return DURABLE_PAST;
	*end = word & END_MAX;
	return DURABLE_OPEN;
}

/* Each slot's word only grows, until it is cleared or its sequence goes round. */
uint64_t
durable_mark(struct zone *z, unsigned stream)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < zone_slots(z); i++)
		sum +=
		    atomic_load_explicit(&zone_slot(z, i)->durable[stream], memory_order_acquire);
	return sum;
}

void
durable_clear(struct zone *z, unsigned slot)
{
	struct zone_slot *s = zone_slot(z, slot);

	for (unsigned i = 0; i < ZONE_MAX_STREAMS; i++)
		atomic_store_explicit(&s->durable[i], 0, memory_order_release);
}
