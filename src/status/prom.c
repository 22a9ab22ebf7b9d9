/*
 * The writer: lines into a piece of memory, which is handed on when it is full. See prom.h.
 */
#include "status/prom.h"

#include <stdlib.h>

#include "status/prom_priv.h"
#include "task/task.h"

#define HELP_MAX 1024

int
prom_breathe(void)
{
	return task_on_stack() ? task_give_way() : 0;
}

void
prom_init(struct prom *p, prom_write_fn *write, void *arg)
{
	*p = (struct prom){ .write = write, .arg = arg, .p = malloc(PROM_PIECE) };
	p->at = p->p;
	p->end = p->p ? p->p + PROM_PIECE : NULL;
	p->err = p->p ? 0 : ERR_NOMEM;
}

static void
hand_on(struct prom *p)
{
	if (p->err == 0 && p->at > p->p) {
		p->err = p->write(p->arg, p->p, (size_t)(p->at - p->p));
		if (p->err == 0)
			p->err = prom_breathe();
	}
	p->at = p->p;
}

int
prom_fini(struct prom *p)
{
	hand_on(p);
	free(p->p);
	p->p = p->at = p->end = NULL;
	return p->err;
}

/* Room for n bytes at p->at. */
static bool
room(struct prom *p, size_t n)
{
	if (p->err)
		return false;
	if (n > (size_t)(p->end - p->at))
		hand_on(p);
	return p->err == 0 && n <= (size_t)(p->end - p->at);
}

void
prom_comment(struct prom *p, struct str text)
{
	size_t n = MIN(text.n, PROM_PIECE - 3);

	if (!room(p, n + 3))
		return;
	p->at = prom_copy(p->at, STR("# "));
	for (size_t i = 0; i < n; i++)
		*p->at++ = text.p[i] == '\n' || text.p[i] == '\r' ? ' ' : text.p[i];
	*p->at++ = '\n';
}

/* ---- families ---- */

static const char *
type_name(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return "counter";
	case METRIC_GAUGE:
		return "gauge";
	case METRIC_HISTOGRAM:
		return "histogram";
	default:
		return "untyped";
	}
}

static void
put_word(struct prom *p, const char *word)
{
	p->at = prom_copy(p->at, str_of(word));
}

void
prom_family(struct prom *p, const char *name, enum metric_type type, const char *help)
{
	p->name = name;
	p->name_n = strlen(name);
	assert(strlen(help) <= HELP_MAX);
	if (!room(p, 2 * p->name_n + HELP_MAX + 64))
		return;
	put_word(p, "# HELP ");
	put_word(p, name);
	*p->at++ = ' ';
	put_word(p, help);
	put_word(p, "\n# TYPE ");
	put_word(p, name);
	*p->at++ = ' ';
	put_word(p, type_name(type));
	*p->at++ = '\n';
}

char *
prom_open(struct prom *p, struct str suffix, struct str labels, struct str constant)
{
	char *at;

	if (!room(p, p->name_n + suffix.n + labels.n + constant.n + sizeof(struct prom_bound) +
			 PROM_NUMBER + 8))
		return NULL;
	at = prom_copy(p->at, str_make(p->name, p->name_n));
	at = prom_copy(at, suffix);
	if (labels.n + constant.n == 0)
		return at;
	*at++ = '{';
	at = prom_copy(at, labels);
	if (labels.n > 0 && constant.n > 0)
		*at++ = ',';
	return prom_copy(at, constant);
}

/* Ends the labels, if any. */
static char *
end_labels(char *at, bool any)
{
	if (any)
		*at++ = '}';
	*at++ = ' ';
	return at;
}

void
prom_sample(struct prom *p, struct str labels, int64_t value, unsigned decimals)
{
	char *at = prom_open(p, STR(""), labels, STR(""));

	if (at)
		prom_close(p, prom_put_signed(end_labels(at, labels.n > 0), value, decimals));
}

void
prom_count(struct prom *p, struct str labels, uint64_t value)
{
	char *at = prom_open(p, STR(""), labels, STR(""));

	if (at)
		prom_close(p, str_put_u64(end_labels(at, labels.n > 0), value));
}

/* ---- histograms ---- */

static void
put_bucket(struct prom *p, struct str labels, struct str constant, const struct prom_bound *le,
    uint64_t count)
{
	char *at = prom_open(p, STR("_bucket"), labels, constant);

	if (!at)
		return;
	*at++ = labels.n + constant.n > 0 ? ',' : '{';
	at = prom_copy(at, str_make(le->text, le->n));
	prom_close(p, str_put_u64(end_labels(at, true), count));
}

void
prom_put_buckets(struct prom *p, struct str labels, struct str constant,
    const struct prom_bounds *b, const uint64_t *counts, size_t stride, unsigned decimals)
{
	bool any = labels.n + constant.n > 0;
	uint64_t count = 0;
	char *at;

	for (unsigned i = 0; i < b->n; i++) {
		count += counts[i * stride];
		put_bucket(p, labels, constant, &b->at[i], count);
	}
	at = prom_open(p, STR("_sum"), labels, constant);
	if (at)
		prom_close(
		    p, prom_put_decimal(end_labels(at, any), counts[b->n * stride], decimals));
	at = prom_open(p, STR("_count"), labels, constant);
	if (at)
		prom_close(p, str_put_u64(end_labels(at, any), count));
}

void
prom_histogram(struct prom *p, struct str labels, const int64_t *bounds, unsigned n,
    const uint64_t *counts, uint64_t sum, unsigned decimals)
{
	uint64_t words[METRIC_BOUNDS_MAX + 2];
	struct prom_bounds b;

	prom_bounds_init(&b, bounds, n, decimals);
	memcpy(words, counts, (n + 1) * sizeof(*words));
	words[n + 1] = sum;
	prom_put_buckets(p, labels, STR(""), &b, words, 1, decimals);
}
