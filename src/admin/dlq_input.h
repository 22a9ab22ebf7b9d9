/*
 * What requests about dead letters say: pages and filters in queries, decisions in bodies. Pure; tables over admin/fields.h.
 */
#ifndef SLUICE_ADMIN_DLQ_INPUT_H
#define SLUICE_ADMIN_DLQ_INPUT_H

#include "admin/fields.h"
#include "dlq/jobs.h"

#define DLQ_INPUT_IDS_MAX 10000
#define DLQ_INPUT_PER_PAGE 50
#define DLQ_INPUT_PER_PAGE_MAX 500

/* page, per_page, and a filter's members. */
struct dlq_page {
	uint64_t page, per_page;
	struct dlq_filter filter;
};
int dlq_input_page(struct fields *f, struct str query, struct dlq_page *out);

/* The body of a decision. */
struct dlq_wish {
	struct field_ids ids;
	bool has_filter;
	struct dlq_filter filter;
	struct str operator, reason;
	bool force, dry_run;
	/* only of reprocess */
	int64_t override_delay, delay;
	uint64_t batch, rate;
};
/* reprocess: what belongs to it is allowed. Exactly one of message_ids and filter must be given. To be freed with dlq_wish_fini, whatever is
 * returned: 0, ERR_BAD, ERR_NOMEM. */
int dlq_input_wish(struct fields *f, bool reprocess, struct str body, struct dlq_wish *out);
void dlq_wish_fini(struct dlq_wish *w);

/* The body of a cancellation or a purge: who, and why; stream: of a purge only. */
struct dlq_order {
	struct str stream, operator, reason;
};
int dlq_input_cancel(struct fields *f, struct str body, struct dlq_order *out);
/* stream and reason must be given. */
int dlq_input_purge(struct fields *f, struct str body, struct dlq_order *out);

#endif
