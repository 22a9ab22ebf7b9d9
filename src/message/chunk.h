/*
 * Memory for what messages hold (user, attributes, body): chunks that many messages share, each freed when the last of them lets go. What all
 * chunks of a stream take is counted, so that whoever reads ahead knows when to stop.
 */
#ifndef SLUICE_MESSAGE_CHUNK_H
#define SLUICE_MESSAGE_CHUNK_H

#include "base/base.h"

struct chunks; /* a stream's */

struct chunk {
	unsigned refs; /* private */
	struct chunks *of;
	struct chunk *next; /* private */
	size_t size, used;
	char p[];
};

#define CHUNK_SIZE (128u * 1024) /* the ordinary one: any record that is held in memory fits */

struct chunks {
	size_t bytes, limit;
	struct chunk *spare; /* ordinary ones that are kept */
	unsigned n_spare;
};

void chunks_init(struct chunks *cs, size_t limit);
/* None may be held any more. */
void chunks_fini(struct chunks *cs);
/* Of size bytes, held once. NULL: out of memory. The limit is the caller's to keep: chunks_full(). */
struct chunk *chunk_new(struct chunks *cs, size_t size);
static inline struct chunk *
chunk_hold(struct chunk *c)
{
	c->refs++;
	return c;
}
/* NULL is fine. */
void chunk_drop(struct chunk *c);
static inline bool
chunks_full(const struct chunks *cs)
{
	return cs->bytes + CHUNK_SIZE > cs->limit;
}
/* Nothing to do: spare ones go back to the heap. */
void chunks_trim(struct chunks *cs);

#endif
