/*
 * What a struct zone is; shared by zone.c (slots, making), bell.c, area.c (areas, the file's header) and carry.c (what an earlier server left).
 *
 * The file: two copies of the header, each in a block of 4096 bytes, then areas, each beginning at a multiple of 64 KiB. All of it has
 * blocks on the disk before it is mapped. Numbers are as the machine writes them; `order` tells.
 *
 * A header is valid iff magic, version, order and CRC hold and the file is at least as long as it says. The valid copy with the higher
 * sequence counts; the other one is overwritten next, so that a kill at any instant leaves one. What is in an area is its user's business.
 */
#ifndef SLUICE_ZONE_ZONE_PRIV_H
#define SLUICE_ZONE_ZONE_PRIV_H

#include "zone/zone.h"

#define ZONE_MAGIC "SLUZONE\n"
#define ZONE_VERSION 1
#define ZONE_ORDER UINT32_C(0x01020304)
#define ZONE_HEAD_BLOCK 4096
#define ZONE_ALIGN (UINT64_C(64) << 10)
#define ZONE_RUN_AREA "run" /* struct zone_shared; begins afresh at each start */

struct zone_file_area {
	char name[ZONE_AREA_NAME_MAX];
	uint32_t version;
	uint32_t idle;     /* starts since somebody last asked for it */
	uint64_t at, size; /* at 0: it was in memory, for want of room */
};

struct zone_file_head {
	char magic[8];
	uint32_t version, order;
	uint64_t sequence, size;
	uint32_t n_areas, unused;
	struct zone_file_area areas[ZONE_AREAS_MAX];
	uint32_t crc; /* of all before */
	uint32_t unused_too;
};
_Static_assert(sizeof(struct zone_file_head) == 40 + 48 * ZONE_AREAS_MAX + 8, "no holes");
_Static_assert(sizeof(struct zone_file_head) <= ZONE_HEAD_BLOCK, "a header fits its block");

struct zone_shared {
	_Atomic int64_t stop_deadline;
	struct zone_stream streams[ZONE_MAX_STREAMS];
	struct zone_slot slots[];
};

struct zone_bell {
	int fds[2]; /* a pipe, both ends non-blocking */
	struct io io;
	void (*on_ring)(void *arg);
	void *arg;
};

struct zone {
	unsigned n; /* slots */
	char name[64];
	struct zone_shared *shared;
	int fd; /* -1: anonymous memory */
	struct zone_file_head head;
	struct zone_mapping {
		void *at;
		bool asked;     /* in this run */
	} maps[ZONE_AREAS_MAX]; /* of head.areas */
	struct zone_bell bells[];
};

/* bell.c: -1 with errno. */
int zone_bell_open(struct zone_bell *b);
void zone_bell_close(struct zone_bell *b);

/* area.c */
/* Makes one that is not there yet; NULL with errno. */
void *zone_area_add(struct zone *z, const char *name, uint32_t version, uint32_t idle, size_t size);
/* An empty file that the zone uses from now on: 0 or an error, with errno. */
int zone_file_make(struct zone *z, const char *path);
/* Everything to disk, and the file to its name: 0 or an error, with errno. */
int zone_file_publish(struct zone *z, const char *from, const char *to);
/* Unmaps all areas and closes the file. */
void zone_areas_drop(struct zone *z);

/* carry.c: the file of an earlier server, mapped to be read; what it holds is not trusted. */
struct zone_old {
	const struct zone_file_head *head; /* NULL: there is none */
	const char *map;
	size_t size;
	bool set_aside;
};
/* One that is not valid is set aside with a log line. An error, with errno: there is one that cannot be read now; it stays where it is. */
int zone_old_open(struct zone_old *old, const char *path);
void zone_old_close(struct zone_old *old);
/* An area's contents, or NULL. */
const void *zone_old_area(
    const struct zone_old *old, const char *name, uint32_t version, size_t *size);
/* Copies all areas but the zone's own: 0, or an error with errno. */
int zone_old_copy(const struct zone_old *old, struct zone *z);

#endif
