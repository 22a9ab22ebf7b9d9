/*
 * Networks as text, and tables of them held against the plain way: ask every rule.
 */
#include "net/cidr.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/unit.h"

static const struct {
	const char *text;
	int err;
	unsigned bits;
	uint64_t high, low;
	bool host_bits;
} texts[] = {
	{ "10.0.0.0/8", 0, 8, 0, 0x0a000000, false },
	{ "10.1.2.3/8", 0, 8, 0, 0x0a000000, true },
	{ "192.0.2.1", 0, 32, 0, 0xc0000201, false },
	{ "0.0.0.0/0", 0, 0, 0, 0, false },
	{ "::/0", 0, 0, 0, 0, false },
	{ "2001:db8::/32", 0, 32, UINT64_C(0x20010db800000000), 0, false },
	{ "2001:db8::1/32", 0, 32, UINT64_C(0x20010db800000000), 0, true },
	{ "2001:db8::1", 0, 128, UINT64_C(0x20010db800000000), 1, false },
	{ "[::1]", 0, 128, 0, 1, false },
	{ "2001:db8:0:1:8000::/65", 0, 65, UINT64_C(0x20010db800000001),
	    UINT64_C(0x8000000000000000), false },
	{ "::ffff:192.0.2.0/120", 0, 24, 0, 0xc0000200, false },
	{ "::ffff:192.0.2.0/80", ERR_BAD, 0, 0, 0, false },
	{ "10.0.0.0/33", ERR_BAD, 0, 0, 0, false },
	{ "::/129", ERR_BAD, 0, 0, 0, false },
	{ "10.0.0.0/", ERR_BAD, 0, 0, 0, false },
	{ "10.0.0.0/8/8", ERR_BAD, 0, 0, 0, false },
	{ "10.0.0.0/-1", ERR_BAD, 0, 0, 0, false },
	{ "10.0.0", ERR_BAD, 0, 0, 0, false },
	{ "localhost", ERR_BAD, 0, 0, 0, false },
	{ "10.0.0.0:80", ERR_BAD, 0, 0, 0, false },
	{ "", ERR_BAD, 0, 0, 0, false },
	{ "/8", ERR_BAD, 0, 0, 0, false },
};

static void
reads_texts(void **state)
{
	struct cidr c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (cidr_parse(str_of(texts[i].text), &c) != texts[i].err)
			fail_msg("%s", texts[i].text);
		if (texts[i].err)
			continue;
		if (c.bits != texts[i].bits || c.high != texts[i].high || c.low != texts[i].low ||
		    c.host_bits != texts[i].host_bits)
			fail_msg("%s: %u %llx %llx", texts[i].text, c.bits,
			    (unsigned long long)c.high, (unsigned long long)c.low);
	}
	assert_int_equal(cidr_parse(STR("unix:"), &c), 0);
	assert_int_equal(c.kind, CIDR_UNIX);
}

static uint32_t
ask(const struct cidr_table *t, const char *text)
{
	struct addr a;

	if (str_is(str_of(text), "unix:"))
		assert_int_equal(addr_parse(STR("unix:/x"), 0, &a), 0);
	else
		assert_int_equal(addr_parse_ip(str_of(text), 80, &a), 0);
	return cidr_find(t, &a);
}

static void
fill(struct cidr_table *t, struct arena *arena, const char *const *nets, enum cidr_order order)
{
	struct cidr c;

	*t = (struct cidr_table){ 0 };
	for (uint32_t i = 0; nets[i]; i++) {
		assert_int_equal(cidr_parse(str_of(nets[i]), &c), 0);
		assert_int_equal(cidr_add(t, arena, &c, i), 0);
	}
	assert_int_equal(cidr_finish(t, arena, order), 0);
}

static void
first_or_longest(void **state)
{
	static const char *const nets[] = { "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "10.1.2.3",
		"::1", "2001:db8::/32", "10.0.0.0/8", "unix:", "unix:", NULL };
	struct cidr_table t = { 0 };
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	assert_int_equal(ask(&t, "10.0.0.1"), CIDR_NONE);
	assert_int_equal(ask(&t, "unix:"), CIDR_NONE);
	fill(&t, &arena, nets, CIDR_FIRST);
	assert_int_equal(ask(&t, "10.0.0.0"), 0);
	assert_int_equal(ask(&t, "10.1.2.3"), 0);
	assert_int_equal(ask(&t, "9.255.255.255"), CIDR_NONE);
	assert_int_equal(ask(&t, "10.255.255.255"), 0);
	assert_int_equal(ask(&t, "11.0.0.0"), CIDR_NONE);
	assert_int_equal(ask(&t, "::1"), 4);
	assert_int_equal(ask(&t, "::2"), CIDR_NONE);
	assert_int_equal(ask(&t, "::"), CIDR_NONE);
	assert_int_equal(ask(&t, "::ffff:10.1.2.3"), 0);
	assert_int_equal(ask(&t, "2001:db8:ffff::"), 5);
	assert_int_equal(ask(&t, "unix:"), 7);
	fill(&t, &arena, nets, CIDR_LONGEST);
	assert_int_equal(ask(&t, "10.0.0.0"), 6);
	assert_int_equal(ask(&t, "10.1.0.0"), 1);
	assert_int_equal(ask(&t, "10.1.2.2"), 1);
	assert_int_equal(ask(&t, "10.1.2.3"), 3);
	assert_int_equal(ask(&t, "10.1.2.4"), 1);
	assert_int_equal(ask(&t, "10.2.0.0"), 6);
	assert_int_equal(ask(&t, "unix:"), 8);
	arena_fini(&arena);
}

