/*
 * Answering the table's open questions from what is on disk. By the shipper at its start, after a child died or a segment was given up, and before
 * it exits; one sweep at a time.
 *
 *	idem_sweep_begin()      fixes whose claims it will decide
 *	recover_dir()           of every stream: what the dead left open becomes sealed segments
 *	idem_sweep_segments()   of every stream: each key found in a segment is marked
 *	idem_sweep_end()        claims of the dead, and doubts older than the sweep, that no segment bears out are free again
 *
 * A record that was shipped meanwhile is not missed: whoever packs or sends it marks its key before the segment goes, and folders
 * are read in the order in which files move.
 */
#ifndef SLUICE_SPOOL_IDEM_SWEEP_H
#define SLUICE_SPOOL_IDEM_SWEEP_H

#include "spool/idem.h"

struct idem_sweep;

/* t NULL: nothing to do, and *out is NULL, which the others take. 0 or ERR_NOMEM. */
int idem_sweep_begin(struct idem *t, struct idem_sweep **out);
/* Are there open questions? If not, segments need not be read. */
bool idem_sweep_needed(struct idem_sweep *w);
/* Blocks: a helper's work. dir: a stream's folder. A file that cannot be read is logged; what it might answer stays open until a later sweep. 0, ERR_IO (folder), ERR_NOMEM. */
int idem_sweep_segments(struct idem_sweep *w, const char *dir);
/* Decides, if complete (all streams were recovered and read without an error), and frees w. Blocks. 0, or ERR_IO: the table could not be synced, sweep again. */
int idem_sweep_end(struct idem_sweep *w, bool complete);

#endif
