/*
 * `dlq { … }`: how many dead letters are kept and for how long, and the rules by which they are sent again (rules.h). Read by the shipper.
 */
#ifndef SLUICE_DLQ_CONF_H
#define SLUICE_DLQ_CONF_H

#include "base/expr.h"
#include "conf/conf.h"
#include "dlq/dlq.h"

#define DLQ_RULES_MAX 64

/* `rule PATTERN …;`. All of it lives as long as the configuration. */
struct dlq_rule {
	struct dlq_rule *next;
	struct str pattern; /* as written */
	struct expr *expr;  /* found in the error of the last attempt; for the loop's thread */
	struct str stream;  /* empty: of any */
	int type;           /* of the error; -1: transient or permanent; never poison */
	bool icase;
	int64_t wait; /* ns in which nobody touched it */
	uint64_t max; /* times that rules send one entry again */
	uint64_t batch;
	const struct conf_node *node; /* private */
};

struct dlq_conf {
	struct dlq_limits limits;
	unsigned n_rules;
	struct dlq_rule *rules; /* in their order */
};

/* After http and stream. */
void dlq_conf_register(void);
/* Of an applied configuration; without a dlq block the defaults, and no rules. */
const struct dlq_conf *dlq_conf(struct conf *c);

#endif
