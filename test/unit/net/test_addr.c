/*
 * Addresses as text and back.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

#include "net/addr.h"
#include "unit/guard.h"
#include "unit/unit.h"

static const struct {
	const char *text;
	uint16_t default_port;
	const char *with_port, *without; /* NULL: refused */
} parse_cases[] = {
	{ "127.0.0.1:80", 0, "127.0.0.1:80", "127.0.0.1" },
	{ "127.0.0.1", 53, "127.0.0.1:53", "127.0.0.1" },
	{ "127.0.0.1", 0, NULL, NULL },
	{ "0.0.0.0:65535", 0, "0.0.0.0:65535", "0.0.0.0" },
	{ "*:8080", 0, "0.0.0.0:8080", "0.0.0.0" },
	{ "*", 80, "0.0.0.0:80", "0.0.0.0" },
	{ "8080", 0, "0.0.0.0:8080", "0.0.0.0" },
	{ "8080", 9, "0.0.0.0:8080", "0.0.0.0" },
	{ "[::1]:443", 0, "[::1]:443", "::1" },
	{ "[::]:80", 0, "[::]:80", "::" },
	{ "[2001:db8::1]", 53, "[2001:db8::1]:53", "2001:db8::1" },
	{ "2001:DB8::1", 53, "[2001:db8::1]:53", "2001:db8::1" },
	{ "::ffff:1.2.3.4", 1, "[::ffff:1.2.3.4]:1", "::ffff:1.2.3.4" },
	{ "unix:/run/x.sock", 0, "unix:/run/x.sock", "unix:" },
	{ "unix:x", 80, "unix:x", "unix:" },
	{ "unix:", 0, NULL, NULL },
	{ "", 80, NULL, NULL },
	{ ":80", 0, NULL, NULL },
	{ "0", 0, NULL, NULL },
	{ "65536", 0, NULL, NULL },
	{ "000080", 0, NULL, NULL },
	{ "127.0.0.1:", 80, NULL, NULL },
	{ "127.0.0.1:0", 80, NULL, NULL },
	{ "127.0.0.1:65536", 0, NULL, NULL },
	{ "127.0.0.1:8o", 0, NULL, NULL },
	{ "127.0.0.1:+80", 0, NULL, NULL },
	{ "127.0.0.256:80", 0, NULL, NULL },
	{ "127.1:80", 0, NULL, NULL },
	{ "localhost:80", 0, NULL, NULL },
	{ "[::1]", 0, NULL, NULL },
	{ "[::1]80", 0, NULL, NULL },
	{ "[::1]:", 0, NULL, NULL },
	{ "[::1:80", 0, NULL, NULL },
	{ "[]:80", 0, NULL, NULL },
	{ "[127.0.0.1]:80", 0, NULL, NULL },
	{ "::1:80:", 0, NULL, NULL },
	{ "1:2:3:4:5:6:7:8:9", 80, NULL, NULL },
};

static void
test_parse(void **state)
{
	struct guard g;

	(void)state;
	guard_init(&g, 4096);
	for (size_t i = 0; i < ARRAY_LEN(parse_cases); i++) {
		struct addr a;
		char text[ADDR_TEXT_MAX];
		int r = addr_parse(
		    guard_tail(&g, str_of(parse_cases[i].text)), parse_cases[i].default_port, &a);

		if (parse_cases[i].with_port == NULL) {
			if (r != ERR_BAD)
				fail_msg("taken: %s", parse_cases[i].text);
			continue;
		}
		if (r != 0)
			fail_msg("refused: %s", parse_cases[i].text);
		addr_text(&a, true, text);
		assert_string_equal(text, parse_cases[i].with_port);
		addr_text(&a, false, text);
		assert_string_equal(text, parse_cases[i].without);
	}
	guard_fini(&g);
}

static void
test_long_paths(void **state)
{
	struct sockaddr_un un;
	char path[5 + sizeof(un.sun_path) + 1], text[ADDR_TEXT_MAX];
	struct addr a;

	(void)state;
	memset(path, 'p', sizeof(path));
	memcpy(path, "unix:", 5);
	/* One byte of sun_path is for the zero byte. */
	assert_int_equal(addr_parse(str_make(path, 5 + sizeof(un.sun_path) - 1), 0, &a), 0);
	addr_text(&a, true, text);
	assert_memory_equal(text, path, 5 + sizeof(un.sun_path) - 1);
	assert_int_equal(strlen(text), 5 + sizeof(un.sun_path) - 1);
	assert_int_equal(addr_parse(str_make(path, 5 + sizeof(un.sun_path)), 0, &a), ERR_BAD);
	assert_int_equal(addr_parse(STR("unix:/a\0b"), 0, &a), ERR_BAD);
}

