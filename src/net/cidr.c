/*
 * See cidr.h. Prefixes either hold one another or have nothing in common. So one walk over them in
 * order, with a stack of those that the walk is inside of, cuts the address space into stretches
 * that each have one answer; a question is a binary search for its stretch.
 */
#include "net/cidr.h"

#include <netinet/in.h>
#include <stdlib.h>

#define DEPTH_MAX 130 /* prefixes of 0 to 128 bits, one inside the other */

struct cidr_rule {
	struct cidr_rule *next;
	struct cidr net;
	uint32_t value;
	unsigned order;
};

/* From here on up to the next one. */
struct cidr_range {
	uint64_t high, low;
	uint32_t value;
};

struct key {
	uint64_t high, low;
};

static int
key_cmp(uint64_t high, uint64_t low, uint64_t other_high, uint64_t other_low)
{
	if (high != other_high)
		return high < other_high ? -1 : 1;
	return low < other_low ? -1 : low > other_low;
}

/* ---- texts ---- */

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

/* The kind of address, and where it is in its kind's space. */
static int
key_of(const struct addr *a, struct key *out)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->u.storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->u.storage;

	out->high = out->low = 0;
	if (a->u.sa.sa_family == AF_INET) {
		out->low = ntohl(in->sin_addr.s_addr);
		return CIDR_V4;
	}
	if (a->u.sa.sa_family != AF_INET6)
		return CIDR_UNIX;
	out->low = load64(in6->sin6_addr.s6_addr + 8);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		out->low &= UINT32_MAX;
		return CIDR_V4;
	}
	out->high = load64(in6->sin6_addr.s6_addr);
	return CIDR_V6;
}

/* n bits set, from the top of width. */
static uint64_t
mask(unsigned n, unsigned width)
{
	uint64_t all = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;

	return n == 0 ? 0 : n >= width ? all : all & ~(all >> n);
}

static struct key
mask_of(const struct cidr *net)
{
	if (net->kind == CIDR_V4)
		return (struct key){ UINT64_MAX, mask(net->bits, 32) };
	return (struct key){ mask(MIN(net->bits, 64u), 64),
		mask(net->bits > 64 ? net->bits - 64 : 0, 64) };
}

int
cidr_parse(struct str s, struct cidr *out)
{
	struct str rest = s, host = str_split(&rest, '/');
	struct addr a;
	struct key key, m;
	uint64_t bits;
	unsigned most;

	*out = (struct cidr){ .kind = CIDR_UNIX };
	if (str_is(s, "unix:"))
		return 0;
	if (addr_parse_ip(host, 0, &a) < 0)
		return ERR_BAD;
	most = a.u.sa.sa_family == AF_INET ? 32 : 128;
	bits = most;
	if (rest.p && (str_to_u64(rest, &bits) < 0 || bits > most))
		return ERR_BAD;
	out->kind = key_of(&a, &key);
	/* An IPv4 address in IPv6 form, unless more than IPv4 is meant. */
	if (out->kind == CIDR_V4 && most == 128) {
		if (bits < 96)
			return ERR_BAD;
		bits -= 96;
	}
	out->bits = (unsigned)bits;
	m = mask_of(out);
	out->high = key.high & m.high;
	out->low = key.low & m.low;
	out->host_bits = out->high != key.high || out->low != key.low;
	return 0;
}

/* ---- filling ---- */

int
cidr_add(struct cidr_table *t, struct arena *arena, const struct cidr *net, uint32_t value)
{
	struct cidr_rule *r = arena_alloc(arena, sizeof(*r));

	if (!r)
		return ERR_NOMEM;
	*r = (struct cidr_rule){ .net = *net, .value = value, .order = t->n_rules++ };
	if (!t->end)
		t->end = &t->rules;
	*t->end = r;
	t->end = &r->next;
	return 0;
}

/* By where they begin, the ones around before the ones within. */
static int
by_place(const void *x, const void *y)
{
	const struct cidr_rule *a = *(const struct cidr_rule *const *)x;
	const struct cidr_rule *b = *(const struct cidr_rule *const *)y;
	int order = key_cmp(a->net.high, a->net.low, b->net.high, b->net.low);

	if (order == 0)
		order = (a->net.bits > b->net.bits) - (a->net.bits < b->net.bits);
	return order ? order : (a->order > b->order) - (a->order < b->order);
}

/* A prefix that the walk is inside of. */
struct level {
	struct key end; /* its last address */
	unsigned order; /* of the rule that counts here */
	uint32_t value;
};

struct walk {
	struct level stack[DEPTH_MAX];
	unsigned depth;
	struct cidr_range *out;
	unsigned n;
	struct key last; /* of the whole space */
};

/* From there on value holds. */
static void
mark(struct walk *w, uint64_t high, uint64_t low, uint32_t value)
{
	struct cidr_range *r = w->n ? &w->out[w->n - 1] : NULL;

	if (r && r->high == high && r->low == low) {
		r->value = value;
		return;
	}
	if (!r || r->value != value)
		w->out[w->n++] = (struct cidr_range){ high, low, value };
}

