/*
 * The format of the journal's files: as it is written down, back and forth, and what does not pass for a row.
 */
#include "unit/unit.h"

#include "base/clock.h"
#include "message/journal_row.h"
#include "unit/guard.h"

static const struct id file = { .b = {
				    0xf1, 0x1e, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
static const struct id segment = { .b = { 0x5e, 0x9, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
				       16 } };

#define OFFSET 4096

/* One of each kind, with and without what may be missing. */
static struct journal_record
sample(unsigned i)
{
	static const unsigned char bits[JOURNAL_BITS_MAX] = { 0xff, 0x01, 0x80 };
	static char error[JOURNAL_ERROR_MAX + 1];
	struct journal_record r = { .row = { .segment = segment, .number = 64 } };

	memset(error, 'e', sizeof(error) - 1);
	switch (i) {
	case 0: /* as most of them are */
	case 1:
		r.kind = JOURNAL_ATTEMPT;
		r.row.message = file;
		r.row.result = i ? JOURNAL_RETRY : JOURNAL_DELIVERED;
		r.row.attempt = 1 + i * 4000000000u;
		r.row.time = INT64_C(1795000000123456789);
		r.row.duration = 1234567 * NS_PER_US;
		r.row.status = i ? 503 : 204;
		memcpy(r.row.trace, "0123456789abcdef", 16);
		r.row.error = i ? str_of("503 \xc3\xa4") : STR("");
		break;
	case 2:
		r.kind = JOURNAL_ATTEMPT;
		r.row.result = JOURNAL_HELD;
		r.row.time = INT64_MIN;
		r.row.number = JOURNAL_NUMBER_MAX - 1;
		r.row.error = str_of(error);
		break;
	case 3:
		r.kind = JOURNAL_TRIED;
		r.first = -5;
		r.row.time = 7;
		r.row.attempt = 3;
		r.row.status = 65535;
		r.row.error = STR("why");
		break;
	case 4:
		r.kind = JOURNAL_DONE;
		r.below = true;
		break;
	case 5:
		r.kind = JOURNAL_DONE;
		r.bits = bits;
		r.n_bits = 8;
		break;
	case 6:
		r.kind = JOURNAL_DONE;
		r.bits = bits;
		r.n_bits = JOURNAL_BITS_MAX;
		break;
	case 7:
		r.kind = JOURNAL_FORGET;
		break;
	case 8:
		r.kind = JOURNAL_CHECKPOINT;
		r.row.segment = (struct id){ .b = { 0 } };
		break;
	default:
		r.kind = 0;
	}
	return r;
}
#define SAMPLES 9

static void
same(const struct journal_record *a, const struct journal_record *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(id_eq(a->row.segment, b->row.segment) && id_eq(a->row.message, b->row.message));
	assert_int_equal(a->row.number, b->row.number);
	assert_int_equal(a->row.result, b->row.result);
	assert_int_equal(a->row.attempt, b->row.attempt);
	assert_true(a->row.time == b->row.time && a->row.duration == b->row.duration);
	assert_int_equal(a->row.status, b->row.status);
	assert_memory_equal(a->row.trace, b->row.trace, 16);
	assert_true(str_eq(a->row.error, b->row.error));
	assert_true(a->first == b->first && a->below == b->below);
	assert_int_equal(a->n_bits, b->n_bits);
	assert_true(a->n_bits == 0 || memcmp(a->bits, b->bits, a->n_bits) == 0);
}

static struct buf
written(unsigned from, unsigned to)
{
	struct buf out;

	buf_init(&out, 0);
	for (unsigned i = from; i < to; i++) {
		struct journal_record r = sample(i);

		journal_put(&out, &r);
	}
	assert_int_equal(buf_failed(&out), 0);
	journal_bind((unsigned char *)out.p, out.n, &file, OFFSET);
	return out;
}

static void
rows_come_back_as_they_went(void **state)
{
	struct buf out = written(0, SAMPLES);
	struct journal_record r;
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct journal_record wanted = sample(i);
		ssize_t used =
		    journal_get((unsigned char *)out.p + at, out.n - at, &file, OFFSET + at, &r);

		assert_true(used > 0 && used % 8 == 0);
		same(&r, &wanted);
		at += (size_t)used;
	}
	assert_int_equal(at, out.n);
	buf_fini(&out);
}

/* At every length: a row is not there before it is whole, and nothing beyond is read. */
static void
a_row_is_whole_or_not_there(void **state)
{
	struct guard g;

	(void)state;
	guard_init(&g, JOURNAL_ROW_MAX);
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct buf out = written(i, i + 1);

		for (size_t n = 0; n <= out.n; n++) {
			struct journal_record r;
			struct str part = guard_tail(&g, str_make(out.p, n));
			ssize_t used =
			    journal_get((const unsigned char *)part.p, n, &file, OFFSET, &r);

			assert_int_equal(used, n < out.n ? ERR_NEED_MORE : (ssize_t)n);
		}
		buf_fini(&out);
	}
	guard_fini(&g);
}

static void
any_changed_bit_is_noticed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct buf out = written(i, i + 1);
		struct journal_record r;

		for (size_t bit = 0; bit < MIN(out.n, 300) * 8; bit++) {
			out.p[bit / 8] ^= (char)(1 << bit % 8);
			assert_true(
			    journal_get((unsigned char *)out.p, out.n, &file, OFFSET, &r) < 0);
			out.p[bit / 8] ^= (char)(1 << bit % 8);
		}
		buf_fini(&out);
	}
}

