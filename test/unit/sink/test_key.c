/* sink/key: rows I-17, I-21 to I-24, I-33 to I-36 and the bounds that stores and file systems
 * set. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "sink/sink.h"
#include "unit/unit.h"

/* 2026-11-22T01:59:59.123456789Z */
#define WHEN INT64_C(1795312799123456789)

static struct buf b;

static int
setup(void **state)
{
	(void)state;
	buf_init(&b, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_fini(&b);
	return 0;
}

static const char *
bundle(const char *prefix, const char *host, unsigned n, const struct id *unique)
{
	buf_reset(&b);
	assert_int_equal(sink_bundle_key(str_of(prefix), WHEN, str_of(host), n, unique, &b), 0);
	return buf_cstr(&b);
}

static const char *
object(const char *prefix, struct str user, struct str uri)
{
	buf_reset(&b);
	assert_int_equal(sink_object_key(str_of(prefix), user, uri, WHEN, &b), 0);
	return buf_cstr(&b);
}

static const char *
alternative(const char *key, unsigned n)
{
	buf_reset(&b);
	assert_int_equal(sink_key_alternative(str_of(key), n, &b), 0);
	return buf_cstr(&b);
}

static void
test_bundle(void **state)
{
	struct id id = { { 0xab, 0xcd } };

	(void)state;
	assert_string_equal(
	    bundle("p/", "host-a", 0, NULL), "p/2026/11/22/01/2026112201.host-a.jsonl.gz");
	assert_string_equal(bundle("", "h", 12, NULL), "2026/11/22/01/2026112201.h.12.jsonl.gz");
	assert_string_equal(
	    bundle("raw", "", 0, NULL), "raw2026/11/22/01/2026112201.unknown.jsonl.gz");
	assert_string_equal(bundle("", "h", 0, &id),
	    "2026/11/22/01/2026112201.h.abcd0000000000000000000000000000.jsonl.gz");
}

static void
test_host(void **state)
{
	char name[256], small[4];

	(void)state;
	sink_host_name(name, sizeof(name));
	assert_true(strlen(name) > 0);
	assert_null(strchr(name, '.'));
	assert_null(strchr(name, '/'));
	sink_host_name(small, sizeof(small));
	assert_true(strlen(small) <= 3);
}

#define DAY "/2026/11/22/"
#define TIME ".1795312799123456789"

static void
test_object(void **state)
{
	(void)state;
	assert_string_equal(object("p/", STR("u1"), STR("https://example.com/a/page one.html")),
	    "p/u1" DAY "page_one" TIME ".html");
	assert_string_equal(object("", STR("u1"), STR("https://example.com/a/b.png?x=1.5/c.d#e")),
	    "u1" DAY "b" TIME ".png");
	assert_string_equal(object("", STR("u1"), STR("https://example.com/a:b&c=d%20e.json")),
	    "u1" DAY "a_b_c_d_20e" TIME ".json");
	assert_string_equal(object("", STR("u1"), STR("https://example.com/shot?id=5&x#y")),
	    "u1" DAY "shot_id_5_x_y" TIME);
	assert_string_equal(object("", STR("u1"), STR("https://example.com/my-screenshot")),
	    "u1" DAY "my-screenshot" TIME ".png");
	assert_string_equal(object("", STR("u1"), STR("https://example.com/screenshot.jpg")),
	    "u1" DAY "screenshot" TIME ".jpg");
	assert_string_equal(
	    object("", STR("u1"), STR("https://example.com")), "u1" DAY "index" TIME);
	assert_string_equal(
	    object("", STR("u1"), STR("https://example.com/")), "u1" DAY "index" TIME);
	assert_string_equal(
	    object("", STR("u1"), STR("name.tar.gz")), "u1" DAY "name.tar" TIME ".gz");
	assert_string_equal(object("", STR("u1"), STR("v1.2 beta")), "u1" DAY "v1.2_beta" TIME);
	assert_string_equal(object("", STR("u1"), STR("\xe7\x94\xbb\xe5\x83\x8f.png")),
	    "u1" DAY "\xe7\x94\xbb\xe5\x83\x8f" TIME ".png");
	assert_string_equal(
	    object("", STR("u1"), STR("a\xff\x01\xc2\x85z")), "u1" DAY "a___z" TIME);
	assert_string_equal(object("", STR("u1"), STR("..")), "u1" DAY "_." TIME);
	assert_string_equal(object("", STR("u1"), STR("a\\b\0c")), "u1" DAY "a_b_c" TIME);
}

static void
test_user(void **state)
{
	(void)state;
	assert_string_equal(object("", STR("../../x"), STR("a")), "%2E.%2F..%2Fx" DAY "a" TIME);
	assert_string_equal(object("", STR(".."), STR("a")), "%2E." DAY "a" TIME);
	assert_string_equal(object("", STR("."), STR("a")), "%2E" DAY "a" TIME);
	assert_string_equal(object("", STR("a/b\\c"), STR("a")), "a%2Fb%5Cc" DAY "a" TIME);
	assert_string_equal(object("", STR("a\0b\n"), STR("a")), "a%00b%0A" DAY "a" TIME);
	assert_string_equal(object("", STR("a%2Fb"), STR("a")), "a%252Fb" DAY "a" TIME);
	assert_string_equal(object("", STR("Joe@x.org"), STR("a")), "Joe@x.org" DAY "a" TIME);
	assert_string_equal(object("", STR(""), STR("a")), "unknown" DAY "a" TIME);
}

/* No key is longer than S3 takes, no segment than a file name, whatever comes; two long users
 * stay two. */
static void
test_bounds(void **state)
{
	static char user[65535], uri[8192], prefix[513];
	char *first;

	(void)state;
	for (int fill = 0; fill < 4; fill++) {
		memset(user, "a/.\xe9"[fill], sizeof(user));
		memset(uri, "a.%\xe9"[fill], sizeof(uri));
		for (size_t i = 0; i < sizeof(prefix) - 1; i++)
			prefix[i] = "p/"[i % 2];
		prefix[sizeof(prefix) - 1] = '\0';
		object(prefix, str_make(user, sizeof(user)), str_make(uri, sizeof(uri)));
		assert_true(b.n + 64 <= 1024);
		for (struct str rest = buf_str(&b); rest.p;)
			assert_true(str_split(&rest, '/').n <= 255 - 16);
		assert_true(utf8_valid(buf_str(&b)));
		first = strdup(buf_cstr(&b));
		user[sizeof(user) - 1] ^= 1;
		object(prefix, str_make(user, sizeof(user)), str_make(uri, sizeof(uri)));
		assert_string_not_equal(first, buf_cstr(&b));
		free(first);
	}
}

/* Cut within no UTF-8 sequence. */
static void
test_cut_at_character(void **state)
{
	char uri[600];

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		memset(uri, 'x', shift);
		for (size_t i = shift; i + 3 <= sizeof(uri); i += 3)
			memcpy(uri + i, "\xe7\x94\xbb", 3);
		object("", STR("u"), str_make(uri, sizeof(uri) - 3));
		assert_true(utf8_valid(buf_str(&b)));
	}
}

