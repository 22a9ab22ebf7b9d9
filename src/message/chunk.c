/*
 * See chunk.h.
 */
#include "message/chunk.h"

#include <stdlib.h>

#define SPARE_MAX 4 /* freeing and making again costs page faults */

void
chunks_init(struct chunks *cs, size_t limit)
{
	*cs = (struct chunks){ .limit = limit };
}

struct chunk *
chunk_new(struct chunks *cs, size_t size)
{
	struct chunk *c = size == CHUNK_SIZE ? cs->spare : NULL;

	if (c != NULL) {
		cs->spare = c->next;
		cs->n_spare--;
	} else {
		c = malloc(sizeof(*c) + size);
	}
	if (c == NULL)
		return NULL;
	c->refs = 1;
	c->of = cs;
	c->next = NULL;
	c->size = size;
	c->used = 0;
	cs->bytes += size;
	return c;
}

void
chunk_drop(struct chunk *c)
{
	struct chunks *cs;

	if (c == NULL || --c->refs > 0)
		return;
	cs = c->of;
	cs->bytes -= c->size;
	if (c->size != CHUNK_SIZE || cs->n_spare == SPARE_MAX) {
		free(c);
		return;
	}
	c->next = cs->spare;
	cs->spare = c;
	cs->n_spare++;
}

void
chunks_trim(struct chunks *cs)
{
	while (cs->spare != NULL) {
		struct chunk *c = cs->spare;

		cs->spare = c->next;
		free(c);
	}
	cs->n_spare = 0;
}

void
chunks_fini(struct chunks *cs)
{
	assert(cs->bytes == 0);
	chunks_trim(cs);
}
