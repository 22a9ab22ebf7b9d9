/*
 * Names of segment files: `<timestamp>.<pid>.<seq>`, with `.open` behind while a worker appends to it, with `.part` while an
 * upload is being received. The timestamp is UTC as 20261122T010203123456789Z, so that names sort by time and none of
 * ours looks like a file of the origin gateway, whose names begin with digits and a dot.
 */
#ifndef SLUICE_SPOOL_NAME_H
#define SLUICE_SPOOL_NAME_H

#include "base/base.h"

#define NAME_CAP 72 /* any name of ours with its suffix and a zero byte */
#define NAME_OPEN_SUFFIX ".open"
#define NAME_PART_SUFFIX ".part"

enum name_kind {
	NAME_OTHER, /* not ours */
	NAME_SEALED,
	NAME_OPEN,
	NAME_PART
};

enum name_kind name_kind(struct str name);
/* The bare name, of this process. */
void name_make(char out[NAME_CAP], int64_t wall_ns, uint64_t seq);
/*
 * True if the bare name is in use in any form or place: open, unfinished, sealed, claimed or being sent. Whoever holds
 * `NAME.open` or `NAME.part`, made by O_EXCL, and finds no other form has the name to himself, because the other forms only ever
 * come from that file. own is the suffix of the form that the caller holds, "" for none.
 */
bool name_taken(const char *dir, const char *bare, const char *own);

#endif
