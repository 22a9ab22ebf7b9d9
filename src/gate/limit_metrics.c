/*
 * What rate limits count.
 */
#include "base/json_write.h"
#include "gate/limit.h"
#include "gate/limit_priv.h"
#include "zone/janitor.h"
#include "zone/zone.h"

static const struct metric_row hit_rows[] = {
	{ .name = "rate_limit_hits_total",
	    .type = METRIC_COUNTER,
	    .help = "Requests held against a rate limit, by what came of it." },
};
static struct metric_set hits = { .name = "rate_limit",
	.labels = { "endpoint", "result", "policy" },
	.rows = hit_rows,
	.n_rows = ARRAY_LEN(hit_rows) };

/* Checks take some hundred nanoseconds. */
static const int64_t check_bounds[] = { 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000,
	1000000, 10000000 };
static const struct metric_row check_rows[] = {
	{ .name = "rate_limit_check_duration_seconds",
	    .type = METRIC_HISTOGRAM,
	    .scale = 1e-9,
	    .bounds = check_bounds,
	    .n_bounds = ARRAY_LEN(check_bounds),
	    .help = "Time to check the rate limits of a request; a sample of one in 16." },
};
static struct metric_set checks = { .name = "rate_limit_check",
	.labels = { "endpoint" },
	.rows = check_rows,
	.n_rows = ARRAY_LEN(check_rows) };

static const struct metric_row fallback_rows[] = {
	{ .name = "sluice_limit_fallback_total",
	    .type = METRIC_COUNTER,
	    .help = "Requests whose rate limits could not be checked, by what was done: open, let "
		    "through; closed, refused." },
};
static struct metric_set fallbacks = { .name = "limit_fallback",
	.labels = { "fallback" },
	.rows = fallback_rows,
	.n_rows = ARRAY_LEN(fallback_rows) };

enum { CELLS_USED, CELLS_EVICTED, CELLS_FULL };
static const struct metric_row cell_rows[] = {
	{ .name = "sluice_limit_cells",
	    .type = METRIC_GAUGE,
	    .help = "Clients whose rate limits are kept." },
	{ .name = "sluice_limit_cells_evicted_total",
	    .type = METRIC_COUNTER,
	    .help = "Clients forgotten to make room for others, those seen longest ago first." },
	{ .name = "sluice_limit_cells_full_total",
	    .type = METRIC_COUNTER,
	    .help = "Clients not taken in because all whose place was in question were at their "
		    "limits." },
};
static struct metric_set cells = {
	.name = "limit_cells", .rows = cell_rows, .n_rows = ARRAY_LEN(cell_rows)
};

static const char *const outcomes[LIMIT_OUTCOMES] = {
	[LIMIT_HIT_ALLOWED] = "allowed",
	[LIMIT_HIT_LIMITED] = "limited",
	[LIMIT_HIT_PENALTY] = "penalty",
	[LIMIT_HIT_BYPASSED] = "bypassed",
	[LIMIT_HIT_FALLBACK] = "fallback",
};

/* ---- by workers ---- */

static struct series *
pin(struct str endpoint, enum limit_outcome outcome, struct str policy)
{
	char key[SERIES_KEY_MAX];
	struct buf b;

	buf_init_fixed(&b, key, sizeof(key));
	buf_put_str(&b, endpoint);
	buf_putc(&b, '\0');
	buf_puts(&b, outcomes[outcome]);
	buf_putc(&b, '\0');
	buf_put_str(&b, policy);
	return series_pin(&hits, buf_str(&b));
}

void
limit_count_hit(struct limit_rule *rule, enum limit_outcome outcome)
{
	if (unlikely(!rule->hits[outcome]))
		rule->hits[outcome] = pin(rule->endpoint, outcome, str_of(rule->line->label));
	series_add(rule->hits[outcome], 0, 1);
}

void
limit_count_zone(struct limit_zone_hits *h, const struct http_request *r, const char *kind,
    struct str zone, enum limit_outcome outcome)
{
	if (unlikely(h->of != r->location)) {
		memset(h, 0, sizeof(*h));
		h->of = r->location;
	}
	if (unlikely(!h->series[outcome])) {
		char policy[128];
		struct buf b;

		buf_init_fixed(&b, policy, sizeof(policy));
		buf_puts(&b, kind);
		buf_put_str(&b, str_sub(zone, 0, 100));
		h->series[outcome] = pin(limit_endpoint(r->location), outcome, buf_str(&b));
	}
	series_add(h->series[outcome], 0, 1);
}

void
limit_observe(struct limit_bound *b, int64_t ns)
{
	if (!b->duration)
		b->duration = series_pin(&checks, b->endpoint);
	series_observe(b->duration, 0, ns);
}

void
limit_count_fallback(int fallback)
{
	series_add(
	    series_get(&fallbacks, fallback == LIMIT_OPEN ? STR("open") : STR("closed")), 0, 1);
}

/* ---- for the operator ---- */

void
limit_metrics_write_hits(struct json_writer *w)
{
	struct series_view v;
	uint32_t cursor = 0;

	json_open(w, "hits", '[');
	while (series_next(&hits, &cursor, &v)) {
		struct str rest = v.key;

		json_open(w, NULL, '{');
		json_put_str(w, "endpoint", str_split(&rest, '\0'));
		json_put_str(w, "result", str_split(&rest, '\0'));
		json_put_str(w, "policy", rest);
		json_put_u64(w, "count", series_value(&hits, &v, 0));
		json_close(w);
	}
	json_close(w);
}

/* ---- by the janitor: what all keep together ---- */

static void
look(void *arg)
{
	static struct limit_usage before;
	struct limit_store *s = limit_store();
	struct series *own = series_get(&cells, STR(""));
	struct limit_usage now;

	(void)arg;
	if (!s)
		return;
	limit_store_tick(s);
	limit_store_usage(s, &now);
	series_set(own, CELLS_USED, (int64_t)(now.narrow_used + now.wide_used));
	if (before.size) {
		series_add(own, CELLS_EVICTED, now.evicted - before.evicted);
		series_add(own, CELLS_FULL, now.full - before.full);
	}
	before = now;
}

static void
setup(struct conf *c)
{
	if (!limit_main(c)->wanted)
		return;
	/* Shown as 0 from the start: an alert that asks for a rise needs a beginning. */
	(void)series_pin(&fallbacks, STR("open"));
	(void)series_pin(&fallbacks, STR("closed"));
	limit_start(c, ZONE_SLOT_JANITOR);
	janitor_add("rate limits", NS_PER_S, look, NULL);
}

void
limit_metrics_register(void)
{
	metric_register(&hits);
	metric_register(&checks);
	metric_register(&fallbacks);
	metric_register(&cells);
	janitor_register(setup);
}
