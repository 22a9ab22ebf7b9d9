/*
 * The records of several segments in one order: commit time, then slot, then sequence of the segment, then place in it. Blocks.
 */
#ifndef SLUICE_SHIP_MERGE_H
#define SLUICE_SHIP_MERGE_H

#include "spool/reader.h"

struct merge;

struct merge_source {
	const char *path;
	uint64_t length; /* bytes of the file to believe */
	struct id id;    /* the segment must carry this one */
};

/* ERR_NOT_FOUND: a file is missing or carries another id. failing: what the disk cannot read any more is skipped like frames that do not hold. paths are only
 * read during the call. */
int merge_open(const struct merge_source *sources, unsigned n, bool failing, struct merge **out);
void merge_close(struct merge *m);
/* 1 and the next record (valid until the next call), 0 at the end, or an error. Frames that do not hold are skipped and counted. */
int merge_next(struct merge *m, struct reader_record *record, struct reader **from);
/* Bytes of source i that held no valid frame. */
uint64_t merge_skipped(const struct merge *m, unsigned i);

#endif
