/*
 * A regular expression as a tree: what expr_parse.c makes of its text and expr.c turns into steps. Private to the two.
 */
#ifndef SLUICE_BASE_EXPR_PRIV_H
#define SLUICE_BASE_EXPR_PRIV_H

#include "base/expr.h"

/* Of bytes. */
struct expr_set {
	uint64_t bits[4];
};

enum expr_kind { EXPR_EMPTY, EXPR_SET, EXPR_BEGIN, EXPR_END, EXPR_CAT, EXPR_ALT, EXPR_REPEAT };

struct expr_node {
	enum expr_kind kind;
	struct expr_set set;
	int min, max; /* EXPR_REPEAT; max -1: any number */
	struct expr_node *left, *right;
};

/* Is the byte a member? */
static inline bool
expr_holds(const struct expr_set *s, unsigned char c)
{
	return s->bits[c / 64] >> c % 64 & 1;
}

#define EXPR_NODES_MAX 4096

/* nodes: room for EXPR_NODES_MAX. The tree in it, or NULL, with *err and what is wrong, for people, in *why. Goes as deep in the stack as groups
 * are nested, which is bounded. */
struct expr_node *expr_parse(
    struct str pattern, bool icase, struct expr_node *nodes, int *err, const char **why);

#endif
