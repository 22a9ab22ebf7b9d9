/*
 * A hash map from strings to pointers. Keys are borrowed: they must stay where they are until their
 * entry is gone. Values are the caller's and never NULL. Keyed hashing, so hostile keys are safe.
 * Not for several threads.
 */
#ifndef SLUICE_BASE_MAP_H
#define SLUICE_BASE_MAP_H

#include "base/base.h"

struct map_entry {
	struct str key;
	void *value; /* NULL: free */
	uint64_t hash;
};

struct map {
	struct map_entry *entries; /* cap of them */
	size_t n;                  /* used */
	size_t cap;                /* 0 or a power of two */
};

void map_init(struct map *m);
/* Frees the table, not keys or values; m is empty again. */
void map_fini(struct map *m);
/* The value, or NULL. */
void *map_get(const struct map *m, struct str key);
/* Adds, or replaces the value (then the old key stays in use): 0 or ERR_NOMEM, with the map as it
 * was. */
int map_put(struct map *m, struct str key, void *value);
/* Takes an entry out and returns its value, or NULL. */
void *map_del(struct map *m, struct str key);
/*
 * Walks all entries in no order: *at is 0 for the first call; false when there are no more. Between
 * calls the map must not change.
 */
bool map_each(const struct map *m, size_t *at, struct str *key, void **value);

#endif
