/*
 * Many dead letters at once: which they are, and one decision over all of them, in slices with the loop's turn between, so that however many there are
 * nobody else waits long. Called by jobs.c.
 */
#ifndef SLUICE_DLQ_BULK_H
#define SLUICE_DLQ_BULK_H

#include "dlq/jobs.h"

struct bulk {
	struct id *ids; /* heap, unless borrowed */
	size_t n, cap;
	bool borrowed, failed;
};

enum bulk_what { BULK_REPROCESS, BULK_DISCARD, BULK_CANCEL };

/* Fills *out, by a filter oldest first: they have waited longest. 0 or ERR_NOMEM; bulk_fini() follows in any case. Never parks. */
int bulk_pick(struct dlq *d, const struct jobs_selection *s, struct bulk *out);
/* A dlq_visit_fn that adds the entry to arg, a struct bulk; where there is no memory `failed` is set. */
void bulk_add(void *arg, const struct dlq_entry *e);
void bulk_fini(struct bulk *b);
/* What jobs_reprocess() and its neighbours promise, without a job; *out goes on counting. Parks. */
int bulk_decide(struct dlq *d, const struct stream_conf *streams, enum bulk_what what,
    const struct bulk *b, const struct dlq_decision *how, bool dry_run, struct jobs_result *out);

#endif
