/*
 * The JSON checker: the cases of json_cases.h whole, at every split point and byte by byte, against
 * unreadable pages; the one-line copy; depth; random damage against a plain second opinion.
 */
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "unit/base/json_cases.h"
#include "unit/guard.h"
#include "unit/unit.h"

static struct guard guard;

/* Feeds s in pieces cut at a and b, each placed against an unreadable page: the offset of the bad
 * byte, or -1. */
static int64_t
check_in_pieces(struct str s, size_t a, size_t b)
{
	const struct str pieces[3] = { str_sub(s, 0, a), str_sub(s, a, b - a), str_from(s, b) };
	struct json_check c;

	json_check_init(&c);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct str piece =
		    i % 2 ? guard_front(&guard, pieces[i]) : guard_tail(&guard, pieces[i]);

		if (json_check_feed(&c, piece.p, piece.n))
			return (int64_t)c.offset;
	}
	return json_check_end(&c) ? (int64_t)c.offset : -1;
}

static int64_t
check_by_bytes(struct str s)
{
	struct json_check c;

	json_check_init(&c);
	for (size_t i = 0; i < s.n; i++) {
		if (json_check_feed(&c, s.p + i, 1)) {
			/* It stays bad, and where it was. */
			assert_int_equal(json_check_feed(&c, "1", 1), ERR_BAD);
			assert_int_equal(json_check_feed(&c, NULL, 0), ERR_BAD);
			assert_int_equal(json_check_end(&c), ERR_BAD);
			return (int64_t)c.offset;
		}
		assert_int_equal(c.offset, i + 1);
	}
	return json_check_end(&c) ? (int64_t)c.offset : -1;
}

static void
cases_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(json_cases); i++) {
		const struct json_case *t = &json_cases[i];
		int64_t whole = check_in_pieces(t->text, t->text.n, t->text.n);

		if (whole != t->bad_at)
			fail_msg("%s: bad at %jd, not %jd", t->name, (intmax_t)whole,
			    (intmax_t)t->bad_at);
		assert_int_equal(check_by_bytes(t->text), t->bad_at);
		for (size_t a = 0; a <= t->text.n; a++) {
			for (size_t b = a; b <= t->text.n; b++)
				assert_int_equal(check_in_pieces(t->text, a, b), t->bad_at);
		}
	}
}

/* A long string with one odd byte at any place, so that it meets every lane of the eight-byte
 * scan. */
static void
odd_bytes_in_every_lane(void **state)
{
	char text[42];

	(void)state;
	for (int odd = 0; odd < 256; odd++) {
		for (size_t at = 1; at < sizeof(text) - 1; at++) {
			bool plain = odd >= 0x20 && odd < 0x80 && odd != '"' && odd != '\\';
			bool takes_quote = odd == '\\' && at == sizeof(text) - 2;
			int64_t bad;

			memset(text, 'x', sizeof(text));
			text[0] = text[sizeof(text) - 1] = '"';
			text[at] = (char)odd;
			bad = check_in_pieces(
			    str_make(text, sizeof(text)), sizeof(text), sizeof(text));
			if (plain)
				assert_int_equal(bad, -1);
			else if (takes_quote)
				assert_int_equal(bad, sizeof(text));
			else if (odd < 0x20 || (odd >= 0x80 && odd < 0xc2) || odd > 0xf4)
				assert_int_equal(bad, at);
			else
				assert_int_equal(bad, at + 1);
		}
	}
}

static void
depth_is_limited(void **state)
{
	static char text[2 * JSON_MAX_DEPTH + 4];
	uint64_t bad_at = 0;
	size_t n = JSON_MAX_DEPTH;

	(void)state;
	memset(text, '[', n);
	memset(text + n, ']', n);
	assert_int_equal(json_check_text(str_make(text, 2 * n), &bad_at), 0);
	memset(text, '[', n + 1);
	memset(text + n + 1, ']', n + 1);
	assert_int_equal(json_check_text(str_make(text, 2 * n + 2), &bad_at), ERR_BAD);
	assert_int_equal(bad_at, n);
}

/* Objects and arrays in an alternating pattern at every level: each must be closed by its own
 * sign. */