/* Everything, and the ends of the space. */
static void
whole_space(void **state)
{
	static const char *const nets[] = { "255.255.255.255", "0.0.0.0/0", "::/0",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL };
	struct cidr_table t;
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	fill(&t, &arena, nets, CIDR_LONGEST);
	assert_int_equal(ask(&t, "0.0.0.0"), 1);
	assert_int_equal(ask(&t, "255.255.255.254"), 1);
	assert_int_equal(ask(&t, "255.255.255.255"), 0);
	assert_int_equal(ask(&t, "::"), 2);
	assert_int_equal(ask(&t, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 3);
	assert_int_equal(ask(&t, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), 2);
	assert_int_equal(ask(&t, "unix:"), CIDR_NONE);
	arena_fini(&arena);
}

/* ---- against the plain way ---- */

#define RULES 200

static struct cidr rules[RULES];

static bool
holds(const struct cidr *net, uint64_t high, uint64_t low)
{
	unsigned width = net->kind == CIDR_V4 ? 32 : 128;

	for (unsigned i = 0; i < net->bits; i++) {
		unsigned bit = width - 1 - i;
		uint64_t x = bit >= 64 ? high ^ net->high : low ^ net->low;

		if (x >> (bit % 64) & 1)
			return false;
	}
	return true;
}

static uint32_t
plainly(int kind, uint64_t high, uint64_t low, enum cidr_order order)
{
	uint32_t best = CIDR_NONE;

	for (uint32_t i = 0; i < RULES; i++) {
		if ((int)rules[i].kind != kind || !holds(&rules[i], high, low))
			continue;
		if (best == CIDR_NONE)
			best = i;
		else if (order == CIDR_LONGEST && rules[i].bits >= rules[best].bits)
			best = i;
	}
	return best;
}

/* Few different bits, so that rules meet. */
static uint64_t
some_bits(void)
{
	uint64_t v =
	    (uint64_t)(rand() & 3) << 62 | (uint64_t)(rand() & 7) << 29 | (uint64_t)(rand() & 0xff);

	return v;
}

static void
make_rules(struct cidr_table *t, struct arena *arena)
{
	for (uint32_t i = 0; i < RULES; i++) {
		struct cidr *c = &rules[i];
		char text[100];
		bool v4 = rand() & 1;
		uint64_t high = some_bits(), low = some_bits();

		if (v4)
			snprintf(text, sizeof(text), "%u.%u.%u.%u/%d", (unsigned)(low >> 24 & 255),
			    (unsigned)(low >> 16 & 255), (unsigned)(low >> 8 & 255),
			    (unsigned)(low & 255), rand() % 33);
		else
			snprintf(text, sizeof(text), "%x:%x:%x:%x:%x:%x:%x:%x/%d",
			    (unsigned)(high >> 48), (unsigned)(high >> 32 & 0xffff),
			    (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff),
			    (unsigned)(low >> 48), (unsigned)(low >> 32 & 0xffff),
			    (unsigned)(low >> 16 & 0xffff), (unsigned)(low & 0xffff), rand() % 129);
		assert_int_equal(cidr_parse(str_of(text), c), 0);
		assert_int_equal(cidr_add(t, arena, c, i), 0);
	}
}

static void
as_every_rule_asked(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		enum cidr_order order = round & 1 ? CIDR_LONGEST : CIDR_FIRST;
		struct cidr_table t = { 0 };
		struct arena arena;

		srand(round);
		arena_init(&arena, 0);
		make_rules(&t, &arena);
		assert_int_equal(cidr_finish(&t, &arena, order), 0);
		for (unsigned i = 0; i < 500; i++) {
			struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
			struct sockaddr_in in = { .sin_family = AF_INET };
			uint64_t high = some_bits(), low = some_bits();
			struct addr a = { .len = sizeof(in6) };

			for (unsigned b = 0; b < 8; b++) {
				in6.sin6_addr.s6_addr[b] = (uint8_t)(high >> (56 - 8 * b));
				in6.sin6_addr.s6_addr[8 + b] = (uint8_t)(low >> (56 - 8 * b));
			}
			memcpy(&a.u, &in6, sizeof(in6));
			assert_int_equal(cidr_find(&t, &a), plainly(CIDR_V6, high, low, order));
			in.sin_addr.s_addr = htonl((uint32_t)low);
			memcpy(&a.u, &in, sizeof(in));
			assert_int_equal(
			    cidr_find(&t, &a), plainly(CIDR_V4, 0, (uint32_t)low, order));
		}
		arena_fini(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_texts),
		cmocka_unit_test(first_or_longest),
		cmocka_unit_test(whole_space),
		cmocka_unit_test(as_every_rule_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
