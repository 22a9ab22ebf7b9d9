/*
 * Reading back: at every length that a file can have been cut to, with every bit turned over, with bodies longer than the
 * buffer, and finding the way again behind damage.
 */
#include <fcntl.h>

#include "folder.h"

static void
write_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* A segment in memory; ends[i] is where record i ends. */
struct image {
	unsigned char *p;
	size_t n;
	size_t ends[16];
	unsigned records;
	struct id id;
};

static void
image_init(struct image *m, size_t cap)
{
	struct segment_header h = { .id = id_new(), .created = 1000 };

	memset(m, 0, sizeof(*m));
	m->p = calloc(1, cap);
	m->id = h.id;
	m->n = SEGMENT_HEADER_LEN;
	segment_encode_header(&h, m->p);
}

static void
image_add(struct image *m, const char *user, const void *body, size_t n)
{
	struct segment_frame f = {
		.time = 1000 + m->records,
		.user_len = (uint16_t)strlen(user),
		.body_len = n,
	};
	unsigned char *p = m->p + m->n;

	segment_encode_frame(&f, p);
	memcpy(p + SEGMENT_FRAME_LEN, user, strlen(user));
	memcpy(p + SEGMENT_FRAME_LEN + strlen(user), body, n);
	m->n += segment_bind_frame(p, &m->id, m->n, m->records);
	m->ends[m->records++] = m->n;
}

static struct image
small_image(void)
{
	struct image m;

	image_init(&m, 4096);
	image_add(&m, "ann", "first", 5);
	image_add(&m, "", "", 0);
	image_add(&m, "bob", "third", 5);
	return m;
}

/* Reads to the end: how many records, and what the reader said then. */
static unsigned
count_records(const char *path, uint64_t limit, int *last)
{
	struct reader *r;
	struct reader_record rec;
	unsigned n = 0;

	*last = reader_open(path, limit, &r);
	if (*last)
		return 0;
	while ((*last = reader_next(r, &rec)) == 1)
		assert_int_equal(rec.frame.number, n++);
	reader_close(r);
	return n;
}

static void
test_cut(void **state)
{
	struct image m = small_image();
	const char *path = folder_path("cut");

	(void)state;
	for (size_t n = 0; n <= m.n; n++) {
		unsigned whole = 0, got;
		int last;

		write_file(path, m.p, n);
		while (whole < m.records && m.ends[whole] <= n)
			whole++;
		got = count_records(path, 0, &last);
		assert_int_equal(got, whole);
		if (n == SEGMENT_HEADER_LEN || (whole && m.ends[whole - 1] == n))
			assert_int_equal(last, 0);
		else
			assert_int_equal(last, ERR_CORRUPT);
	}
	write_file(path, m.p, m.n);
	for (size_t limit = 1; limit <= m.n; limit++) {
		unsigned whole = 0;
		int last;

		while (whole < m.records && m.ends[whole] <= limit)
			whole++;
		assert_int_equal(count_records(path, limit, &last), whole);
	}
	free(m.p);
}

/* A turned bit costs the record it is in, and the one that follows is found again. */
static void
test_bits(void **state)
{
	struct image m = small_image();
	const char *path = folder_path("bits");

	(void)state;
	for (size_t at = SEGMENT_HEADER_LEN; at < m.n; at++) {
		unsigned hurt = 0;
		struct reader_record rec;
		struct reader *r;
		uint64_t skipped;

		m.p[at] ^= (unsigned char)(1 << at % 8);
		write_file(path, m.p, m.n);
		m.p[at] ^= (unsigned char)(1 << at % 8);
		while (m.ends[hurt] <= at)
			hurt++;
		assert_int_equal(reader_open(path, 0, &r), 0);
		for (unsigned i = 0; i < hurt; i++)
			assert_int_equal(reader_next(r, &rec), 1);
		assert_int_equal(reader_next(r, &rec), ERR_CORRUPT);
		assert_int_equal(reader_resync(r, &skipped), hurt + 1 < m.records);
		if (hurt + 1 < m.records) {
			assert_int_equal(
			    skipped, m.ends[hurt] - (hurt ? m.ends[hurt - 1] : SEGMENT_HEADER_LEN));
			assert_int_equal(reader_next(r, &rec), 1);
			assert_int_equal(rec.frame.number, hurt + 1);
		}
		reader_close(r);
	}
	free(m.p);
}

static void
test_preallocated(void **state)
{
	struct image m = small_image();
	const char *path = folder_path("zeros");
	int last;

	(void)state;
	write_file(path, m.p, 4096);
	assert_int_equal(count_records(path, 0, &last), 3);
	assert_int_equal(last, 0);
	for (size_t n = m.n; n < m.n + SEGMENT_FRAME_LEN + 5; n++) {
		write_file(path, m.p, n);
		assert_int_equal(count_records(path, 0, &last), 3);
		assert_int_equal(last, 0);
	}
	free(m.p);
}

