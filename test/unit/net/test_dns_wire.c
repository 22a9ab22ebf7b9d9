/*
 * The DNS wire format: a query byte for byte, answers good and bad, cut at every length.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "net/dns.h"
#include "unit/guard.h"
#include "unit/unit.h"

/* A message under construction; literals with zero bytes in them are added with their sizes. */
struct message {
	unsigned char b[1024];
	size_t n;
};

#define ADD(m, lit) add((m), "" lit, sizeof(lit) - 1)

static void
add(struct message *m, const char *p, size_t n)
{
	assert_true(m->n + n <= sizeof(m->b));
	memcpy(m->b + m->n, p, n);
	m->n += n;
}

/* Header of an answer to 0x1234 with these flags and number of answers, and the question a.example of type A. */
static void
begin(struct message *m, unsigned flags, unsigned answers)
{
	char counts[] = { 0x12, 0x34, (char)(flags >> 8), (char)flags, 0, 1, 0, (char)answers, 0, 0,
		0, 0 };

	m->n = 0;
	add(m, counts, sizeof(counts));
	ADD(m, "\1a\7example\0\0\1\0\1"); /* the name is at 12, "example" at 14 */
}

static int
decode(const struct message *m, struct addr out[DNS_MAX_ADDRS], uint32_t *ttl)
{
	return dns_decode_answer(m->b, m->n, 0x1234, STR("A.Example."), DNS_A, out, ttl);
}

static void
assert_ip(const struct addr *a, const char *text)
{
	char got[ADDR_TEXT_MAX];

	addr_text(a, false, got);
	assert_string_equal(got, text);
	assert_int_equal(addr_port(a), 0);
}

static void
test_query(void **state)
{
	static const char want[] = "\xab\xcd\1\0\0\1\0\0\0\0\0\0\3www\7example\3org\0\0\x1c\0\1";
	unsigned char out[512];

	(void)state;
	assert_int_equal(
	    dns_encode_query(0xabcd, STR("www.example.org"), DNS_AAAA, out), sizeof(want) - 1);
	assert_memory_equal(out, want, sizeof(want) - 1);
	assert_int_equal(
	    dns_encode_query(0xabcd, STR("www.example.org."), DNS_AAAA, out), sizeof(want) - 1);
	assert_memory_equal(out, want, sizeof(want) - 1);
}

static void
test_names_not_to_ask_for(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".a", "a..b", "a b", "a/b", "a\xc3\xa4",
		"a.b..", "*.a" };
	unsigned char out[512];
	char name[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(dns_encode_query(1, str_of(bad[i]), DNS_A, out), ERR_BAD);
	assert_true(dns_encode_query(1, STR("_sip._tcp.a-b.9"), DNS_A, out) > 0);
	memset(name, 'x', sizeof(name));
	assert_true(dns_encode_query(1, str_make(name, 63), DNS_A, out) > 0);
	assert_int_equal(dns_encode_query(1, str_make(name, 64), DNS_A, out), ERR_BAD);
	for (size_t i = 50; i < sizeof(name); i += 50)
		name[i] = '.';
	assert_true(dns_encode_query(1, str_make(name, 253), DNS_A, out) > 0);
	assert_int_equal(dns_encode_query(1, str_make(name, 254), DNS_A, out), ERR_BAD);
}

