/*
 * The two phases of `limit`: which rules a location has, and a request against them.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "gate/limit_priv.h"

/* One in so many checks is timed. */
#define SAMPLE 16
/* What tells its cells' hashes from those of other kinds of limits. */
#define KIND 3

static unsigned context; /* of http_request.context; limit_register() */

/* ---- a location's rules ---- */

uint64_t
limit_prefix(const struct limit_store *s, const struct limit_policy *p,
    const struct limit_line *line, struct str endpoint)
{
	char text[512];
	struct buf b;

	/* Rates are left out: a client's state lasts when they change. */
	buf_init_fixed(&b, text, sizeof(text));
	buf_put_str(&b, p->name);
	buf_putc(&b, '\0');
	buf_puts(&b, line->label);
	buf_putc(&b, line->rate.sliding ? 's' : 'b');
	buf_put_str(&b, str_sub(endpoint, 0, 256));
	return limit_hash(s, KIND, buf_str(&b));
}

static void
add_rules(
    const struct limit_store *s, struct limit_bound *b, const struct limit_scope *scope, bool early)
{
	for (const struct limit_use *use = scope->uses; use; use = use->next) {
		const struct limit_policy *p = limit_find_policy(limit_conf(), use->node->args[0]);
		struct str endpoint = use->endpoint.n ? use->endpoint : b->endpoint;

		for (const struct limit_line *line = p->lines; line; line = line->next)
			if ((line->by <= LIMIT_EARLY) == early)
				b->rules[b->n++] = (struct limit_rule){ .policy = p,
					.line = line,
					.endpoint = endpoint,
					.prefix = limit_prefix(s, p, line, endpoint) };
	}
}

/* A location's rules are made when its first request comes; they live as long as the worker. NULL without memory. */
static struct limit_bound *
bind_location(const struct limit_store *s, struct limit_scope *scope, const struct http_location *l)
{
	unsigned n = 0;

	for (const struct limit_use *use = scope->uses; use; use = use->next)
		n += limit_find_policy(limit_conf(), use->node->args[0])->n_lines;
	scope->bound = calloc(1, sizeof(*scope->bound) + n * sizeof(struct limit_rule));
	if (!scope->bound)
		return NULL;
	scope->bound->endpoint = limit_endpoint(l);
	add_rules(s, scope->bound, scope, true);
	scope->bound->n_early = scope->bound->n;
	add_rules(s, scope->bound, scope, false);
	return scope->bound;
}

/* ---- one request ---- */

struct limit_request *
limit_request(struct http_request *r)
{
	if (!r->context[context])
		r->context[context] = arena_alloc(&r->arena, sizeof(struct limit_request));
	return r->context[context];
}

struct limit_request *
limit_request_had(const struct http_request *r)
{
	return r->context[context];
}

struct asked {
	struct http_request *r;
	const struct limit_rule *rule;
};

static struct str
key_text(void *arg)
{
	struct asked *a = arg;

	return limit_key_text(
	    a->r, a->rule->endpoint, a->rule->line->by, a->rule->policy->ipv6_prefix);
}

/* For the list of those who ask most. */
static void
note_talker(struct limit_store *s, const struct asked *a, uint64_t hash, int64_t now,
    const struct limit_result *result)
{
	struct talkers *sketch = &s->talkers[s->slot];
	bool is_new;
	struct talker_cell *cell = talkers_note(sketch, hash, now, &is_new);
	uint64_t limited = atomic_load_explicit(&cell->limited, memory_order_relaxed);

	if (!result->allowed)
		atomic_store_explicit(&cell->limited, limited + 1, memory_order_relaxed);
	atomic_store_explicit(&cell->limit, (uint64_t)result->limit, memory_order_relaxed);
	atomic_store_explicit(&cell->remaining, (uint64_t)result->remaining, memory_order_relaxed);
	atomic_store_explicit(&cell->until, result->allowed ? 0 : (uint64_t)(now + result->wait),
	    memory_order_relaxed);
	if (is_new) {
		struct str key = key_text((void *)(uintptr_t)a);
		const char *text =
		    arena_printf(&a->r->arena, "%.*s", (int)MIN(key.n, TALKERS_TEXT - 20), key.p);

		/* The label stands behind the key's zero byte. */
		if (text) {
			char both[TALKERS_TEXT + 1] = { 0 };
			size_t n = strlen(text);

			memcpy(both, text, n);
			(void)str_copyz(both + n + 1, 19, str_of(a->rule->line->label));
			talkers_name(sketch, cell, hash, str_make(both, TALKERS_TEXT));
		}
	}
}

/* What a pass over some rules is about. */
struct pass {
	struct http_request *r;
	struct limit_store *store;
	struct limit_request *lr;
	int64_t now;
	uint32_t load;
	int64_t wait;  /* of those that refuse, the longest */
	bool unusable; /* the store had no room */
	unsigned refused;
};

static void
show(struct pass *p, struct limit_rule *rule, const struct limit_result *result)
{
	p->lr->shown[p->lr->n++] = (struct limit_shown){ rule, *result };
}

/* The whole of it is left to those whom it does not hold for. */
static void
show_bypassed(struct pass *p, struct limit_rule *rule)
{
	const struct limit_rate *rate = &rule->line->rate;
	int64_t most = rate->sliding ? rate->window.count : rate->gcra.capacity;

	limit_count_hit(rule, LIMIT_HIT_BYPASSED);
	p->lr->bypassed = true;
	show(p, rule, &(struct limit_result){ .allowed = true, .limit = most, .remaining = most });
}

