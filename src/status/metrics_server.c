/*
 * Families of the server as a whole: what was built, since when it runs, how full its shared memory is. See metrics.h.
 */
#include "dlq/metrics.h"
#include "ingest/ingest.h"
#include "status/figures.h"
#include "status/metrics.h"
#include "status/metrics_families.h"

static void
put_build(struct prom *p, const struct figures_server *s)
{
	struct buf labels;

	buf_init(&labels, 0);
	prom_label(&labels, "version", str_of(s->version));
	metrics_family(p, FAMILY_BUILD_INFO);
	prom_count(p, buf_str(&labels), 1);
	buf_fini(&labels);
}

static void
put_one(struct prom *p, enum metrics_family family, uint64_t value)
{
	metrics_family(p, family);
	prom_count(p, STR(""), value);
}

static void
put_zone(struct prom *p)
{
	struct series_usage u;

	series_usage(&u);
	put_one(p, FAMILY_ZONE_SIZE, u.size);
	put_one(p, FAMILY_ZONE_USED, u.used);
	put_one(p, FAMILY_ZONE_SERIES, u.entries);
	put_one(p, FAMILY_ZONE_SERIES_MAX, u.entries_max);
}

static void
put_keys(struct prom *p)
{
	struct idem_stats keys;

	if (!ingest_key_stats(&keys))
		return;
	put_one(p, FAMILY_KEYS_MAX, keys.capacity);
	put_one(p, FAMILY_KEYS_EVICTED, keys.evicted);
	put_one(p, FAMILY_KEYS_DROPPED, keys.dropped);
}

void
metrics_collect_server(struct prom *p)
{
	const struct figures_server *s = figures_server();

	put_build(p, s);
	metrics_family(p, FAMILY_START_TIME);
	prom_sample(p, STR(""), s->started / NS_PER_MS, 3);
	put_one(p, FAMILY_CONFIGURATION, s->configuration);
	put_zone(p);
	put_keys(p);
	put_one(p, FAMILY_DLQ_COUNT, dlq_metrics_waiting());
}
