/*
 * Rows of metrics: the single source for their place in the zone, Prometheus text, JSON, help and the reference.
 *
 * A set is what one thing counts together: rows under common labels. A series is one thing of the set, named by the values of those
 * labels (zone/series.h). Every module that counts has one table of rows, registered before the zone is opened; the tables together
 * are the layout, and their checksum its version.
 */
#ifndef SLUICE_ZONE_METRIC_H
#define SLUICE_ZONE_METRIC_H

#include "base/base.h"

enum metric_type {
	METRIC_COUNTER, /* a word; only grows */
	METRIC_GAUGE, /* a word (signed), summed over the slots; zeroed when its slot's process ends */
	METRIC_HISTOGRAM, /* a word a bound, one for +Inf, one for the sum */
	METRIC_RAW /* `words` words that the module reads slot by slot; never exposed by the engine */
};

#define METRIC_BOUNDS_MAX 32
#define METRIC_NAME_MAX 32    /* of a set, with its zero byte */
#define METRIC_WORDS_MAX 2048 /* of a block */
#define METRIC_LABELS_MAX 4

struct metric_row {
	const char *
	    name; /* family; rows of one family stand together. NULL: kept, but not part of /metrics */
	enum metric_type type;
	const char
	    *labels; /* constant ones beside the series', as text: "direction=\"in\""; NULL: none */
	double
	    scale; /* what one stored unit is in the exposed unit: 1e-9 for ns shown as seconds; 0: 1 */
	const int64_t
	    *bounds; /* HISTOGRAM: n_bounds upper bounds in stored units, ascending, without +Inf */
	unsigned n_bounds;
	unsigned words; /* RAW */
	const char *help;
	/* RAW: brings what an earlier start left in a slot (from) together with what was brought together so far (into), in the
	 * master at start. NULL: it does not outlive the server. */
	void (*fold)(uint64_t *into, const uint64_t *from);
};

struct metric_set {
	const char *name; /* unique; [a-z_]+ */
	/* Names of the labels; a series' key is their values with a zero byte between. None: one series, of the empty key. */
	const char *labels[METRIC_LABELS_MAX];
	const struct metric_row *rows;
	unsigned n_rows;
	unsigned max_series; /* beyond it: `other`; 0: as many as the zone holds */
	/* set by metric_register */
	unsigned id;
	unsigned words;  /* of a block */
	uint16_t at[64]; /* by row: its first word */
	unsigned n_labels;
};

#define METRIC_SETS_MAX 48

/* Before zone_open, in a fixed order, once a set; at most 64 rows. A second time does nothing. */
void metric_register(struct metric_set *s);
/* All of them by id; NULL beyond the last. */
struct metric_set *metric_set(unsigned id);
/* Checksum of all that is registered: the version of the layout. */
uint32_t metric_layout(void);
/* Of one row: what a zone of another layout holds is taken over row by row, where these are equal. Two rows of a set with the same
 * name, labels and shape (unnamed ones) are told apart by their order. */
uint32_t metric_row_sum(const struct metric_row *row);

/* Latency, in ns: le 0.001 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 seconds (M-04). */
extern const int64_t metric_latency_bounds[12];

#endif
