/*
 * The log: rows out of the files, newest first. A file is read forwards, keeping the last ones that fit; then the file before it, until there
 * are enough. Memory: as many rows as are asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "message/journal_priv.h"

#define FLUSH_NS NS_PER_S

struct found {
	struct journal_row row;
	char error[JOURNAL_ERROR_MAX];
};

struct find_job {
	struct journal_query query;
	struct journal_parts files;
	struct found *rows; /* query.limit of them */
	size_t n;
};

static bool
fits(const struct journal_query *q, const struct journal_record *r)
{
	return r->kind == JOURNAL_ATTEMPT &&
	       (!q->by_message || id_eq(q->message, r->row.message)) &&
	       (q->result < 0 || q->result == (int)r->row.result) && r->row.time >= q->after;
}

static void
keep(struct found *f, const struct journal_row *row)
{
	f->row = *row;
	if (row->error.n)
		memcpy(f->error, row->error.p, row->error.n);
}

static void
reverse(struct found *rows, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct found f = rows[i];

		rows[i] = rows[n - 1 - i];
		rows[n - 1 - i] = f;
	}
}

/* The newest rows of one file behind those that are there already. */
static int
find_in_file(struct find_job *job, struct journal_scan *scan)
{
	struct found *ring = job->rows + job->n;
	size_t room = job->query.limit - job->n, n = 0;
	struct journal_record r;
	int got;

	while ((got = journal_scan_next(scan, &r)) == 1)
		if (fits(&job->query, &r))
			keep(&ring[n++ % room], &r.row);
	/* Before n % room lie the newest, behind it the older ones. */
	if (n > room) {
		reverse(ring, n % room);
		reverse(ring + n % room, room - n % room);
	} else {
		reverse(ring, n);
	}
	job->n += MIN(n, room);
	return got;
}

/* On a helper. */
static int
find_rows(void *arg)
{
	struct find_job *job = arg;
	int err = OK;

	for (size_t i = 0; i < job->files.n && job->n < job->query.limit && err == OK; i++) {
		const struct journal_old *file = &job->files.parts[i];
		char path[JOURNAL_PATH_MAX];
		struct journal_scan scan;

		journal_file_path(job->files.dir, file->number, path);
		err = journal_scan_open(&scan, path, file->size);
		if (err == ERR_NOT_FOUND || err == ERR_EOF || err == ERR_CORRUPT)
			err = OK; /* removed meanwhile; or never a file of ours */
		else if (err == OK) {
			err = find_in_file(job, &scan);
			journal_scan_close(&scan);
		}
	}
	return err;
}

static void
visit_rows(struct find_job *job, void (*visit)(void *arg, const struct journal_row *row), void *arg)
{
	for (size_t i = 0; i < job->n; i++) {
		struct found *f = &job->rows[i];

		f->row.error = str_make(f->error, f->row.error.n);
		visit(arg, &f->row);
	}
}

int
journal_find(struct journal *j, const struct journal_query *q,
    void (*visit)(void *arg, const struct journal_row *row), void *arg)
{
	struct find_job *job;
	int err = journal_flush(j, clock_mono() + FLUSH_NS);

	if (q->limit == 0 || err == ERR_CANCELLED)
		return err == ERR_CANCELLED ? err : OK;
	job = calloc(1, sizeof(*job));
	if (!job)
		return ERR_NOMEM;
	job->query = *q;
	job->query.limit = MIN(q->limit, (unsigned)JOURNAL_FIND_MAX);
	err = journal_parts(j, &job->files);
	job->rows = calloc(job->query.limit, sizeof(*job->rows));
	if (!err && !job->rows)
		err = ERR_NOMEM;
	if (!err)
		err = offload(OFFLOAD_MISC, find_rows, job);
	if (!err)
		visit_rows(job, visit, arg);
	free(job->files.parts);
	free(job->rows);
	free(job);
	return err;
}
