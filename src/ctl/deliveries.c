/*
 * deliveries STREAM: what became of each attempt at a stream's messages.
 */
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/document.h"

enum { MESSAGE, STATUS, AFTER, LIMIT };

const struct ctl_option deliveries_options[] = {
	[MESSAGE] = { "message", "ID", "of this message" },
	[STATUS] = { "status", "STATUS", "success, retry, failed, held or purged" },
	[AFTER] = { "after", "TIME", "since then: 2026-11-22T01:02:03Z, or Unix seconds" },
	[LIMIT] = { "limit", "N", "how many, up to 500 (50)" },
	{ NULL, NULL, NULL },
};

static const char *const parameters[] = {
	[MESSAGE] = "message_id", [STATUS] = "status", [AFTER] = "after", [LIMIT] = "limit"
};

static void
print_deliveries(struct str document)
{
	struct str rows = document_get(document, "deliveries"), d;
	struct table t;
	size_t at = 0;

	table_init(&t, "TIME MESSAGE STATUS >ATTEMPT >CODE >MS TRACE ERROR");
	while (document_next(rows, &at, &d)) {
		document_cell(&t, d, "created_at");
		document_cell(&t, d, "message_id");
		document_cell(&t, d, "status");
		document_cell(&t, d, "attempt");
		document_cell(&t, d, "error_status");
		document_cell(&t, d, "processing_time_ms");
		document_cell(&t, d, "trace_id");
		document_cell(&t, d, "error_message");
	}
	table_print(&t);
}

int
deliveries_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct buf target;
	int status;

	buf_init(&target, 0);
	buf_puts(&target, "/api/deliveries");
	ctl_add_parameter(&target, "stream", args->v[0]);
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
		ctl_add_parameter(&target, parameters[i], args->option[i]);
	status = ctl_show(ctl, buf_cstr(&target), print_deliveries);
	buf_fini(&target);
	return status;
}
