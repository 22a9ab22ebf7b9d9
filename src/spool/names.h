/*
 * Sets of file names, for those who look through a stream's folders. A set with a limit keeps the least so many: one pass over the folder, memory for
 * the limit.
 */
#ifndef SLUICE_SPOOL_NAMES_H
#define SLUICE_SPOOL_NAMES_H

#include "spool/name.h"

struct names {
	char (*v)[NAME_CAP];
	size_t n, cap;
	size_t limit; /* 0: all; else the least so many are kept */
	size_t seen;
};
/* Adds every entry of dir whose name ends in suffix ("" : segment names), sorted; longer names than NAME_CAP are passed over. Blocks. */
int names_list(struct names *set, const char *dir, const char *suffix);
int names_add(struct names *set, const char *name); /* unsorted */
void names_sort(struct names *set);
bool names_has(const struct names *set, const char *name); /* sorted sets only */
void names_fini(struct names *set);

#endif
