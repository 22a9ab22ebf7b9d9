/*
 * What a stream's folder holds, read from the disk, and what a crash left half done brought to order: steps 6 and 13 of the durability
 * protocol. Blocks. Memory does not grow with the backlog of segments or objects: of those the oldest are taken.
 */
#ifndef SLUICE_SHIP_SCAN_H
#define SLUICE_SHIP_SCAN_H

#include "ship/bundle.h"
#include "spool/metrics.h"
#include "spool/names.h"

#define SCAN_MAX_BUNDLES 256
#define SCAN_MAX_SEGMENTS 512
#define SCAN_MAX_BUSY 64

/* A sealed segment that belongs to no bundle yet. */
struct scan_segment {
	char name[SCAN_NAME_MAX];
	bool claimed; /* lies in aggregation/ already */
	bool used;    /* for the caller: in a bundle since */
	struct id id;
	uint64_t bytes;
	int64_t created, modified; /* UTC ns */
};

struct scan {
	/* in */
	const char *dir;
	bool
	    distrust; /* at start and after a failed call: fsync the folders before believing them */
	unsigned n_busy;
	struct id busy[SCAN_MAX_BUSY]; /* bundles being sent: hands off */
	struct id after;               /* bundles behind this one come first */
	struct id stuck; /* could not be packed: of several unpacked ones, another is wanted */
	/* out */
	unsigned n_ready; /* list and gz there, sources gone */
	struct id ready[SCAN_MAX_BUNDLES];
	bool more_ready;
	bool has_unpacked; /* a list whose sources are all there, in aggregation/ */
	struct id unpacked;
	unsigned n_segments; /* free ones, oldest first */
	struct scan_segment segments[SCAN_MAX_SEGMENTS];
	bool more_segments;
	unsigned unreadable;    /* segments passed over: the disk would not give their headers */
	unsigned waiting_files; /* free segments and bundles, busy ones included */
	int64_t oldest;         /* created, of the oldest free segment; 0: none */
};

int scan_bundles(struct scan *s);

/* The files of an object stream: the oldest sealed ones are moved to uploading/ until claim_max lie there; names are those. */
struct scan_objects {
	const char *dir;
	bool distrust;
	unsigned claim_max;
	unsigned n;                   /* out: objects in uploading/, oldest first */
	char (*names)[SCAN_NAME_MAX]; /* heap: the caller frees */
	bool more;                    /* sealed ones were left where they are */
	unsigned waiting_files;
};
int scan_objects(struct scan_objects *s);

/* What the folder tree of a stream weighs, and what of it waits for delivery. */
struct scan_usage {
	uint64_t bytes;                /* all of it */
	uint64_t stages[SPOOL_STAGES]; /* of which, by folder */
	uint64_t records; /* in sealed segments and bundles; what cannot be read counts as none */
	int64_t oldest;   /* UTC ns of the last change of the oldest of these; 0: none */
};
/* object: each file is one record. */
int scan_usage(const char *dir, bool object, struct scan_usage *out);
/* Data files of any stage that are not confirmed, recovered orphans or not. */
int scan_waiting(const char *dir, unsigned *files);

#endif
