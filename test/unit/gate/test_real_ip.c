/*
 * Whom the header of a trusted proxy names, case by case.
 */
#include "gate/real_ip.h"
#include "unit/unit.h"

static const char *const trusted_nets[] = { "10.0.0.0/8", "2001:db8::/32", "unix:" };

static const struct {
	const char *peer, *list;
	bool recursive;
	const char *address; /* what comes out */
	bool more;
} cases[] = {
	/* nobody trusts the peer: its list is nothing */
	{ "192.0.2.9", "198.51.100.1", false, "192.0.2.9:1", false },
	{ "192.0.2.9", "198.51.100.1", true, "192.0.2.9:1", false },
	/* the last address, or the last that is not trusted */
	{ "10.0.0.1", "198.51.100.1", false, "198.51.100.1:0", false },
	{ "10.0.0.1", "1.1.1.1, 198.51.100.1", false, "198.51.100.1:0", false },
	{ "10.0.0.1", "1.1.1.1,10.0.0.2", false, "10.0.0.2:0", false },
	{ "10.0.0.1", "1.1.1.1,10.0.0.2", true, "1.1.1.1:0", false },
	{ "10.0.0.1", "1.1.1.1, 2.2.2.2, 10.0.0.3 ,10.0.0.2", true, "2.2.2.2:0", false },
	{ "10.0.0.1", "10.0.0.3, 10.0.0.2", true, "10.0.0.3:0", true },
	/* forms */
	{ "10.0.0.1", "2001:db9::1", false, "[2001:db9::1]:0", false },
	{ "10.0.0.1", "[2001:db9::1]:443", false, "[2001:db9::1]:443", false },
	{ "10.0.0.1", "192.0.2.1:8080", false, "192.0.2.1:8080", false },
	{ "2001:db8::1", "192.0.2.1", false, "192.0.2.1:0", false },
	{ "unix:", "192.0.2.1", false, "192.0.2.1:0", false },
	{ "10.0.0.1", "192.0.2.1, , ,", false, "192.0.2.1:0", false },
	{ "10.0.0.1", "\t192.0.2.1\t", false, "192.0.2.1:0", false },
	/* what is no address ends the reading */
	{ "10.0.0.1", "", false, "10.0.0.1:1", true },
	{ "10.0.0.1", " , ", true, "10.0.0.1:1", true },
	{ "10.0.0.1", "unknown", true, "10.0.0.1:1", false },
	{ "10.0.0.1", "1.2.3.4, garbage, 10.0.0.2", true, "10.0.0.2:0", false },
	{ "10.0.0.1", "192.0.2.1:99999", false, "10.0.0.1:1", false },
	{ "10.0.0.1", "192.0.2.256", false, "10.0.0.1:1", false },
	{ "10.0.0.1", "unix:/x", false, "10.0.0.1:1", false },
	{ "10.0.0.1", "192.0.2.1;", false, "10.0.0.1:1", false },
	{ "10.0.0.1", "\"192.0.2.1\"", false, "10.0.0.1:1", false },
	{ "10.0.0.1", "for=192.0.2.1", false, "10.0.0.1:1", false },
	{ "10.0.0.1", "1.1.1.1, 192.0.2.1\xff", false, "10.0.0.1:1", false },
};

static void
reads_lists(void **state)
{
	struct cidr_table trusted = { 0 };
	struct arena arena;
	struct cidr net;

	(void)state;
	arena_init(&arena, 0);
	for (size_t i = 0; i < ARRAY_LEN(trusted_nets); i++) {
		assert_int_equal(cidr_parse(str_of(trusted_nets[i]), &net), 0);
		assert_int_equal(cidr_add(&trusted, &arena, &net, 1), 0);
	}
	assert_int_equal(cidr_finish(&trusted, &arena, CIDR_FIRST), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a;
		char text[ADDR_TEXT_MAX];
		bool more;

		if (str_is(str_of(cases[i].peer), "unix:"))
			assert_int_equal(addr_parse(STR("unix:/x"), 0, &a), 0);
		else
			assert_int_equal(addr_parse_ip(str_of(cases[i].peer), 1, &a), 0);
		more = real_ip_read(str_of(cases[i].list), &trusted, cases[i].recursive, &a);
		addr_text(&a, true, text);
		if (strcmp(text, cases[i].address) != 0 || more != cases[i].more)
			fail_msg(
			    "%zu: %s \"%s\": %s %d", i, cases[i].peer, cases[i].list, text, more);
	}
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
