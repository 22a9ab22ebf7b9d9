/*
 * The chunked coding: payload at every split, what is refused, its limits.
 */
#include "http/chunk.h"
#include "unit/guard.h"
#include "unit/unit.h"

/* Decodes text in pieces of at most `piece` bytes from behind a guard page. Bytes used, or
 * ERR_BAD. */
static ssize_t
decode(struct chunk_decoder *d, struct str text, size_t piece, char *out, size_t *out_n)
{
	struct guard g;
	size_t used = 0;
	ssize_t r = 0;

	guard_init(&g, text.n + 1);
	chunk_init(d);
	*out_n = 0;
	while (used < text.n && !chunk_done(d)) {
		struct str in = guard_tail(&g, str_sub(text, used, piece)), data;

		r = chunk_feed(d, in.p, in.n, &data);
		if (r < 0)
			break;
		assert_true(r > 0 && (size_t)r <= in.n);
		if (data.n)
			memcpy(out + *out_n, data.p, data.n);
		*out_n += data.n;
		used += (size_t)r;
	}
	guard_fini(&g);
	return r < 0 ? r : (ssize_t)used;
}

static void
payload_at_every_split(void **state)
{
	static const char text[] = "5\r\nhello\r\n00A;name=\"v\"\r\n, wide wor\r\n2;\r\nld\r\n"
				   "0\r\nTrailer: x\r\nOther:\r\n\r\nGET";
	struct chunk_decoder d;
	char out[64];
	size_t n;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		assert_int_equal(decode(&d, str_of(text), piece, out, &n), sizeof(text) - 1 - 3);
		assert_true(chunk_done(&d));
		assert_true(str_eq(str_make(out, n), STR("hello, wide world")));
	}
}

static void
ends_only_at_its_end(void **state)
{
	static const char text[] = "1\r\nx\r\n0\r\nA: b\r\n\r\n";
	struct chunk_decoder d;
	char out[8];
	size_t n;

	(void)state;
	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		assert_int_equal(decode(&d, str_make(text, cut), 64, out, &n), cut);
		assert_false(chunk_done(&d));
	}
}

static void
refuses(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"g\r\n",
		" 1\r\nx\r\n",
		"1 \r\nx\r\n",
		"+1\r\nx\r\n",
		"0x1\r\nx\r\n",
		"-1\r\n",
		"1\nx\r\n",
		"1\r\nx\n0\r\n\r\n",
		"1\r\nxy\r\n",
		"1\rx",
		"1;a\nb\r\nx",
		"1;\x01\r\nx",
		"1;a\r\r\n",
		"1\r\nx\r0\r\n\r\n",
		"0\r\nA: b\n\r\n",
		"0\r\n A: b\r\n\r\n",
		"0\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"0\r\nA : b\r\n\r\n",
		"0\r\nA\r\n\r\n",
		"0\r\n\n",
		"0\r\n\rx",
		"10000000000000000\r\n",
		"8000000000000000\r\n",
		"00000000000000001\r\n",
		"ffffffffffffffffffff\r\n",
	};
	struct chunk_decoder d;
	char out[64];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		for (size_t piece = 1; piece < 3; piece++)
			if (decode(&d, str_of(bad[i]), piece, out, &n) != ERR_BAD)
				fail_msg("taken: %s", bad[i]);
}

static void
failure_sticks(void **state)
{
	struct chunk_decoder d;
	struct str data;

	(void)state;
	chunk_init(&d);
	assert_int_equal(chunk_feed(&d, "x", 1, &data), ERR_BAD);
	assert_int_equal(chunk_feed(&d, "0\r\n\r\n", 5, &data), ERR_BAD);
	assert_false(chunk_done(&d));
}

static void
lines_are_bounded(void **state)
{
	struct chunk_decoder d;
	struct str data;
	static char line[9000];
	ssize_t r;

	(void)state;
	memset(line, 'a', sizeof(line));
	chunk_init(&d);
	assert_int_equal(chunk_feed(&d, "1;", 2, &data), 2);
	assert_int_equal(chunk_feed(&d, line, sizeof(line), &data), ERR_BAD);
	/* Over many chunks together, too. */
	chunk_init(&d);
	for (int i = 0; (r = chunk_feed(&d, "1;aaaaaaaaaaaaa\r\n", 17, &data)) > 0 && i < 1000;
	     i++) {
		assert_int_equal(r, 17);
		assert_int_equal(chunk_feed(&d, "x\r\n", 3, &data), 1);
		assert_int_equal(chunk_feed(&d, "\r\n", 2, &data), 2);
	}
	assert_int_equal(r, ERR_BAD);
	chunk_init(&d);
	assert_int_equal(chunk_feed(&d, "0\r\n", 3, &data), 3);
	assert_int_equal(chunk_feed(&d, line, sizeof(line), &data), ERR_BAD);
}

static void
big_sizes(void **state)
{
	struct chunk_decoder d;
	struct str data;

	(void)state;
	chunk_init(&d);
	assert_int_equal(chunk_feed(&d, "3fffffffffffffff\r\n", 18, &data), 18);
	assert_int_equal(chunk_feed(&d, "abc", 3, &data), 3);
	assert_int_equal(data.n, 3);
	assert_true(d.left == UINT64_C(0x3fffffffffffffff) - 3);
}

static void
size_lines(void **state)
{
	static const struct {
		size_t n;
		const char *line;
	} cases[] = { { 1, "1\r\n" }, { 15, "f\r\n" }, { 16, "10\r\n" }, { 65536, "10000\r\n" },
		{ SIZE_MAX, "ffffffffffffffff\r\n" } };
	char out[20];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = chunk_size_line(out, cases[i].n);

		assert_true(str_is(str_make(out, n), cases[i].line));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(payload_at_every_split),
		cmocka_unit_test(ends_only_at_its_end),
		cmocka_unit_test(refuses),
		cmocka_unit_test(failure_sticks),
		cmocka_unit_test(lines_are_bounded),
		cmocka_unit_test(big_sizes),
		cmocka_unit_test(size_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
