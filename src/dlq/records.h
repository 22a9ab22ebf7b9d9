/*
 * What is in a bundle that became a dead letter, record by record: a page of it, for the API. A record is a line of the bundle, as the bundle's
 * readers take it.
 */
#ifndef SLUICE_DLQ_RECORDS_H
#define SLUICE_DLQ_RECORDS_H

#include "dlq/dlq.h"

#define RECORDS_TEXT_MAX (64u * 1024) /* of one record that is shown */

struct records_one {
	uint64_t number; /* from 0 */
	uint64_t size;   /* of all of it */
	struct str text; /* its first RECORDS_TEXT_MAX bytes; good for the call */
};

/* Visits up to `limit` records behind the first `skip`. *total: how many there are. Reads and unpacks in slices on a helper: memory does not grow with
 * the bundle, nor with what it unpacks to. Parks. 0; ERR_NOT_FOUND; ERR_UNSUPPORTED: the entry is no bundle; ERR_CORRUPT: its file is damaged, what
 * came before was visited; ERR_IO; ERR_NOMEM. */
int records_read(struct dlq *d, struct id id, uint64_t skip, unsigned limit, uint64_t *total,
    void (*visit)(void *arg, const struct records_one *r), void *arg);

#endif