static void
levels_remember_their_kind(void **state)
{
	struct buf b;
	uint64_t bad_at;

	(void)state;
	buf_init(&b, 0);
	for (int i = 0; i < 200; i++)
		buf_puts(&b, i % 3 ? "[" : "{\"k\":");
	buf_putc(&b, '1');
	for (int i = 199; i >= 0; i--)
		buf_putc(&b, i % 3 ? ']' : '}');
	assert_int_equal(json_check_text(buf_str(&b), &bad_at), 0);
	for (size_t at = b.n - 200; at < b.n; at++) {
		b.p[at] ^= ']' ^ '}';
		assert_int_equal(json_check_text(buf_str(&b), &bad_at), ERR_BAD);
		assert_int_equal(bad_at, at);
		b.p[at] ^= ']' ^ '}';
	}
	buf_fini(&b);
}

/* The line copy in pieces cut at a and b; in place if asked. */
static struct str
line_of(struct str s, size_t a, size_t b, bool in_place)
{
	static char in[512], out[512];
	const size_t cuts[4] = { 0, a, b, s.n };
	struct json_check c;
	size_t total = 0;

	memcpy(in, s.p, s.n);
	json_check_init(&c);
	for (int i = 0; i < 3; i++) {
		char *from = in + cuts[i];
		size_t n = cuts[i + 1] - cuts[i], got;

		assert_int_equal(
		    json_check_feed_line(&c, from, n, in_place ? from : out + total, &got), 0);
		assert_true(got <= n);
		if (in_place)
			memmove(out + total, from, got);
		total += got;
	}
	assert_int_equal(json_check_end(&c), 0);
	return str_make(out, total);
}

static void
lines_at_every_split(void **state)
{
	static const struct {
		struct str in, out;
	} cases[] = {
		{ STR_INIT("{\"a\":1}"), STR_INIT("{\"a\":1}") },
		{ STR_INIT("{\n  \"a\" :\r\n 1 ,\n\n \"b\\n\": [ ]\n}\n"),
		    STR_INIT("{  \"a\" : 1 , \"b\\n\": [ ]}") },
		{ STR_INIT("\n\r\n[1\n,2\r]\r\n"), STR_INIT("[1,2]") },
		{ STR_INIT("\n12\n"), STR_INIT("12") },
		{ STR_INIT("[\"\\u000a\xe2\x80\xa8 x\"\n]"),
		    STR_INIT("[\"\\u000a\xe2\x80\xa8 x\"]") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str in = cases[i].in;

		for (size_t a = 0; a <= in.n; a++) {
			for (size_t b = a; b <= in.n; b++) {
				assert_true(str_eq(line_of(in, a, b, false), cases[i].out));
				assert_true(str_eq(line_of(in, a, b, true), cases[i].out));
			}
		}
	}
}

/* What was good before the bad byte has been copied. */
static void
line_of_a_bad_text(void **state)
{
	struct json_check c;
	char out[16];
	size_t n;

	(void)state;
	json_check_init(&c);
	assert_int_equal(json_check_feed_line(&c, "[1\n,]", 5, out, &n), ERR_BAD);
	assert_int_equal(c.offset, 4);
	assert_true(str_is(str_make(out, n), "[1,"));
	assert_int_equal(json_check_feed_line(&c, "1]", 2, out, &n), ERR_BAD);
	assert_int_equal(n, 0);
}

/* Random texts, good ones with one byte changed: whatever the cuts, the verdict is the same, and
 * never an over-read. */
static void
random_damage_at_random_cuts(void **state)
{
	static const char good[] = "{\"id\":\"\\u00e9\xc3\xa9\xe2\x82\xac\",\"v\":[1,-2.5e+10,true,"
				   "null,{\"k\":\"long enough for words\"}]}";
	size_t n = sizeof(good) - 1;
	char text[sizeof(good)];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint64_t r = random_u64();
		size_t a = r % (n + 1), b = a + (r >> 16) % (n + 1 - a);
		int64_t expected;

		memcpy(text, good, n);
		text[(r >> 32) % n] = (char)(r >> 56);
		expected = check_by_bytes(str_make(text, n));
		assert_int_equal(check_in_pieces(str_make(text, n), a, b), expected);
	}
}

static int
group_setup(void **state)
{
	(void)state;
	guard_init(&guard, 4096);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	guard_fini(&guard);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_at_every_split),
		cmocka_unit_test(odd_bytes_in_every_lane),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(levels_remember_their_kind),
		cmocka_unit_test(lines_at_every_split),
		cmocka_unit_test(line_of_a_bad_text),
		cmocka_unit_test(random_damage_at_random_cuts),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
