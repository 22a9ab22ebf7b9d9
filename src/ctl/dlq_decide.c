/*
 * dlq reprocess, discard, cancel: dead letters, decided on. What the options choose goes to the server as a list of ids or as a filter; it holds
 * every value against its bounds.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/json_write.h"
#include "ctl/ctl.h"
#include "ctl/document.h"

#define SKIPPED_MAX 10 /* that are listed */

/* ---- options ---- */

enum { IDS, ALL, STREAM, TYPE, MATCH, FORCE, DRY_RUN, OPERATOR, REASON, BATCH, DELAY, RATE, WAIT };

#define CHOICE                                                                                    \
	[IDS] = { "ids", "ID,…", "these" }, [ALL] = { "all", NULL, "all that are pending" },      \
	[STREAM] = { "stream", "NAME", "those pending of this stream" },                          \
	[TYPE] = { "type", "TYPE",                                                                \
		"those pending whose error is transient, permanent or poison" },                  \
	[MATCH] = { "match", "TEXT", "those pending with this text in error, ids, user or key" }, \
	[DRY_RUN] = { "dry-run", NULL, "only tells how many it would be" },                       \
	[OPERATOR] = { "operator", "NAME", "on whose record it goes (the login name)" },          \
	[REASON] = { "reason", "TEXT", "why, for the record" }

const struct ctl_option dlq_reprocess_options[] = {
	CHOICE,
	[FORCE] = { "force", NULL, "also what is poison, resolved or discarded" },
	[BATCH] = { "batch", "N", "so many at once, then a pause" },
	[DELAY] = { "delay", "TIME", "how long that pause is: 1s, 1m30s" },
	[RATE] = { "rate", "N", "at most so many a second" },
	[WAIT] = { "wait", "TIME", "begin so much later" },
	[WAIT + 1] = { NULL, NULL, NULL },
};

const struct ctl_option dlq_discard_options[] = {
	CHOICE,
	[FORCE] = { "force", NULL, "also what is being sent again" },
	[BATCH] = { NULL, NULL, NULL },
};

const struct ctl_option dlq_cancel_options[] = {
	{ "operator", "NAME", "on whose record it goes (the login name)" },
	{ "reason", "TEXT", "why, for the record" },
	{ NULL, NULL, NULL },
};

/* ---- the request ---- */

static void
put_ids(struct json_writer *w, const char *list)
{
	struct str rest = str_of(list);

	json_open(w, "message_ids", '[');
	while (rest.p != NULL) {
		struct str id = str_trim(str_split(&rest, ','));

		if (id.n > 0)
			json_put_str(w, NULL, id);
	}
	json_close(w);
}

static void
put_given(struct json_writer *w, const char *name, const char *value)
{
	if (value != NULL)
		json_put_cstr(w, name, value);
}

/* What is no number goes as text, and the server says what is wrong with it. */
static void
put_number(struct json_writer *w, const char *name, const char *value)
{
	uint64_t n;

	if (value != NULL && str_to_u64(str_of(value), &n) == 0)
		json_put_u64(w, name, n);
	else
		put_given(w, name, value);
}

static void
put_filter(struct json_writer *w, const char *const *option)
{
	json_open(w, "filter", '{');
	put_given(w, "stream", option[STREAM]);
	put_given(w, "error_type", option[TYPE]);
	put_given(w, "q", option[MATCH]);
	json_close(w);
}

static void
put_record(struct json_writer *w, const char *operator, const char * reason)
{
	json_put_cstr(w, "operator", ctl_operator(operator));
	put_given(w, "reason", reason);
}

static void
put_wish(struct json_writer *w, const char *const *option)
{
	json_open(w, NULL, '{');
	if (option[IDS] != NULL)
		put_ids(w, option[IDS]);
	else
		put_filter(w, option);
	if (option[FORCE] != NULL)
		json_put_bool(w, "force", true);
	if (option[DRY_RUN] != NULL)
		json_put_bool(w, "dry_run", true);
	put_record(w, option[OPERATOR], option[REASON]);
	put_number(w, "batch", option[BATCH]);
	put_given(w, "delay", option[DELAY]);
	put_number(w, "rate", option[RATE]);
	put_given(w, "override_delay", option[WAIT]);
	json_close(w);
}

/* ---- the answer ---- */

