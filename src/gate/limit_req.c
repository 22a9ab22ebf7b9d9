/*
 * nginx's limit_req: a leaky bucket by any key, with a burst that may have to wait, on the cells of limit/store.h.
 *
 * In nginx's words a request's excess is by how much it comes before its turn, in requests: refused beyond `burst`, delayed beyond `delay`
 * until it is its turn. In GCRA's that is a bucket of burst + 1, and the excess the time by which it is behind, divided by the interval.
 * A request is charged to all zones or to none, and waits for the longest delay of them.
 */
#include "base/clock.h"
#include "base/log.h"
#include "gate/limit_priv.h"
#include "task/task.h"

/* What tells its cells' hashes from those of other kinds of limits. */
#define KIND 1

struct req_use {
	struct limit_zone_use of;
	uint64_t burst, delay;  /* delay: UINT64_MAX for nodelay */
	struct limit_rate rate; /* by finish() */
};

static int set_zone(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_req(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

#define EVERYWHERE (CONF_HTTP | CONF_SERVER | CONF_LOCATION)
#define AT(field) offsetof(struct limit_zone_scope, field)

static const struct conf_row rows[] = {
	{ "limit_req_zone", CONF_HTTP, 3, 3, CONF_REPEAT | CONF_RELOAD, set_zone, 0, NULL,
	    "key zone=NAME:SIZE rate=Nr/s|m",
	    "A rate for each value of the key; requests of an empty one are not limited. All zones "
	    "share limit_zone_size",
	    NULL },
	{ "limit_req", EVERYWHERE, 1, 3, CONF_REPEAT | CONF_RELOAD, set_req, 0, NULL,
	    "zone=NAME [burst=N] [nodelay | delay=N]",
	    "Requests beyond the rate wait for their turn, at most burst of them; with nodelay, or "
	    "up "
	    "to delay of them, they do not wait",
	    NULL },
	{ "limit_req_status", EVERYWHERE, 1, 1, CONF_RELOAD, conf_set_count, AT(status), "503",
	    "status", "What refused requests are answered", &limit_statuses },
	{ "limit_req_dry_run", EVERYWHERE, 1, 1, CONF_RELOAD, conf_set_flag, AT(dry_run), "off",
	    "on | off", "Requests are counted and logged but neither refused nor delayed", NULL },
	{ "limit_req_log_level", EVERYWHERE, 1, 1, CONF_RELOAD, conf_set_enum, AT(log_level),
	    "error", "info | notice | warn | error",
	    "At which level refusals are logged; delays one below", limit_log_levels },
	{ .name = NULL },
};

struct conf_module limit_req_module = {
	.name = "limit_req", .rows = rows, .size = sizeof(struct limit_zone_scope), .finish = finish
};

static struct limit_zone_scope *
main_of(struct conf *c)
{
	return conf_of(conf_main(c), &limit_req_module);
}

/* ---- configuration ---- */

static int
set_zone(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_zone *z = arena_alloc(conf_arena(c), sizeof(*z));
	struct str rate = STR("");

	(void)scope;
	(void)into;
	if (!z)
		return ERR_NOMEM;
	for (unsigned i = 1; i < node->n_args; i++)
		if (!conf_arg_kv(node, i, "rate", &rate) &&
		    limit_zone_name(c, node, i, &z->name) != 0)
			return ERR_CONFIG;
	if (limit_parse_rate(rate, &z->count, &z->period) != 0) {
		conf_error(c, node, "invalid rate \"%.*s\": rate=Nr/s or rate=Nr/m is allowed",
		    STR_ARG(rate));
		return ERR_CONFIG;
	}
	return limit_zone_add(c, node, main_of(c), z);
}

static int
set_options(struct conf *c, const struct conf_node *node, struct req_use *use)
{
	struct str value;

	for (unsigned i = 0; i < node->n_args; i++) {
		if (conf_arg_kv(node, i, "zone", &use->of.name))
			continue;
		if (str_is(node->args[i], "nodelay"))
			use->delay = UINT64_MAX;
		else if (!(conf_arg_kv(node, i, "burst", &value) &&
			     str_to_u64(value, &use->burst) == 0 && use->burst > 0 &&
			     use->burst < INT32_MAX) &&
			 !(conf_arg_kv(node, i, "delay", &value) &&
			     str_to_u64(value, &use->delay) == 0 && use->delay > 0)) {
			conf_error(c, node,
			    "invalid parameter \"%.*s\": zone=NAME, burst=N, nodelay and delay=N "
			    "are "
			    "allowed",
			    STR_ARG(node->args[i]));
			return ERR_CONFIG;
		}
	}
	if (use->of.name.n > 0)
		return 0;
	conf_error(c, node, "\"limit_req\" must have \"zone\" parameter");
	return ERR_CONFIG;
}

static int
set_req(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct req_use *use = arena_alloc(conf_arena(c), sizeof(*use));

	if (!use)
		return ERR_NOMEM;
	if (set_options(c, node, use) != 0)
		return ERR_CONFIG;
	return limit_zone_use(c, node, scope, into, main_of(c), &use->of);
}

static struct req_use *
use_of(struct limit_zone_use *use)
{
	return CONTAINER_OF(use, struct req_use, of);
}

static int
finish(struct conf *c)
{
	int err = limit_zone_finish(c, main_of(c));

	for (struct limit_zone_use *u = main_of(c)->all; u; u = u->in_all) {
		struct req_use *use = use_of(u);

		if (!u->zone || gcra_init(&use->rate.gcra, u->zone->count, u->zone->period,
				    use->burst + 1) == 0)
			continue;
		conf_error(
		    c, u->node, "the rate of zone \"%.*s\" is out of range", STR_ARG(u->name));
		err = ERR_CONFIG;
	}
	return err;
}

/* ---- requests ---- */

struct req_pass {
	struct http_request *r;
	struct limit_store *store;
	const struct limit_zone_scope *scope;
	int64_t now, delay, wait; /* delay: until its turn. wait: of a refused one */
	const struct req_use *of; /* whose delay that is, or who refuses it */
	bool refused, unusable;
};

static struct str
no_key(void *arg)
{
	(void)arg;
	return STR(""); /* nothing an operator's pattern could name */
}

/* Charges one zone. The hash charged; 0: none was. */
static uint64_t
charge(struct req_pass *p, const struct req_use *use)
{
	struct str key = http_text_expand(&use->of.zone->key, p->r);
	struct limit_result result;
	int64_t behind;
	uint64_t hash;

	if (key.n == 0)
		return 0;
	hash = limit_zone_hash(p->store, KIND, use->of.zone, key);
	limit_prefetch(p->store, &use->rate, hash);
	switch (limit_take(p->store, &use->rate, hash, 65536, p->now, no_key, NULL, &result)) {
	case LIMIT_NO_ROOM:
		p->unusable = true;
		return 0;
	case LIMIT_PASSED:
		break;
	default:
		p->refused = true;
		if (result.wait >= p->wait) {
			p->wait = result.wait;
			p->of = use;
		}
		return 0;
	}
	/* What it was behind when it came; more than `delay` of that is to be waited for. */
	behind = result.full - use->rate.gcra.interval;
	if (use->delay < (uint64_t)use->rate.gcra.capacity)
		behind -= (int64_t)use->delay * use->rate.gcra.interval;
	else
		behind = 0;
	if (behind > p->delay) {
		p->delay = behind;
		p->of = p->refused ? p->of : use;
	}
	return hash;
}

static void
log_it(const struct req_pass *p, const char *what, enum log_level level)
{
	log_event(level, "limit", what, LOG_STR("zone", p->of->of.name),
	    LOG_MS("wait_ms", p->refused ? p->wait : p->delay),
	    LOG_STR("remote_ip", http_client_address(p->r)), LOG_STR("uri", p->r->head->target),
	    LOG_STR("request_id", p->r->id), LOG_END);
}

static void
count(const struct req_pass *p, enum limit_outcome outcome)
{
	for (struct limit_zone_use *use = p->scope->uses; use; use = use->next)
		limit_count_zone(&use->hits, p->r, "limit_req:", use->name, outcome);
}

static void
set_status(const struct req_pass *p, const char *status)
{
	struct limit_request *lr = limit_request(p->r);

	if (lr)
		lr->req_status = status;
}

static int
refuse_it(const struct req_pass *p)
{
	bool dry = p->scope->dry_run;

	count(p, LIMIT_HIT_LIMITED);
	log_it(p, dry ? "limiting requests, dry run" : "limiting requests",
	    (enum log_level)p->scope->log_level);
	set_status(p, dry ? "REJECTED_DRY_RUN" : "REJECTED");
	if (dry)
		return 0;
	limit_put_retry_after(p->r, p->wait);
	http_reply_message(p->r, (int)p->scope->status, NULL);
	return 1;
}

static int
delay_it(const struct req_pass *p)
{
	enum log_level level = (enum log_level)p->scope->log_level;
	bool dry = p->scope->dry_run;

	log_it(p, dry ? "delaying request, dry run" : "delaying request",
	    level > LOG_INFO ? level - 1 : LOG_DEBUG);
	set_status(p, dry ? "DELAYED_DRY_RUN" : "DELAYED");
	if (dry || task_sleep_until(clock_mono() + p->delay) == 0)
		return 0;
	http_reply_error(p->r, ERR_CANCELLED);
	return 1;
}

static void
charge_all(struct req_pass *p)
{
	uint64_t hashes[LIMIT_ZONE_USES_MAX];
	unsigned n = 0;

	for (struct limit_zone_use *use = p->scope->uses; use; use = use->next)
		hashes[n++] = charge(p, use_of(use));
	if (!p->refused)
		return;
	n = 0;
	for (struct limit_zone_use *use = p->scope->uses; use; use = use->next, n++)
		if (hashes[n])
			limit_refund(p->store, &use_of(use)->rate, hashes[n], 65536, p->now);
}

int
limit_req_phase(struct http_request *r)
{
	struct req_pass p = { .r = r };
	const struct limit_scope *limits;

	if (!r->location)
		return 0;
	p.scope = conf_of(http_location_conf(r->location), &limit_req_module);
	if (!p.scope->uses)
		return 0;
	limits = conf_of(http_location_conf(r->location), &limit_module);
	p.store = limit_store();
	if (p.store) {
		p.now = limit_now(p.store);
		charge_all(&p);
	}
	if (p.refused)
		return refuse_it(&p);
	if ((!p.store || p.unusable) && !limit_fall_back(limits) && !p.scope->dry_run)
		return limit_refuse_unusable(r);
	count(&p, LIMIT_HIT_ALLOWED);
	if (p.delay > 0)
		return delay_it(&p);
	set_status(&p, "PASSED");
	return 0;
}

void
limit_req_register(void)
{
	conf_register(&limit_req_module);
}
