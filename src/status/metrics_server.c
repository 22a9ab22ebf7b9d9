/*
 * Families of the server as a whole: what was built, since when it runs, how full its shared memory is. See metrics.h.
 */
#include "ingest/ingest.h"
#include "status/figures.h"
#include "status/metrics.h"

static void
put_build(struct prom *p, const struct figures_server *s)
{
	struct buf labels;

	buf_init(&labels, 0);
	prom_label(&labels, "version", str_of(s->version));
	prom_family(p, "sluice_build_info", METRIC_GAUGE, "The program that answers; always 1.");
	prom_count(p, buf_str(&labels), 1);
	buf_fini(&labels);
}

static void
put_one(struct prom *p, const char *name, enum metric_type type, uint64_t value, const char *help)
{
	prom_family(p, name, type, help);
	prom_count(p, STR(""), value);
}

static void
put_zone(struct prom *p)
{
	struct series_usage u;

	series_usage(&u);
	put_one(p, "sluice_zone_size_bytes", METRIC_GAUGE, u.size,
	    "Size of the shared memory that counters live in.");
	put_one(p, "sluice_zone_used_bytes", METRIC_GAUGE, u.used, "How much of it is in use.");
	put_one(p, "sluice_zone_series", METRIC_GAUGE, u.entries, "Series in the zone.");
	put_one(p, "sluice_zone_series_max", METRIC_GAUGE, u.entries_max,
	    "How many series the zone can hold.");
}

static void
put_keys(struct prom *p)
{
	struct idem_stats keys;

	if (!ingest_key_stats(&keys))
		return;
	put_one(p, "sluice_idempotency_keys_max", METRIC_GAUGE, keys.capacity,
	    "How many Idempotency-Keys can be remembered.");
	put_one(p, "sluice_idempotency_evicted_total", METRIC_COUNTER, keys.evicted,
	    "Idempotency-Keys forgotten before their 24 hours were over, for want of room.");
	put_one(p, "sluice_idempotency_dropped_total", METRIC_COUNTER, keys.dropped,
	    "Idempotency-Keys refused or not remembered for want of room.");
}

/* Nothing becomes a dead letter yet: what cannot be delivered is held. The first one is a gauge in all but TYPE: checkers keep names in _count for
 * histograms, unless they are untyped. */
static void
put_dead_letters(struct prom *p)
{
	static const char *const reasons[] = { "max_messages", "retention" };

	put_one(p, "dlq_message_count", METRIC_RAW, 0,
	    "Dead letters that are pending or being processed again.");
	prom_family(p, "sluice_dlq_dropped_total", METRIC_COUNTER,
	    "Dead letters dropped because there were too many or they were too old.");
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		struct buf labels;

		buf_init(&labels, 0);
		prom_label(&labels, "reason", str_of(reasons[i]));
		prom_count(p, buf_str(&labels), 0);
		buf_fini(&labels);
	}
}

void
metrics_collect_server(struct prom *p)
{
	const struct figures_server *s = figures_server();

	put_build(p, s);
	prom_family(p, "sluice_start_time_seconds", METRIC_GAUGE,
	    "When the configuration in force was loaded, in seconds since 1970.");
	prom_sample(p, STR(""), s->started / NS_PER_MS, 3);
	put_one(p, "sluice_configuration", METRIC_GAUGE, s->configuration,
	    "Number of the configuration in force: 1, then one more a reload.");
	put_zone(p);
	put_keys(p);
	put_dead_letters(p);
}
