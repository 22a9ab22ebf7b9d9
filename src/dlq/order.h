/*
 * A binary heap of entries that know their own places in it: adding and taking out cost O(log n), also from the middle. The store keeps two kinds:
 * what is to be sent again, by when it is due (one a stream), and what goes when there is too much, by who goes first.
 */
#ifndef SLUICE_DLQ_ORDER_H
#define SLUICE_DLQ_ORDER_H

#include "base/base.h"

struct entry;

enum order_kind { ORDER_DUE, ORDER_VICTIM, ORDER_KINDS };

struct order {
	struct entry **at; /* from 1: at[0] is not used */
	uint32_t n, cap;
	enum order_kind kind;
};

void order_init(struct order *o, enum order_kind kind);
void order_fini(struct order *o);
/* Room for n entries, so that order_add cannot fail. 0 or ERR_NOMEM. */
int order_reserve(struct order *o, size_t n);
/* What is in it already is put where it belongs by now. */
void order_add(struct order *o, struct entry *e);
void order_del(struct order *o, struct entry *e); /* harmless where it is not in it */
struct entry *order_first(const struct order *o); /* or NULL */

#endif