static void
a_row_belongs_to_its_place(void **state)
{
	struct buf out = written(0, 1);
	struct journal_record r;
	struct id other = file;

	(void)state;
	other.b[15] ^= 1;
	assert_true(journal_get((unsigned char *)out.p, out.n, &file, OFFSET, &r) > 0);
	assert_int_equal(
	    journal_get((unsigned char *)out.p, out.n, &file, OFFSET + 8, &r), ERR_BAD);
	assert_int_equal(journal_get((unsigned char *)out.p, out.n, &other, OFFSET, &r), ERR_BAD);
	buf_fini(&out);
}

/* Whole, and with the right checksum, but not what a row can be. */
static void
nonsense_is_no_row(void **state)
{
	static const struct {
		unsigned sample;
		size_t at;
		unsigned char value;
	} cases[] = {
		{ 0, 6, 0 },     /* kind */
		{ 0, 6, 6 },     /* another */
		{ 0, 6, 3 },     /* of a different length */
		{ 0, 7, 5 },     /* result */
		{ 0, 27, 0x10 }, /* number */
		{ 0, 66, 8 },    /* an error beyond the end */
		{ 0, 68, 1 },    /* reserved */
		{ 1, 66, 121 },  /* an error too long */
		{ 1, 66, 0 },    /* an error shorter than its room */
		{ 3, 7, 1 },
		{ 3, 54, 9 },
		{ 4, 7, 2 },
		{ 5, 24, 65 },   /* bits that begin amid a byte */
		{ 5, 27, 0x0f }, /* fine: see below */
		{ 7, 7, 1 },
		{ 8, 7, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = written(cases[i].sample, cases[i].sample + 1);
		struct journal_record r;
		ssize_t used;

		out.p[cases[i].at] = (char)cases[i].value;
		journal_bind((unsigned char *)out.p, out.n, &file, OFFSET);
		used = journal_get((unsigned char *)out.p, out.n, &file, OFFSET, &r);
		assert_int_equal(used > 0, cases[i].value == 0x0f);
		buf_fini(&out);
	}
}

/* What is on the disks of users: it may not change without a new version. */
static void
the_format_is_what_it_was(void **state)
{
	static const unsigned char header[JOURNAL_HEADER_LEN] = { 'S', 'L', 'U', 'I', 'J', 'R', 'N',
		'1', 1, 0, 48, 0, 0, 0, 0, 0, 0xf1, 0x1e, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
		15, 16, 0x02, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xCA, 0xFE, 0xCA, 0xFE };
	struct journal_header h = { .id = file, .number = 0x102 }, back;
	unsigned char p[JOURNAL_HEADER_LEN], row[96] = { 0 };
	struct buf out = written(1, 2);
	uint64_t time = UINT64_C(1795000000123456789);

	(void)state;
	journal_encode_header(&h, p);
	assert_memory_equal(p, header, 44);
	assert_int_equal(journal_decode_header(p, sizeof(p), &back), 0);
	assert_true(id_eq(back.id, file) && back.number == 0x102);
	for (size_t n = 0; n < sizeof(p); n++)
		assert_int_equal(journal_decode_header(p, n, &back), ERR_CORRUPT);
	for (size_t bit = 0; bit < sizeof(p) * 8; bit++) {
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(journal_decode_header(p, sizeof(p), &back), ERR_CORRUPT);
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	row[4] = 96;
	row[6] = JOURNAL_ATTEMPT;
	row[7] = JOURNAL_RETRY;
	memcpy(row + 8, segment.b, ID_LEN);
	row[24] = 64;
	memcpy(row + 32, file.b, ID_LEN);
	for (unsigned i = 0; i < 8; i++)
		row[48 + i] = (unsigned char)(time >> (8 * i));
	memcpy(row + 56, "\x87\xd6\x12\x00\x01\x28\x6b\xee\xf7\x01\x06", 11);
	memcpy(row + 72, "0123456789abcdef", 16);
	memcpy(row + 88, "503 \xc3\xa4", 6);
	assert_int_equal(out.n, sizeof(row));
	assert_memory_equal(out.p + 4, row + 4, sizeof(row) - 4);
	buf_fini(&out);
}

static void
what_does_not_fit_is_cut(void **state)
{
	struct journal_record r = sample(1), back;
	char error[JOURNAL_ERROR_MAX + 50];
	struct buf out;

	(void)state;
	memset(error, 'x', sizeof(error));
	r.row.error = str_make(error, sizeof(error));
	r.row.duration = INT64_MAX;
	r.row.status = 70000;
	buf_init(&out, 0);
	journal_put(&out, &r);
	r.row.duration = -1;
	r.row.status = -1;
	journal_put(&out, &r);
	journal_bind((unsigned char *)out.p, out.n, &file, OFFSET);
	assert_true(journal_get((unsigned char *)out.p, out.n, &file, OFFSET, &back) > 0);
	assert_int_equal(back.row.error.n, JOURNAL_ERROR_MAX);
	assert_int_equal(back.row.duration, (int64_t)UINT32_MAX * NS_PER_US);
	assert_int_equal(back.row.status, 0);
	assert_true(journal_get((unsigned char *)out.p + out.n / 2, out.n / 2, &file,
			OFFSET + out.n / 2, &back) > 0);
	assert_int_equal(back.row.duration, 0);
	assert_int_equal(back.row.status, 0);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_back_as_they_went),
		cmocka_unit_test(a_row_is_whole_or_not_there),
		cmocka_unit_test(any_changed_bit_is_noticed),
		cmocka_unit_test(a_row_belongs_to_its_place),
		cmocka_unit_test(nonsense_is_no_row),
		cmocka_unit_test(the_format_is_what_it_was),
		cmocka_unit_test(what_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
