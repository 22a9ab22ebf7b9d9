/*
 * See rules.h. One task. A run looks at the pending entries in the store's index, newest first as the store lists them; what an entry fits is
 * remembered from run to run as long as the entry has not come back since, so that expressions are tried once an entry, not once a run.
 */
#include "dlq/rules.h"

#include <limits.h>
#include <stdlib.h>

#include "base/log.h"
#include "dlq/jobs.h"
#include "task/task.h"
#include "zone/series.h"

/* Runs are this far apart at most, and at least. */
#define RUN_LATEST (30 * NS_PER_S)
#define RUN_SOONEST (200 * NS_PER_MS)

enum { MATCHED, REPROCESSED, ROWS };

static const struct metric_row rows[ROWS] = {
	[MATCHED] = { .name = "sluice_dlq_rule_matched_total",
	    .type = METRIC_COUNTER,
	    .help = "Dead letters whose error a rule fits, each time they came." },
	[REPROCESSED] = { .name = "sluice_dlq_rule_reprocessed_total",
	    .type = METRIC_COUNTER,
	    .help = "Dead letters that a rule sent again." },
};

static struct metric_set rule_set = {
	.name = "dlq_rule", .labels = { "rule" }, .rows = rows, .n_rows = ROWS
};

/* A pending entry, and the rule that has it. */
struct seen {
	struct id id;
	int64_t dead, since;
	int rule; /* UNKNOWN, or NONE, or the rule's index */
	unsigned by_rule;
};
enum { UNKNOWN = -2, NONE = -1 };

struct seen_set {
	struct seen *v; /* heap; in the store's order */
	size_t n, cap;
	bool failed;
};

struct one_rule {
	const struct dlq_rule *rule;
	struct series *counts;
	struct id job; /* what it sent again belongs to: its own "job", by which it is counted */
	char by[DLQ_NAME_MAX + 1];
	struct buf name; /* its label: the pattern, and what else tells it from others */
	int64_t last_run;
	uint64_t under_way;
	size_t n; /* to be sent again in this run */
};

struct rules {
	struct dlq *dlq;
	const struct stream_conf *streams;
	int64_t shortest; /* wait of all rules */
	struct seen_set seen;
	struct task_handle task;
	unsigned n;
	struct one_rule rules[];
};

void
rules_metrics_register(void)
{
	metric_register(&rule_set);
}

/* ---- what is pending ---- */

static void
add_seen(struct seen_set *s, const struct seen *one)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 256;
		struct seen *v = realloc(s->v, cap * sizeof(*v));

		if (v == NULL) {
			s->failed = true;
			return;
		}
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n++] = *one;
}

static void
see(void *arg, const struct dlq_entry *e)
{
	struct seen one = { e->id, e->dead, e->since, UNKNOWN, e->by_rule };

	if (e->type != DLQ_POISON)
		add_seen(arg, &one);
}

/* Does a stand before b in the store's order, or may it? Entries of one time stand in no order that we know. */
static bool
is_newer(const struct seen *a, const struct seen *b)
{
	return a->dead > b->dead;
}

/* Both in the store's order: one pass, but for entries of the very same time, which are looked for among each other. */
static void
remember(const struct seen_set *old, struct seen_set *now)
{
	size_t from = 0;

	for (size_t i = 0; i < now->n; i++) {
		struct seen *s = &now->v[i];

		while (from < old->n && is_newer(&old->v[from], s))
			from++;
		for (size_t k = from; k < old->n && old->v[k].dead == s->dead; k++)
			if (id_eq(old->v[k].id, s->id) && old->v[k].since == s->since) {
				s->rule = old->v[k].rule;
				break;
			}
	}
}

static int
look(struct rules *r)
{
	struct dlq_filter pending = { .state = DLQ_PENDING, .type = -1 };
	struct seen_set now = { .v = NULL };

	(void)dlq_list(r->dlq, &pending, 0, UINT_MAX, see, &now);
	remember(&r->seen, &now);
	free(r->seen.v);
	r->seen = now;
	return now.failed ? ERR_NOMEM : 0;
}

/* ---- what fits ---- */

static bool
says(struct str text, const char *words)
{
	size_t n = strlen(words);

	for (size_t i = 0; i + n <= text.n; i++)
		if (memcmp(text.p + i, words, n) == 0)
			return true;
	return false;
}