static void
leave(struct walk *w)
{
	struct key end = w->stack[--w->depth].end;

	if (key_cmp(end.high, end.low, w->last.high, w->last.low) == 0)
		return;
	end.low++;
	end.high += end.low == 0;
	mark(w, end.high, end.low, w->depth ? w->stack[w->depth - 1].value : CIDR_NONE);
}

static void
enter(struct walk *w, const struct cidr_rule *r, enum cidr_order order)
{
	const struct level *outer = w->depth ? &w->stack[w->depth - 1] : NULL;
	struct level *l = &w->stack[w->depth++];
	struct key m = mask_of(&r->net);

	l->end = (struct key){ r->net.high | (~m.high & w->last.high),
		r->net.low | (~m.low & w->last.low) };
	l->order = r->order;
	l->value = r->value;
	if (order == CIDR_FIRST && outer && outer->order < r->order) {
		l->order = outer->order;
		l->value = outer->value;
	}
	mark(w, r->net.high, r->net.low, l->value);
}

/* Of two rules for one network, next to each other in the order of places, the one that does not
 * count. */
static bool
is_hidden(struct cidr_rule **rules, unsigned i, unsigned n, enum cidr_order order)
{
	unsigned other = order == CIDR_FIRST ? i - 1 : i + 1;

	if (other >= n) /* also for -1 */
		return false;
	return rules[i]->net.bits == rules[other]->net.bits &&
	       rules[i]->net.high == rules[other]->net.high &&
	       rules[i]->net.low == rules[other]->net.low;
}

static void
walk_over(struct walk *w, struct cidr_rule **rules, unsigned n, enum cidr_order order)
{
	for (unsigned i = 0; i < n; i++) {
		const struct cidr *net = &rules[i]->net;

		if (is_hidden(rules, i, n, order))
			continue;
		while (w->depth && key_cmp(w->stack[w->depth - 1].end.high,
				       w->stack[w->depth - 1].end.low, net->high, net->low) < 0)
			leave(w);
		enter(w, rules[i], order);
	}
	while (w->depth)
		leave(w);
}

static int
build(struct arena *arena, struct cidr_rule **rules, unsigned n, struct key last,
    enum cidr_order order, struct cidr_range **out, unsigned *n_out)
{
	struct walk *w = n ? calloc(1, sizeof(*w)) : NULL;

	if (n == 0)
		return 0;
	if (w)
		w->out = arena_alloc(arena, (2 * (size_t)n + 1) * sizeof(*w->out));
	if (!w || !w->out) {
		free(w);
		return ERR_NOMEM;
	}
	w->last = last;
	qsort(rules, n, sizeof(*rules), by_place);
	walk_over(w, rules, n, order);
	*out = w->out;
	*n_out = w->n;
	free(w);
	return 0;
}

static void
note_unix(struct cidr_table *t, const struct cidr_rule *r, enum cidr_order order)
{
	if (!t->has_unix || order == CIDR_LONGEST)
		t->unix_value = r->value;
	t->has_unix = true;
}

int
cidr_finish(struct cidr_table *t, struct arena *arena, enum cidr_order order)
{
	size_t room = (t->n_rules + (size_t)1) * sizeof(struct cidr_rule *);
	struct cidr_rule **v4 = malloc(room), **v6 = malloc(room);
	const struct key last4 = { 0, UINT32_MAX }, last6 = { UINT64_MAX, UINT64_MAX };
	unsigned n4 = 0, n6 = 0;
	int err = ERR_NOMEM;

	t->has_unix = false;
	for (struct cidr_rule *r = v4 && v6 ? t->rules : NULL; r; r = r->next) {
		if (r->net.kind == CIDR_V4)
			v4[n4++] = r;
		else if (r->net.kind == CIDR_V6)
			v6[n6++] = r;
		else
			note_unix(t, r, order);
	}
	if (v4 && v6)
		err = build(arena, v4, n4, last4, order, &t->v4, &t->n_v4);
	if (err == 0)
		err = build(arena, v6, n6, last6, order, &t->v6, &t->n_v6);
	free(v4);
	free(v6);
	return err;
}

/* ---- asking ---- */

/* The stretch that holds the key: the last that begins at or before it. */
static uint32_t
find(const struct cidr_range *r, unsigned n, struct key key)
{
	unsigned low = 0, high = n;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (key_cmp(r[middle].high, r[middle].low, key.high, key.low) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? r[low - 1].value : CIDR_NONE;
}

uint32_t
cidr_find(const struct cidr_table *t, const struct addr *a)
{
	struct key key;

	switch (key_of(a, &key)) {
	case CIDR_V4:
		return find(t->v4, t->n_v4, key);
	case CIDR_V6:
		return find(t->v6, t->n_v6, key);
	default:
		return t->has_unix ? t->unix_value : CIDR_NONE;
	}
}
