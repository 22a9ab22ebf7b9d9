/*
 * A long text on its way out in pieces: filled by hand, handed on when full, so that memory does not depend on its length, and others have
 * their turn after a millisecond of work. For the JSON of the traffic statistics; the Prometheus writer (prom.h) has one of its own.
 *
 * Errors (the client left, no memory) stick; later calls do nothing; pieces_fini tells.
 */
#ifndef SLUICE_STATUS_PIECES_H
#define SLUICE_STATUS_PIECES_H

#include "base/base.h"

#define PIECES_MAX (32u * 1024)

/* Gets the text piece by piece; may park. 0 or an error. */
typedef int pieces_write_fn(void *arg, const void *p, size_t n);

struct pieces {
	/* private */
	pieces_write_fn *write;
	void *arg;
	char *p, *at, *end;
	int err;
};

/* Takes PIECES_MAX bytes from the heap. */
void pieces_init(struct pieces *o, pieces_write_fn *write, void *arg);
/* Writes what is left and frees the buffer. 0 or the first error. Parks. */
int pieces_fini(struct pieces *o);
/* Where up to n (at most PIECES_MAX) bytes may be written, followed by pieces_took with the end; NULL after an error. May park. */
char *pieces_room(struct pieces *o, size_t n);
static inline void
pieces_took(struct pieces *o, char *end)
{
	o->at = end;
}
/* May park. */
void pieces_put(struct pieces *o, struct str s);

/* Most bytes that pieces_name writes for a name of n. */
#define PIECES_NAME(n) (6 * (n) + 2)
/* A name as a JSON string, at to, without a bound; returns the end. A byte that is not UTF-8 is shown as \xHH. (The names of zones are
 * printable already, as vts_key.c made them: their strings differ where they do.) */
char *pieces_name(char *to, struct str name);

#endif
