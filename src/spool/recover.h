/*
 * Segments whose owner is gone: step 5 of the durability protocol. Run by the shipper, on a helper (blocks).
 */
#ifndef SLUICE_SPOOL_RECOVER_H
#define SLUICE_SPOOL_RECOVER_H

#include "base/base.h"

struct recover_stats {
	unsigned sealed;     /* orphans that held records */
	unsigned empty;      /* removed: no valid frame */
	unsigned busy;       /* still owned: left alone */
	uint64_t torn_bytes; /* cut off behind the last valid frame */
};

/* Every open segment and unfinished upload in dir that nobody holds: lock, check that the name still leads to this inode, cut the torn tail, fdatasync, seal. 0 or an error (others are still tried). */
int recover_dir(const char *dir, struct recover_stats *out);
/* Files of the origin gateway (`<unix ns>.<pid>.<user>` under usage/ and error/; specimen/ `<timestamp>.<pid>.<urlencoded uri>`) become sealed segments; `aggregate_*.gz` are set aside with a log line. */
int recover_origin_files(const char *dir, bool object, struct recover_stats *out);

#endif
