/*
 * Taking data in: the `ingest STREAM` handler of a location, and each worker's spools behind it.
 *
 * A record is answered only when it is on disk (spool/spool.h); nothing is answered, and nothing stored, for a body that did not arrive whole.
 */
#ifndef SLUICE_INGEST_INGEST_H
#define SLUICE_INGEST_INGEST_H

#include "base/buf.h"
#include "conf/conf.h"
#include "sink/stream.h"
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

/* A stream's spool as this worker sees it. */
struct ingest_space {
	uint64_t used, limit; /* bytes in the stream's folders, and spool_size */
	uint64_t free_bytes;  /* of the file system, as of the last asking (once a second) */
	uint64_t room;        /* what may still come: 0 is full */
	bool full, failed;    /* failed: an I/O error, a moment ago */
};
/* False: the stream has no spool here (this process is no worker). */
bool ingest_get_space(const struct stream_conf *stream, struct ingest_space *out);
/* Of the table of idempotency keys. False: there is none. */
bool ingest_key_stats(struct idem_stats *out);

#endif
