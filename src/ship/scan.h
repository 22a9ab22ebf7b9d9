/*
 * What a stream's folder holds, read from the disk at start and at each turn, and what a crash left half done brought to order: steps 6 and 13
 * of the durability protocol. Blocks.
 */
#ifndef SLUICE_SHIP_SCAN_H
#define SLUICE_SHIP_SCAN_H

#include "ship/bundle.h"

#define SCAN_MAX_BUNDLES 256
#define SCAN_MAX_SEGMENTS 512
#define SCAN_MAX_BUSY 64

/* A sealed segment that belongs to no bundle yet. */
struct scan_segment {
	char name[SCAN_NAME_MAX];
	bool claimed; /* lies in aggregation/ already */
	struct id id;
	uint64_t bytes;
	int64_t created, modified; /* UTC ns */
};

struct scan {
	/* in */
	const char *dir;
	bool first; /* fsync the folders before believing them */
	unsigned n_busy;
	struct id busy[SCAN_MAX_BUSY]; /* bundles being sent: hands off */
	/* out */
	unsigned n_ready; /* list and gz there, in no order */
	struct id ready[SCAN_MAX_BUNDLES];
	bool has_unpacked; /* a list whose sources are all there, in aggregation/ */
	struct id unpacked;
	unsigned n_segments; /* free ones, oldest first */
	struct scan_segment segments[SCAN_MAX_SEGMENTS];
	unsigned waiting_files; /* data files of any stage, busy ones included */
	int64_t oldest;         /* created, of the oldest free segment; 0: none */
};

int scan_bundles(struct scan *s);

/* The files of an object stream: names of claimed objects (in uploading/) and of sealed ones, oldest first. */
struct scan_objects {
	const char *dir;
	bool first;
	unsigned claim_max;           /* move at most this many sealed ones to uploading/ */
	unsigned n;                   /* out: objects in uploading/ */
	char (*names)[SCAN_NAME_MAX]; /* heap: the caller frees */
	unsigned waiting_files;
};
int scan_objects(struct scan_objects *s);

/* Bytes of disk the folder tree takes. */
int scan_usage(const char *dir, uint64_t *bytes);

/* A sorted set of file names, for the scanners. */
struct names {
	char (*v)[SCAN_NAME_MAX];
	size_t n, cap;
};
/* Adds every entry of dir whose name ends in suffix ("" : segment names); longer names than SCAN_NAME_MAX are passed over. */
int names_list(struct names *set, const char *dir, const char *suffix);
void names_sort(struct names *set);
bool names_has(const struct names *set, const char *name); /* sorted sets only */
void names_fini(struct names *set);

#endif