/* Where nobody answered, the texts tell of sockets and system calls; a rule may say "network" and "timeout", whatever they are. */
static bool
fits_network(const struct dlq_rule *rule, const struct dlq_entry *e)
{
	char text[DLQ_ERROR_MAX + 32];
	struct buf b;

	if (e->status != 0 || e->type != DLQ_TRANSIENT)
		return false;
	buf_init_fixed(&b, text, sizeof(text));
	buf_puts(&b, says(e->error, "timed out") ? "network timeout: " : "network: ");
	buf_put_str(&b, str_sub(e->error, 0, DLQ_ERROR_MAX));
	return expr_match(rule->expr, buf_str(&b));
}

/* Nobody would deliver what is of another: it would be under way for ever, and of its rule's batch. */
static bool
has_stream(const struct rules *r, const struct dlq_entry *e)
{
	return jobs_has_stream(r->streams, e->stream);
}

static bool
fits(const struct dlq_rule *rule, const struct dlq_entry *e)
{
	if (rule->stream.n > 0 && !str_eq(rule->stream, e->stream))
		return false;
	if (rule->type >= 0 && rule->type != (int)e->type)
		return false;
	return expr_match(rule->expr, e->error) || fits_network(rule, e);
}

static int
find_rule(struct rules *r, const struct dlq_entry *e)
{
	for (unsigned i = 0; i < r->n && has_stream(r, e); i++)
		if (fits(r->rules[i].rule, e)) {
			series_add(r->rules[i].counts, MATCHED, 1);
			return (int)i;
		}
	return NONE;
}

/* Yields now and then, so entries may have gone meanwhile. */
static int
match_new(struct rules *r)
{
	int err = 0;

	for (size_t i = 0; i < r->seen.n && err == 0; i++) {
		struct seen *s = &r->seen.v[i];
		struct dlq_entry e;

		if (s->rule != UNKNOWN)
			continue;
		if (dlq_find(r->dlq, s->id, &e) == 0)
			s->rule = find_rule(r, &e);
		err = task_breathe();
	}
	return err;
}

/* ---- what is due ---- */

static void
count_one(void *arg, const struct dlq_entry *e)
{
	struct rules *r = arg;

	for (unsigned i = 0; i < r->n; i++)
		r->rules[i].under_way += id_eq(r->rules[i].job, e->job);
}

static void
count_under_way(struct rules *r)
{
	struct dlq_filter f = { .state = DLQ_REPROCESSING, .type = -1 };

	for (unsigned i = 0; i < r->n; i++)
		r->rules[i].under_way = r->rules[i].n = 0;
	(void)dlq_list(r->dlq, &f, 0, UINT_MAX, count_one, r);
}

static bool
may_go(const struct seen *s, const struct one_rule *o)
{
	return s->by_rule < o->rule->max && o->under_way + o->n < o->rule->batch;
}

/* The oldest first: from the end. Those of rule i that are due into ids; *next: when the next one would be (UTC ns). */
static size_t
gather(struct rules *r, unsigned i, int64_t now, struct id *ids, int64_t *next)
{
	struct one_rule *o = &r->rules[i];

	for (size_t k = r->seen.n; k-- > 0;) {
		const struct seen *s = &r->seen.v[k];
		int64_t due = s->since + o->rule->wait;

		if (s->rule != (int)i || !may_go(s, o))
			continue;
		if (due <= now)
			ids[o->n++] = s->id;
		else
			*next = MIN(*next, due);
	}
	return o->n;
}

static void
tell(struct one_rule *o, const int *results, size_t n, int err)
{
	uint64_t done = 0;

	for (size_t k = 0; k < n && err == 0; k++)
		done += results[k] == 0;
	if (done > 0) {
		o->last_run = clock_wall();
		series_add(o->counts, REPROCESSED, done);
	}
	if (err != 0)
		log_event(LOG_ERROR, "dlq", "rule cannot send dead letters again",
		    LOG_STR("rule", o->rule->pattern), LOG_I("letters", n), LOG_ERR(err), LOG_END);
	else if (done > 0)
		log_event(LOG_INFO, "dlq", "rule sends dead letters again",
		    LOG_STR("rule", o->rule->pattern), LOG_I("letters", done), LOG_END);
}

static int
send_again(struct rules *r, struct one_rule *o, const struct id *ids, size_t n)
{
	struct dlq_decision how = {
		.by = str_of(o->by), .reason = STR("automatic"), .job = o->job
	};
	int *results = calloc(n, sizeof(*results));
	int err = results ? dlq_reprocess(r->dlq, ids, n, &how, results) : ERR_NOMEM;

	tell(o, results, n, err);
	free(results);
	return err;
}