static void
test_addresses(void **state)
{
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	begin(&m, 0x8180, 3);
	ADD(&m, "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1");  /* 192.0.2.1, 300 s */
	ADD(&m, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\2");  /* 192.0.2.2, 60 s */
	ADD(&m, "\1b\xc0\x0e\0\1\0\1\0\0\0\1\0\4\xc0\0\2\3"); /* b.example's: not asked for */
	assert_int_equal(decode(&m, out, &ttl), 2);
	assert_ip(&out[0], "192.0.2.1");
	assert_ip(&out[1], "192.0.2.2");
	assert_int_equal(ttl, 60);
}

static void
test_ipv6(void **state)
{
	struct message m = { .n = 0 };
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	ADD(&m, "\x12\x34\x81\x80\0\1\0\1\0\0\0\0\1a\0\0\x1c\0\1");
	ADD(&m, "\xc0\x0c\0\x1c\0\1\0\0\0\5\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1");
	assert_int_equal(dns_decode_answer(m.b, m.n, 0x1234, STR("a"), DNS_AAAA, out, &ttl), 1);
	assert_ip(&out[0], "2001:db8::1");
	assert_int_equal(ttl, 5);
}

static void
test_more_than_fit(void **state)
{
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	begin(&m, 0x8180, DNS_MAX_ADDRS + 3);
	for (int i = 0; i < DNS_MAX_ADDRS + 3; i++)
		ADD(&m, "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1");
	assert_int_equal(decode(&m, out, &ttl), DNS_MAX_ADDRS);
}

/* a -> b -> c, c's address first and the aliases in the wrong order. */
static void
test_aliases_in_any_order(void **state)
{
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	begin(&m, 0x8180, 3);
	ADD(&m, "\1C\xc0\x0e\0\1\0\1\0\0\0\x63\0\4\xc0\0\2\x09");
	ADD(&m, "\1b\xc0\x0e\0\5\0\1\0\0\0\x14\0\4\1c\xc0\x0e");
	ADD(&m, "\xc0\x0c\0\5\0\1\0\0\0\x32\0\4\1B\xc0\x0e");
	assert_int_equal(decode(&m, out, &ttl), 1);
	assert_ip(&out[0], "192.0.2.9");
	assert_int_equal(ttl, 20);
}

static void
test_alias_without_address(void **state)
{
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	begin(&m, 0x8180, 1);
	ADD(&m, "\xc0\x0c\0\5\0\1\0\0\0\x32\0\4\1b\xc0\x0e");
	assert_int_equal(decode(&m, out, &ttl), ERR_NOT_FOUND);
}

static void
test_alias_loop(void **state)
{
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	begin(&m, 0x8180, 2);
	ADD(&m, "\xc0\x0c\0\5\0\1\0\0\0\x32\0\4\1b\xc0\x0e");
	ADD(&m, "\1b\xc0\x0e\0\5\0\1\0\0\0\x32\0\2\xc0\x0c");
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
}

static void
test_pointer_loops(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} names[] = {
		{ "\xc0\x1b", 2 },    /* to itself */
		{ "\xc0\x1d", 2 },    /* forwards */
		{ "\1x\xc0\x1b", 4 }, /* to the start of this very run */
		{ "\xff\xff", 2 },    /* beyond the message */
		{ "\x80\x0c", 2 },    /* reserved kind of label */
		{ "\x40\x0c", 2 },    /* reserved kind of label */
	};
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		begin(&m, 0x8180, 1);
		assert_int_equal(m.n, 0x1b);
		add(&m, names[i].p, names[i].n);
		ADD(&m, "\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1");
		assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
	}
}

/* Labels add up beyond 255 bytes by pointing at each other backwards. */
static void
test_name_too_long(void **state)
{
	char label[64];
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;
	size_t last = 12;

	(void)state;
	memset(label, 'l', sizeof(label));
	label[0] = 63;
	begin(&m, 0x8180, 5);
	for (int i = 0; i < 5; i++) {
		char pointer[] = { (char)(0xc0 | last >> 8), (char)last };

		last = m.n;
		add(&m, label, sizeof(label));
		add(&m, pointer, sizeof(pointer));
		ADD(&m, "\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1");
	}
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
	m.b[7] = 3; /* three are still short enough, though of other names */
	assert_int_equal(decode(&m, out, &ttl), ERR_NOT_FOUND);
}

static void
test_not_ours(void **state)
{
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	begin(&m, 0x8180, 1);
	ADD(&m, "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1");
	assert_int_equal(decode(&m, out, &ttl), 1);
	assert_int_equal(
	    dns_decode_answer(m.b, m.n, 0x1235, STR("a.example"), DNS_A, out, &ttl), ERR_BAD);
	assert_int_equal(
	    dns_decode_answer(m.b, m.n, 0x1234, STR("b.example"), DNS_A, out, &ttl), ERR_BAD);
	assert_int_equal(
	    dns_decode_answer(m.b, m.n, 0x1234, STR("a.example"), DNS_AAAA, out, &ttl), ERR_BAD);
	m.b[2] = 0x01; /* a query */
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
	m.b[2] = 0x89; /* another operation */
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
	m.b[2] = 0x81;
	m.b[5] = 2; /* two questions */
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
	m.b[5] = 0;
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
	m.b[5] = 1;
	m.b[26] = 3; /* class of the question */
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
}

