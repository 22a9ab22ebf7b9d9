/*
 * Doubly linked list through a member of the caller's struct. An unlinked node points to itself,
 * so list_del() on it is harmless.
 */
#ifndef SLUICE_BASE_LIST_H
#define SLUICE_BASE_LIST_H

#include "base/base.h"

struct list {
	struct list *next, *prev;
};

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_insert(struct list *before, struct list *node)
{
	node->prev = before->prev;
	node->next = before;
	before->prev->next = node;
	before->prev = node;
}

/* At the end of the list whose head is l. */
static inline void
list_push(struct list *l, struct list *node)
{
	list_insert(l, node);
}

static inline void
list_push_front(struct list *l, struct list *node)
{
	list_insert(l->next, node);
}

static inline void
list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = node;
}

/* The first node, unlinked, or NULL. */
static inline struct list *
list_pop(struct list *l)
{
	struct list *node = l->next;

	if (node == l)
		return NULL;
	list_del(node);
	return node;
}

#define LIST_FOREACH(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)
/* pos may be unlinked or freed in the body. */
#define LIST_FOREACH_SAFE(pos, tmp, head)                                \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head); \
	     (pos) = (tmp), (tmp) = (pos)->next)

#endif
