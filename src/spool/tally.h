/*
 * How many records a segment holds, without reading it: its last frame says. For counting what waits (ship/).
 */
#ifndef SLUICE_SPOOL_TALLY_H
#define SLUICE_SPOOL_TALLY_H

#include "base/base.h"

/* Of the sealed segment at path: 0 and *records (up to the damage, if its end is damaged);
 * ERR_NOT_FOUND, ERR_CORRUPT (no segment), ERR_NOMEM, ERR_IO. Blocks; reads a few KiB. */
int tally_records(const char *path, uint64_t *records);

#endif
