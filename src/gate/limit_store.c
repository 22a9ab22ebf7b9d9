/*
 * The store as the gate has it: made by the master, attached by each worker, and what happens when it cannot be used.
 */
#include "base/log.h"
#include "gate/limit.h"
#include "gate/limit_priv.h"
#include "zone/zone.h"

#define DEFAULT_SIZE (UINT64_C(16) << 20)
#define RETRY NS_PER_S /* of attaching, and between log lines about it */

static struct {
	struct limit_store store;
	struct conf *conf;
	struct zone *zone;
	unsigned slot;
	int64_t retry_at, complain_at;
} here;

struct conf *
limit_conf(void)
{
	return here.conf;
}

/* ---- in the master ---- */

static uint64_t
wanted_size(const struct limit_scope *main)
{
	uint64_t zones = MIN(main->zone_sizes, UINT64_C(1) << 40);

	/* Half of the area is for cells of either kind, whatever the mixture. */
	return main->zone_size ? main->zone_size : MAX(DEFAULT_SIZE, 2 * zones);
}

void
limit_prepare(struct conf *c, struct zone *z)
{
	const struct limit_scope *main = limit_main(c);
	int err;

	here.zone = z;
	if (!main->wanted)
		return;
	err = limit_store_make(z, wanted_size(main));
	if (err != 0)
		log_event(LOG_ERROR, "limit",
		    "no memory for rate limits: they follow limit_fallback until a restart",
		    LOG_I("bytes", wanted_size(main)), LOG_ERR(err), LOG_END);
}

/* ---- in a worker ---- */

static void
attach(void)
{
	int64_t now = clock_cached_mono();
	int err;

	if (now < here.retry_at || !here.conf || !limit_main(here.conf)->wanted)
		return;
	here.retry_at = now + RETRY;
	err = here.zone ? limit_store_attach(&here.store, here.zone, here.slot) : ERR_NOT_FOUND;
	if (err != 0)
		log_event(
		    LOG_ERROR, "limit", "rate limits cannot be checked", LOG_ERR(err), LOG_END);
}

struct limit_store *
limit_store(void)
{
	if (unlikely(!here.store.ready))
		attach();
	return here.store.ready ? &here.store : NULL;
}

bool
limit_fall_back(const struct limit_scope *scope)
{
	int64_t now = clock_cached_mono();

	limit_count_fallback(scope->fallback);
	if (here.store.ready && now >= here.complain_at) {
		here.complain_at = now + 60 * RETRY;
		log_event(LOG_WARN, "limit",
		    "no room for another client: all in question are at their limits",
		    LOG_S("fallback", scope->fallback == LIMIT_OPEN ? "open" : "closed"), LOG_END);
	}
	return scope->fallback == LIMIT_OPEN;
}

void
limit_start(struct conf *c, unsigned slot)
{
	here.conf = c;
	here.slot = slot;
	if (!limit_main(c)->wanted)
		return;
	attach();
	for (const struct limit_policy *p = limit_main(c)->policies; p; p = p->next)
		if (p->adaptive) {
			limit_load_start();
			break;
		}
}
