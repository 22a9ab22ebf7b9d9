/*
 * Idempotency keys as the shipper sees them: whatever leaves the spool has its key in the table, on disk, before its segment is removed. One table a
 * process; without one all of this does nothing.
 */
#ifndef SLUICE_SPOOL_KEYS_H
#define SLUICE_SPOOL_KEYS_H

#include "spool/idem.h"

/* Once, before anything is shipped. NULL: none. */
void keys_use(struct idem *t);
struct idem *keys_table(void);
/* A record was read to be shipped. Any thread. */
void keys_note(struct str attrs, int64_t time);
/* Durable on 0; blocks. Before segments that keys_note() saw, or an earlier shipper, are removed. Costs nothing without new keys. */
int keys_sync(void);

#endif
