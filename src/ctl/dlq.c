/*
 * dlq list, show, stats, rules, jobs: dead letters, looked at.
 */
#include <stdio.h>

#include "base/json.h"
#include "ctl/ctl.h"
#include "ctl/document.h"

/* ---- list ---- */

enum {
	LIST_STREAM,
	LIST_STATUS,
	LIST_TYPE,
	LIST_MATCH,
	LIST_JOB,
	LIST_AFTER,
	LIST_BEFORE,
	LIST_PAGE,
	LIST_LIMIT
};

const struct ctl_option dlq_list_options[] = {
	[LIST_STREAM] = { "stream", "NAME", "of this stream" },
	[LIST_STATUS] = { "status", "STATUS", "pending, reprocessing, resolved or discarded" },
	[LIST_TYPE] = { "type", "TYPE", "whose error is transient, permanent or poison" },
	[LIST_MATCH] = { "match", "TEXT", "with this text in error, ids, user or key" },
	[LIST_JOB] = { "job", "ID", "of this job" },
	[LIST_AFTER] = { "after", "TIME",
	    "that came since: 2026-11-22T01:02:03Z, or Unix seconds" },
	[LIST_BEFORE] = { "before", "TIME", "that came before" },
	[LIST_PAGE] = { "page", "N", "which page (1)" },
	[LIST_LIMIT] = { "limit", "N", "how many a page has, up to 500 (50)" },
	{ NULL, NULL, NULL },
};

/* What the API calls them. */
static const char *const list_parameters[] = { [LIST_STREAM] = "stream",
	[LIST_STATUS] = "status",
	[LIST_TYPE] = "error_type",
	[LIST_MATCH] = "q",
	[LIST_JOB] = "job",
	[LIST_AFTER] = "after",
	[LIST_BEFORE] = "before",
	[LIST_PAGE] = "page",
	[LIST_LIMIT] = "per_page" };

static void
list_row(struct table *t, struct str m)
{
	document_cell(t, m, "id");
	document_cell(t, m, "stream");
	document_cell(t, m, "status");
	document_cell(t, m, "error_type");
	document_cell(t, m, "attempts");
	document_age_cell(t, m, "dlq_created_at");
	table_bytes(t, document_u64(m, "size"));
	document_cell(t, m, "error_message");
}

static void
print_list(struct str d)
{
	struct str messages = document_get(d, "messages"), m;
	uint64_t total = document_u64(d, "total"), page = document_u64(d, "page");
	uint64_t per_page = document_u64(d, "per_page"), shown = 0;
	struct table t;
	size_t at = 0;

	table_init(&t, "ID STREAM STATUS TYPE >ATTEMPTS >AGE >SIZE ERROR");
	for (; document_next(messages, &at, &m); shown++)
		list_row(&t, m);
	table_print(&t);
	if (shown < total)
		printf("\n%llu of %llu, page %llu of %llu\n", (unsigned long long)shown,
		    (unsigned long long)total, (unsigned long long)page,
		    (unsigned long long)(per_page ? (total + per_page - 1) / per_page : 0));
}

int
dlq_list_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct buf target;
	int status;

	buf_init(&target, 0);
	buf_puts(&target, "/api/dlq/messages");
	for (size_t i = 0; i < ARRAY_LEN(list_parameters); i++)
		ctl_add_parameter(&target, list_parameters[i], args->option[i]);
	status = ctl_show(ctl, buf_cstr(&target), print_list);
	buf_fini(&target);
	return status;
}

/* ---- show ---- */

const struct ctl_option dlq_show_options[] = {
	{ "payload", NULL, "nothing but the payload, byte for byte" },
	{ NULL, NULL, NULL },
};

static const char *const shown[] = { "id", "stream", "kind", "status", "error_type",
	"error_message", "error_status", "destination", "attempts", "reprocess_count", "size",
	"records", "content_type", "method", "user", "key", "original_message_id", "trace_id",
	"original_created_at", "dlq_created_at", "last_retry_at", "next_retry_at", "resolved_at",
	"resolved_by", "reason", "job" };

static void
print_facts(struct str d)
{
	struct table t;

	table_init(&t, "");
	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		struct str raw = document_get(d, shown[i]);

		if (raw.n == 0 || str_is(raw, "null"))
			continue;
		table_cstr(&t, shown[i]);
		document_cell(&t, d, shown[i]);
	}
	table_print(&t);
}

static void
print_history(struct str d)
{
	struct str history = document_get(d, "history"), e;
	struct table t;
	size_t at = 0;

	table_init(&t, "TIME EVENT >ATTEMPT >STATUS >MS OPERATOR REASON ERROR");
	while (document_next(history, &at, &e)) {
		document_cell(&t, e, "time");
		document_cell(&t, e, "event");
		document_cell(&t, e, "attempt");
		document_cell(&t, e, "status");
		document_cell(&t, e, "duration_ms");
		document_cell(&t, e, "operator");
		document_cell(&t, e, "reason");
		document_cell(&t, e, "error");
	}
	putchar('\n');
	table_print(&t);
}

/* Line by line, with what a terminal would obey made visible. */
static void
print_text(struct str text)
{
	struct buf visible;

	buf_init(&visible, 0);
	while (text.p != NULL) {
		table_put_visible(&visible, str_split(&text, '\n'));
		buf_putc(&visible, '\n');
	}
	fwrite(visible.p, 1, visible.n, stdout);
	buf_fini(&visible);
}

static void
print_payload(struct str d)
{
	struct buf text;

	buf_init(&text, 0);
	if (document_text(d, "payload", &text).n > 0) {
		putchar('\n');
		print_text(buf_str(&text));
	} else if (document_get(d, "payload_base64").n > 0) {
		puts("\nthe payload is no text: --payload writes it as it is");
	}
	if (document_true(d, "payload_truncated"))
		puts("\nthis is not all of it: --payload writes the whole");
	buf_fini(&text);
}

