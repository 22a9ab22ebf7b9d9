/*
 * See figures.h. Everything is read without waiting for whoever writes it.
 */
#include "status/figures.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "dlq/metrics.h"
#include "spool/metrics.h"

static const struct figures_server *server;

void
figures_open(const struct figures_server *s)
{
	server = s;
}

const struct figures_server *
figures_server(void)
{
	return server;
}

/* ---- processes ---- */

static const char *
role_of(unsigned slot)
{
	static const char *const fixed[] = { "master", "shipper", "janitor" };

	return slot < ARRAY_LEN(fixed) ? fixed[slot] : "worker";
}

/* One that lives elsewhere than in its slot has to be there once it was started; workers are counted, since any slot will do. */
static bool
has_to_be_there(unsigned slot, uint32_t lives)
{
	return slot < ZONE_SLOT_WORKER && lives > 0;
}

/* A process that was just started has the time to give its first sign. */
static void
judge(struct figures_process *p, int64_t started, int64_t heartbeat)
{
	int64_t now = clock_mono();

	p->uptime = now - started;
	p->heartbeat_age = now - MAX(started, heartbeat);
	if (p->pid == 0)
		p->state = FIGURES_MISSING;
	else if (p->heartbeat_age > FIGURES_STALE)
		p->state = FIGURES_STUCK;
	else if (p->configuration < server->configuration)
		p->state = FIGURES_STOPPING;
	else
		p->state = FIGURES_RUNNING;
}

/* Our parent; it sleeps until a signal comes, and children that lose it stop. */
static void
show_master(struct figures_process *p)
{
	p->pid = (int32_t)getppid();
	p->configuration = server->configuration;
	p->heartbeat_age = p->uptime = -1;
	p->state = FIGURES_RUNNING;
}

static bool
show(unsigned slot, struct figures_process *p)
{
	struct zone_slot *s = zone_slot(server->zone, slot);
	uint32_t lives = atomic_load(&s->lives);

	*p = (struct figures_process){ .role = role_of(slot), .slot = slot };
	if (slot == ZONE_SLOT_MASTER) {
		show_master(p);
		return true;
	}
	p->pid = atomic_load(&s->pid);
	if (p->pid == 0 && !has_to_be_there(slot, lives))
		return false;
	p->restarts = lives > 0 ? lives - 1 : 0;
	p->configuration = atomic_load(&s->configuration);
	judge(p, atomic_load(&s->started), atomic_load(&s->heartbeat));
	if (p->pid != 0) {
		p->connections = atomic_load(&s->connections);
		p->active = atomic_load(&s->active);
	}
	return true;
}

bool
figures_next_process(unsigned *slot, struct figures_process *out)
{
	while (*slot < zone_slots(server->zone))
		if (show((*slot)++, out))
			return true;
	return false;
}

const char *
figures_state_name(enum figures_state state)
{
	static const char *const names[] = { "running", "stopping", "stuck", "missing" };

	return names[state];
}

void
figures_process_name(const struct figures_process *p, char out[FIGURES_NAME_MAX])
{
	if (p->slot < ZONE_SLOT_WORKER)
		snprintf(out, FIGURES_NAME_MAX, "%s", p->role);
	else
		snprintf(out, FIGURES_NAME_MAX, "%s-%u", p->role, p->slot - ZONE_SLOT_WORKER);
}

bool
figures_is_healthy(const struct figures_process *p, const char **why)
{
	*why = p->state == FIGURES_MISSING ? "is not running"
	       : p->state == FIGURES_STUCK ? "gives no sign of life"
					   : NULL;
	return *why == NULL;
}

unsigned
figures_workers(void)
{
	struct figures_process p;
	unsigned slot = ZONE_SLOT_WORKER, n = 0;

	while (figures_next_process(&slot, &p))
		n += p.state == FIGURES_RUNNING;
	return n;
}

void
figures_connections(uint64_t *open, uint64_t *active)
{
	struct figures_process p;
	unsigned slot = ZONE_SLOT_WORKER;

	*open = *active = 0;
	while (figures_next_process(&slot, &p)) {
		*open += p.connections;
		*active += p.active;
	}
}

/* ---- streams ---- */

void
figures_stream(const struct stream_conf *conf, struct figures_stream *out)
{
	*out = (struct figures_stream){ .conf = conf };
	if (!ingest_get_space(conf, &out->space))
		out->space = (struct ingest_space){ .limit = conf->spool_size };
	out->reported = delivery_read(server->zone, conf->index, conf->name, &out->delivery);
	out->waiting = spool_metrics_waiting_now(conf->name);
	delivery_metrics_read(conf->name, &out->counts);
	dlq_metrics_read(conf->name, out->letters);
}

const char *
figures_breaker_name(const struct figures_stream *s)
{
	static const char *const names[] = { "closed", "open", "half_open" };

	return s->reported && s->delivery.breaker < ARRAY_LEN(names) ? names[s->delivery.breaker]
								     : "unknown";
}
