/*
 * What streams hold: records not yet delivered, bytes on disk by stage, the age of the oldest. See metrics.h, and spool/metrics.h for how
 * these are kept.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "spool/metrics.h"
#include "status/metrics.h"
#include "status/metrics_families.h"

enum { WAITING, AGE, DISK, COLUMNS = DISK + SPOOL_STAGES };

static int64_t
age_ms(uint64_t oldest)
{
	return oldest == 0 ? 0 : MAX(clock_wall() - (int64_t)oldest, 0) / NS_PER_MS;
}

/* arg: room for all words of the set. */
static bool
read_stream(const struct series_view *v, struct str *values, uint64_t *columns, void *arg)
{
	uint64_t *words = arg;

	(void)values;
	series_sum(&spool_metrics, v, words);
	columns[WAITING] = spool_metrics_waiting(words);
	columns[AGE] = (uint64_t)age_ms(words[spool_metrics.at[SPOOL_METRIC_OLDEST]]);
	for (unsigned i = 0; i < SPOOL_STAGES; i++)
		columns[DISK + i] = words[spool_metrics.at[SPOOL_METRIC_DISK + i]];
	return true;
}

static void
put_stages(struct prom *p, const struct prom_snapshot *s)
{
	char memory[64];
	struct buf labels;

	metrics_family(p, FAMILY_SPOOL_BYTES);
	for (unsigned i = 0; i < SPOOL_STAGES; i++) {
		struct prom_row row = { .type = METRIC_GAUGE, .column = DISK + i };

		buf_init_fixed(&labels, memory, sizeof(memory));
		prom_label(&labels, "stage", str_of(spool_stage_names[i]));
		row.labels = buf_cstr(&labels);
		prom_put_row(p, s, &row);
	}
}

/* The same count under the name that rules written for message brokers ask for. */
static void
put_queues(struct prom *p, struct prom_source src)
{
	static const char *const labels[] = { "queue_name" };
	static const struct prom_row row = { .type = METRIC_GAUGE, .column = WAITING };
	struct prom_snapshot s;

	src.labels = labels;
	src.n_labels = 1;
	metrics_family(p, FAMILY_QUEUE_LENGTH);
	if (prom_take(&s, &src) == 0)
		prom_put_row(p, &s, &row);
	prom_drop(&s);
}

void
metrics_collect_streams(struct prom *p)
{
	static const struct prom_row age = { .type = METRIC_GAUGE, .column = AGE, .decimals = 3 };
	uint64_t *words = calloc(spool_metrics.words, sizeof(*words));
	struct prom_source src = {
		.set = &spool_metrics, .n_columns = COLUMNS, .read = read_stream, .arg = words
	};
	struct prom_snapshot s;

	if (words == NULL)
		return;
	put_queues(p, src);
	if (prom_take(&s, &src) == 0) {
		put_stages(p, &s);
		metrics_family(p, FAMILY_SPOOL_OLDEST);
		prom_put_row(p, &s, &age);
	}
	prom_drop(&s);
	free(words);
}