static void
print_one(struct str d)
{
	print_facts(d);
	print_history(d);
	print_payload(d);
}

static int
write_payload(struct ctl *ctl, const char *target)
{
	struct ctl_reply reply;
	int status = ctl_request(ctl, "GET", target, str_make(NULL, 0), &reply);

	if (status != CTL_DONE)
		return status;
	if (reply.status == 200)
		fwrite(reply.body.p, 1, reply.body.n, stdout);
	else
		status = ctl_refused(&reply);
	buf_fini(&reply.body);
	return status;
}

int
dlq_show_run(struct ctl *ctl, const struct ctl_args *args)
{
	bool raw = args->option[0] != NULL;
	struct buf target;
	int status;

	buf_init(&target, 0);
	buf_puts(&target, raw ? "/api/dlq/payload/" : "/api/dlq/messages/");
	buf_put_percent(&target, str_of(args->v[0]), false);
	status = raw ? write_payload(ctl, buf_cstr(&target))
		     : ctl_show(ctl, buf_cstr(&target), print_one);
	buf_fini(&target);
	return status;
}

/* ---- jobs ---- */

static void
print_jobs(struct str d)
{
	struct str jobs = document_get(d, "jobs"), j;
	struct table t;
	size_t at = 0;

	table_init(
	    &t, "JOB STATE >TOTAL >STARTED >DELIVERED >FAILED >CANCELLED >AGE OPERATOR REASON");
	while (document_next(jobs, &at, &j)) {
		document_cell(&t, j, "id");
		document_cell(&t, j, "state");
		document_cell(&t, j, "total");
		document_cell(&t, j, "started");
		document_cell(&t, j, "delivered");
		document_cell(&t, j, "failed");
		document_cell(&t, j, "cancelled");
		document_age_cell(&t, j, "created_at");
		document_cell(&t, j, "operator");
		document_cell(&t, j, "reason");
	}
	table_print(&t);
}

int
dlq_jobs_run(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ctl_show(ctl, "/api/dlq/jobs", print_jobs);
}

/* ---- stats ---- */

const struct ctl_option dlq_stats_options[] = {
	{ "hours", "N", "of how many hours, up to the retention (24)" },
	{ NULL, NULL, NULL },
};

static void
states_cells(struct table *t, struct str o)
{
	document_cell(t, o, "pending");
	document_cell(t, o, "reprocessing");
	document_cell(t, o, "resolved");
	document_cell(t, o, "discarded");
	document_age_cell(t, o, "oldest_pending_at");
}

static void
print_streams(struct str d)
{
	struct str streams = document_get(d, "streams"), s, all = document_get(d, "status");
	struct table t;
	size_t at = 0;

	table_init(&t, "STREAM >PENDING >REPROCESSING >RESOLVED >DISCARDED >OLDEST");
	while (document_next(streams, &at, &s)) {
		document_cell(&t, s, "stream");
		states_cells(&t, s);
	}
	table_cstr(&t, "all");
	document_cell(&t, all, "pending");
	document_cell(&t, all, "reprocessing");
	document_cell(&t, all, "resolved");
	document_cell(&t, all, "discarded");
	document_age_cell(&t, d, "oldest_pending_at");
	table_print(&t);
}

static void
print_hours(struct str d)
{
	struct str hours = document_get(d, "hourly"), h;
	struct table t;
	size_t at = 0;

	table_init(&t, "HOUR STREAM TYPE >CAME");
	while (document_next(hours, &at, &h)) {
		document_cell(&t, h, "date_hour");
		document_cell(&t, h, "stream");
		document_cell(&t, h, "error_type");
		document_cell(&t, h, "count");
	}
	if (t.cells > t.columns)
		putchar('\n');
	table_print(&t);
}

static void
print_stats(struct str d)
{
	char bytes[32], age[32];

	print_streams(d);
	print_hours(d);
	table_format_bytes(document_u64(d, "bytes"), bytes);
	table_format_age(document_double(d, "limits.retention_seconds"), age);
	printf(
	    "\n%s on disk; kept: %llu messages for %s; dropped so far: %llu of too many, %llu of "
	    "too old\n",
	    bytes, (unsigned long long)document_u64(d, "limits.max_messages"), age,
	    (unsigned long long)document_u64(d, "dropped.max_messages"),
	    (unsigned long long)document_u64(d, "dropped.retention"));
}

int
dlq_stats_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct buf target;
	int status;

	buf_init(&target, 0);
	buf_puts(&target, "/api/dlq/stats");
	ctl_add_parameter(&target, "hours", args->option[0]);
	status = ctl_show(ctl, buf_cstr(&target), print_stats);
	buf_fini(&target);
	return status;
}

/* ---- rules ---- */

static void
print_rules(struct str d)
{
	struct str rules = document_get(d, "rules"), r;
	struct table t;
	size_t at = 0;

	table_init(&t, "PATTERN STREAM TYPE >WAIT >MAX >BATCH >MATCHED >REPROCESSED >LAST");
	while (document_next(rules, &at, &r)) {
		document_cell(&t, r, "pattern");
		document_cell(&t, r, "stream");
		document_cell(&t, r, "error_type");
		table_age(&t, document_double(r, "wait_seconds"));
		document_cell(&t, r, "max");
		document_cell(&t, r, "batch");
		document_cell(&t, r, "matched");
		document_cell(&t, r, "reprocessed");
		document_age_cell(&t, r, "last_run_at");
	}
	table_print(&t);
}

int
dlq_rules_run(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ctl_show(ctl, "/api/dlq/rules", print_rules);
}
