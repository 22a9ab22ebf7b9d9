/*
 * Automatic reprocessing: pending dead letters that a rule of the configuration fits, and that have waited long enough, are sent again without
 * anybody's doing, by = "rule:PATTERN". Runs in the shipper.
 *
 * An expression is looked for in the error; where nobody answered, also with "network: " or, if the time was up, "network timeout: " before it.
 * The first rule that fits an entry's last error, stream and type has it; the entry's other errors are for other rules. A rule sends each
 * entry again at most `max` times, and has at most `batch` under way at a time.
 */
#ifndef SLUICE_DLQ_RULES_H
#define SLUICE_DLQ_RULES_H

#include "dlq/conf.h"
#include "sink/stream.h"

struct rules;

/* Before the zone is opened: sluice_dlq_rule_matched_total{rule}, sluice_dlq_rule_reprocessed_total{rule}. */
void rules_metrics_register(void);

/* Starts the task that applies them: every 30 seconds, and sooner where one falls due. streams: entries of others
 * are left alone. All are borrowed for good. 0 or ERR_NOMEM. */
int rules_open(struct dlq *d, const struct dlq_conf *conf, const struct stream_conf *streams,
    struct rules **out);
/* Ends the task. Parks. */
void rules_close(struct rules *r);

struct rules_status {
	const struct dlq_rule *rule;
	uint64_t matched, reprocessed; /* entries, over restarts as the metrics are */
	int64_t last_run; /* UTC ns: when it last sent something again; 0: not since the start */
};
/* Rule i of the configuration, from 0. False: there are not so many. Never parks. */
bool rules_get(const struct rules *r, unsigned i, struct rules_status *out);

#endif
