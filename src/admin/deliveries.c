/*
 * GET /api/deliveries: what became of each attempt to deliver a message, newest first, from its stream's journal.
 */
#include <stdio.h>

#include "admin/shipper_priv.h"
#include "base/clock.h"
#include "sink/stream.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 500

/* What each result is called, in the order of enum journal_result. */
static const char *const results[] = { "success", "retry", "failed", "purged", "held" };

static int
result_of(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(results); i++)
		if (str_is(name, results[i]))
			return (int)i;
	return -1;
}

/* ---- input ---- */

struct query {
	struct str stream;
	struct id message;
	int status;
	int64_t after;
	uint64_t limit;
};

static const struct field query_fields[] = {
	{ "stream", FIELD_STRING, .offset = offsetof(struct query, stream),
	    .max = STREAM_NAME_MAX },
	{ "message_id", FIELD_ID, .offset = offsetof(struct query, message) },
	{ "status", FIELD_WORD, .offset = offsetof(struct query, status), .word = result_of,
	    .words = "success, retry, failed, held or purged" },
	{ "after", FIELD_TIME, .offset = offsetof(struct query, after) },
	{ "limit", FIELD_NUMBER, .offset = offsetof(struct query, limit), .min = 1,
	    .max = LIMIT_MAX },
	{ .name = NULL },
};

/* ---- the answer ---- */

struct listing {
	struct json_writer *json;
	struct str stream;
};

static void
put_trace(struct json_writer *w, const unsigned char trace[16])
{
	struct id id;

	memcpy(id.b, trace, sizeof(id.b));
	shipper_put_id(w, "trace_id", id);
}

static void
put_delivery(void *arg, const struct journal_row *row)
{
	struct listing *l = arg;
	struct json_writer *w = l->json;
	char ms[40];

	snprintf(ms, sizeof(ms), "%lld.%03d", (long long)(row->duration / NS_PER_MS),
	    (int)(row->duration % NS_PER_MS / NS_PER_US));
	json_open(w, NULL, '{');
	shipper_put_id(w, "message_id", row->message);
	json_put_str(w, "subject", l->stream);
	json_put_str(w, "stream", l->stream);
	json_put_cstr(w, "status", results[row->result]);
	json_put_u64(w, "attempt", row->attempt);
	shipper_put_text(w, "error_message", row->error);
	if (row->status != 0)
		json_put_i64(w, "error_status", row->status);
	else
		json_put_null(w, "error_status");
	json_put_raw(w, "processing_time_ms", str_of(ms));
	json_put_time(w, "created_at", row->time);
	put_trace(w, row->trace);
	json_close(w);
}

static int
put_deliveries(struct json_writer *w, struct journal *j, const struct query *q)
{
	struct listing l = { .json = w, .stream = q->stream };
	struct journal_query find = { .by_message = !id_eq(q->message, (struct id){ { 0 } }),
		.message = q->message,
		.result = q->status,
		.after = q->after,
		.limit = (unsigned)q->limit };
	int err;

	json_open(w, NULL, '{');
	json_open(w, "deliveries", '[');
	err = journal_find(j, &find, put_delivery, &l);
	json_close(w);
	json_close(w);
	return err < 0 ? err : 200;
}

static int
list_deliveries(struct api_call *call)
{
	struct fields f = { .arena = &call->request->arena };
	struct query q = { .status = -1, .limit = LIMIT_DEFAULT };
	struct message_stream *m;
	int err = fields_read_query(&f, query_fields, call->request->query, &q);

	if (err != 0)
		return shipper_refuse_input(call, &f, err);
	err = shipper_borrow(call, q.stream, &m);
	if (err != 0)
		return err;
	err = put_deliveries(call->json, message_journal(m), &q);
	shipper_return();
	return err;
}

const struct api_endpoint deliveries_endpoints[] = {
	{ "GET", "/api/deliveries", ROLE_ADMIN, list_deliveries,
	    "attempts to deliver a stream's messages, newest first; "
	    "?stream=&message_id=&status=&after=&limit=50" },
	{ .path = NULL },
};
