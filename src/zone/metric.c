/*
 * See metric.h.
 */
#include "zone/metric.h"

#include "base/hash.h"

const int64_t metric_latency_bounds[12] = { 1000000, 5000000, 10000000, 25000000, 50000000,
	100000000, 250000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000 };

static struct metric_set *sets[METRIC_SETS_MAX];
static unsigned n_sets;

static unsigned
row_words(const struct metric_row *row)
{
	if (row->type == METRIC_HISTOGRAM) {
		assert(row->n_bounds <= METRIC_BOUNDS_MAX);
		return row->n_bounds + 2;
	}
	return row->type == METRIC_RAW ? row->words : 1;
}

void
metric_register(struct metric_set *s)
{
	unsigned words = 0;

	for (unsigned i = 0; i < n_sets; i++) {
		if (sets[i] == s)
			return;
		assert(strcmp(sets[i]->name, s->name) != 0);
	}
	assert(n_sets < METRIC_SETS_MAX && s->n_rows <= ARRAY_LEN(s->at));
	assert(strlen(s->name) < METRIC_NAME_MAX);
	for (unsigned i = 0; i < s->n_rows; i++) {
		s->at[i] = (uint16_t)words;
		words += row_words(&s->rows[i]);
	}
	assert(words > 0 && words <= METRIC_WORDS_MAX);
	s->words = words;
	while (s->n_labels < METRIC_LABELS_MAX && s->labels[s->n_labels] != NULL)
		s->n_labels++;
	s->id = n_sets;
	sets[n_sets++] = s;
}

struct metric_set *
metric_set(unsigned id)
{
	return id < n_sets ? sets[id] : NULL;
}

static uint32_t
add_text(uint32_t sum, const char *text)
{
	return crc32c(sum, text ? text : "", text ? strlen(text) + 1 : 1);
}

uint32_t
metric_row_sum(const struct metric_row *row)
{
	uint32_t sum = add_text(add_text(0, row->name), row->labels);
	uint64_t shape[2] = { row->type, row_words(row) };

	sum = crc32c(sum, shape, sizeof(shape));
	if (row->type != METRIC_HISTOGRAM)
		return sum;
	return crc32c(sum, row->bounds, row->n_bounds * sizeof(*row->bounds));
}

uint32_t
metric_layout(void)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < n_sets; i++) {
		sum = add_text(sum, sets[i]->name);
		for (unsigned row = 0; row < sets[i]->n_rows; row++) {
			uint32_t one = metric_row_sum(&sets[i]->rows[row]);

			sum = crc32c(sum, &one, sizeof(one));
		}
	}
	return sum;
}
