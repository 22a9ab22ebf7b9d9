/*
 * See dlq_input.h.
 */
#include "admin/dlq_input.h"

#include <stdio.h>
#include <stdlib.h>

#include "sink/stream.h"

#define Q_MAX 200
#define BATCH_MAX UINT64_C(1000000)
#define RATE_MAX UINT64_C(1000000)
#define PAGE_MAX UINT64_C(1000000000)
#define MESSAGE_ID_MAX 128

#define IN(type, member) .offset = offsetof(struct type, member)

static const struct dlq_filter any = { .state = -1, .type = -1 };

static const struct field filter_fields[] = {
	{ "stream", FIELD_STRING, IN(dlq_filter, stream), .max = STREAM_NAME_MAX },
	{ "status", FIELD_WORD, IN(dlq_filter, state), .word = dlq_state_of,
	    .words = "pending, reprocessing, resolved or discarded" },
	{ "error_type", FIELD_WORD, IN(dlq_filter, type), .word = dlq_type_of,
	    .words = "transient, permanent or poison" },
	{ "q", FIELD_STRING, IN(dlq_filter, q), .max = Q_MAX },
	{ "message_id", FIELD_STRING, IN(dlq_filter, message_id), .max = MESSAGE_ID_MAX },
	{ "job", FIELD_ID, IN(dlq_filter, job) },
	{ "after", FIELD_TIME, IN(dlq_filter, after) },
	{ "before", FIELD_TIME, IN(dlq_filter, before) },
	{ .name = NULL },
};

/* ---- queries ---- */

static const struct field page_fields[] = {
	{ "page", FIELD_NUMBER, IN(dlq_page, page), .min = 1, .max = PAGE_MAX },
	{ "per_page", FIELD_NUMBER, IN(dlq_page, per_page), .min = 1,
	    .max = DLQ_INPUT_PER_PAGE_MAX },
	{ .name = NULL },
};

int
dlq_input_page(struct fields *f, struct str query, struct dlq_page *out)
{
	int err;

	*out = (struct dlq_page){ .page = 1, .per_page = DLQ_INPUT_PER_PAGE, .filter = any };
	err = fields_read_query(f, page_fields, query, out);
	return err ? err : fields_read_query(f, filter_fields, query, &out->filter);
}

/* ---- decisions ---- */

#define WISH_FIELDS                                                                      \
	{ "message_ids", FIELD_IDS, IN(dlq_wish, ids), .max = DLQ_INPUT_IDS_MAX },       \
	    { "filter", FIELD_OBJECT, IN(dlq_wish, has_filter), .object = filter_fields, \
		    .object_at = offsetof(struct dlq_wish, filter) },                    \
	    { "operator", FIELD_STRING, IN(dlq_wish, operator), .max = DLQ_NAME_MAX },   \
	    { "reason", FIELD_STRING, IN(dlq_wish, reason), .max = DLQ_REASON_MAX },     \
	    { "force", FIELD_BOOL, IN(dlq_wish, force) },                                \
	{                                                                                \
		"dry_run", FIELD_BOOL, IN(dlq_wish, dry_run)                             \
	}

static const struct field discard_fields[] = { WISH_FIELDS, { .name = NULL } };

static const struct field reprocess_fields[] = {
	WISH_FIELDS,
	{ "override_delay", FIELD_DURATION, IN(dlq_wish, override_delay) },
	{ "batch", FIELD_NUMBER, IN(dlq_wish, batch), .max = BATCH_MAX },
	{ "delay", FIELD_DURATION, IN(dlq_wish, delay) },
	{ "rate", FIELD_NUMBER, IN(dlq_wish, rate), .max = RATE_MAX },
	{ .name = NULL },
};

static int
refuse(struct fields *f, const char *why)
{
	snprintf(f->why, sizeof(f->why), "%s", why);
	return ERR_BAD;
}

int
dlq_input_wish(struct fields *f, bool reprocess, struct str body, struct dlq_wish *out)
{
	int err;

	*out = (struct dlq_wish){ .filter = any };
	err = fields_read_json(f, reprocess ? reprocess_fields : discard_fields, body, out);
	if (err != 0)
		return err;
	if (out->ids.given == out->has_filter)
		return refuse(f, "either message_ids or filter is needed");
	if (out->ids.given && out->ids.n == 0)
		return refuse(f, "message_ids: at least one id is needed");
	return 0;
}

void
dlq_wish_fini(struct dlq_wish *w)
{
	free(w->ids.v);
	w->ids = (struct field_ids){ .v = NULL };
}

/* ---- orders ---- */

#define ORDER_FIELDS                                                                 \
	{ "operator", FIELD_STRING, IN(dlq_order, operator), .max = DLQ_NAME_MAX },  \
	{                                                                            \
		"reason", FIELD_STRING, IN(dlq_order, reason), .max = DLQ_REASON_MAX \
	}

static const struct field cancel_fields[] = { ORDER_FIELDS, { .name = NULL } };

static const struct field purge_fields[] = {
	{ "stream", FIELD_STRING, IN(dlq_order, stream), .max = STREAM_NAME_MAX },
	ORDER_FIELDS,
	{ .name = NULL },
};

int
dlq_input_cancel(struct fields *f, struct str body, struct dlq_order *out)
{
	*out = (struct dlq_order){ .stream = { NULL, 0 } };
	return fields_read_json(f, cancel_fields, body, out);
}

int
dlq_input_purge(struct fields *f, struct str body, struct dlq_order *out)
{
	int err;

	*out = (struct dlq_order){ .stream = { NULL, 0 } };
	err = fields_read_json(f, purge_fields, body, out);
	if (err == 0 && out->stream.n == 0)
		err = refuse(f, "stream: the name of a stream is needed");
	if (err == 0 && out->reason.n == 0)
		err = refuse(f, "reason: why it is purged is needed");
	return err;
}
