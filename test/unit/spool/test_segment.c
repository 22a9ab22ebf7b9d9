/*
 * The format of a segment: round trips, and that nothing but the exact bytes at their exact place passes for a record.
 */
#include "base/hash.h"
#include "spool/segment.h"
#include "unit/guard.h"
#include "unit/unit.h"

static const struct segment_header sample = {
	.flags = SEGMENT_OBJECT,
	.id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
	.created = INT64_C(1795314123456789012),
	.slot = 5,
	.generation = 0xdeadbeef,
	.sequence = UINT64_C(0x1122334455667788),
};

static void
test_header(void **state)
{
	unsigned char p[SEGMENT_HEADER_LEN];
	struct segment_header h;

	(void)state;
	segment_encode_header(&sample, p);
	assert_int_equal(segment_decode_header(p, sizeof(p), &h), 0);
	assert_int_equal(h.flags, sample.flags);
	assert_true(id_eq(h.id, sample.id));
	assert_true(h.created == sample.created && h.slot == sample.slot &&
		    h.generation == sample.generation && h.sequence == sample.sequence);
	for (size_t n = 0; n < sizeof(p); n++)
		assert_int_equal(segment_decode_header(p, n, &h), ERR_CORRUPT);
	for (size_t bit = 0; bit < 8 * sizeof(p); bit++) {
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(segment_decode_header(p, sizeof(p), &h), ERR_CORRUPT);
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

/* The layout on disk, byte by byte: other programs read it. */
static void
test_layout(void **state)
{
	unsigned char p[SEGMENT_HEADER_LEN], f[SEGMENT_FRAME_LEN];
	const struct segment_frame frame = {
		.time = 0x0102030405060708,
		.body_len = 0x1112131415161718,
		.number = 0x2122232425262728,
		.attrs_len = 0x31323334,
		.user_len = 0x4142,
		.crc = 0x51525354,
	};
	static const unsigned char expected[SEGMENT_FRAME_LEN] = { 'S', 'L', 'f', 'r', 0x54, 0x53,
		0x52, 0x51, 8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
		0x34, 0x33, 0x32, 0x31, 0x42, 0x41, 0, 0, 0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22,
		0x21 };

	(void)state;
	segment_encode_frame(&frame, f);
	assert_memory_equal(f, expected, sizeof(f));
	segment_encode_header(&sample, p);
	assert_memory_equal(p, "SLUISEG1\x01\0\x40\0\x01\0\0\0", 16);
	assert_memory_equal(
	    p + 40, "\x05\0\0\0\xef\xbe\xad\xde\x88\x77\x66\x55\x44\x33\x22\x11", 16);
}

static size_t
make_frame(unsigned char *p, const char *user, const char *attrs, const char *body)
{
	struct segment_frame f = {
		.time = sample.created,
		.body_len = strlen(body),
		.attrs_len = (uint32_t)strlen(attrs),
		.user_len = (uint16_t)strlen(user),
	};

	segment_encode_frame(&f, p);
	sprintf((char *)p + SEGMENT_FRAME_LEN, "%s%s%s", user, attrs, body);
	return (size_t)segment_frame_total(&f);
}

static bool
valid(const unsigned char *p, size_t room, const struct id *id, uint64_t offset)
{
	struct segment_frame f;
	uint32_t crc;

	if (segment_decode_frame(p, room, &f) < 0)
		return false;
	crc = segment_frame_crc(id, offset, &f);
	return crc32c(crc, p + SEGMENT_FRAME_LEN,
		   (size_t)segment_frame_total(&f) - SEGMENT_FRAME_LEN) == f.crc;
}

static void
test_frame(void **state)
{
	unsigned char p[200];
	size_t n = make_frame(p, "user", "attributes", "{\"a\":1}");
	struct id other = sample.id;

	(void)state;
	other.b[15] ^= 1;
	assert_int_equal(segment_bind_frame(p, &sample.id, 4711, 12), n);
	assert_true(valid(p, n, &sample.id, 4711));
	assert_false(valid(p, n, &sample.id, 4712));
	assert_false(valid(p, n, &other, 4711));
	for (size_t room = 0; room < n; room++)
		assert_false(valid(p, room, &sample.id, 4711));
	for (size_t bit = 0; bit < 8 * n; bit++) {
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(valid(p, n, &sample.id, 4711));
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

/* Decoding never looks behind the frame's head, whatever lengths it claims. */
static void
test_frame_lengths(void **state)
{
	static const uint64_t body[] = { 0, 1, 100, UINT64_MAX, UINT64_MAX - 40,
		UINT64_C(1) << 63 };
	struct guard g;
	unsigned char head[SEGMENT_FRAME_LEN];

	(void)state;
	guard_init(&g, sizeof(head));
	for (size_t i = 0; i < ARRAY_LEN(body); i++)
		for (uint64_t room = 0; room < 200; room++) {
			struct segment_frame f = { .body_len = body[i], .user_len = 3 }, got;
			struct str s;
			bool fits = body[i] <= 100 && room >= SEGMENT_FRAME_LEN + 3 + body[i];

			segment_encode_frame(&f, head);
			s = guard_tail(&g, str_make(head, sizeof(head)));
			assert_int_equal(
			    segment_decode_frame((const unsigned char *)s.p, room, &got),
			    fits ? 0 : ERR_CORRUPT);
		}
	guard_fini(&g);
}

static void
test_join_crc(void **state)
{
	static unsigned char p[5000];

	(void)state;
	random_bytes(p, sizeof(p));
	for (size_t cut = 0; cut <= sizeof(p); cut += cut < 70 ? 1 : 97) {
		uint32_t a = crc32c(0, p, cut), b = crc32c(0, p + cut, sizeof(p) - cut);

		assert_int_equal(segment_join_crc(a, b, sizeof(p) - cut), crc32c(0, p, sizeof(p)));
	}
}

static void
test_attrs(void **state)
{
	struct guard g;
	struct buf b;
	struct str whole;

	(void)state;
	buf_init(&b, 0);
	segment_put_attr(&b, STR("uri"), STR("https://x/\0y"));
	segment_put_attr(&b, STR("empty"), STR(""));
	segment_put_attr(&b, STR("type"), STR("image/png"));
	whole = buf_str(&b);
	assert_true(str_eq(segment_get_attr(whole, "uri"), STR("https://x/\0y")));
	assert_true(str_is(segment_get_attr(whole, "type"), "image/png"));
	assert_int_equal(segment_get_attr(whole, "empty").n, 0);
	assert_non_null(segment_get_attr(whole, "empty").p);
	assert_null(segment_get_attr(whole, "none").p);
	guard_init(&g, whole.n);
	for (size_t n = 0; n < whole.n; n++)
		assert_null(segment_get_attr(guard_tail(&g, str_sub(whole, 0, n)), "type").p);
	guard_fini(&g);
	buf_fini(&b);
	buf_init(&b, 0);
	segment_put_attr(&b, str_make("", (size_t)UINT16_MAX + 1), STR(""));
	assert_int_equal(buf_failed(&b), ERR_TOO_LARGE);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_frame_lengths),
		cmocka_unit_test(test_join_crc),
		cmocka_unit_test(test_attrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
