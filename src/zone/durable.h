/*
 * How far a worker's open segments are on disk, for a shipper that delivers records before their segment is sealed. One word a slot and stream:
 * the worker stores it after each commit, before anybody hears of that commit; the shipper loads it. Neither waits for the other.
 *
 *	bits 63..40   of the segment's sequence the lower 24; bits 39..0   bytes of it that are on disk; 0: nothing is
 *
 * A slot's word dies with the process in it: the master gives the slot another generation first and clears the word then, so no process vouches for
 * the segments of one that was in its place before. Those are recovered, which seals them (spool/recover.h).
 */
#ifndef SLUICE_ZONE_DURABLE_H
#define SLUICE_ZONE_DURABLE_H

#include "zone/zone.h"

enum durable {
	DURABLE_UNKNOWN, /* nothing of it, as far as the zone knows; or its process is gone */
	DURABLE_OPEN,    /* its first *end bytes */
	DURABLE_PAST /* its process writes to a later one: it is sealed, or is just being sealed or given up */
};

/* In the slot's process: so many bytes of its segment of this sequence are on disk. Sequences must not fall. Never blocks. */
void durable_publish(
    struct zone *z, unsigned slot, unsigned stream, uint64_t sequence, uint64_t end);
/* What is known of the segment whose header names this slot, generation and sequence. Never blocks. */
enum durable durable_end(struct zone *z, unsigned slot, uint32_t generation, unsigned stream,
    uint64_t sequence, uint64_t *end);
/* Another number than before once any slot has published something of the stream. Never blocks. */
uint64_t durable_mark(struct zone *z, unsigned stream);
/* In the master, once a dead process's slot has its next generation. */
void durable_clear(struct zone *z, unsigned slot);

#endif
