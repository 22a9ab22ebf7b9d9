/*
 * How many of something a client has at this moment (limit_conn), over all processes, in wide cells of the store.
 *
 * Each slot counts in a word of its own, under its generation: when a process dies, what it counted belongs to a generation that is no more, and
 * so counts no more; nobody has to clean up, and kill -9 leaks nothing. A cell has room for 13 slots; further slots have further cells.
 * Who enters counts itself first and looks at the sum then, so that there are never more than allowed; of two at the border both may be refused.
 */
#ifndef SLUICE_LIMIT_COUNTS_H
#define SLUICE_LIMIT_COUNTS_H

#include "limit/take.h"

/* One that entered. */
struct limit_entry {
	uint64_t hash;
	cell_word *cell; /* NULL: none */
};

/* LIMIT_PASSED, and limit_leave is to follow; LIMIT_EXCEEDED: max are in; LIMIT_NO_ROOM. */
enum limit_verdict limit_enter(
    struct limit_store *s, uint64_t hash, uint64_t max, int64_t now, struct limit_entry *out);
void limit_leave(struct limit_store *s, struct limit_entry *e);
/* How many are in. */
uint64_t limit_inside(const struct limit_store *s, uint64_t hash);

#endif
