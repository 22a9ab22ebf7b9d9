/*
 * What streams hold: records not yet delivered, bytes on disk by stage, the age of the oldest. See metrics.h, and spool/metrics.h for how
 * these are kept.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "spool/metrics.h"
#include "status/metrics.h"

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

	prom_family(p, "sluice_spool_bytes", METRIC_GAUGE,
	    "Bytes on disk, by stage: segments; claimed for a bundle; packed or being sent; set "
	    "aside as damaged.");
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
	static const struct prom_row row = { .name = "message_queue_length",
		.type = METRIC_GAUGE,
		.column = WAITING,
		.help = "Records stored and not yet delivered, by stream." };
	struct prom_snapshot s;

	src.labels = labels;
	src.n_labels = 1;
	if (prom_take(&s, &src) == 0)
		prom_put(p, &s, &row, 1);
	prom_drop(&s);
}

void
metrics_collect_streams(struct prom *p)
{
	static const struct prom_row age = { .name = "sluice_spool_oldest_seconds",
		.type = METRIC_GAUGE,
		.column = AGE,
		.decimals = 3,
		.help = "Age of the oldest sealed file that waits for delivery; 0: none does." };
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
		prom_put(p, &s, &age, 1);
	}
	prom_drop(&s);
	free(words);
}
