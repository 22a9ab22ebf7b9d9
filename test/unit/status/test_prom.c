/*
 * The Prometheus text: numbers to the last digit, labels nobody can break out of, histograms that add up, pieces that join.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "status/prom_priv.h"

/* ---- what was written ---- */

static struct buf text;
static unsigned pieces;
static int refusal;

static int
keep(void *arg, const void *p, size_t n)
{
	(void)arg;
	pieces++;
	if (refusal)
		return refusal;
	buf_put(&text, p, n);
	return buf_failed(&text);
}

static int
begin(void **state)
{
	(void)state;
	buf_init(&text, 0);
	pieces = 0;
	refusal = 0;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	buf_fini(&text);
	return 0;
}

#define TEXT_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

/* ---- numbers ---- */

static void
check_decimal(uint64_t v, unsigned decimals, const char *want)
{
	char out[PROM_NUMBER + 1];

	*prom_put_decimal(out, v, decimals) = 0;
	assert_string_equal(out, want);
}

static void
check_signed(int64_t v, unsigned decimals, const char *want)
{
	char out[PROM_NUMBER + 1];

	*prom_put_signed(out, v, decimals) = 0;
	assert_string_equal(out, want);
}

static void
integers_are_exact(void **state)
{
	char out[PROM_NUMBER + 1], want[PROM_NUMBER + 1];

	(void)state;
	for (uint64_t v = 1, i = 0; i < 64; i++, v = v * 3 + i) {
		*str_put_u64(out, v) = 0;
		snprintf(want, sizeof(want), "%llu", (unsigned long long)v);
		assert_string_equal(out, want);
	}
	check_decimal(0, 0, "0");
	check_decimal(9, 0, "9");
	check_decimal(10, 0, "10");
	check_decimal(99, 0, "99");
	check_decimal(100, 0, "100");
	check_decimal(UINT64_MAX, 0, "18446744073709551615");
	check_signed(INT64_MIN, 0, "-9223372036854775808");
	check_signed(-1, 0, "-1");
}

static void
scaled_numbers_are_short_and_exact(void **state)
{
	(void)state;
	check_decimal(0, 9, "0");
	check_decimal(1, 9, "0.000000001");
	check_decimal(5000000, 9, "0.005");
	check_decimal(2500000000, 9, "2.5");
	check_decimal(10000000000, 9, "10");
	check_decimal(1234567890123456789, 9, "1234567890.123456789");
	check_decimal(UINT64_MAX, 9, "18446744073.709551615");
	check_decimal(UINT64_MAX, 18, "18.446744073709551615");
	check_decimal(50, 2, "0.5");
	check_decimal(9967, 2, "99.67");
	check_signed(-1500, 3, "-1.5");
	check_signed(-1, 3, "-0.001");
	check_signed(INT64_MIN, 18, "-9.223372036854775808");
}

/* ---- labels ---- */

