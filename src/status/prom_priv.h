/*
 * Between the files of the Prometheus writer: numbers, pieces, lines. Private to status/.
 */
#ifndef SLUICE_STATUS_PROM_PRIV_H
#define SLUICE_STATUS_PROM_PRIV_H

#include "status/prom.h"

#define PROM_PIECE (32u * 1024)
#define PROM_NUMBER 24 /* room for any number */
#define PROM_DECIMALS_MAX 18

/* ---- prom_text.c: each writes at to, without a bound, and returns the end ---- */

static inline char *
prom_copy(char *to, struct str s)
{
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

/* v / 10^decimals, as short as it is exact. */
char *prom_put_decimal(char *to, uint64_t v, unsigned decimals);
char *prom_put_signed(char *to, int64_t v, unsigned decimals);

/* The le labels of a family's buckets, made once for all its series. */
struct prom_bounds {
	unsigned n; /* with +Inf */
	struct prom_bound {
		char text[PROM_NUMBER + 8]; /* le="0.005" */
		size_t n;
	} at[METRIC_BOUNDS_MAX + 1];
};
void prom_bounds_init(struct prom_bounds *b, const int64_t *bounds, unsigned n, unsigned decimals);

/* ---- prom.c ---- */

/* Begins a line: name, suffix and labels without the closing brace. NULL: there was an error, or the line is longer than a piece. Else
 * there is room behind it for a le label and a number; prom_close takes the end. */
char *prom_open(struct prom *p, struct str suffix, struct str labels, struct str constant);
static inline void
prom_close(struct prom *p, char *at)
{
	*at++ = '\n';
	p->at = at;
}
/* All lines of one histogram; its counts, and then its sum, are stride words apart. */
void prom_put_buckets(struct prom *p, struct str labels, struct str constant,
    const struct prom_bounds *b, const uint64_t *counts, size_t stride, unsigned decimals);
/* Others have their turn, where there is a task: a scrape is in no hurry. 0 or ERR_CANCELLED. */
int prom_breathe(void);

#endif
