/*
 * Networks, and tables of them: which of some networks is an address in? Used by set_real_ip_from,
 * allow and deny, geo, bypass of rate limits.
 *
 * A table is filled while the configuration is read, finished once, and then asked in O(log n) with
 * no more than a few cache lines touched. An IPv6 address that stands for an IPv4 one
 * (::ffff:192.0.2.1) counts as that, in rules and in questions.
 */
#ifndef SLUICE_NET_CIDR_H
#define SLUICE_NET_CIDR_H

#include "base/arena.h"
#include "net/addr.h"

struct cidr {
	enum { CIDR_V4, CIDR_V6, CIDR_UNIX } kind;
	unsigned bits;      /* of the prefix, within its kind: up to 32 or 128 */
	uint64_t high, low; /* the network; of IPv4 the low 32 bits */
	bool host_bits;     /* the text had bits set behind the prefix; they are cleared here */
};

/* "192.0.2.0/24", "192.0.2.1", "2001:db8::/32", "::1", "unix:". 0 or ERR_BAD. */
int cidr_parse(struct str s, struct cidr *out);

struct cidr_rule;
struct cidr_range;

/* Zeroed is empty. */
struct cidr_table {
	struct cidr_rule *rules, **end; /* until it is finished */
	struct cidr_range *v4, *v6;     /* sorted, disjoint */
	unsigned n_rules, n_v4, n_v6;
	bool has_unix;
	uint32_t unix_value;
};

#define CIDR_NONE UINT32_MAX /* no value */

/* One more rule; memory is the arena's, which outlives the table. 0 or ERR_NOMEM. */
int cidr_add(struct cidr_table *t, struct arena *arena, const struct cidr *net, uint32_t value);
/* Where networks hold one another: the rule added first counts (as allow and deny have it), or the
 * one with the longest prefix, of equal ones the last added (as geo has it). 0 or ERR_NOMEM. */
enum cidr_order { CIDR_FIRST, CIDR_LONGEST };
int cidr_finish(struct cidr_table *t, struct arena *arena, enum cidr_order order);
/* The value of the rule that counts for a; CIDR_NONE: no rule does. */
uint32_t cidr_find(const struct cidr_table *t, const struct addr *a);

#endif
