/*
 * Taking data in: the `ingest STREAM` handler of a location, and each worker's spools behind it.
 *
 * A record is answered only when it is on disk (spool/spool.h); nothing is answered, and nothing stored, for a body that did not arrive whole.
 */
#ifndef SLUICE_INGEST_INGEST_H
#define SLUICE_INGEST_INGEST_H

#include "base/buf.h"
#include "conf/conf.h"
#include "spool/idem.h"

extern struct conf_module ingest_module;
void ingest_conf_register(void);

/* In the worker, before it serves: opens its spools. keys: the table of idempotency keys; NULL: none could be had. */
int ingest_open(
    struct conf *c, struct zone *z, struct idem *keys, unsigned slot, uint32_t generation);
/* Seals what is open; later records fail with ERR_STOPPING. Parks. */
int ingest_close(int64_t deadline);
/* Could a record be accepted now? If not, adds one reason a line, as JSON strings with commas between, to reasons. */
bool ingest_healthy(struct buf *reasons);

#endif
