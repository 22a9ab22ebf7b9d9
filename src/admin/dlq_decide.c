/*
 * POST /api/dlq/reprocess, DELETE /api/dlq/discard, and the jobs that reprocessing becomes. Everything done is on record with who wanted it and
 * why, before it is answered.
 */
#include <stdlib.h>

#include "admin/shipper_priv.h"
#include "base/clock.h"

#define BODY_MAX ((size_t)512 << 10)

/* ---- input ---- */

static int
read_wish(struct api_call *call, bool reprocess, struct dlq_wish *out)
{
	struct fields f = { .arena = &call->request->arena };
	struct str body;
	int err;

	*out = (struct dlq_wish){ .force = false };
	err = api_body(call, BODY_MAX, &body);
	if (err != 0)
		return err;
	err = dlq_input_wish(&f, reprocess, body, out);
	return err ? shipper_refuse_input(call, &f, err) : 0;
}

static int64_t
when(int64_t delay)
{
	return delay > 0 ? clock_wall() + delay : 0;
}

static struct dlq_decision
decision_of(struct api_call *call, const struct dlq_wish *w)
{
	return (struct dlq_decision){ .by = api_operator(call, w->operator),
		.reason = w->reason,
		.force = w->force,
		.due = when(w->override_delay),
		.batch = w->batch,
		.rate = w->rate,
		.delay = w->delay };
}

/* ---- answers ---- */

static void
put_skipped(struct json_writer *w, const struct jobs_result *r)
{
	json_open(w, "skipped", '[');
	for (unsigned i = 0; i < r->n_listed; i++) {
		json_open(w, NULL, '{');
		shipper_put_id(w, "id", r->listed[i].id);
		json_put_cstr(w, "error", jobs_why(r->listed[i].err));
		json_close(w);
	}
	json_close(w);
	json_put_u64(w, "skipped_count", r->skipped);
}

/* Ids were given, and nothing could be done with any of them. */
static bool
is_refused(const struct dlq_wish *w, const struct jobs_result *r)
{
	return !w->has_filter && r->accepted == 0;
}

static int
refuse_all(struct api_call *call, const struct dlq_wish *w, const struct jobs_result *r)
{
	if (w->ids.n == 1 && r->n_listed == 1 && r->listed[0].err == ERR_NOT_FOUND)
		return api_fail(call, 404, "message_ids[0]: there is no such dead letter");
	json_open(call->json, NULL, '{');
	json_put_cstr(call->json, "error",
	    r->n_listed > 0 ? jobs_why(r->listed[0].err) : "nothing could be done");
	json_put_u64(call->json, "matched", r->matched);
	put_skipped(call->json, r);
	json_close(call->json);
	return 409;
}

static void
put_result(struct json_writer *w, const char *done, const struct dlq_wish *wish,
    const struct jobs_result *r)
{
	json_put_u64(w, "matched", r->matched);
	json_put_u64(w, done, r->accepted);
	put_skipped(w, r);
	json_put_bool(w, "dry_run", wish->dry_run);
}

/* ---- decisions ---- */

static int
do_reprocess(struct api_call *call, const struct dlq_wish *w, struct jobs_result *r)
{
	struct jobs_selection s = { w->ids.v, w->ids.n, w->has_filter ? &w->filter : NULL };
	struct dlq_decision how = decision_of(call, w);
	int err = jobs_reprocess(admin_shipper()->jobs, &s, &how, w->dry_run, r);

	if (err != 0)
		return err;
	if (is_refused(w, r))
		return refuse_all(call, w, r);
	json_open(call->json, NULL, '{');
	shipper_put_id(call->json, "job", r->job);
	put_result(call->json, "accepted", w, r);
	json_close(call->json);
	return 202;
}

static int
do_discard(struct api_call *call, const struct dlq_wish *w, struct jobs_result *r)
{
	struct jobs_selection s = { w->ids.v, w->ids.n, w->has_filter ? &w->filter : NULL };
	struct dlq_decision how = decision_of(call, w);
	int err = jobs_discard(admin_shipper()->jobs, &s, &how, w->dry_run, r);

	if (err != 0)
		return err;
	if (is_refused(w, r))
		return refuse_all(call, w, r);
	json_open(call->json, NULL, '{');
	put_result(call->json, "discarded", w, r);
	json_close(call->json);
	return 200;
}

