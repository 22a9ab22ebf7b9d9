/*
 * The file in which jobs.c keeps who wanted the last jobs: dlq/jobs, JSON, for people to read as well, replaced as a whole.
 *
 *	{"version":1,"jobs":[{"id":"…","by":"…","reason":"…","created":N,"total":N,…},…]}	oldest first
 *
 * It is no part of what delivery rests on: without it, jobs go on and only their names are lost.
 */
#ifndef SLUICE_DLQ_JOBS_FILE_H
#define SLUICE_DLQ_JOBS_FILE_H

#include "dlq/jobs.h"

struct job {
	struct id id;
	char by[DLQ_NAME_MAX + 1], reason[DLQ_REASON_MAX + 1];
	int64_t created; /* UTC ns */
	uint64_t total, rate, batch;
	int64_t delay; /* ns */
	/* Of entries that are not to be counted in the store any more: they belong to a later job, or all of this one's have ended. */
	uint64_t delivered, failed;
	uint64_t cancelled;
	bool made; /* all its entries are marked: total is final */
	bool taken_back, over;
	/* private to a count: as found in the store */
	uint64_t now_delivered, now_failed, now_due, now_waiting;
};

void jobs_encode(const struct job *jobs, unsigned n, struct buf *out);
/* At most JOBS_MAX, the last of them. 0 or ERR_BAD. */
int jobs_decode(struct str text, struct job *jobs, unsigned *n);

#endif
