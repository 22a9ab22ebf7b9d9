/*
 * A bundle: which segments go into which object. Its list file, aggregation/<id>.list, fixes this durably before anything is sent
 * (step 8 of the durability protocol):
 *
 *	sluice-bundle 1
 *	id <32 hex>
 *	hour <UTC ns>
 *	n <number>
 *	unique <0|1>
 *	host <name>
 *	key <object key>
 *	source <32 hex> <valid length> <file name>
 *	…
 *	end <CRC-32C of all before, 8 hex>
 *
 * A list is valid iff its end line is there and its CRC holds. All calls but bundle_new and bundle_free block.
 */
#ifndef SLUICE_SHIP_BUNDLE_H
#define SLUICE_SHIP_BUNDLE_H

#include "base/base.h"
#include "base/hash.h"
#include "spool/name.h"

#define BUNDLE_MAX_SOURCES 128
#define BUNDLE_KEY_MAX 1024
#define SCAN_NAME_MAX NAME_CAP

struct bundle_source {
	struct id id;
	uint64_t length;
	char name[SCAN_NAME_MAX];
};

struct bundle {
	struct id id;
	int64_t hour;
	unsigned n;
	bool unique; /* the key carries the id: for stores without conditional writes */
	char host[64];
	char key[BUNDLE_KEY_MAX + 1];
	unsigned n_sources;
	struct bundle_source sources[BUNDLE_MAX_SOURCES];
};

/* Heap; NULL: out of memory. */
struct bundle *bundle_new(void);
void bundle_free(struct bundle *b);
/* Makes the key from hour, host, n (and id, if unique). 0 or ERR_TOO_LARGE. */
int bundle_make_key(struct bundle *b, struct str prefix);

/* The list, durable on return: temporary file, fsync, rename, fsync of aggregation/. Replaces an earlier one of this id. */
int bundle_write_list(const struct bundle *b, const char *dir);
/* ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO. */
int bundle_read_list(const char *dir, const struct id *id, struct bundle *out);

/* The list's text, pure. */
struct buf;
void bundle_encode(const struct bundle *b, struct buf *out);
int bundle_decode(struct str text, struct bundle *out);

/* Step 10: syncs the idempotency keys that packing noted (spool/keys.h), unlinks the sources whose header id is the list's, wherever they are; fsync of aggregation/ (and of the stream's folder). A source marked in keep is kept in corrupt/. */
int bundle_unlink_sources(const struct bundle *b, const char *dir, const bool *keep);
/* A segment of which something cannot be read gets a second name in corrupt/, durably; the first is the caller's to remove. */
int bundle_keep_damaged(const char *dir, const char *path, const char *name);
/* Step 12: list to .sent, fsync; unlink the gz, fsync; unlink .sent. */
int bundle_finish(const char *dir, const struct id *id);

/* Step 9: packs the sources into uploading/<id>.gz, durable on return. */
struct bundle_packed {
	uint64_t records, bytes, gz_bytes;
	uint64_t skipped; /* bytes that no longer held a valid frame */
	bool damaged[BUNDLE_MAX_SOURCES];
};
struct bundle_packing {
	int level; /* 1 to 9 */
	bool
	    failing; /* pass over what the disk cannot read any more, as over frames that do not hold; else that is ERR_IO */
};
/* ERR_NOT_FOUND: a source is missing or carries another id. */
int bundle_pack(const struct bundle *b, const char *dir, const struct bundle_packing *how,
    struct bundle_packed *out);

#endif
