/*
 * Paths below a stream's folder, in fixed memory: all names we make are short, and state_dir's length is bounded by the configuration.
 */
#ifndef SLUICE_SHIP_PATH_H
#define SLUICE_SHIP_PATH_H

#include "base/base.h"
#include "base/hash.h"

#define SHIP_PATH_MAX 400

struct path {
	char s[SHIP_PATH_MAX];
};

/* "a/b/c": sub may be NULL. The result is borrowed from *p. Asserts that it fits: state_dir is checked at configuration time. */
const char *path_join(struct path *p, const char *dir, const char *sub, const char *name);
/* aggregation/<id>.list and the like. */
const char *path_of_id(
    struct path *p, const char *dir, const char *sub, const struct id *id, const char *suffix);

#endif
