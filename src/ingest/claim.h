/*
 * Repeated PUTs at the door: a request with an Idempotency-Key claims it (spool/idem.h) before its body is taken, and the claim goes with the
 * record into the spool, which tells what became of it. A request without the header passes through untouched.
 *
 *	204  there is a record of this stream, user and key from the last 24 hours; nothing is stored
 *	400  the key is empty, longer than 255 bytes, or has control characters
 *	409  another request with the key is under way; Retry-After
 *	503  not known yet whether there is a record: a process died over it, or the machine has just started; Retry-After
 */
#ifndef SLUICE_INGEST_CLAIM_H
#define SLUICE_INGEST_CLAIM_H

#include "ingest/ingest_priv.h"

#define CLAIM_ATTR_MAX 64

struct claim {
	bool keyed;
	bool held; /* the claim is ours to give up */
	struct id key;
	char text[2 * ID_LEN + 1];
};

/* Before serving. t NULL: there is no table, requests with a key get 503. */
void claim_open(struct idem *t);
/* 0: go on, and end with claim_end(); or answered (1). */
int claim_begin(struct http_request *r, const struct ingest_conf *conf, struct claim *claim);
/* Adds the attribute by which the record is known; nothing without a key. */
void claim_put_attr(const struct claim *claim, struct buf *attrs);
/* The record goes to the spool now, and the claim with it. */
void claim_pass(struct claim *claim);
/* Gives the key up, unless it was passed on. */
void claim_end(struct claim *claim);
/* From the spool: what became of a record with these attributes. True if somebody must look after it (spool_fate DOUBT of a key). */
bool claim_settled(struct str attrs, enum spool_fate fate);

#endif
