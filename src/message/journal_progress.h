/*
 * What is known of the messages of each live segment: which are done, and the attempts at those that are not. Fed with a journal's rows, in
 * their order; the same ones again change nothing. In memory: a bit for each message behind the first that is not done, and what is
 * known of the failed ones. Used by journal.c, and by journal_load.c before anybody else has it.
 */
#ifndef SLUICE_MESSAGE_JOURNAL_PROGRESS_H
#define SLUICE_MESSAGE_JOURNAL_PROGRESS_H

#include "base/map.h"
#include "message/journal_row.h"

struct progress {
	struct map segments; /* of struct progress_segment, by their ids */
};

void progress_init(struct progress *p);
void progress_fini(struct progress *p);
/* What follows from one row. 0, or ERR_NOMEM: then it is as before. */
int progress_apply(struct progress *p, const struct journal_record *r);
bool progress_is_done(const struct progress *p, struct id segment, uint64_t number);
void progress_attempts(
    const struct progress *p, struct id segment, uint64_t number, struct journal_attempts *out);
bool progress_has(const struct progress *p, struct id segment);
/* How many there are; the first max of them into out. */
size_t progress_segments(const struct progress *p, struct id *out, size_t max);
/* Appends the rows from which all of it can be had again, with the CHECKPOINT row. */
void progress_checkpoint(const struct progress *p, struct buf *out);

#endif
