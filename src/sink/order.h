/*
 * `order_by`: which messages of a stream keep their order. Those of one key are delivered one at a time, in the order in which they were stored; those
 * without a key, and those of different keys, side by side. Pure.
 */
#ifndef SLUICE_SINK_ORDER_H
#define SLUICE_SINK_ORDER_H

#include "conf/conf.h"

#define ORDER_DEPTH 8 /* names of a path */

struct order_by {
	enum { ORDER_NONE, ORDER_ALL, ORDER_USER, ORDER_JSON } kind;
	unsigned depth;
	const char *path[ORDER_DEPTH]; /* of ORDER_JSON: a member, a member of that, … */
};

/* "none", "all", "user", "json:a.b". In the arena of c; false: it is none of these. */
bool order_parse(struct conf *c, struct str text, struct order_by *out);
/* The key of a message, hashed: never 0. 0: it has none, since it has no user, or no such member, or that is null or "". A body that is not at hand ({NULL, 0})
 * has no members. */
uint64_t order_key(const struct order_by *o, struct str user, struct str body);

#endif