static void
test_parse_ip(void **state)
{
	struct addr a;
	char text[ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(addr_parse_ip(STR("[::1]"), 5, &a), 0);
	addr_text(&a, true, text);
	assert_string_equal(text, "[::1]:5");
	assert_int_equal(addr_parse_ip(STR("::1"), 0, &a), 0);
	assert_int_equal(addr_parse_ip(STR("10.0.0.1"), 7, &a), 0);
	assert_int_equal(addr_port(&a), 7);
	/* A port or a star is no address, whatever `listen` makes of it. */
	assert_int_equal(addr_parse_ip(STR("80"), 0, &a), ERR_BAD);
	assert_int_equal(addr_parse_ip(STR("*"), 0, &a), ERR_BAD);
	assert_int_equal(addr_parse_ip(STR(""), 0, &a), ERR_BAD);
	assert_int_equal(addr_parse_ip(STR("[]"), 0, &a), ERR_BAD);
	assert_int_equal(addr_parse_ip(STR("[10.0.0.1]"), 0, &a), ERR_BAD);
	assert_int_equal(addr_parse_ip(STR("10.0.0.1:80"), 0, &a), ERR_BAD);
	assert_int_equal(addr_parse_ip(STR("host"), 0, &a), ERR_BAD);
}

static const struct {
	const char *text, *host; /* host NULL: refused */
	uint16_t port;           /* 7: left as it was */
} split_cases[] = {
	{ "host", "host", 7 },
	{ "host:1", "host", 1 },
	{ "a.b.example:65535", "a.b.example", 65535 },
	{ "10.0.0.1:80", "10.0.0.1", 80 },
	{ "[::1]", "::1", 7 },
	{ "[::1]:443", "::1", 443 },
	{ "::1", "::1", 7 },
	{ "unix:/a:b", "unix:/a:b", 7 },
	{ "", NULL, 0 },
	{ ":1", NULL, 0 },
	{ "host:", NULL, 0 },
	{ "host:0", NULL, 0 },
	{ "host:65536", NULL, 0 },
	{ "host:x", NULL, 0 },
	{ "host:-1", NULL, 0 },
	{ "[::1", NULL, 0 },
	{ "[::1]x", NULL, 0 },
	{ "[]", NULL, 0 },
	{ "unix:", NULL, 0 },
};

static void
test_split(void **state)
{
	struct guard g;

	(void)state;
	guard_init(&g, 4096);
	for (size_t i = 0; i < ARRAY_LEN(split_cases); i++) {
		struct str host;
		uint16_t port = 7;
		int r = addr_split(guard_tail(&g, str_of(split_cases[i].text)), &host, &port);

		if (split_cases[i].host == NULL) {
			if (r != ERR_BAD)
				fail_msg("taken: %s", split_cases[i].text);
			continue;
		}
		if (r != 0 || !str_is(host, split_cases[i].host) || port != split_cases[i].port)
			fail_msg(
			    "wrong: %s: %d %.*s %u", split_cases[i].text, r, STR_ARG(host), port);
	}
	guard_fini(&g);
}

static struct addr
make(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_of(text), 0, &a), 0);
	return a;
}

static void
test_equality_and_ports(void **state)
{
	static const char *const texts[] = { "127.0.0.1:80", "127.0.0.1:81", "127.0.0.2:80",
		"[::1]:80", "[::1]:81", "[::2]:80", "unix:/a", "unix:/ab", "unix:/b" };
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			struct addr x = make(texts[i]), y = make(texts[k]);

			assert_int_equal(addr_eq(&x, &y), i == k);
		}
	}
	a = make("[::1]:80");
	addr_set_port(&a, 443);
	assert_int_equal(addr_port(&a), 443);
	a = make("unix:/a");
	addr_set_port(&a, 443);
	assert_int_equal(addr_port(&a), 0);
}

static void
test_unbound_unix_peer(void **state)
{
	struct addr a = { .len = sizeof(sa_family_t) };
	char text[ADDR_TEXT_MAX];

	(void)state;
	a.u.sa.sa_family = AF_UNIX;
	addr_text(&a, true, text);
	assert_string_equal(text, "unix:");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_long_paths),
		cmocka_unit_test(test_parse_ip),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_equality_and_ports),
		cmocka_unit_test(test_unbound_unix_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