static void
test_what_the_server_says(void **state)
{
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	begin(&m, 0x8183, 0);
	assert_int_equal(decode(&m, out, &ttl), ERR_NOT_FOUND);
	begin(&m, 0x8180, 0);
	assert_int_equal(decode(&m, out, &ttl), ERR_NOT_FOUND);
	begin(&m, 0x8182, 0); /* SERVFAIL */
	assert_int_equal(decode(&m, out, &ttl), ERR_DNS);
	begin(&m, 0x8185, 0); /* REFUSED */
	assert_int_equal(decode(&m, out, &ttl), ERR_DNS);
	begin(&m, 0x8380, 0); /* TC */
	assert_int_equal(decode(&m, out, &ttl), ERR_AGAIN);
}

static void
test_wrong_lengths(void **state)
{
	struct message m;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	begin(&m, 0x8180, 1);
	ADD(&m, "\xc0\x0c\0\1\0\1\0\0\0\1\0\3\x7f\0\0"); /* an address of three bytes */
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
	begin(&m, 0x8180, 2);
	/* The alias ends before its data does. */
	ADD(&m, "\xc0\x0c\0\5\0\1\0\0\0\x32\0\5\1b\xc0\x0e\0");
	ADD(&m, "\1b\xc0\x0e\0\1\0\1\0\0\0\x63\0\4\xc0\0\2\x09");
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
	begin(&m, 0x8180, 1);
	/* A dot within a label is not the dot between two. */
	ADD(&m, "\x09"
		"a.example\0\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1");
	assert_int_equal(decode(&m, out, &ttl), ERR_BAD);
}

static void
test_every_cut(void **state)
{
	struct message m;
	struct guard g;
	struct addr out[DNS_MAX_ADDRS];
	uint32_t ttl;

	(void)state;
	guard_init(&g, 1024);
	begin(&m, 0x8180, 2);
	ADD(&m, "\xc0\x0c\0\5\0\1\0\0\0\x32\0\4\1b\xc0\x0e");
	ADD(&m, "\1b\xc0\x0e\0\1\0\1\0\0\0\x63\0\4\xc0\0\2\x09");
	for (size_t n = 0; n <= m.n; n++) {
		struct str cut = guard_tail(&g, str_make(m.b, n));
		int r = dns_decode_answer(
		    (const unsigned char *)cut.p, n, 0x1234, STR("a.example"), DNS_A, out, &ttl);

		assert_int_equal(r, n < m.n ? ERR_BAD : 1);
	}
	guard_fini(&g);
}

static void
test_hosts(void **state)
{
	static const struct str text = STR_INIT("# table\n"
						"127.0.0.1\tlocalhost\n"
						"::1 localhost ip6-localhost\r\n"
						"10.0.0.1  db  DB2.example # db3\n"
						"10.0.0.2 db\n"
						"80 port\n"
						"not-an-address odd\n"
						"10.0.0.3\n"
						"  10.0.0.4 indented\n"
						"10.0.0.5 last");
	struct addr out[DNS_MAX_ADDRS];

	(void)state;
	assert_int_equal(dns_find_in_hosts(text, STR("db"), out), 2);
	assert_ip(&out[0], "10.0.0.1");
	assert_ip(&out[1], "10.0.0.2");
	assert_int_equal(dns_find_in_hosts(text, STR("db2.EXAMPLE."), out), 1);
	assert_int_equal(dns_find_in_hosts(text, STR("localhost"), out), 2);
	assert_ip(&out[0], "127.0.0.1");
	assert_ip(&out[1], "::1");
	assert_int_equal(dns_find_in_hosts(text, STR("indented"), out), 1);
	assert_int_equal(dns_find_in_hosts(text, STR("last"), out), 1);
	assert_int_equal(dns_find_in_hosts(text, STR("db3"), out), ERR_NOT_FOUND);
	assert_int_equal(dns_find_in_hosts(text, STR("port"), out), ERR_NOT_FOUND);
	assert_int_equal(dns_find_in_hosts(text, STR("odd"), out), ERR_NOT_FOUND);
	assert_int_equal(dns_find_in_hosts(text, STR("10.0.0.1"), out), ERR_NOT_FOUND);
	assert_int_equal(dns_find_in_hosts(text, STR(""), out), ERR_NOT_FOUND);
	assert_int_equal(dns_find_in_hosts(STR(""), STR("db"), out), ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_names_not_to_ask_for),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_more_than_fit),
		cmocka_unit_test(test_aliases_in_any_order),
		cmocka_unit_test(test_alias_without_address),
		cmocka_unit_test(test_alias_loop),
		cmocka_unit_test(test_pointer_loops),
		cmocka_unit_test(test_name_too_long),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_what_the_server_says),
		cmocka_unit_test(test_wrong_lengths),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
