/*
 * Prometheus text, version 0.0.4: how every exposition of the server is written (/metrics and both dialects of the traffic statistics).
 *
 * Promises: one HELP and one TYPE a family, before its samples, which stand together; labels are escaped, valid UTF-8, and differ where the
 * names behind them differ; numbers are exact (integers to 2^64-1, scaled ones as the decimal that they are); a histogram's buckets are
 * cumulated, and its count is theirs. Memory depends on the number of series of one set, not on the length of the text; others
 * have their turn after each piece, some 50 microseconds of work. Nobody who counts waits for a reader.
 *
 * Two ways to write, which may be mixed:
 *  - family by family, sample by sample (prom_family, prom_sample, prom_histogram): for values that are computed;
 *  - a table of rows over a snapshot of a set (prom_take, prom_put): for many series. The snapshot is taken in one pass, its labels escaped
 *    once; then each row is a column of numbers.
 * Errors (the client left, no memory) stick in the writer; later calls do nothing; prom_end tells.
 */
#ifndef SLUICE_STATUS_PROM_H
#define SLUICE_STATUS_PROM_H

#include "base/buf.h"
#include "zone/series.h"

struct http_request;

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* ---- the writer ---- */

/* Gets the text piece by piece; may park. 0 or an error. */
typedef int prom_write_fn(void *arg, const void *p, size_t n);

struct prom {
	/* private */
	prom_write_fn *write;
	void *arg;
	char *p, *at, *end; /* the piece being filled */
	const char *name;   /* of the family under way */
	size_t name_n;
	int err;
};

/* Ready to write; takes a buffer of 32 KiB from the heap. */
void prom_init(struct prom *p, prom_write_fn *write, void *arg);
/* Writes what is left and frees the buffer. 0 or the first error. Parks. */
int prom_fini(struct prom *p);

/* The same as an answer to r, chunked, with the headers of a metrics page added (nosniff, no frames, no store). At most a few are rendered
 * at a time in a process; others wait. False: the request is answered (HEAD, or with an error), and prom_end must not follow. Parks. */
bool prom_begin(struct prom *p, struct http_request *r);
/* Ends it; cut short visibly if there was an error. 0 or the error. Parks. */
int prom_end(struct prom *p);

/* A comment line: "# text". Line breaks become spaces. */
void prom_comment(struct prom *p, struct str text);

/* ---- labels ---- */

/* Appends name="value" escaped, with a comma before it if b is not empty. Control characters and bytes that are not UTF-8 become \xHH, and so
 * does a backslash that stands before an x: different values stay different. */
void prom_label(struct buf *b, const char *name, struct str value);
/* The same for values that are made printable before they are told apart (status/vts_key.h): a backslash is a backslash. */
void prom_label_printable(struct buf *b, const char *name, struct str value);

/* ---- sample by sample ---- */

/* Begins a family: HELP and TYPE. name is borrowed until the next family. Each family once. METRIC_RAW: "untyped". */
void prom_family(struct prom *p, const char *name, enum metric_type type, const char *help);
/* One sample of it: labels as prom_label made them (empty: none); the value is value / 10^decimals (decimals up to 18). */
void prom_sample(struct prom *p, struct str labels, int64_t value, unsigned decimals);
void prom_count(struct prom *p, struct str labels, uint64_t value);
/* counts are n + 1 words, not cumulated; bounds and sum are in the stored unit, 10^-decimals of the exposed one. */
void prom_histogram(struct prom *p, struct str labels, const int64_t *bounds, unsigned n,
    const uint64_t *counts, uint64_t sum, unsigned decimals);

/* ---- many series ---- */

#define PROM_COLUMNS_MAX 1024

/* What to keep of which series. */
struct prom_source {
	const struct metric_set *set;
	/* The labels' names; none: the set's, and values from the key. */
	const char *const *labels;
	unsigned n_labels;
	bool printable; /* the values are as prom_label_printable takes them */
	/* Words to keep of each series. 0: all of the set's words, as series_sum gives them, so that a row's column is set->at[row]. */
	unsigned n_columns;
	/* Fills one series' label values (n_labels of them, set to those of the key before) and columns (zeroed; after series_sum if n_columns is 0);
	 * false leaves it out. NULL: as they are. Must not park. Values are copied before the next call. */
	bool (*read)(const struct series_view *v, struct str *values, uint64_t *columns, void *arg);
	void *arg;
};

struct prom_snapshot {
	/* private, but for n: how many series it holds */
	unsigned n, cap, n_columns;
	uint64_t *columns;  /* column by column, cap words each */
	struct buf labels;  /* one after the other */
	uint32_t *label_at; /* cap + 1 offsets */
};

/* Of all series of the source now, in the directory's order. 0 or ERR_NOMEM, ERR_CANCELLED. prom_drop follows in any case. Parks. */
int prom_take(struct prom_snapshot *s, const struct prom_source *src);
void prom_drop(struct prom_snapshot *s);

/* A line of the exposition for every series of a snapshot (a histogram: its lines). */
struct prom_row {
	const char *name;      /* family; rows of one family stand together */
	enum metric_type type; /* GAUGE is signed; HISTOGRAM: n_bounds + 1 counts and the sum */
	const char *labels;    /* constant ones, as text; NULL: none */
	unsigned column;       /* its first */
	unsigned decimals;     /* 9: stored in ns, shown in seconds */
	bool skip_zero;        /* series where it is zero have no line */
	const int64_t *bounds;
	unsigned n_bounds;
	const char *help;
};

/* Writes rows over the snapshot, families and all. Parks. */
void prom_put(
    struct prom *p, const struct prom_snapshot *s, const struct prom_row *rows, unsigned n);
/* Samples of one row only, of the family begun: where a family has several snapshots. Parks. */
void prom_put_row(struct prom *p, const struct prom_snapshot *s, const struct prom_row *row);
/* The exposition's rows of a set that is its own table (metric_row.name not NULL), over all its series. Parks. */
void prom_put_set(struct prom *p, const struct metric_set *set);

#endif
