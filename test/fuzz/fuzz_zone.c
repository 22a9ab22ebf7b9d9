/*
 * Fuzzes taking over the series of an earlier start. The input is patches to a valid area: six bytes each, where (in words of four) and what.
 * Reading never goes outside the area, ends, and leaves a directory that holds together: each live entry is found by its key, and room is
 * made and found in it as before.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fuzz.h"
#include "zone/series.h"
#include "zone/series_priv.h"

#define AREA (64 << 10)
#define SLOTS 4
#define KEYS 12

static const struct metric_row rows[] = {
	{ .name = "fuzz_total", .type = METRIC_COUNTER },
	{ .name = "fuzz_seconds",
	    .type = METRIC_HISTOGRAM,
	    .bounds = metric_latency_bounds,
	    .n_bounds = 12 },
};

static struct metric_set sets[] = {
	{ .name = "fuzz", .labels = { "k" }, .rows = rows, .n_rows = 2, .max_series = KEYS },
	{ .name = "fuzz_single", .rows = rows, .n_rows = 1 },
};

static void *template;

static void *
new_area(struct dir *d, struct zone *z)
{
	void *area = aligned_alloc(UNIT, AREA);

	require(area != NULL);
	memset(area, 0, AREA);
	*d = (struct dir){ .zone = z };
	require(directory_map(d, area, AREA, SLOTS, true));
	directory_format(d);
	return area;
}

static uint32_t
make(struct dir *d, const struct metric_set *set, struct str key)
{
	uint32_t hash = (uint32_t)directory_hash(d->head->secret, set->id, key);
	uint32_t index = directory_find(d, set->id, key, hash);

	return index ? index : directory_make(d, set, key, hash, 1, false);
}

static void
make_template(void)
{
	struct dir d;

	log_threshold = LOG_ERROR + 1;
	series_register();
	for (unsigned i = 0; i < ARRAY_LEN(sets); i++)
		metric_register(&sets[i]);
	template = new_area(&d, NULL);
	d.head->secret[0] = 1;
	d.head->secret[1] = 2;
	for (unsigned i = 0; i < KEYS; i++) {
		char key[200];
		uint32_t index;

		memset(key, 'a' + (int)i, sizeof(key));
		index = make(&d, &sets[0], str_make(key, 1 + i * 15));
		require(index != 0);
		require(directory_add_block(&d, index, 2, sets[0].words, false) != NULL);
		if (i % 3 == 0)
			require(directory_add_block(&d, index, SLOTS + 1, sets[0].words, false) !=
				NULL);
		if (i % 4 == 3)
			directory_retire(&d, index);
	}
	require(make(&d, &sets[1], STR("")) != 0);
}

static void
check(struct dir *d)
{
	uint32_t top = atomic_load(&d->head->top);
	unsigned live = 0;

	for (uint32_t i = 1; i < top; i++) {
		const struct entry *e = &d->entries[i];
		struct str key = str_make(directory_key(d, e), e->key_n);

		if ((atomic_load(&e->state) & 3) != ENTRY_LIVE)
			continue;
		live++;
		require(directory_find(d, e->set, key, e->hash) == i);
		require(directory_block(d, e, SLOTS) != NULL);
	}
	require(live == atomic_load(&d->head->n_used));
	require(atomic_load(&d->head->sets[sets[0].id].count) <= KEYS + 1);
	directory_repair(d);
	require(live == atomic_load(&d->head->n_used));
	require(make(d, &sets[1], STR("")) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *old, *new;
	struct dir d;

	if (template == NULL)
		make_template();
	old = aligned_alloc(UNIT, AREA);
	require(old != NULL);
	memcpy(old, template, AREA);
	for (; size >= 6; data += 6, size -= 6)
		memcpy((char *)old + (data[0] | data[1] << 8) % (AREA / 4) * 4, data + 2, 4);
	new = new_area(&d, NULL);
	directory_restore(&d, old, AREA);
	check(&d);
	free(old);
	free(new);
	return 0;
}
