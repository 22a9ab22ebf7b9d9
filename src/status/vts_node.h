/*
 * A node's blocks in the zone. Private to the vts files; readers use vts.h.
 *
 * Each process has a block of its own for each node that it counts into, so writing is a relaxed load and store, and a reader sees every word
 * whole. A node has up to three series of the same key:
 *
 *	vts_server, vts_filter	                counters, shortest and longest time, the latest requests
 *	vts_server_duration, vts_filter_duration  the histogram, where histogram_buckets is set
 *	vts_server_code, vts_filter_code          status codes, where measure_status_codes is set
 *
 * The pseudo-slot SERIES_RESTORED holds what a dump brought in, in the same form; SERIES_BASELINE what the node had counted at its last
 * reset. A total is the sum of all blocks and SERIES_RESTORED, as a 128-bit number (a single process counts less than 2^64 in any life, a dump
 * or a sum may exceed it), less SERIES_BASELINE.
 *
 * What cannot be subtracted (shortest, longest, latest) belongs to an era: a reset begins one, by a new number in SERIES_BASELINE, and a
 * block of an older era counts as empty there. Its process notices by one load a request of the number of all resets, and begins anew.
 */
#ifndef SLUICE_STATUS_VTS_NODE_H
#define SLUICE_STATUS_VTS_NODE_H

#include <stdatomic.h>

#include "status/vts.h"

typedef _Atomic uint64_t vts_word;

/* What an earlier server left in the zone is taken over where this is the same. Another layout of a block below: another one. */
#define VTS_LAYOUT "1"

/* A request touches the first and the third line, and one of samples. */
struct vts_node_block {
	vts_word counters[VTS_COUNTERS]; /* the last, VTS_REQUEST_MSEC, in microseconds */
	vts_word min_us;                 /* plus one; 0: none */
	vts_word max_us;
	vts_word last_ms;
	vts_word first_ms;
	vts_word next;                 /* of samples: where the next one goes */
	vts_word resets;               /* number of all resets when the era was last looked at */
	vts_word era;                  /* of min_us, max_us, next and samples */
	vts_word samples[VTS_SAMPLES]; /* vts_sample(); 0: none */
	vts_word over[VTS_COUNTERS];   /* high words of counters: only in the pseudo-slots */
};

struct vts_duration_block {
	vts_word owner; /* the process that last compared the bounds with its configuration's */
	vts_word n;     /* bounds; 0: none, or being changed */
	vts_word
	    since; /* epoch ms: when the counts began at zero; of a baseline, when it was taken */
	vts_word sum_us;
	vts_word bounds_us[VTS_BOUNDS_MAX];
	vts_word counts[VTS_BOUNDS_MAX + 1]; /* from n on unused, but the last: +Inf */
};

/* A word a code seen, at any place by hashing: code << 54 | count. The last: all others. */
struct vts_code_block {
	vts_word of[VTS_CODES_MAX + 1];
};

#define VTS_CODE_SHIFT 54
#define VTS_CODE_COUNT ((UINT64_C(1) << VTS_CODE_SHIFT) - 1)

_Static_assert(
    sizeof(struct vts_node_block) == 8 * (2 * VTS_COUNTERS + 7 + VTS_SAMPLES), "padding");
_Static_assert(VTS_CODE_LIMIT <= 1 << (64 - VTS_CODE_SHIFT), "a code and its count are a word");

enum vts_part { VTS_NODE, VTS_DURATION, VTS_CODE, VTS_PARTS };
struct metric_set *vts_part_set(enum vts_kind kind, enum vts_part part);

/* A sample as a word: 42 bits of epoch ms, 22 of duration (longer ones count as 69 minutes). */
#define VTS_SAMPLE_SHIFT 22
#define VTS_SAMPLE_MSEC ((UINT64_C(1) << VTS_SAMPLE_SHIFT) - 1)
static inline uint64_t
vts_sample(int64_t time_ms, uint64_t msec)
{
	return (uint64_t)time_ms << VTS_SAMPLE_SHIFT | MIN(msec, VTS_SAMPLE_MSEC);
}

static inline uint64_t
vts_load(const vts_word *w)
{
	return atomic_load_explicit(w, memory_order_relaxed);
}

static inline void
vts_store(vts_word *w, uint64_t v)
{
	atomic_store_explicit(w, v, memory_order_relaxed);
}

static inline void
vts_add(vts_word *w, uint64_t n)
{
	vts_store(w, vts_load(w) + n);
}

/* ---- counting (vts_node.c): in the process that owns the block ---- */

/* A request that is over. */
struct vts_event {
	unsigned status;
	int cache; /* VTS_CACHE_MISS …, 0: no cache took part */
	uint64_t in_bytes, out_bytes, us;
	int64_t now_ms;
};

/* The process has not counted there before. */
static inline bool
vts_node_is_new(const struct series *s)
{
	return vts_load(&((const struct vts_node_block *)s->block)->counters[VTS_REQUESTS]) == 0;
}
void vts_node_count(const struct series *s, const struct vts_event *e);
/* bounds_us: n of the configuration, in force if the block has none, or none of this process' life. */
void vts_node_observe(
    const struct series *s, const struct vts_event *e, const int64_t *bounds_us, unsigned n);
/* measured: the code has a place of its own; else it counts as one of the others. */
void vts_node_count_code(const struct series *s, unsigned code, bool measured);

/* n times code: in its place, or among the others where there is none left. */
void vts_add_code(struct vts_code_block *b, unsigned code, uint64_t n);

/* ---- reading (vts_read.c, vts_read_parts.c) ---- */

/* The latest of those in `all` (n of them, sorted) and of b's, into all. Returns how many. */
unsigned vts_merge_samples(const struct vts_node_block *b, uint64_t *all, unsigned n);

/* The series of another part of a node. False: it has none. */
bool vts_find_part(const struct vts_entry *e, enum vts_part part, struct series_view *out);
/* What all processes and SERIES_RESTORED have, baselines left aside. oldest: when the first of the blocks began at zero. */
void vts_sum_durations(const struct series_view *part, struct vts_histogram *out, uint64_t *oldest);
void vts_sum_codes(const struct series_view *part, struct vts_codes *out);

/* ---- the zone as a whole (vts_state.c) ---- */

/* The number of all resets of this zone's life. NULL: not looked for yet in this process. */
extern const vts_word *vts_reset_count;
const vts_word *vts_find_resets(void);
static inline uint64_t
vts_resets(void)
{
	return vts_load(likely(vts_reset_count) ? vts_reset_count : vts_find_resets());
}

/* Makes what the next one needs. False: there is no room. */
bool vts_state_ready(void);
void vts_state_count_reset(void);
/* An earlier dump is in the zone, or the zone is older than the dump. */
bool vts_state_restored(void);
void vts_state_set_restored(void);

/* vts_reset.c: the era that this node is in; 0: never reset. */
uint64_t vts_era(const struct series *s);

/* ---- restarts (vts_fold.c): metric_row.fold ---- */

void vts_fold_node(uint64_t *into, const uint64_t *from);
void vts_fold_duration(uint64_t *into, const uint64_t *from);
void vts_fold_code(uint64_t *into, const uint64_t *from);
void vts_fold_state(uint64_t *into, const uint64_t *from);

/* ---- registering ---- */

void vts_node_register(void);
void vts_state_register(void);

#endif
