/*
 * Many series at once: a snapshot of a set taken in one pass, column by column, and rows written over it. A family's lines then read one or
 * a few columns from end to end, and their labels, escaped once, likewise: what a line costs is copying it. See prom.h.
 */
#include <stdlib.h>

#include "status/prom_priv.h"

#define TAKE_TURN 64 /* series until others have their turn */
#define SPARE 64     /* places for series that come while the snapshot is taken */

/* ---- taking ---- */

/* The key's parts into n values; the last takes what is left. */
static void
split_key(struct str key, struct str *values, unsigned n)
{
	for (unsigned i = 0; i + 1 < n; i++)
		values[i] = str_split(&key, '\0');
	if (n > 0)
		values[n - 1] = key;
}

struct taking {
	struct prom_snapshot *s;
	const struct prom_source *src;
	const char *const *names;
	unsigned n_labels;
	struct buf one; /* labels of one series */
	uint64_t *words;
};

static int
keep_labels(struct taking *t, const struct str *values)
{
	void (*put)(struct buf *, const char *, struct str) =
	    t->src->printable ? prom_label_printable : prom_label;
	struct prom_snapshot *s = t->s;

	buf_reset(&t->one);
	for (unsigned i = 0; i < t->n_labels; i++)
		put(&t->one, t->names[i], values[i]);
	buf_put_str(&s->labels, buf_str(&t->one));
	s->label_at[s->n + 1] = (uint32_t)s->labels.n;
	return buf_failed(&t->one) ? buf_failed(&t->one) : buf_failed(&s->labels);
}

static int
take_one(struct taking *t, const struct series_view *v)
{
	const struct prom_source *src = t->src;
	struct prom_snapshot *s = t->s;
	struct str values[METRIC_LABELS_MAX] = { { NULL, 0 } };
	int err;

	memset(t->words, 0, s->n_columns * sizeof(*t->words));
	if (src->n_columns == 0)
		series_sum(src->set, v, t->words);
	split_key(v->key, values, t->n_labels);
	if (src->read && !src->read(v, values, t->words, src->arg))
		return 0;
	err = keep_labels(t, values);
	if (err)
		return err;
	for (unsigned i = 0; i < s->n_columns; i++)
		s->columns[(size_t)i * s->cap + s->n] = t->words[i];
	s->n++;
	return 0;
}

static int
take_all(struct taking *t)
{
	struct series_view v;
	uint32_t cursor = 0;
	int err = 0;

	for (unsigned n = 1;
	     err == 0 && t->s->n < t->s->cap && series_next(t->src->set, &cursor, &v); n++) {
		err = take_one(t, &v);
		if (err == 0 && n % TAKE_TURN == 0)
			err = prom_breathe();
	}
	return err;
}

int
prom_take(struct prom_snapshot *s, const struct prom_source *src)
{
	struct taking t = { .s = s, .src = src, .n_labels = src->n_labels, .names = src->labels };
	int err = ERR_NOMEM;

	if (!src->labels) {
		t.names = src->set->labels;
		t.n_labels = src->set->n_labels;
	}
	assert(t.n_labels <= METRIC_LABELS_MAX);
	*s = (struct prom_snapshot){ .cap = series_count(src->set) + SPARE,
		.n_columns = src->n_columns ? src->n_columns : src->set->words };
	buf_init(&s->labels, UINT32_MAX);
	buf_init(&t.one, 0);
	s->columns = malloc((size_t)s->cap * MAX(s->n_columns, 1) * sizeof(*s->columns));
	s->label_at = calloc(s->cap + 1, sizeof(*s->label_at));
	t.words = malloc(MAX(s->n_columns, 1) * sizeof(*t.words));
	if (s->columns && s->label_at && t.words)
		err = take_all(&t);
	free(t.words);
	buf_fini(&t.one);
	return err;
}

void
prom_drop(struct prom_snapshot *s)
{
	free(s->columns);
	free(s->label_at);
	buf_fini(&s->labels);
	*s = (struct prom_snapshot){ 0 };
}

/* ---- writing ---- */