static void
test_alternative(void **state)
{
	(void)state;
	assert_string_equal(alternative("p/2026112201.h.jsonl.gz", 3), "p/2026112201.h.3.jsonl.gz");
	assert_string_equal(alternative("u" DAY "a" TIME ".png", 1), "u" DAY "a" TIME ".1.png");
	assert_string_equal(alternative("u" DAY "a" TIME ".001", 1), "u" DAY "a" TIME ".1.001");
	assert_string_equal(alternative("u" DAY "a" TIME, 2), "u" DAY "a" TIME ".2");
	assert_string_equal(alternative("u.v/a", 2), "u.v/a.2");
	assert_string_equal(alternative("a.png", 0), "a.png");
}

static void
test_content_type(void **state)
{
	(void)state;
	assert_string_equal(sink_content_type(STR("png")), "image/png");
	assert_string_equal(sink_content_type(STR("a/b.JPG")), "image/jpeg");
	assert_string_equal(sink_content_type(STR("a.jpeg")), "image/jpeg");
	assert_string_equal(sink_content_type(STR("gif")), "image/gif");
	assert_string_equal(sink_content_type(STR("json")), "application/json");
	assert_string_equal(sink_content_type(STR("log")), "text/plain");
	assert_string_equal(sink_content_type(STR("txt")), "text/plain");
	assert_string_equal(sink_content_type(STR("html")), "text/html");
	assert_string_equal(sink_content_type(STR("xml")), "application/xml");
	assert_string_equal(sink_content_type(STR("2026112201.h.jsonl.gz")), "application/gzip");
	assert_string_equal(sink_content_type(STR("a.123")), "application/octet-stream");
	assert_string_equal(sink_content_type(STR("")), "application/octet-stream");
}

/* Any bytes come back by percent-decoding. */
static void
test_uri_encoding(void **state)
{
	char all[256];
	size_t at = 0;

	(void)state;
	sink_put_uri(STR("https://e.com/a b?x=%20&y=\r\n\xff"), &b);
	assert_string_equal(buf_cstr(&b), "https://e.com/a%20b?x=%2520&y=%0D%0A%FF");
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	buf_reset(&b);
	sink_put_uri(str_make(all, sizeof(all)), &b);
	for (int i = 0; i < 256; i++) {
		if (b.p[at] == '%') {
			char hex[3] = { b.p[at + 1], b.p[at + 2], 0 };

			assert_int_equal(strtol(hex, NULL, 16), i);
			at += 3;
		} else {
			assert_int_equal(b.p[at], i);
			assert_true(b.p[at] > ' ' && b.p[at] < 127);
			at++;
		}
	}
	assert_int_equal(at, b.n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bundle, setup, teardown),
		cmocka_unit_test(test_host),
		cmocka_unit_test_setup_teardown(test_object, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_at_character, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alternative, setup, teardown),
		cmocka_unit_test(test_content_type),
		cmocka_unit_test_setup_teardown(test_uri_encoding, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
