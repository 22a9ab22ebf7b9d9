/*
 * What the zone counts about itself, and how the master counts before there are slots: straight into the pseudo-slot RESTORED.
 */
#include "base/hash.h"
#include "zone/series_priv.h"

static const struct metric_row dropped_rows[] = {
	{ .name = "sluice_zone_dropped_total",
	    .type = METRIC_COUNTER,
	    .help =
		"Counted under other because the zone or the set was full or the key too long." },
};

static struct metric_set dropped_set = { .name = "zone_dropped",
	.labels = { "set" },
	.rows = dropped_rows,
	.n_rows = ARRAY_LEN(dropped_rows) };

/* Rows by enum directory_event. */
static const struct metric_row zone_rows[DIRECTORY_EVENTS] = {
	[DIRECTORY_NO_FILE] = { .name = "sluice_zone_fallbacks_total",
	    .type = METRIC_COUNTER,
	    .help = "Starts without a zone file: what was counted then ended with the server." },
	[DIRECTORY_SET_ASIDE] = { .name = "sluice_zone_set_aside_total",
	    .type = METRIC_COUNTER,
	    .help = "Zone files that could not be used and were set aside." },
	[DIRECTORY_DAMAGED] = { .name = "sluice_zone_damaged_total",
	    .type = METRIC_COUNTER,
	    .help = "Series of an earlier start that could not be read." },
};

static struct metric_set zone_set = {
	.name = "zone", .rows = zone_rows, .n_rows = ARRAY_LEN(zone_rows)
};

void
series_register(void)
{
	metric_register(&dropped_set);
	metric_register(&zone_set);
}

struct metric_set *
series_dropped_set(void)
{
	return &dropped_set;
}

static void
count(struct dir *d, const struct metric_set *set, struct str key, unsigned row, uint64_t n)
{
	struct block *b;

	if (set->words == 0)
		return;
	b = directory_restored(d, set, key, true);
	if (b != NULL)
		atomic_fetch_add(&b->word[set->at[row]], n);
}

void
directory_count_event(struct dir *d, enum directory_event event, uint64_t n)
{
	count(d, &zone_set, str_make("", 0), event, n);
}

void
directory_count_dropped(struct dir *d, const struct metric_set *set)
{
	count(d, &dropped_set, str_of(set->name), 0, 1);
}