static void
check_label(struct str value, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	prom_label(&b, "v", value);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void
labels_are_escaped(void **state)
{
	(void)state;
	check_label(STR(""), "v=\"\"");
	check_label(STR("plain.example"), "v=\"plain.example\"");
	check_label(STR("a\\b"), "v=\"a\\\\b\"");
	check_label(STR("a\"} 1\nb"), "v=\"a\\\"} 1\\nb\"");
	check_label(STR("\\"), "v=\"\\\\\"");
	check_label(STR("caf\xc3\xa9 \xf0\x9f\x90\x9f"), "v=\"caf\xc3\xa9 \xf0\x9f\x90\x9f\"");
}

static void
what_is_no_text_becomes_text(void **state)
{
	(void)state;
	check_label(STR("a\0b"), "v=\"a\\\\x00b\"");
	check_label(STR("\r\t\x7f"), "v=\"\\\\x0d\\\\x09\\\\x7f\"");
	check_label(STR("\xff"), "v=\"\\\\xff\"");
	check_label(STR("\xc3"), "v=\"\\\\xc3\"");
	check_label(STR("\xc0\xaf"), "v=\"\\\\xc0\\\\xaf\"");
	check_label(STR("\xed\xa0\x80"), "v=\"\\\\xed\\\\xa0\\\\x80\"");
}

/* Or two series would have one name, and the whole page would be refused. */
static void
different_values_stay_different(void **state)
{
	(void)state;
	check_label(STR("\\xff"), "v=\"\\\\x5cxff\"");
	check_label(STR("\\\\xff"), "v=\"\\\\\\\\x5cxff\"");
	check_label(STR("\\\xff"), "v=\"\\\\\\\\xff\"");
	check_label(STR("\\n"), "v=\"\\\\n\"");
}

static void
several_labels_are_joined(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	prom_label(&b, "method", STR("GET"));
	prom_label(&b, "status", STR("200"));
	assert_string_equal(buf_cstr(&b), "method=\"GET\",status=\"200\"");
	buf_fini(&b);
}

/* ---- families ---- */

static void
a_family_has_help_type_and_samples(void **state)
{
	struct prom p;

	(void)state;
	prom_init(&p, keep, NULL);
	prom_comment(&p, STR("two\nlines"));
	prom_family(&p, "up_seconds", METRIC_GAUGE, "How long it is up.");
	prom_sample(&p, STR(""), 1500, 3);
	prom_sample(&p, STR("role=\"worker\""), -7, 0);
	prom_family(&p, "x_total", METRIC_COUNTER, "Of x.");
	prom_count(&p, STR(""), UINT64_MAX);
	prom_count(&p, STR("a=\"b\""), 0);
	prom_family(&p, "x_raw", METRIC_RAW, "Anything.");
	assert_int_equal(prom_fini(&p), 0);
	assert_string_equal(buf_cstr(&text),
	    "# two lines\n"
	    "# HELP up_seconds How long it is up.\n# TYPE up_seconds gauge\n"
	    "up_seconds 1.5\nup_seconds{role=\"worker\"} -7\n"
	    "# HELP x_total Of x.\n# TYPE x_total counter\n"
	    "x_total 18446744073709551615\nx_total{a=\"b\"} 0\n"
	    "# HELP x_raw Anything.\n# TYPE x_raw untyped\n");
}

static void
histograms_are_cumulated(void **state)
{
	static const int64_t bounds[] = { 1000000, 2500000000, 10000000000 };
	static const uint64_t counts[] = { 3, 0, 4, 5 };
	struct prom p;

	(void)state;
	prom_init(&p, keep, NULL);
	prom_family(&p, "t_seconds", METRIC_HISTOGRAM, "T.");
	prom_histogram(&p, STR(""), bounds, 3, counts, 1234000000, 9);
	prom_histogram(&p, STR("s=\"1\""), bounds, 1, counts, 7, 9);
	assert_int_equal(prom_fini(&p), 0);
	assert_string_equal(buf_cstr(&text),
	    "# HELP t_seconds T.\n# TYPE t_seconds histogram\n"
	    "t_seconds_bucket{le=\"0.001\"} 3\nt_seconds_bucket{le=\"2.5\"} 3\n"
	    "t_seconds_bucket{le=\"10\"} 7\nt_seconds_bucket{le=\"+Inf\"} 12\n"
	    "t_seconds_sum 1.234\nt_seconds_count 12\n"
	    "t_seconds_bucket{s=\"1\",le=\"0.001\"} 3\nt_seconds_bucket{s=\"1\",le=\"+Inf\"} 3\n"
	    "t_seconds_sum{s=\"1\"} 0.000000007\nt_seconds_count{s=\"1\"} 3\n");
}

/* ---- pieces ---- */

static void
lines_survive_the_pieces(void **state)
{
	const char *at;
	struct prom p;

	(void)state;
	prom_init(&p, keep, NULL);
	prom_family(&p, "n", METRIC_COUNTER, "N.");
	for (uint64_t i = 0; i < 20000; i++)
		prom_count(&p, STR("host=\"some.longer.example.com\""), i);
	assert_int_equal(prom_fini(&p), 0);
	assert_true(pieces > 20);
	at = strstr(buf_cstr(&text), "counter\n") + 8;
	for (unsigned i = 0; i < 20000; i++) {
		char want[64];
		int n = snprintf(want, sizeof(want), "n{host=\"some.longer.example.com\"} %u\n", i);

		assert_memory_equal(at, want, (size_t)n);
		at += n;
	}
	assert_string_equal(at, "");
}

static void
errors_stick(void **state)
{
	struct prom p;

	(void)state;
	prom_init(&p, keep, NULL);
	refusal = ERR_CLOSED;
	prom_family(&p, "n", METRIC_COUNTER, "N.");
	for (unsigned i = 0; i < 20000; i++)
		prom_count(&p, STR(""), i);
	assert_int_equal(prom_fini(&p), ERR_CLOSED);
	assert_int_equal(pieces, 1);
}

/* Left out rather than cut. */
static void
a_line_longer_than_a_piece_is_left_out(void **state)
{
	struct prom p;
	size_t n = PROM_PIECE;
	char *labels = malloc(n);

	(void)state;
	assert_non_null(labels);
	memset(labels, 'a', n);
	prom_init(&p, keep, NULL);
	prom_family(&p, "n", METRIC_COUNTER, "N.");
	prom_count(&p, str_make(labels, n), 1);
	prom_count(&p, STR(""), 2);
	assert_int_equal(prom_fini(&p), 0);
	assert_string_equal(buf_cstr(&text), "# HELP n N.\n# TYPE n counter\nn 2\n");
	free(labels);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_exact),
		cmocka_unit_test(scaled_numbers_are_short_and_exact),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(what_is_no_text_becomes_text),
		cmocka_unit_test(different_values_stay_different),
		cmocka_unit_test(several_labels_are_joined),
		TEXT_TEST(a_family_has_help_type_and_samples),
		TEXT_TEST(histograms_are_cumulated),
		TEXT_TEST(lines_survive_the_pieces),
		TEXT_TEST(errors_stick),
		TEXT_TEST(a_line_longer_than_a_piece_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
