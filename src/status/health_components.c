/*
 * The components of the verbose health: one function each, in a table. Each writes one member and says what is wrong.
 */
#include "base/clock.h"
#include "gate/limit_admin.h"
#include "status/figures.h"
#include "status/health.h"
#include "zone/series.h"

#define SECONDS(ns) (double)(ns) / (double)NS_PER_S

static void
judge_process(struct health *h, const struct figures_process *p)
{
	if (p->state == FIGURES_MISSING)
		health_degrade(h, "%s: not running", p->role);
	else if (p->state == FIGURES_STUCK)
		health_degrade(h, "%s in slot %u: no sign of life for %.1f s", p->role, p->slot,
		    SECONDS(p->heartbeat_age));
}

static void
write_processes(struct health *h)
{
	unsigned slot = 0, wanted = figures_server()->workers, workers = figures_workers();
	struct figures_process p;

	json_open(&h->json, "processes", '[');
	while (figures_next_process(&slot, &p)) {
		json_open(&h->json, NULL, '{');
		json_put_cstr(&h->json, "role", p.role);
		json_put_u64(&h->json, "slot", p.slot);
		json_put_cstr(&h->json, "status", figures_state_name(p.state));
		if (p.heartbeat_age >= 0)
			json_put_seconds(&h->json, "heartbeat_age_seconds", p.heartbeat_age);
		json_put_u64(&h->json, "restarts", p.restarts);
		json_close(&h->json);
		judge_process(h, &p);
	}
	json_close(&h->json);
	if (workers < wanted)
		health_degrade(h, "workers: %u of %u running", workers, wanted);
}

static void
write_spools(struct health *h)
{
	struct figures_stream f;

	json_open(&h->json, "spools", '[');
	for (struct stream_conf *s = stream_first(figures_server()->conf); s; s = s->next) {
		figures_stream(s, &f);
		json_open(&h->json, NULL, '{');
		json_put_str(&h->json, "stream", s->name);
		json_put_cstr(&h->json, "status",
		    f.space.full     ? "full"
		    : f.space.failed ? "failed"
				     : "ok");
		json_put_u64(&h->json, "used_bytes", f.space.used);
		json_put_u64(&h->json, "limit_bytes", f.space.limit);
		json_put_u64(&h->json, "free_bytes", f.space.free_bytes);
		json_put_u64(&h->json, "room_bytes", f.space.room);
		json_close(&h->json);
	}
	json_close(&h->json);
}

static const char *
judge_destination(struct health *h, const struct figures_stream *f)
{
	char name[STREAM_NAME_MAX + 1];

	(void)str_copyz(name, sizeof(name), f->conf->name);
	if (!f->reported)
		return "unknown";
	if (!f->delivery.held && f->delivery.breaker == DELIVERY_CLOSED)
		return f->delivery.why[0] ? "failing" : "ok";
	health_degrade(
	    h, "%s: destination %s: %s", name, f->delivery.held ? "held" : "away", f->delivery.why);
	return f->delivery.held ? "held" : "away";
}

static void
write_destinations(struct health *h)
{
	struct figures_stream f;

	json_open(&h->json, "destinations", '[');
	for (struct stream_conf *s = stream_first(figures_server()->conf); s; s = s->next) {
		figures_stream(s, &f);
		json_open(&h->json, NULL, '{');
		json_put_str(&h->json, "stream", s->name);
		json_put_str(&h->json, "destination", s->sink->destination);
		json_put_cstr(&h->json, "status", judge_destination(h, &f));
		json_put_cstr(&h->json, "breaker", figures_breaker_name(&f));
		json_put_cstr(&h->json, "last_error", f.delivery.why[0] ? f.delivery.why : NULL);
		json_put_u64(&h->json, "waiting_bytes", f.delivery.waiting_bytes);
		json_put_time(&h->json, "oldest", f.delivery.oldest);
		json_close(&h->json);
	}
	json_close(&h->json);
}

/* A counter without labels, by the name that /metrics has for it. */
static uint64_t
counter(const char *name)
{
	const struct metric_set *set;
	struct series_view v;

	for (unsigned id = 0; (set = metric_set(id)) != NULL; id++)
		for (unsigned row = 0; row < set->n_rows; row++)
			if (set->rows[row].name != NULL && strcmp(set->rows[row].name, name) == 0)
				return series_find(set, STR(""), &v) ? series_value(set, &v, row)
								     : 0;
	return 0;
}

static void
write_zone(struct health *h)
{
	bool has_file = zone_has_file(figures_server()->zone);
	struct series_usage u;

	series_usage(&u);
	json_open(&h->json, "zone", '{');
	json_put_cstr(&h->json, "name", zone_name(figures_server()->zone));
	json_put_cstr(&h->json, "status", has_file ? "ok" : "not_kept");
	json_put_u64(&h->json, "size_bytes", u.size);
	json_put_u64(&h->json, "used_bytes", u.used);
	json_put_u64(&h->json, "series", u.entries);
	json_put_u64(&h->json, "series_max", u.entries_max);
	json_put_u64(&h->json, "dropped", u.dropped);
	json_put_u64(&h->json, "set_aside", counter("sluice_zone_set_aside_total"));
	json_close(&h->json);
	if (!has_file)
		health_degrade(h, "zone: no file could be made; counts end with the server");
}

static void
write_limits(struct health *h)
{
	const char *state = limit_admin_state();

	json_open(&h->json, "limits", '{');
	json_put_cstr(&h->json, "status", state);
	json_close(&h->json);
	if (strcmp(state, "unusable") == 0)
		health_degrade(h, "limits: no store; limit_fallback decides");
}

static void (*const components[])(struct health *h) = {
	write_processes,
	write_spools,
	write_destinations,
	write_zone,
	write_limits,
};

void
health_write_components(struct health *h)
{
	for (size_t i = 0; i < ARRAY_LEN(components); i++)
		components[i](h);
}