/* The hash of the client's cell under the rule; 0: the rule does not hold for this request. The cell is asked for ahead of its use. */
static uint64_t
find_cell(struct pass *p, struct limit_rule *rule)
{
	unsigned char room[LIMIT_NAME_ROOM];
	struct str id = limit_identify(p->r, rule->line->by, rule->policy->ipv6_prefix, room);
	uint64_t hash;

	if (id.n == 0)
		return 0;
	hash = limit_hash(p->store, rule->prefix, id);
	limit_prefetch(p->store, &rule->line->rate, hash);
	return hash;
}

/* Charges the rule. False: nothing was charged. */
static bool
charge(struct pass *p, struct limit_rule *rule, uint64_t hash)
{
	struct asked asked = { p->r, rule };
	struct limit_result result;
	enum limit_verdict verdict;

	if (limit_is_bypassed(p->r, rule->policy)) {
		show_bypassed(p, rule);
		return false;
	}
	verdict = limit_take(p->store, &rule->line->rate, hash, limit_scale(rule->policy, p->load),
	    p->now, key_text, &asked, &result);
	if (verdict == LIMIT_NO_ROOM) {
		limit_count_hit(rule, LIMIT_HIT_FALLBACK);
		p->unusable = true;
		return false;
	}
	note_talker(p->store, &asked, hash, p->now, &result);
	show(p, rule, &result);
	if (verdict == LIMIT_PASSED)
		return true;
	limit_count_hit(rule, verdict == LIMIT_PUNISHED ? LIMIT_HIT_PENALTY : LIMIT_HIT_LIMITED);
	p->refused++;
	p->wait = MAX(p->wait, result.wait);
	return false;
}

/* All rules of [from, to): charged to all of them, or, if one refuses, to none. */
static void
charge_all(struct pass *p, struct limit_bound *b, unsigned from, unsigned to)
{
	uint64_t *hashes = arena_alloc(&p->r->arena, (to - from) * sizeof(*hashes));
	unsigned first = p->lr->n;

	if (!hashes)
		return;
	for (unsigned i = from; i < to; i++)
		hashes[i - from] = find_cell(p, &b->rules[i]);
	for (unsigned i = from; i < to; i++)
		if (hashes[i - from] && !charge(p, &b->rules[i], hashes[i - from]))
			hashes[i - from] = 0;
	for (unsigned i = from; i < to; i++) {
		struct limit_rule *rule = &b->rules[i];

		if (hashes[i - from] == 0)
			continue;
		if (p->refused == 0) {
			limit_count_hit(rule, LIMIT_HIT_ALLOWED);
			continue;
		}
		limit_refund(p->store, &rule->line->rate, hashes[i - from],
		    limit_scale(rule->policy, p->load), p->now);
		for (unsigned k = first; k < p->lr->n; k++)
			if (p->lr->shown[k].rule == rule)
				p->lr->shown[k].result.remaining++;
	}
}

static bool
needs_load(const struct limit_bound *b, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		if (b->rules[i].policy->adaptive)
			return true;
	return false;
}

/* What is said to the client, if anything: 0 goes on. */
static int
conclude(const struct pass *p, const struct limit_scope *scope)
{
	bool unusable = p->unusable && !limit_fall_back(scope);

	if (p->lr->n > 0)
		limit_put_headers(p->r, scope);
	if (p->refused > 0)
		return limit_refuse(p->r, p->wait);
	return unusable ? limit_refuse_unusable(p->r) : 0;
}

static int
check(struct http_request *r, struct limit_scope *scope, struct limit_bound *b, unsigned from,
    unsigned to)
{
	struct pass p = { .r = r, .store = limit_store(), .lr = limit_request(r) };
	int64_t began = b->checks++ % SAMPLE == 0 ? clock_mono() : 0;

	if (!p.lr)
		return http_reply_error(r, ERR_NOMEM), 1;
	if (!p.lr->shown) {
		p.lr->shown = arena_alloc(&r->arena, b->n * sizeof(*p.lr->shown));
		if (!p.lr->shown)
			return http_reply_error(r, ERR_NOMEM), 1;
	}
	p.now = limit_now(p.store);
	p.load = needs_load(b, from, to) ? limit_load() : 0;
	charge_all(&p, b, from, to);
	if (began)
		limit_observe(b, clock_mono() - began);
	return conclude(&p, scope);
}

/* The scope of a limited location, NULL: it is not. */
static struct limit_scope *
scope_of(const struct http_request *r)
{
	struct limit_scope *scope;

	if (!r->location)
		return NULL;
	scope = conf_of(http_location_conf(r->location), &limit_module);
	return scope->uses ? scope : NULL;
}

int
limit_phase_early(struct http_request *r)
{
	struct limit_scope *scope = scope_of(r);
	struct limit_store *s;

	if (!scope)
		return 0;
	s = limit_store();
	if (!s)
		return limit_fall_back(scope) ? 0 : limit_refuse_unusable(r);
	if (!scope->bound && !bind_location(s, scope, r->location))
		return http_reply_error(r, ERR_NOMEM), 1;
	if (scope->bound->n_early == 0)
		return 0;
	return check(r, scope, scope->bound, 0, scope->bound->n_early);
}

int
limit_phase_late(struct http_request *r)
{
	struct limit_scope *scope = scope_of(r);

	/* Unbound: the store is unusable, and the first phase let it pass. */
	if (!scope || !scope->bound || scope->bound->n_early == scope->bound->n || !limit_store())
		return 0;
	return check(r, scope, scope->bound, scope->bound->n_early, scope->bound->n);
}

void
limit_context_register(void)
{
	static bool done;

	if (!done)
		context = http_context_new();
	done = true;
}
