/*
 * Repeated PUTs: which Idempotency-Keys of the last 24 hours have a record, and which are being stored just now. One bounded table in
 * state_dir/idempotency, made or opened by the master, mapped shared by all processes; its blocks are allocated when it is made, so that
 * touching it never faults. No locks: whoever dies at any instruction leaves at most one entry, which the shipper resolves.
 *
 *	file: header, buckets                         (numbers in the machine's order: the magic tells a foreign one)
 *
 *	header, 256 bytes
 *	  0  magic      u64
 *	  8  version    u32 = 1
 *	 12  entry size u32 = 32
 *	 16  buckets    u64   a power of two
 *	 24  crc        u32   CRC-32C of bytes 0..23
 *	 28  sweeps     u32   sweeps begun so far
 *	 32  boot       u64   the boot of the machine for which the table is complete (idem_ready)
 *	 40  evicted, dropped, 8 bytes each: counters (struct idem_stats); the rest 0
 *
 *	bucket: 8 entries of 32 bytes
 *	  0  state      u64   phase (2 bits), slot (12), generation (18), fingerprint of the key (32)
 *	  8  stamp      u64   seconds since 1970 (32), CRC-32C of seconds and key (32)
 *	 16  key        16 bytes
 *
 * The file is valid iff magic, version, sizes and CRC hold; any other is set aside. A DONE entry is valid iff its stamp's CRC holds, so
 * that what a power loss left half written stands for no key.
 *
 *	FREE ──> CLAIMED ──> PENDING ──> DONE ──(24 h, or room needed)──> CLAIMED …
 *	  ^─────────┴───────────┘ ^──mark──┘
 *
 * One claim a key: all that contend for a key look at one bucket and know each other by the fingerprint, which becomes visible together with
 * the claim in one compare-and-swap. A claimer then looks at the bucket again: it gives way to a PENDING or DONE entry of its key and to a
 * CLAIMED one of lower index, and knocks out a CLAIMED one of higher index; its claim holds once its own compare-and-swap from CLAIMED to
 * PENDING succeeds. Of two claimers the later one sees the earlier one, so both cannot hold. Only then is the key written.
 *
 * A PENDING entry whose owner died, or whose write failed so that nobody knows whether the record is on disk (doubt), is an open question: it is
 * answered by a sweep (idem_sweep.h), which reads the segments. Until then requests with the key are told to come again.
 *
 * Bounded: a key that finds its bucket full takes the place of the oldest DONE entry (counted): with few keys a second PUT is
 * recognised for 24 hours, with more than the table holds for as long as there is room.
 */
#ifndef SLUICE_SPOOL_IDEM_H
#define SLUICE_SPOOL_IDEM_H

#include "base/hash.h"
#include "zone/zone.h"

#define IDEM_TTL (24 * 3600 * NS_PER_S)
#define IDEM_KEY_MAX 255 /* bytes of a client's key */

struct idem;

/* Blocks. Opens or makes the table at path for at least this many keys (rounded up to a power of two); one of another size is taken over, one that is
 * not valid is set aside with a log line. For the master, before its first fork and while no process of an earlier server lives: what those left
 * pending becomes doubt. 0, or an error. */
int idem_open(const char *path, uint64_t keys, struct zone *z, struct idem **out);
/* Unmaps it; the file stays. */
void idem_close(struct idem *t);
/* In a process, before anything below: on whose behalf it claims. */
void idem_attach(struct idem *t, unsigned slot, uint32_t generation);

/* What the table knows of a client's key: SHA-256 of stream, user and key, cut to 128 bits. */
struct id idem_key(struct str stream, struct str user, struct str key);

enum idem_verdict {
	IDEM_NEW,  /* claimed: exactly one of commit, abort, doubt must follow */
	IDEM_DONE, /* stored within the last 24 hours */
	IDEM_BUSY, /* a live process is storing it */
	IDEM_LATER /* not known yet, or no room: come again */
};

/* Never blocks. now: UTC ns. Of any number of callers in all processes at most one gets IDEM_NEW, until it has let go of the key. */
enum idem_verdict idem_begin(struct idem *t, struct id key, int64_t now);
/* The record is durable. */
void idem_commit(struct idem *t, struct id key);
/* There is no record and will be none. */
void idem_abort(struct idem *t, struct id key);
/* There may be a record. Only once no process writes or locks the file it would be in; a sweep must follow. */
void idem_doubt(struct idem *t, struct id key);

/* There is a record of this time (UTC ns) with the key: seen in a segment. Known afterwards, unless it is older than 24 hours or than all of a full bucket. */
void idem_mark(struct idem *t, struct id key, int64_t time);
/* What idem_mark() recorded in this process since the last success is on disk on 0: before the segments it was read from are removed. Blocks. */
int idem_sync(struct idem *t);

/* False from the machine's start (or that of a new table) until a sweep has re-added the keys of all segments: until then idem_begin() says IDEM_LATER. */
bool idem_ready(const struct idem *t);

struct idem_stats {
	uint64_t capacity;
	uint64_t evicted; /* keys forgotten before their time */
	uint64_t dropped; /* keys refused or not recorded because their bucket was full */
};
struct idem_stats idem_get_stats(const struct idem *t);

#endif
