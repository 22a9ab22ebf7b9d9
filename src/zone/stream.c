/*
 * Rows of streams: which is whose, over reloads; what the processes put into each.
 */
#include "zone/zone_priv.h"

struct zone_stream *
zone_stream(struct zone *z, unsigned stream)
{
	assert(stream < ZONE_MAX_STREAMS);
	return &z->shared->streams[stream];
}

uint64_t
zone_added(struct zone *z, unsigned stream)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < z->n; i++)
		sum +=
		    atomic_load_explicit(&z->shared->slots[i].added[stream], memory_order_relaxed);
	return sum;
}

static bool
is_named(const struct zone_stream *row, struct str name)
{
	return row->configuration != 0 && str_is(name, row->name);
}

/* The row of that name; else the one unused for longest, which is one never used if there is any. */
static unsigned
find_row(struct zone *z, struct str name)
{
	struct zone_stream *rows = z->shared->streams;
	unsigned oldest = 0;

	for (unsigned i = 0; i < ZONE_MAX_STREAMS; i++) {
		if (is_named(&rows[i], name))
			return i;
		if (rows[i].configuration < rows[oldest].configuration)
			oldest = i;
	}
	return oldest;
}

unsigned
zone_stream_claim(struct zone *z, struct str name, uint32_t configuration)
{
	unsigned i = find_row(z, name);
	struct zone_stream *row = &z->shared->streams[i];

	assert(configuration > 0);
	if (!is_named(row, name)) {
		assert(row->configuration < configuration);
		(void)str_copyz(row->name, sizeof(row->name), name);
		/* Nothing on disk, whatever the slots have counted for another. */
		atomic_store(&row->disk_base, 0 - zone_added(z, i));
		atomic_store(&row->orphaned, 0);
	}
	row->configuration = configuration;
	return i;
}
