/*
 * GET /api/dlq/messages and /api/dlq/messages/{id}: dead letters, in a list and one by one, with payload and history.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/shipper_priv.h"
#include "base/json.h"
#include "sink/stream.h"

#define SHOWN_MAX (64u * 1024) /* of a payload, in a document */

/* ---- an entry ---- */

static void
put_status(struct json_writer *w, const char *name, int status)
{
	if (status != 0)
		json_put_i64(w, name, status);
	else
		json_put_null(w, name);
}

static void
put_what(struct json_writer *w, const struct dlq_entry *e)
{
	char subject[DLQ_NAME_MAX + 8];

	snprintf(subject, sizeof(subject), "dlq.%.*s", STR_ARG(e->stream));
	shipper_put_id(w, "id", e->id);
	json_put_str(w, "stream", e->stream);
	json_put_cstr(w, "original_subject", subject);
	shipper_put_text(w, "original_message_id", e->message_id);
	json_put_cstr(w, "kind", dlq_kind_name(e->kind));
	json_put_u64(w, "size", e->size);
	json_put_u64(w, "records", e->records);
	shipper_put_text(w, "content_type", e->content_type);
	shipper_put_text(w, "method", e->method);
	shipper_put_text(w, "user", e->user);
	shipper_put_text(w, "key", e->key);
	shipper_put_trace_id(w, "trace_id", e->traceparent);
}

static void
put_why(struct json_writer *w, const struct dlq_entry *e)
{
	json_put_cstr(w, "status", dlq_state_name(e->state));
	json_put_cstr(w, "error_type", dlq_type_name(e->type));
	shipper_put_text(w, "error_message", e->error);
	put_status(w, "error_status", e->status);
	json_put_u64(w, "retry_count", e->attempts > 0 ? e->attempts - 1 : 0);
	json_put_u64(w, "attempts", e->attempts);
	json_put_u64(w, "reprocess_count", e->reprocessed);
}

static void
put_when(struct json_writer *w, const struct dlq_entry *e)
{
	json_put_time(w, "original_created_at", e->created);
	json_put_time(w, "dlq_created_at", e->dead);
	json_put_time(w, "last_retry_at", e->last_attempt);
	json_put_time(w, "next_retry_at", e->state == DLQ_REPROCESSING ? e->due : 0);
	json_put_time(w, "resolved_at", e->resolved);
	shipper_put_text(w, "resolved_by", e->resolved_by);
	shipper_put_text(w, "reason", e->reason);
	shipper_put_id(w, "job", e->job);
}

/* Its members, into an object that is open. */
static void
put_entry(struct json_writer *w, const struct dlq_entry *e)
{
	put_what(w, e);
	put_why(w, e);
	put_when(w, e);
}

/* ---- the list ---- */

static void
list_one(void *arg, const struct dlq_entry *e)
{
	struct json_writer *w = arg;

	json_open(w, NULL, '{');
	put_entry(w, e);
	json_close(w);
}

static int
list_messages(struct api_call *call)
{
	struct json_writer *w = call->json;
	struct fields f = { .arena = &call->request->arena };
	struct dlq_page p;
	uint64_t total;
	int err = dlq_input_page(&f, call->request->query, &p);

	if (err != 0)
		return shipper_refuse_input(call, &f, err);
	json_open(w, NULL, '{');
	json_open(w, "messages", '[');
	total = dlq_list(admin_shipper()->dlq, &p.filter, (p.page - 1) * p.per_page,
	    (unsigned)p.per_page, list_one, w);
	json_close(w);
	json_put_u64(w, "total", total);
	json_put_u64(w, "page", p.page);
	json_put_u64(w, "per_page", p.per_page);
	json_close(w);
	return 200;
}

/* ---- one ---- */

static void
put_header(void *arg, struct str name, struct str value)
{
	struct json_writer *w = arg;
	char text[64];

	if (str_copyz(text, sizeof(text), name))
		json_put_str(w, text, value);
}

/* As they would go with the next attempt. */
static void
put_headers(struct json_writer *w, const struct dlq_entry *e)
{
	const struct stream_conf *s = stream_find(admin_shipper()->conf, e->stream);
	struct sink_message m = { .stream = e->stream,
		.method = e->method,
		.user = e->user,
		.content_type = e->content_type,
		.content_encoding = e->content_encoding,
		.traceparent = e->traceparent,
		.received = e->created,
		.attempt = e->attempts + 1 };

	json_open(w, "headers", '{');
	if (e->kind == DLQ_MESSAGE && s != NULL && s->sink->ops->show != NULL &&
	    str_copyz(m.id, sizeof(m.id), e->message_id))
		s->sink->ops->show(s->sink, &m, put_header, w);
	json_close(w);
}