/* Bodies around the size of the buffer, and far beyond it. */
static void
test_long(void **state)
{
	static const size_t sizes[] = { 0, READER_BUFFER - SEGMENT_FRAME_LEN - 2,
		READER_BUFFER - SEGMENT_FRAME_LEN - 1, READER_BUFFER, 3 * READER_BUFFER + 17, 1 };
	static unsigned char body[4 * READER_BUFFER], back[4 * READER_BUFFER];
	const char *path = folder_path("long");
	struct reader_record rec;
	struct reader *r;
	struct image m;

	(void)state;
	random_bytes(body, sizeof(body));
	image_init(&m, 8 * READER_BUFFER);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		image_add(&m, "u", body, sizes[i]);
	write_file(path, m.p, m.n);
	assert_int_equal(reader_open(path, m.n, &r), 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t got = 0;
		ssize_t n;

		assert_int_equal(reader_next(r, &rec), 1);
		assert_true(str_is(rec.user, "u"));
		assert_int_equal(rec.frame.body_len, sizes[i]);
		if (rec.body.p)
			assert_memory_equal(rec.body.p, body, sizes[i]);
		else
			assert_true(SEGMENT_FRAME_LEN + 1 + sizes[i] > READER_BUFFER);
		while ((n = reader_body(r, got, back + got, 10000)) > 0)
			got += (size_t)n;
		assert_int_equal(got, sizes[i]);
		assert_memory_equal(back, body, got);
		assert_true(str_is(rec.user, "u"));
	}
	assert_int_equal(reader_next(r, &rec), 0);
	assert_int_equal(reader_end(r), m.n);
	reader_close(r);
	m.p[m.ends[4] - 1] ^= 1;
	write_file(path, m.p, m.n);
	assert_int_equal(reader_open(path, 0, &r), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(reader_next(r, &rec), 1);
	assert_int_equal(reader_next(r, &rec), ERR_CORRUPT);
	reader_close(r);
	free(m.p);
}

/* A client's body full of frame heads must not make the search take for ever, nor be taken for records. */
static void
test_hostile_body(void **state)
{
	enum { N = 1 << 20 };
	struct segment_frame f = { .body_len = N / 2 };
	unsigned char *body = malloc(N);
	const char *path = folder_path("hostile");
	struct reader_record rec;
	struct reader *r;
	struct image m;
	uint64_t skipped;
	int err;

	(void)state;
	for (size_t at = 0; at + SEGMENT_FRAME_LEN <= N; at += SEGMENT_FRAME_LEN)
		segment_encode_frame(&f, body + at);
	image_init(&m, 2 * N);
	image_add(&m, "evil", body, N);
	image_add(&m, "good", "x", 1);
	m.p[SEGMENT_HEADER_LEN + 4] ^= 1;
	write_file(path, m.p, m.n);
	assert_int_equal(reader_open(path, 0, &r), 0);
	assert_int_equal(reader_next(r, &rec), ERR_CORRUPT);
	err = reader_resync(r, &skipped);
	assert_int_equal(err, ERR_CORRUPT);
	reader_close(r);
	free(m.p);
	free(body);
}

static void
test_open_errors(void **state)
{
	struct image m = small_image();
	const char *path = folder_path("errors");
	struct reader *r;

	(void)state;
	assert_int_equal(reader_open("/tmp/sluice-none", 0, &r), ERR_NOT_FOUND);
	write_file(path, m.p, m.n);
	assert_int_equal(reader_open(path, m.n + 1, &r), ERR_CORRUPT);
	m.p[20] ^= 1;
	write_file(path, m.p, m.n);
	assert_int_equal(reader_open(path, 0, &r), ERR_CORRUPT);
	free(m.p);
}

/* Each time more of a file is believed, exactly the records in that much are read; and any of them again. */
static void
test_growing(void **state)
{
	struct image m = small_image();
	const char *path = folder_path("growing");
	struct reader_record rec;
	struct reader *r;
	unsigned got = 0;
	int fd;

	(void)state;
	m.p[m.n] = 'x'; /* what nobody vouches for yet */
	write_file(path, m.p, m.n + 1);
	fd = file_open(path, O_RDONLY);
	assert_int_equal(reader_open_fd(fd, SEGMENT_HEADER_LEN, &r), 0);
	for (size_t limit = SEGMENT_HEADER_LEN; limit <= m.n; limit++) {
		reader_believe(r, limit);
		if (limit != SEGMENT_HEADER_LEN && limit != m.ends[got])
			continue;
		while (reader_next(r, &rec) == 1)
			assert_int_equal(rec.frame.number, got++);
		assert_int_equal(reader_end(r), limit);
	}
	assert_int_equal(got, m.records);
	reader_seek(r, m.ends[0]);
	assert_int_equal(reader_next(r, &rec), 1);
	assert_int_equal(rec.frame.number, 1);
	reader_seek(r, SEGMENT_HEADER_LEN);
	assert_int_equal(reader_next(r, &rec), 1);
	assert_true(str_is(rec.body, "first"));
	reader_close(r);
	assert_int_equal(file_close(fd), 0);
	free(m.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_preallocated),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_hostile_body),
		cmocka_unit_test(test_open_errors),
		cmocka_unit_test(test_growing),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
