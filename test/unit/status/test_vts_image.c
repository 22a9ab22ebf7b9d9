/*
 * Records of the dump file: what is written is read, and nothing else is.
 */
#include <stdlib.h>

#include "unit/unit.h"

#include "base/hash.h"
#include "status/vts_image.h"
#include "unit/status/vts_test.h"

static const int64_t bounds[] = { 1000, 5000 };

/* Two nodes, one with everything, as a file. */
static void
make_file(struct buf *out)
{
	struct vts_event e = { .us = 3000 };
	struct vts_image image;
	struct vts_entry found;

	series_tick();
	count("plain", 200, 1234567, 1700000000000);
	if (!vts_find(VTS_SERVER, STR(""), STR("full"), &found)) {
		count("full", 200, 2000, 1700000000000);
		count("full", 503, 3000, 1700000000001);
		vts_node_observe(part("full", VTS_DURATION), &e, bounds, 2);
		vts_node_count_code(part("full", VTS_CODE), 503, true);
		vts_node_count_code(part("full", VTS_CODE), 1, false);
	}
	buf_init(out, 0);
	vts_image_put_header(out, 1700000000123);
	for (unsigned i = 0; i < 2; i++) {
		found = entry(i ? "full" : "plain");
		vts_image_take(&found, &image);
		vts_image_put(out, &image);
	}
	vts_image_put_trailer(out, 2, crc32c(0, out->p, out->n));
	assert_int_equal(buf_failed(out), 0);
}

static void
comes_back(void **state)
{
	struct vts_image image;
	struct str records;
	struct buf file;
	ssize_t used;

	(void)state;
	make_file(&file);
	assert_int_equal(vts_image_check(buf_str(&file), &records), 0);
	used = vts_image_get(records, &image);
	assert_true(used > 0);
	assert_true(str_is(image.key, "plain"));
	assert_int_equal(image.kind, VTS_SERVER);
	assert_int_equal(image.parts, 1 << VTS_NODE);
	assert_int_equal(image.node.counters[VTS_REQUESTS], 1);
	assert_int_equal(image.node.counters[VTS_REQUEST_MSEC], 1234567);
	assert_int_equal(image.node.min_us, 1234568);
	assert_int_equal(image.node.last_ms, 1700000000000);
	assert_int_equal(image.node.samples[0], vts_sample(1700000000000, 1234));
	records = str_from(records, (size_t)used);
	used = vts_image_get(records, &image);
	assert_int_equal((size_t)used, records.n);
	assert_true(str_is(image.key, "full"));
	assert_int_equal(image.parts, (1 << VTS_PARTS) - 1);
	assert_int_equal(image.node.counters[VTS_REQUESTS], 2);
	assert_int_equal(image.node.next, 2);
	assert_int_equal(image.duration.n, 2);
	assert_int_equal(image.duration.bounds_us[1], 5000);
	assert_int_equal(image.duration.counts[1], 1);
	assert_int_equal(image.duration.sum_us, 3000);
	assert_int_equal(image.code.of[503 % VTS_CODES_MAX], UINT64_C(503) << VTS_CODE_SHIFT | 1);
	assert_int_equal(image.code.of[VTS_CODES_MAX], 1);
	assert_int_equal(vts_image_get(str_from(records, (size_t)used), &image), 0);
	buf_fini(&file);
}

/* What was reset is not written; over 2^64 is. */
static void
writes_what_is_shown(void **state)
{
	struct vts_image image;
	struct vts_entry e;

	(void)state;
	for (unsigned slot = ZONE_SLOT_WORKER; slot < ZONE_SLOT_WORKER + 2; slot++) {
		be_slot(slot);
		count("shown", 200, 5000, 1);
		part("shown", VTS_NODE)->block[VTS_OUT_BYTES] = UINT64_C(1) << 63;
	}
	e = entry("shown");
	vts_image_take(&e, &image);
	assert_int_equal(image.node.counters[VTS_OUT_BYTES], 0);
	assert_int_equal(image.node.over[VTS_OUT_BYTES], 1);
	assert_int_equal(vts_reset(&e), 0);
	count("shown", 404, 7000, 2);
	vts_image_take(&e, &image);
	assert_int_equal(image.node.counters[VTS_REQUESTS], 1);
	assert_int_equal(image.node.counters[VTS_2XX], 0);
	assert_int_equal(image.node.over[VTS_OUT_BYTES], 0);
	assert_int_equal(image.node.counters[VTS_OUT_BYTES], 100);
	assert_int_equal(image.node.next, 1);
	assert_int_equal(image.node.min_us, 7001);
	assert_int_equal(image.node.era, 0);
}

/* Cut anywhere, longer, or with any bit turned: refused. */
static void
damage(void **state)
{
	struct str records;
	struct buf file;
	char *copy;

	(void)state;
	be_slot(ZONE_SLOT_WORKER);
	make_file(&file);
	copy = malloc(file.n + 1);
	for (size_t n = 0; n <= file.n + 1; n++) {
		if (n == file.n)
			continue;
		memcpy(copy, file.p, MIN(n, file.n));
		copy[file.n] = 0;
		assert_int_equal(vts_image_check(str_make(copy, n), &records), ERR_BAD);
	}
	for (size_t bit = 0; bit < 8 * file.n; bit++) {
		memcpy(copy, file.p, file.n);
		copy[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_not_equal(vts_image_check(str_make(copy, file.n), &records), 0);
	}
	free(copy);
	buf_fini(&file);
}

/* Behind a CRC that holds. */
static int
mended(struct buf *file)
{
	struct str records;
	uint32_t crc = crc32c(0, file->p, file->n - 4);

	for (unsigned i = 0; i < 4; i++)
		file->p[file->n - 4 + i] = (char)(crc >> (8 * i));
	return vts_image_check(buf_str(file), &records);
}

static void
well_summed_nonsense(void **state)
{
	static const struct {
		size_t at;
		char byte;
		int err;
	} cases[] = {
		{ 8, 2, ERR_UNSUPPORTED }, /* version */
		{ 0, 's', ERR_BAD },       /* magic */
		{ 24, 0, ERR_BAD },        /* length of the first record: none */
		{ 27, 1, ERR_BAD },        /* beyond the file */
		{ 28, 2, ERR_BAD },        /* kind */
		{ 29, 9, ERR_BAD },        /* parts */
		{ 29, 0, ERR_BAD },        /* parts: then bytes are left */
		{ 31, 1, ERR_BAD },        /* a key beyond the record */
		{ 38, 1, ERR_BAD },        /* more words than there are */
		{ 40, 1, ERR_BAD },        /* a word beyond the block */
	};
	struct buf file;

	(void)state;
	make_file(&file);
	assert_int_equal(mended(&file), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char before = file.p[cases[i].at];

		file.p[cases[i].at] = cases[i].byte;
		if (mended(&file) != cases[i].err)
			fail_msg("case %zu", i);
		file.p[cases[i].at] = before;
	}
	file.p[file.n - 12] ^= 1; /* number of records */
	assert_int_equal(mended(&file), ERR_BAD);
	buf_fini(&file);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(writes_what_is_shown),
		cmocka_unit_test(damage),
		cmocka_unit_test(well_summed_nonsense),
	};

	return cmocka_run_group_tests(tests, make_zone, drop_zone);
}