static void
put_destination(struct json_writer *w, const struct dlq_entry *e)
{
	const struct stream_conf *s = stream_find(admin_shipper()->conf, e->stream);

	shipper_put_text(w, "destination", s != NULL ? s->sink->destination : STR(""));
	shipper_put_text(w, "traceparent", e->traceparent);
}

/* What there is of a message's payload, up to SHOWN_MAX bytes; a bundle's records and an object's file are asked for elsewhere. */
static void
put_shown(struct json_writer *w, struct str shown, uint64_t size)
{
	bool cut = shown.n < size;
	uint64_t bad_at;

	shipper_put_bytes(w, "payload", "payload_base64", shown, cut);
	json_put_bool(w, "payload_json", !cut && json_check_text(shown, &bad_at) == 0);
	json_put_bool(w, "payload_truncated", cut);
}

static int
put_payload(struct json_writer *w, const struct dlq_entry *e)
{
	size_t n = (size_t)MIN(e->size, (uint64_t)SHOWN_MAX);
	uint64_t size = e->size;
	char *bytes;
	ssize_t got;

	if (e->kind != DLQ_MESSAGE) {
		json_put_null(w, "payload");
		json_put_bool(w, "payload_json", false);
		json_put_bool(w, "payload_truncated", true);
		return 0;
	}
	bytes = malloc(n + 1);
	if (bytes == NULL)
		return ERR_NOMEM;
	got = dlq_read(admin_shipper()->dlq, e->id, 0, bytes, n);
	if (got >= 0)
		put_shown(w, str_make(bytes, (size_t)got), size);
	else
		json_put_cstr(w, "payload_error", err_text((int)got));
	free(bytes);
	return 0;
}

static void
put_ms(struct json_writer *w, const char *name, int64_t ns)
{
	char text[40];

	snprintf(text, sizeof(text), "%lld.%03d", (long long)(ns / NS_PER_MS),
	    (int)(ns % NS_PER_MS / NS_PER_US));
	json_put_raw(w, name, str_of(text));
}

static void
put_attempt(struct json_writer *w, const struct dlq_event *e)
{
	json_put_u64(w, "attempt", e->attempt);
	json_put_cstr(w, "result", e->outcome == SINK_CONFIRMED ? "delivered" : "failed");
	put_status(w, "status", e->status);
	if (e->duration > 0)
		put_ms(w, "duration_ms", e->duration);
	else
		json_put_null(w, "duration_ms"); /* of one before its death: not known here */
}

static void
put_event(void *arg, const struct dlq_event *e)
{
	struct json_writer *w = arg;

	json_open(w, NULL, '{');
	json_put_time(w, "time", e->time);
	json_put_cstr(w, "event", dlq_event_name(e->kind));
	if (e->kind == DLQ_EV_ATTEMPT)
		put_attempt(w, e);
	if (e->error.n > 0)
		json_put_str(w, "error", e->error);
	if (e->by.n > 0)
		json_put_str(w, "operator", e->by);
	if (e->reason.n > 0)
		json_put_str(w, "reason", e->reason);
	json_close(w);
}

static int
put_history(struct json_writer *w, struct id id)
{
	uint64_t left_out = 0;
	int err;

	json_open(w, "history", '[');
	err = dlq_history(admin_shipper()->dlq, id, &left_out, put_event, w);
	json_close(w);
	json_put_u64(w, "history_left_out", left_out);
	return err;
}

/* What is borrowed of the entry is good until the first read, so that comes last. */
static int
show_message(struct api_call *call)
{
	struct json_writer *w = call->json;
	struct dlq_entry e;
	struct id id;
	int err = shipper_id(call, &id);

	if (err == 0)
		err = dlq_find(admin_shipper()->dlq, id, &e);
	if (err != 0)
		return err;
	json_open(w, NULL, '{');
	put_entry(w, &e);
	put_destination(w, &e);
	put_headers(w, &e);
	err = put_payload(w, &e);
	if (err == 0)
		err = put_history(w, id);
	json_close(w);
	return err ? err : 200;
}

const struct api_endpoint dlq_show_endpoints[] = {
	{ "GET", "/api/dlq/messages", ROLE_ADMIN, list_messages,
	    "dead letters, newest first; "
	    "?page=&per_page=&stream=&status=&error_type=&q=&after=&before=" },
	{ "GET", "/api/dlq/messages/{id}", ROLE_ADMIN, show_message,
	    "one of them, with its payload and what happened to it" },
	{ .path = NULL },
};
