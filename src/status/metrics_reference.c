/*
 * The part of the reference that lists what /metrics shows: computed families, and the rows of every registered set that have names. Printed by
 * --reference-markdown and into the manual.
 */
#include "status/metrics.h"
#include "status/metrics_families.h"

struct writer {
	struct buf *out;
	bool mdoc;
};

static void
put_text(const struct writer *w, const char *text)
{
	for (; *text; text++) {
		if (!w->mdoc && (*text == '_' || *text == '*' || *text == '|' || *text == '<'))
			buf_putc(w->out, '\\');
		buf_putc(w->out, *text);
	}
}

static const char *
type_name(enum metric_type type)
{
	static const char *const names[] = { [METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
		[METRIC_RAW] = "gauge" };

	return names[type];
}

static void
put_family(const struct writer *w, const char *name, enum metric_type type, const char *labels,
    const char *help)
{
	buf_puts(w->out, w->mdoc ? ".It Ic " : "| ");
	put_text(w, name);
	if (labels[0]) {
		buf_puts(w->out, w->mdoc ? " Brq " : "{");
		put_text(w, labels);
		buf_puts(w->out, w->mdoc ? "" : "}");
	}
	buf_puts(w->out, w->mdoc ? "\n" : " | ");
	buf_puts(w->out, type_name(type));
	buf_puts(w->out, w->mdoc ? ":\n" : " | ");
	put_text(w, help);
	buf_puts(w->out, w->mdoc ? "\n" : " |\n");
}

/* The names of the series' labels and of the row's own. */
static void
put_labels(struct buf *b, const struct metric_set *set, const struct metric_row *row)
{
	for (unsigned i = 0; i < set->n_labels; i++) {
		buf_puts(b, i > 0 ? ", " : "");
		buf_puts(b, set->labels[i]);
	}
	if (row->labels) {
		struct str own = str_of(row->labels);

		buf_puts(b, set->n_labels > 0 ? ", " : "");
		buf_put_str(b, str_split(&own, '='));
	}
}

static void
put_set(const struct writer *w, const struct metric_set *set)
{
	const char *before = "";
	struct buf labels;

	for (unsigned i = 0; i < set->n_rows; i++) {
		const struct metric_row *row = &set->rows[i];

		if (row->name == NULL || row->type == METRIC_RAW || strcmp(row->name, before) == 0)
			continue;
		before = row->name;
		buf_init(&labels, 0);
		put_labels(&labels, set, row);
		put_family(w, row->name, row->type, buf_cstr(&labels), row->help);
		buf_fini(&labels);
	}
}

void
metrics_reference(struct buf *out, bool mdoc)
{
	const struct writer w = { out, mdoc };
	const struct metric_set *set;

	buf_puts(out, mdoc ? ".Ss Metrics\n.Bl -tag -width Ds\n"
			   : "\n### Metrics\n\n| family | type | meaning |\n|---|---|---|\n");
	for (unsigned i = 0; i < METRICS_FAMILIES; i++) {
		const struct metrics_family_row *f = &metrics_families[i];

		put_family(&w, f->name, f->type, f->labels ? f->labels : "", f->help);
	}
	for (unsigned id = 0; (set = metric_set(id)) != NULL; id++)
		put_set(&w, set);
	if (mdoc)
		buf_puts(out, ".El\n");
}
