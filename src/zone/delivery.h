/*
 * What the shipper says about the delivery of each stream, for health and status in other processes: one writer, readers that never
 * block it. What a shipper said last stays when it dies; its heartbeat tells how old that may be.
 */
#ifndef SLUICE_ZONE_DELIVERY_H
#define SLUICE_ZONE_DELIVERY_H

#include "zone/zone.h"

#define DELIVERY_WHY_MAX 120

enum delivery_breaker { DELIVERY_CLOSED, DELIVERY_OPEN, DELIVERY_HALF_OPEN };

struct delivery {
	int64_t at; /* UTC ns of this report */
	uint64_t waiting_bytes, waiting_files;
	uint64_t sent_objects, sent_bytes, failures; /* since the shipper started */
	int64_t oldest; /* UTC ns of what waits longest; 0: nothing waits */
	uint32_t
	    stream; /* checksum of the stream's name: an index may pass to another by a reload */
	uint8_t breaker;            /* enum delivery_breaker */
	bool held;                  /* the destination refuses us, or cannot be opened */
	char why[DELIVERY_WHY_MAX]; /* the last failure; "" since it went well */
};

/* In the shipper. d->at and d->stream are filled in here. */
void delivery_report(struct zone *z, unsigned index, struct str stream, struct delivery *d);
/* False: no shipper has said anything about the stream of that name. */
bool delivery_read(struct zone *z, unsigned index, struct str stream, struct delivery *out);

#endif
