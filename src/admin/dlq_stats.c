/*
 * GET /api/dlq/stats and /api/dlq/rules: how many dead letters there are, since when, of which kind; what the rules have done about them.
 */
#include <stdio.h>

#include "admin/shipper_priv.h"
#include "base/clock.h"
#include "sink/stream.h"

#define HOURS_DEFAULT 24
#define HOURS_MAX (24 * 366)
#define NS_PER_HOUR (3600 * NS_PER_S)

static void
put_states(struct json_writer *w, const struct dlq_counts *c)
{
	for (int s = 0; s < DLQ_STATES; s++)
		json_put_u64(w, dlq_state_name((enum dlq_state)s), c->by_state[s]);
}

static void
put_totals(struct json_writer *w, const struct dlq_counts *c)
{
	json_open(w, "status", '{');
	put_states(w, c);
	json_close(w);
	json_open(w, "error_type", '{');
	for (int t = 0; t < DLQ_TYPES; t++)
		json_put_u64(w, dlq_type_name((enum dlq_type)t), c->by_type[t]);
	json_close(w);
}

static void
put_streams(struct json_writer *w)
{
	const struct admin_shipper *s = admin_shipper();
	struct dlq_counts c;

	json_open(w, "streams", '[');
	for (struct stream_conf *one = stream_first(s->conf); one != NULL; one = one->next) {
		dlq_count(s->dlq, one->name, &c);
		json_open(w, NULL, '{');
		json_put_str(w, "stream", one->name);
		put_states(w, &c);
		json_put_time(w, "oldest_pending_at", c.oldest);
		json_close(w);
	}
	json_close(w);
}

static void
put_hour(void *arg, int64_t hour, struct str stream, enum dlq_type type, uint64_t n)
{
	struct json_writer *w = arg;
	char text[CLOCK_RFC3339_LEN + 1], subject[DLQ_NAME_MAX + 8];

	clock_rfc3339(hour, text);
	memcpy(text + 19, "Z", 2); /* whole seconds */
	snprintf(subject, sizeof(subject), "dlq.%.*s", STR_ARG(stream));
	json_open(w, NULL, '{');
	json_put_cstr(w, "date_hour", text);
	json_put_cstr(w, "subject", subject);
	json_put_str(w, "stream", stream);
	json_put_cstr(w, "error_type", dlq_type_name(type));
	json_put_u64(w, "count", n);
	json_close(w);
}

static void
put_limits(struct json_writer *w, const struct dlq_counts *c)
{
	const struct dlq_limits *limits = &dlq_conf(admin_shipper()->conf)->limits;

	json_open(w, "limits", '{');
	json_put_u64(w, "max_messages", limits->max_messages);
	json_put_i64(w, "retention_seconds", limits->retention / NS_PER_S);
	json_close(w);
	json_open(w, "dropped", '{');
	json_put_u64(w, "max_messages", c->dropped[DLQ_DROP_MAX_MESSAGES]);
	json_put_u64(w, "retention", c->dropped[DLQ_DROP_RETENTION]);
	json_close(w);
}

static int
show_stats(struct api_call *call)
{
	struct json_writer *w = call->json;
	struct dlq_counts c;
	uint64_t hours;
	int err = api_query_number(call, "hours", HOURS_DEFAULT, 1, HOURS_MAX, &hours);

	if (err != 0)
		return err;
	dlq_count(admin_shipper()->dlq, STR(""), &c);
	json_open(w, NULL, '{');
	put_totals(w, &c);
	put_streams(w);
	json_open(w, "hourly", '[');
	dlq_hours(admin_shipper()->dlq, (unsigned)hours, put_hour, w);
	json_close(w);
	json_put_time(w, "oldest_pending_at", c.oldest);
	json_put_u64(w, "bytes", c.bytes);
	put_limits(w, &c);
	json_close(w);
	return 200;
}

/* ---- rules ---- */

static void
put_rule(struct json_writer *w, const struct rules_status *s)
{
	const struct dlq_rule *r = s->rule;

	json_open(w, NULL, '{');
	json_put_str(w, "pattern", r->pattern);
	shipper_put_text(w, "stream", r->stream);
	json_put_cstr(w, "error_type", r->type >= 0 ? dlq_type_name((enum dlq_type)r->type) : NULL);
	json_put_seconds(w, "wait_seconds", r->wait);
	json_put_u64(w, "max", r->max);
	json_put_u64(w, "batch", r->batch);
	json_put_u64(w, "matched", s->matched);
	json_put_u64(w, "reprocessed", s->reprocessed);
	json_put_time(w, "last_run_at", s->last_run);
	json_close(w);
}

static int
show_rules(struct api_call *call)
{
	struct json_writer *w = call->json;
	struct rules_status s;

	json_open(w, NULL, '{');
	json_open(w, "rules", '[');
	for (unsigned i = 0; rules_get(admin_shipper()->rules, i, &s); i++)
		put_rule(w, &s);
	json_close(w);
	json_close(w);
	return 200;
}

const struct api_endpoint dlq_stats_endpoints[] = {
	{ "GET", "/api/dlq/stats", ROLE_ADMIN, show_stats,
	    "dead letters by state, error type, stream and hour, and their limits; ?hours=24" },
	{ "GET", "/api/dlq/rules", ROLE_ADMIN, show_rules,
	    "the rules by which dead letters are sent again, and what they did" },
	{ .path = NULL },
};