/* One rule after the other; what the store refuses is left for the next run. */
static int
apply(struct rules *r, int64_t *next)
{
	struct id *ids = calloc(r->seen.n + 1, sizeof(*ids));
	int64_t now = clock_wall();
	int err = ids ? 0 : ERR_NOMEM;

	count_under_way(r);
	for (unsigned i = 0; i < r->n && err == 0; i++) {
		size_t n = gather(r, i, now, ids, next);

		if (n > 0)
			err = send_again(r, &r->rules[i], ids, n);
	}
	free(ids);
	return err;
}

/* When to run again: an entry that comes now is due after the shortest wait, at the earliest; and what waits for a batch to end looks soon. */
static int64_t
pause_for(const struct rules *r, int64_t next)
{
	int64_t wait = MIN(r->shortest, next - clock_wall());

	for (unsigned i = 0; i < r->n; i++)
		if (r->rules[i].under_way + r->rules[i].n >= r->rules[i].rule->batch)
			wait = MIN(wait, NS_PER_S);
	return MAX(MIN(wait, RUN_LATEST), RUN_SOONEST);
}

static void
run(void *arg)
{
	struct rules *r = arg;

	while (!task_cancelled()) {
		int64_t next = INT64_MAX;
		int err = look(r);

		if (err == 0)
			err = match_new(r);
		if (err == 0)
			err = apply(r, &next);
		if (err != 0 && err != ERR_CANCELLED)
			log_event(LOG_ERROR, "dlq", "rules not applied: tried again later",
			    LOG_ERR(err), LOG_END);
		task_sleep_until(clock_mono() + (err ? RUN_LATEST : pause_for(r, next)));
	}
}

/* ---- life ---- */

static void
rule_init(struct one_rule *o, const struct dlq_rule *rule)
{
	unsigned char digest[SHA256_LEN];
	struct buf by;

	o->rule = rule;
	buf_init(&o->name, 0);
	buf_put_str(&o->name, rule->pattern);
	if (rule->stream.n > 0)
		buf_printf(&o->name, " stream=%.*s", STR_ARG(rule->stream));
	if (rule->type >= 0)
		buf_printf(&o->name, " type=%s", dlq_type_name((enum dlq_type)rule->type));
	if (rule->icase)
		buf_puts(&o->name, " case=ignore");
	o->counts = series_pin(&rule_set, buf_str(&o->name));
	buf_init(&by, 0);
	buf_printf(&by, "rule:%.*s", STR_ARG(rule->pattern));
	str_copyz(o->by, sizeof(o->by), buf_str(&by));
	buf_fini(&by);
	/* The same after a restart: what is under way then is still counted. */
	sha256(o->name.p, o->name.n, digest);
	memcpy(o->job.b, digest, sizeof(o->job.b));
}

int
rules_open(struct dlq *d, const struct dlq_conf *conf, const struct stream_conf *streams,
    struct rules **out)
{
	struct rules *r = calloc(1, sizeof(*r) + conf->n_rules * sizeof(r->rules[0]));
	int err = 0;

	*out = r;
	if (r == NULL)
		return ERR_NOMEM;
	r->dlq = d;
	r->streams = streams;
	r->shortest = RUN_LATEST;
	for (const struct dlq_rule *rule = conf->rules; rule != NULL; rule = rule->next) {
		rule_init(&r->rules[r->n++], rule);
		r->shortest = MIN(r->shortest, rule->wait);
	}
	if (r->n > 0)
		err = task_go("dlq rules", run, r, &r->task);
	if (err != 0) {
		r->n = 0;
		rules_close(r);
	}
	return err;
}

void
rules_close(struct rules *r)
{
	if (r->n > 0) {
		task_cancel(r->task);
		(void)task_join(r->task, CLOCK_NEVER);
	}
	for (unsigned i = 0; i < r->n; i++)
		buf_fini(&r->rules[i].name);
	free(r->seen.v);
	free(r);
}

bool
rules_get(const struct rules *r, unsigned i, struct rules_status *out)
{
	const struct one_rule *o = &r->rules[i];
	struct series_view v;

	if (i >= r->n)
		return false;
	*out = (struct rules_status){ .rule = o->rule, .last_run = o->last_run };
	if (series_find(&rule_set, buf_str(&o->name), &v)) {
		out->matched = series_value(&rule_set, &v, MATCHED);
		out->reprocessed = series_value(&rule_set, &v, REPROCESSED);
	}
	return true;
}