static void
print_skipped(struct str d)
{
	struct str skipped = document_get(d, "skipped"), s;
	uint64_t listed = 0, all = document_u64(d, "skipped_count");
	struct table t;
	size_t at = 0;

	if (all == 0)
		return;
	table_init(&t, "SKIPPED WHY");
	for (; listed < SKIPPED_MAX && document_next(skipped, &at, &s); listed++) {
		document_cell(&t, s, "id");
		document_cell(&t, s, "error");
	}
	table_print(&t);
	if (listed < all)
		printf("and %llu more\n", (unsigned long long)(all - listed));
}

static void
print_result(struct str d, const char *done)
{
	bool dry = document_true(d, "dry_run"), reprocess = document_get(d, "accepted").p != NULL;
	uint64_t n = document_u64(d, reprocess ? "accepted" : "discarded");
	struct buf job;

	buf_init(&job, 0);
	printf("%llu of %llu %s %s", (unsigned long long)n,
	    (unsigned long long)document_u64(d, "matched"),
	    dry         ? "would be"
	    : reprocess ? "will be"
			: "are",
	    done);
	if (document_text(d, "job", &job).n > 0)
		printf("; job %s", buf_cstr(&job));
	putchar('\n');
	print_skipped(d);
	buf_fini(&job);
}

/* Sends it and prints what became of it. A refusal with a list of its own shows that, too. */
static int
decide(struct ctl *ctl, const char *method, const char *target, struct str body, const char *done)
{
	struct ctl_reply reply;
	int status = ctl_request(ctl, method, target, body, &reply);
	struct str d;
	uint64_t bad;

	if (status != CTL_DONE)
		return status;
	d = buf_str(&reply.body);
	if (json_check_text(d, &bad) != 0 || reply.status >= 400)
		status = ctl_refused(&reply);
	if (ctl->json && (status == CTL_DONE || reply.status == 409))
		fwrite(d.p, 1, d.n, stdout);
	else if (status == CTL_DONE)
		print_result(d, done);
	else if (reply.status == 409)
		print_skipped(d);
	buf_fini(&reply.body);
	return status;
}

static int
send_wish(struct ctl *ctl, const struct ctl_args *args, const char *method, const char *target,
    const char *done)
{
	const char *const *o = args->option;
	struct json_writer w;
	struct buf body;
	int status;

	if (o[IDS] && (o[ALL] || o[STREAM] || o[TYPE] || o[MATCH]))
		return ctl_complain(CTL_USAGE,
		    "--ids names them: --all, --stream, --type and --match do not go "
		    "with it");
	buf_init(&body, 0);
	json_init(&w, &body);
	put_wish(&w, o);
	status = buf_failed(&body) ? ctl_complain(CTL_REFUSED, "out of memory")
				   : decide(ctl, method, target, buf_str(&body), done);
	buf_fini(&body);
	return status;
}

int
dlq_reprocess_run(struct ctl *ctl, const struct ctl_args *args)
{
	return send_wish(ctl, args, "POST", "/api/dlq/reprocess", "sent again");
}

int
dlq_discard_run(struct ctl *ctl, const struct ctl_args *args)
{
	const char *const *o = args->option;

	if (!o[IDS] && !o[ALL] && !o[STREAM] && !o[TYPE] && !o[MATCH])
		return ctl_complain(CTL_USAGE, "which? --ids, --all, --stream, --type or --match "
					       "is needed; see sluicectl help "
					       "dlq discard");
	return send_wish(ctl, args, "DELETE", "/api/dlq/discard", "discarded");
}

int
dlq_cancel_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct buf target, body;
	struct ctl_reply reply;
	struct json_writer w;
	int status;

	buf_init(&target, 0);
	buf_init(&body, 0);
	json_init(&w, &body);
	json_open(&w, NULL, '{');
	put_record(&w, args->option[0], args->option[1]);
	json_close(&w);
	buf_puts(&target, "/api/dlq/jobs/");
	buf_put_percent(&target, str_of(args->v[0]), false);
	status = ctl_send(ctl, "DELETE", buf_cstr(&target), buf_str(&body), &reply);
	if (status == CTL_DONE && ctl->json)
		fwrite(reply.body.p, 1, reply.body.n, stdout);
	else if (status == CTL_DONE)
		printf("%llu taken back\n",
		    (unsigned long long)document_u64(buf_str(&reply.body), "cancelled"));
	if (status == CTL_DONE)
		buf_fini(&reply.body);
	buf_fini(&body);
	buf_fini(&target);
	return status;
}
