/*
 * One bundle or object in the hands of its upload's task, and how it can end other than by delivery: as a dead letter. Called by bundle_send.c and
 * object_send.c.
 *
 * What failed too often (tries.h) is given up in two steps: dlq_add, by which the store has names of its own for the two files and, durably,
 * a record of them; then our names go, the list's first. From the first step on the store says what is to become of it: whoever finds files
 * of an id that the store knows, other than in the hands of an upload, removes them. That is all that a crash between the steps needs.
 *
 * What is to be sent again is linked back under its names, list before gz, durably; from there it is sent like any other, under the same
 * key, number and id, so that an earlier attempt which did land is recognised. Confirmed: dlq_end, durably, and only then our names go:
 * before that a crash makes it be sent again and found there, after it there are two names too many. Not confirmed: the list, whose number
 * may have moved on, is renamed over the store's, our names go, and the store is told.
 */
#ifndef SLUICE_SHIP_SHIPMENT_H
#define SLUICE_SHIP_SHIPMENT_H

#include "ship/path.h"
#include "ship/ship_priv.h"
#include "ship/tries.h"

/* On the heap. */
struct shipment {
	struct ship_upload *u;
	enum dlq_kind kind;
	const char *dir;
	struct path list, file, tries_file;
	struct dlq_files store; /* what it has of it, if it is a letter */
	bool keep;              /* and needs: it may be sent again */
	struct tries tries;     /* of one that is none yet */
	bool counted;           /* an attempt was added to them */
	struct sink_result result;
};

/* Names of the files. name: of an object's; NULL for a bundle, which goes by the upload's id. */
void shipment_init(struct shipment *h, struct ship_upload *u, enum dlq_kind kind, const char *name);
/* A letter's files are brought back. 0, or an error that goes into shipment_end(). Parks. */
int shipment_fetch(struct shipment *h);

enum {
	SHIPMENT_STAYS, /* to be tried again */
	SHIPMENT_SENT, /* confirmed, its letter resolved if it was one: our names are the caller's to remove */
	SHIPMENT_GONE /* the store has it, and our names are gone */
};
/* If the store knows this id, and this upload is not its doing, our names go: SHIPMENT_GONE, else 0; or an error. Parks. */
int shipment_settle_known(struct shipment *h, struct id id);
/* Attempts were used up, before a restart or now: it is not tried again but given up. */
bool shipment_is_used_up(const struct shipment *h);
/* What becomes of it after got: 1 confirmed, 0 not, or an error. letter: what it is given up as, if it must be. One of the above, or an error. Parks. */
int shipment_end(struct shipment *h, int got, const struct dlq_letter *letter);

#endif
