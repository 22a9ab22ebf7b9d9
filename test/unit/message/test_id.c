/* message/id: ids count on from the segment's; a record's own one comes first. */
#include "base/hash.h"
#include "message/message.h"
#include "spool/segment.h"
#include "unit/unit.h"

static void
expect(const char *segment, uint64_t number, struct str attrs, const char *wanted)
{
	struct id id;
	char text[2 * ID_LEN + 1];

	assert_int_equal(id_parse(str_of(segment), &id), 0);
	id_text(message_id(id, number, attrs), text);
	assert_string_equal(text, wanted);
}

static void
test_counts(void **state)
{
	struct str none = { NULL, 0 };

	(void)state;
	expect("000102030405060708090a0b0c0d0e0f", 0, none, "000102030405060708090a0b0c0d0e0f");
	expect("000102030405060708090a0b0c0d0e0f", 1, none, "000102030405060708090a0b0c0d0e10");
	expect("00000000000000000000000000000080", 0x80, none, "00000000000000000000000000000100");
	expect("000000000000000000000000ffffffff", 1, none, "00000000000000000000000100000000");
	expect("0000000000000000ffffffffffffffff", 1, none, "00000000000000010000000000000000");
	expect("ffffffffffffffffffffffffffffffff", 2, none, "00000000000000000000000000000001");
	expect("000000000000000000000000000000ff", 0x123456789a, none,
	    "00000000000000000000001234567999");
	expect("0000000000000000ffffffffffffffff", UINT64_MAX, none,
	    "0000000000000001fffffffffffffffe");
}

static void
test_own_id(void **state)
{
	struct buf attrs;

	(void)state;
	buf_init(&attrs, 0);
	segment_put_attr(&attrs, STR(SEGMENT_ATTR_TYPE), STR("text/plain"));
	expect("000102030405060708090a0b0c0d0e0f", 1, buf_str(&attrs),
	    "000102030405060708090a0b0c0d0e10");
	segment_put_attr(&attrs, STR(SEGMENT_ATTR_IDEM), STR("ffeeddccbbaa99887766554433221100"));
	expect("000102030405060708090a0b0c0d0e0f", 1, buf_str(&attrs),
	    "ffeeddccbbaa99887766554433221100");
	buf_reset(&attrs);
	segment_put_attr(&attrs, STR(SEGMENT_ATTR_IDEM), STR("none of ours"));
	expect("000102030405060708090a0b0c0d0e0f", 1, buf_str(&attrs),
	    "000102030405060708090a0b0c0d0e10");
	buf_fini(&attrs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_own_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
