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

#define USES_MAX 16

struct req_zone {
	struct req_zone *next;
	const struct conf_node *node;
	struct str name;
	struct http_text key;
	uint64_t count; /* a period */
	int64_t period;
	uint64_t prefix; /* of its cells' hashes; 0: not made yet */
};

/* `limit_req` in a scope; scopes inside share it. */
struct req_use {
	struct req_use *next;
	const struct conf_node *node;
	struct str name;
	struct req_zone *zone;  /* by finish() */
	uint64_t burst, delay;  /* delay: UINT64_MAX for nodelay */
	struct limit_rate rate; /* by finish() */
	struct limit_zone_hits hits;
};

struct req_scope {
	struct req_use *uses;
	uint64_t status;
	bool dry_run;
	int log_level;
	struct req_zone *zones;       /* main */
	struct req_use_ref *all_uses; /* main */
};

/* For finish(): zones may stand behind their uses. */
struct req_use_ref {
	struct req_use_ref *next;
	struct req_use *use;
};

static int set_zone(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_req(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

const struct conf_word limit_log_levels[] = {
	{ "info", LOG_INFO },
	{ "notice", LOG_INFO },
	{ "warn", LOG_WARN },
	{ "error", LOG_ERROR },
	{ NULL, 0 },
};

static const struct conf_bounds statuses = { 400, 599 };

#define EVERYWHERE (CONF_HTTP | CONF_SERVER | CONF_LOCATION)
#define AT(field) offsetof(struct req_scope, field)

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
	    "status", "What refused requests are answered", &statuses },
	{ "limit_req_dry_run", EVERYWHERE, 1, 1, CONF_RELOAD, conf_set_flag, AT(dry_run), "off",
	    "on | off", "Requests are counted and logged but neither refused nor delayed", NULL },
	{ "limit_req_log_level", EVERYWHERE, 1, 1, CONF_RELOAD, conf_set_enum, AT(log_level),
	    "error", "info | notice | warn | error",
	    "At which level refusals are logged; delays one below", limit_log_levels },
	{ .name = NULL },
};

struct conf_module limit_req_module = {
	.name = "limit_req", .rows = rows, .size = sizeof(struct req_scope), .finish = finish
};

static struct req_scope *
main_of(struct conf *c)
{
	return conf_of(conf_main(c), &limit_req_module);
}

/* ---- configuration ---- */

static struct req_zone *
find_zone(struct conf *c, struct str name)
{
	for (struct req_zone *z = main_of(c)->zones; z; z = z->next)
		if (str_eq(z->name, name))
			return z;
	return NULL;
}

static int
set_zone(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct req_zone *z = arena_alloc(conf_arena(c), sizeof(*z));
	struct str rate = STR("");

	(void)scope;
	(void)into;
	if (!z)
		return ERR_NOMEM;
	z->node = node;
	for (unsigned i = 1; i < node->n_args; i++)
		if (!conf_arg_kv(node, i, "rate", &rate) &&
		    limit_parse_zone(c, node, i, &z->name) != 0)
			return ERR_CONFIG;
	if (limit_parse_rate(rate, &z->count, &z->period) != 0) {
		conf_error(c, node, "invalid rate \"%.*s\": rate=Nr/s or rate=Nr/m is allowed",
		    STR_ARG(rate));
		return ERR_CONFIG;
	}
	if (find_zone(c, z->name)) {
		conf_error(c, node, "limit_req_zone \"%.*s\" is already bound at line %u",
		    STR_ARG(z->name), find_zone(c, z->name)->node->line);
		return ERR_CONFIG;
	}
	z->next = main_of(c)->zones;
	main_of(c)->zones = z;
	return http_text_compile(c, node, node->args[0], &z->key);
}

static int
set_options(struct conf *c, const struct conf_node *node, struct req_use *use)
{
	struct str value;

	for (unsigned i = 0; i < node->n_args; i++) {
		if (conf_arg_kv(node, i, "zone", &use->name))
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
	if (use->name.n > 0)
		return 0;
	conf_error(c, node, "\"limit_req\" must have \"zone\" parameter");
	return ERR_CONFIG;
}

static int
set_req(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct req_scope *s = into;
	struct req_use *use = arena_alloc(conf_arena(c), sizeof(*use)), **end = &s->uses;
	struct req_use_ref *ref = arena_alloc(conf_arena(c), sizeof(*ref));
	unsigned n = 1;

	if (!use || !ref)
		return ERR_NOMEM;
	use->node = node;
	if (set_options(c, node, use) != 0)
		return ERR_CONFIG;
	if (conf_first_here(c, scope, node))
		s->uses = NULL;
	for (; *end; end = &(*end)->next, n++)
		if (str_eq((*end)->name, use->name) || n == USES_MAX) {
			conf_error(c, node, "\"limit_req\" of zone \"%.*s\" is %s",
			    STR_ARG(use->name), n == USES_MAX ? "one too many" : "duplicate");
			return ERR_CONFIG;
		}
	*end = use;
	*ref = (struct req_use_ref){ main_of(c)->all_uses, use };
	main_of(c)->all_uses = ref;
	limit_main(c)->wanted = true;
	return 0;
}

static int
finish(struct conf *c)
{
	int err = 0;

	for (struct req_use_ref *ref = main_of(c)->all_uses; ref; ref = ref->next) {
		struct req_use *use = ref->use;

		use->zone = find_zone(c, use->name);
		if (!use->zone) {
			conf_error(c, use->node,
			    "zero size shared memory zone \"%.*s\": declare it "
			    "with limit_req_zone",
			    STR_ARG(use->name));
			err = ERR_CONFIG;
		} else if (gcra_init(&use->rate.gcra, use->zone->count, use->zone->period,
			       use->burst + 1) != 0) {
			conf_error(c, use->node, "the rate of zone \"%.*s\" is out of range",
			    STR_ARG(use->name));
			err = ERR_CONFIG;
		}
	}
	return err;
}

/* ---- requests ---- */

struct req_pass {
	struct http_request *r;
	struct limit_store *store;
	const struct req_scope *scope;
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
	struct str key = http_text_expand(&use->zone->key, p->r);
	struct limit_result result;
	int64_t behind;
	uint64_t hash;

	if (key.n == 0)
		return 0;
	if (use->zone->prefix == 0)
		use->zone->prefix = limit_hash(p->store, KIND, use->zone->name);
	hash = limit_hash(p->store, use->zone->prefix, key);
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
	log_event(level, "limit", what, LOG_STR("zone", p->of->name),
	    LOG_MS("wait_ms", p->refused ? p->wait : p->delay),
	    LOG_STR("remote_ip", http_client_address(p->r)), LOG_STR("uri", p->r->head->target),
	    LOG_STR("request_id", p->r->id), LOG_END);
}

static void
count(const struct req_pass *p, enum limit_outcome outcome)
{
	for (struct req_use *use = p->scope->uses; use; use = use->next)
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
	uint64_t hashes[USES_MAX];
	unsigned n = 0;

	for (const struct req_use *use = p->scope->uses; use; use = use->next)
		hashes[n++] = charge(p, use);
	if (!p->refused)
		return;
	n = 0;
	for (const struct req_use *use = p->scope->uses; use; use = use->next, n++)
		if (hashes[n])
			limit_refund(p->store, &use->rate, hashes[n], 65536, p->now);
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