static int
decide(struct api_call *call, bool reprocess)
{
	struct jobs_result *r = calloc(1, sizeof(*r));
	struct dlq_wish w;
	int err = read_wish(call, reprocess, &w);

	if (err == 0 && r == NULL)
		err = ERR_NOMEM;
	if (err == 0)
		err = reprocess ? do_reprocess(call, &w, r) : do_discard(call, &w, r);
	dlq_wish_fini(&w);
	free(r);
	return err;
}

static int
reprocess(struct api_call *call)
{
	return decide(call, true);
}

static int
discard(struct api_call *call)
{
	return decide(call, false);
}

/* ---- jobs ---- */

static void
put_job(struct json_writer *w, const struct jobs_status *j)
{
	json_open(w, NULL, '{');
	shipper_put_id(w, "id", j->id);
	json_put_cstr(w, "state", jobs_state_name(j->state));
	shipper_put_text(w, "operator", j->by);
	shipper_put_text(w, "reason", j->reason);
	json_put_time(w, "created_at", j->created);
	json_put_u64(w, "total", j->total);
	json_put_u64(w, "started", j->started);
	json_put_u64(w, "delivered", j->delivered);
	json_put_u64(w, "failed", j->failed);
	json_put_u64(w, "cancelled", j->cancelled);
	json_put_u64(w, "rate", j->rate);
	json_put_u64(w, "batch", j->batch);
	json_put_i64(w, "delay_ms", j->delay / NS_PER_MS);
	json_close(w);
}

static int
list_jobs(struct api_call *call)
{
	struct json_writer *w = call->json;
	struct jobs_status *all = calloc(JOBS_MAX, sizeof(*all));
	unsigned n;

	if (all == NULL)
		return ERR_NOMEM;
	n = jobs_list(admin_shipper()->jobs, all, JOBS_MAX);
	json_open(w, NULL, '{');
	json_open(w, "jobs", '[');
	for (unsigned i = 0; i < n; i++)
		put_job(w, &all[i]);
	json_close(w);
	json_close(w);
	free(all);
	return 200;
}

static int
cancel_job(struct api_call *call)
{
	struct fields f = { .arena = &call->request->arena };
	struct dlq_decision how = { .force = false };
	struct dlq_order order;
	struct str body;
	struct id id;
	uint64_t cancelled = 0;
	int err = shipper_id(call, &id);

	if (err == 0)
		err = api_body(call, BODY_MAX, &body);
	if (err != 0)
		return err;
	err = dlq_input_cancel(&f, body, &order);
	if (err != 0)
		return shipper_refuse_input(call, &f, err);
	how.by = api_operator(call, order.operator);
	how.reason = order.reason;
	err = jobs_cancel(admin_shipper()->jobs, id, &how, &cancelled);
	if (err == ERR_CONFLICT)
		return api_fail(call, 409, "the job is over");
	if (err != 0)
		return err;
	json_open(call->json, NULL, '{');
	shipper_put_id(call->json, "job", id);
	json_put_u64(call->json, "cancelled", cancelled);
	json_close(call->json);
	return 200;
}

const struct api_endpoint dlq_decide_endpoints[] = {
	{ "POST", "/api/dlq/reprocess", ROLE_ADMIN, reprocess,
	    "sends dead letters again: {\"message_ids\":[…]} or {\"filter\":{…}}, and "
	    "override_delay, "
	    "force, operator, reason, batch, delay, rate, dry_run" },
	{ "DELETE", "/api/dlq/discard", ROLE_ADMIN, discard,
	    "gives dead letters up: {\"message_ids\":[…]} or {\"filter\":{…}}, and force, "
	    "operator, "
	    "reason, dry_run" },
	{ "GET", "/api/dlq/jobs", ROLE_ADMIN, list_jobs,
	    "what was sent again, newest first, and how far that is" },
	{ "DELETE", "/api/dlq/jobs/{id}", ROLE_ADMIN, cancel_job,
	    "takes back what of a job is not on its way; {\"operator\",\"reason\"}" },
	{ .path = NULL },
};
