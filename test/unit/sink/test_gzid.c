/* sink/gzid: the id goes into a real gzip file and comes back; files without one are told apart. */
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "sink/gzid.h"
#include "unit/unit.h"

static int
temp_file(const void *p, size_t n)
{
	char path[] = "/tmp/test_gzid.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(file_write_all(fd, p, n, 0), 0);
	return fd;
}

/* gzip of text with the given extra field, by zlib itself. */
static size_t
pack(unsigned char *extra, unsigned extra_len, unsigned char *out, size_t cap)
{
	static unsigned char text[] = "one record\n";
	gz_header head = { .extra = extra_len ? extra : NULL, .extra_len = extra_len };
	z_stream z = { .next_in = text,
		.avail_in = sizeof(text) - 1,
		.next_out = out,
		.avail_out = (uInt)cap };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	assert_int_equal(deflateSetHeader(&z, &head), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void
test_round_trip(void **state)
{
	unsigned char extra[GZID_EXTRA_LEN], gz[256];
	struct id id = id_new(), back = { { 0 } };
	uint64_t records = 1;
	int fd;

	(void)state;
	gzid_extra(&id, extra);
	fd = temp_file(gz, pack(extra, sizeof(extra), gz, sizeof(gz)));
	assert_int_equal(gzid_read(fd, &back), 0);
	assert_true(id_eq(id, back));
	assert_int_equal(gzid_read_records(fd, &records), 0);
	assert_int_equal(records, 0);
	assert_int_equal(gzid_put_records(fd, 0x123456789abcdef0), 0);
	assert_int_equal(gzid_read_records(fd, &records), 0);
	assert_int_equal(records, 0x123456789abcdef0);
	assert_int_equal(gzid_read(fd, &back), 0);
	assert_true(id_eq(id, back));
	close(fd);
}

static void
test_behind_other_fields(void **state)
{
	unsigned char extra[9 + GZID_EXTRA_LEN] = { 'A', 'p', 5, 0, 'S', 'L', 16, 0, 1 }, gz[256];
	struct id id = id_new(), back = { { 0 } };
	int fd;

	(void)state;
	gzid_extra(&id, extra + 9);
	fd = temp_file(gz, pack(extra, sizeof(extra), gz, sizeof(gz)));
	assert_int_equal(gzid_read(fd, &back), 0);
	assert_true(id_eq(id, back));
	close(fd);
}

static void
test_none(void **state)
{
	unsigned char extra[] = { 'S', 'L', 16, 0, 1, 2, 3 }, gz[256];
	struct id back;
	int fd;

	(void)state;
	fd = temp_file("plain text, no gzip", 19);
	assert_int_equal(gzid_read(fd, &back), ERR_NOT_FOUND);
	close(fd);
	fd = temp_file("", 0);
	assert_int_equal(gzid_read(fd, &back), ERR_NOT_FOUND);
	close(fd);
	fd = temp_file(gz, pack(NULL, 0, gz, sizeof(gz)));
	assert_int_equal(gzid_read(fd, &back), ERR_NOT_FOUND);
	close(fd);
	/* The subfield claims more than the extra field holds. */
	fd = temp_file(gz, pack(extra, sizeof(extra), gz, sizeof(gz)));
	assert_int_equal(gzid_read(fd, &back), ERR_NOT_FOUND);
	close(fd);
	assert_int_equal(gzid_read(-1, &back), ERR_IO);
}

/* Cut off anywhere within the header, it is no bundle. */
static void
test_cut(void **state)
{
	unsigned char extra[GZID_EXTRA_LEN], gz[256];
	struct id id = id_new(), back;

	(void)state;
	gzid_extra(&id, extra);
	pack(extra, sizeof(extra), gz, sizeof(gz));
	for (size_t n = 0; n < 12 + GZID_EXTRA_LEN; n++) {
		int fd = temp_file(gz, n);

		assert_int_equal(gzid_read(fd, &back), ERR_NOT_FOUND);
		close(fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_behind_other_fields),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