static struct str
labels_of(const struct prom_snapshot *s, unsigned i)
{
	return s->labels.n == 0
		   ? STR("")
		   : str_make(s->labels.p + s->label_at[i], s->label_at[i + 1] - s->label_at[i]);
}

static void
put_values(struct prom *p, const struct prom_snapshot *s, const struct prom_row *row)
{
	const uint64_t *column = s->columns + (size_t)row->column * s->cap;
	struct str constant = str_of(row->labels ? row->labels : "");
	char *at;

	for (unsigned i = 0; i < s->n; i++) {
		struct str labels = labels_of(s, i);

		if (row->skip_zero && column[i] == 0)
			continue;
		at = prom_open(p, STR(""), labels, constant);
		if (!at)
			continue;
		if (labels.n + constant.n > 0)
			*at++ = '}';
		*at++ = ' ';
		prom_close(p, row->type == METRIC_GAUGE
				  ? prom_put_signed(at, (int64_t)column[i], row->decimals)
				  : prom_put_decimal(at, column[i], row->decimals));
	}
}

static void
put_histograms(struct prom *p, const struct prom_snapshot *s, const struct prom_row *row)
{
	const uint64_t *column = s->columns + (size_t)row->column * s->cap;
	struct str constant = str_of(row->labels ? row->labels : "");
	struct prom_bounds b;

	prom_bounds_init(&b, row->bounds, row->n_bounds, row->decimals);
	for (unsigned i = 0; i < s->n; i++) {
		uint64_t any = 0;

		for (unsigned k = 0; row->skip_zero && k < b.n; k++)
			any |= column[(size_t)k * s->cap + i];
		if (any || !row->skip_zero)
			prom_put_buckets(
			    p, labels_of(s, i), constant, &b, column + i, s->cap, row->decimals);
	}
}

void
prom_put_row(struct prom *p, const struct prom_snapshot *s, const struct prom_row *row)
{
	unsigned words = row->type == METRIC_HISTOGRAM ? row->n_bounds + 2 : 1;

	assert(row->column + words <= s->n_columns);
	if (row->type == METRIC_HISTOGRAM)
		put_histograms(p, s, row);
	else
		put_values(p, s, row);
}

void
prom_put(struct prom *p, const struct prom_snapshot *s, const struct prom_row *rows, unsigned n)
{
	for (unsigned i = 0; i < n && p->err == 0; i++) {
		if (i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0)
			prom_family(p, rows[i].name, rows[i].type, rows[i].help);
		prom_put_row(p, s, &rows[i]);
	}
}

/* ---- a set as it is ---- */

/* A unit is a power of ten. */
static unsigned
decimals_of(double scale)
{
	unsigned n = 0;

	if (scale == 0)
		return 0;
	for (; scale < 0.5 && n < PROM_DECIMALS_MAX; n++)
		scale *= 10;
	assert(scale > 0.99 && scale < 1.01);
	return n;
}

static struct prom_row
row_of(const struct metric_set *set, unsigned i)
{
	const struct metric_row *m = &set->rows[i];

	return (struct prom_row){ .name = m->name,
		.type = m->type,
		.labels = m->labels,
		.column = set->at[i],
		.decimals = decimals_of(m->scale),
		.bounds = m->bounds,
		.n_bounds = m->n_bounds,
		.help = m->help };
}

void
prom_put_set(struct prom *p, const struct metric_set *set)
{
	const struct prom_source src = { .set = set };
	struct prom_snapshot s;
	const char *family = "";
	int err = p->err ? p->err : prom_take(&s, &src);

	if (p->err)
		return;
	for (unsigned i = 0; i < set->n_rows && err == 0; i++) {
		struct prom_row row;

		if (set->rows[i].name == NULL || set->rows[i].type == METRIC_RAW)
			continue;
		row = row_of(set, i);
		if (strcmp(row.name, family) != 0)
			prom_family(p, row.name, row.type, row.help);
		family = row.name;
		prom_put_row(p, &s, &row);
		err = p->err;
	}
	p->err = err;
	prom_drop(&s);
}
