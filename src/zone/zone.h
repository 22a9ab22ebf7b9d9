/*
 * What the processes share: slots, bells and the few numbers one writes and others read. Made by
 * the master before fork, inherited by all.
 *
 * Every process lives in a numbered slot; slot 0 is the master's, 1 the shipper's, 2 the
 * janitor's, workers from 3 on. Ownership is slot + generation, never a pid. Each number here
 * has one writing slot; readers load it relaxed.
 */
#ifndef SLUICE_ZONE_ZONE_H
#define SLUICE_ZONE_ZONE_H

#include <stdatomic.h>

#include "task/task.h"

enum { ZONE_SLOT_MASTER, ZONE_SLOT_SHIPPER, ZONE_SLOT_JANITOR, ZONE_SLOT_WORKER };

#define ZONE_MAX_STREAMS 64
#define ZONE_STREAM_NAME_MAX 64
#define ZONE_DELIVERY_WORDS 24

struct zone_stream {
	/* by the master: whose row it is, and the number of the last configuration that had it; 0: nobody's yet */
	char name[ZONE_STREAM_NAME_MAX + 1];
	uint32_t configuration;
	/* By the shipper: bytes of the stream's folder tree at its last look, less what zone_added gave when that look began. With
	 * zone_added of now it is what is there now, or a little more: nothing is left out, some may count twice until the next look. */
	_Atomic uint64_t disk_base;
	_Atomic uint64_t
	    orphaned; /* by any worker: segments given up after a failed write or sync */
	/* by the shipper, through zone/delivery.h */
	_Atomic uint32_t deliveries;
	_Atomic uint64_t delivery[2][ZONE_DELIVERY_WORDS];
};

struct zone_slot {
	_Atomic uint32_t generation; /* by the master */
	_Atomic int32_t pid;         /* by the master; 0: empty */
	_Atomic int64_t heartbeat;   /* by the slot: monotonic ns, at least once a second */
	/* by the master, for status: how often a process was started here, the number of the configuration it runs under, when it began
	 * (monotonic ns) */
	_Atomic uint32_t lives, configuration;
	_Atomic int64_t started;
	/* by the slot, with its heartbeat: open connections, requests in flight */
	_Atomic uint32_t connections, active;
	_Atomic uint64_t
	    added[ZONE_MAX_STREAMS]; /* by the slot: bytes put into the stream since start */
	/* by the slot, through zone/durable.h */
	_Atomic uint64_t durable[ZONE_MAX_STREAMS];
};

struct zone;

struct zone_options {
	const char *path; /* state_dir/zone; the caller has the folder to itself (state_lock) */
	unsigned slots;
	struct str name; /* vts_zone's */
	uint64_t size;   /* of the series area */
};

/*
 * In the master, once all sets are registered: a new file and one bell a slot. What the file of an earlier server holds is taken over:
 * series, whatever the number of slots and the size were, and areas; not what is in slots and streams. One that cannot be used (foreign,
 * torn, truncated, of another version) is renamed to zone.bad. Where no file can be made it is anonymous memory: logged, counted in
 * sluice_zone_fallbacks_total. Blocks. NULL with errno when there is no memory either.
 */
struct zone *zone_open(const struct zone_options *opt);
/* Will it outlive the server? */
bool zone_has_file(const struct zone *z);
/* The same in anonymous memory, 1 MiB of series: for tests. NULL with errno on failure. */
struct zone *zone_new(unsigned slots);
/* For tests: unmaps and closes. Nothing of the zone may be in use. */
void zone_free(struct zone *z);
unsigned zone_slots(const struct zone *z);
const char *zone_name(const struct zone *z); /* as vts_zone gives it */
struct zone_slot *zone_slot(struct zone *z, unsigned slot);
struct zone_stream *zone_stream(struct zone *z, unsigned stream);
/* In the master, for each stream of a new configuration (at most ZONE_MAX_STREAMS of them;
 * configurations are numbered from 1 on), before the fork of its processes: the row that the
 * stream of this name had before, so that figures stay with their stream over reloads; else the
 * one that nobody has had for longest. */
unsigned zone_stream_claim(struct zone *z, struct str name, uint32_t configuration);
/* What all slots together put into the stream since start. */
uint64_t zone_added(struct zone *z, unsigned stream);

/* When a stop under way must be over: monotonic ns. By the master. */
void zone_set_stop_deadline(struct zone *z, int64_t deadline);
int64_t zone_stop_deadline(const struct zone *z);

/*
 * A named region of zeroed memory for all processes, aligned to a page; at most ZONE_AREAS_MAX. In the master, before the fork of those
 * who are to see it (zone_area_find). A second time it is the same; with another version or size NULL and EEXIST. Kept over restarts while
 * version and size stay the same, and over a few without being asked for; *fresh is false if it has its contents from an earlier time,
 * which may be what a process that was killed, or a torn disk, left half done. Where the disk is full it is anonymous memory, with a log
 * line. NULL with errno.
 */
#define ZONE_AREAS_MAX 32
#define ZONE_AREA_NAME_MAX 24 /* with its zero byte */
void *zone_area(struct zone *z, const char *name, uint32_t version, size_t size, bool *fresh);
/* What this process has touched of the areas leaves its memory; it is in the file. For the master, once it has made them all. */
void zone_unload(struct zone *z);
/* NULL: there is none, or it was made after this process. size may be NULL. */
void *zone_area_find(const struct zone *z, const char *name, size_t *size);

/* Publish, then ring; who is woken re-reads state. Never blocks. */
void zone_ring(struct zone *z, unsigned slot);
/* In the slot's process: on_ring runs in the loop (must not park) after one or more rings. */
int zone_listen(struct zone *z, unsigned slot, void (*on_ring)(void *arg), void *arg);

#endif
