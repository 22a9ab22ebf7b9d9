/*
 * The map: open addressing with linear probing, at most three quarters full. Deleting moves later
 * entries of the same run back, so there are no tombstones and a lookup ends at the first free
 * entry. Called by configuration, pools, directories.
 */
#include "base/map.h"

#include <stdlib.h>

#include "base/hash.h"

enum { FIRST_CAP = 16 };

void
map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void
map_fini(struct map *m)
{
	free(m->entries);
	map_init(m);
}

/* The entry of key, or the free one where it would go. The table is never full. */
static struct map_entry *
find(const struct map *m, struct str key, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);

	while (
	    m->entries[i].value && (m->entries[i].hash != hash || !str_eq(m->entries[i].key, key)))
		i = (i + 1) & (m->cap - 1);
	return &m->entries[i];
}

static int
grow(struct map *m)
{
	struct map bigger = { .n = m->n, .cap = m->cap ? m->cap * 2 : FIRST_CAP };

	bigger.entries = calloc(bigger.cap, sizeof(*bigger.entries));
	if (!bigger.entries)
		return ERR_NOMEM;
	for (size_t i = 0; i < m->cap; i++) {
		struct map_entry *e = &m->entries[i];

		if (e->value)
			*find(&bigger, e->key, e->hash) = *e;
	}
	free(m->entries);
	*m = bigger;
	return 0;
}

void *
map_get(const struct map *m, struct str key)
{
	return m->n ? find(m, key, hash_str(key))->value : NULL;
}

int
map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = hash_str(key);
	struct map_entry *e;

	assert(value);
	if (m->n >= m->cap / 4 * 3 && grow(m))
		return ERR_NOMEM;
	e = find(m, key, hash);
	if (e->value) {
		e->value = value;
		return 0;
	}
	*e = (struct map_entry){ key, value, hash };
	m->n++;
	return 0;
}

/* Fills the hole at i: an entry further on moves there if its home is not between the hole and
 * itself. */
static void
close_hole(struct map *m, size_t i)
{
	size_t mask = m->cap - 1;

	for (size_t j = (i + 1) & mask; m->entries[j].value; j = (j + 1) & mask) {
		size_t home = m->entries[j].hash & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			m->entries[i] = m->entries[j];
			i = j;
		}
	}
	m->entries[i].value = NULL;
}

void *
map_del(struct map *m, struct str key)
{
	struct map_entry *e;
	void *value;

	if (m->n == 0)
		return NULL;
	e = find(m, key, hash_str(key));
	value = e->value;
	if (value) {
		close_hole(m, (size_t)(e - m->entries));
		m->n--;
	}
	return value;
}

bool
map_each(const struct map *m, size_t *at, struct str *key, void **value)
{
	for (; *at < m->cap; ++*at) {
		const struct map_entry *e = &m->entries[*at];

		if (e->value) {
			*key = e->key;
			*value = e->value;
			++*at;
			return true;
		}
	}
	return false;
}
