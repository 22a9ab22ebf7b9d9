/*
 * The list of a bundle, packing, and the scan that puts in order what a crash left: steps 7 to 10, 12 and 13 of the durability protocol.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ship/path.h"
#include "ship/scan.h"
#include "sink/gzid.h"
#include "spool/reader.h"
#include "unit/tmp.h"

#include "unit/segments.h"

#define HOUR (INT64_C(1795309200) * NS_PER_S)

static const char *const names[] = { "20261122T010000000000000Z.10.1",
	"20261122T010000000000000Z.11.1", "20261122T010500000000000Z.10.2" };

struct place {
	struct tmp tmp;
	struct bundle *b;
	struct scan *scan;
};

static int
setup(void **state)
{
	static const char *const subs[] = { "aggregation", "uploading" };
	struct place *p = calloc(1, sizeof(*p));

	tmp_init(&p->tmp);
	for (size_t i = 0; i < ARRAY_LEN(subs); i++)
		assert_int_equal(file_make_dirs(tmp_path(&p->tmp, subs[i])), 0);
	p->b = bundle_new();
	p->scan = calloc(1, sizeof(*p->scan));
	p->scan->dir = p->tmp.dir;
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	tmp_fini(&p->tmp);
	bundle_free(p->b);
	free(p->scan);
	free(p);
	return 0;
}

/* Three segments of two slots whose records interleave in time; claimed, or still in the stream's folder. The bundle is filled to match. */
static void
make_sources(struct place *p, const char *sub)
{
	static const char *const bodies[3][2] = { { "{\"n\":1}", "{\"n\":4}\n" },
		{ "{\"n\":2}\n", "{\"n\":3}" }, { "{\"n\":5}", "{\"n\":6}" } };
	static const int64_t times[3][2] = { { 1, 4 }, { 2, 3 }, { 5, 6 } };

	p->b->id = id_new();
	p->b->hour = HOUR;
	strcpy(p->b->host, "web1");
	assert_int_equal(bundle_make_key(p->b, STR("pre/")), 0);
	p->b->n_sources = 3;
	for (int i = 0; i < 3; i++) {
		struct made m;
		struct path path;
		struct bundle_source *s = &p->b->sources[i];

		made_init(&m, HOUR + i, (uint32_t)i % 2, (uint64_t)i);
		for (int k = 0; k < 2; k++)
			made_frame(&m, HOUR + times[i][k], "u", STR(""), str_of(bodies[i][k]));
		s->id = m.header.id;
		s->length = m.bytes.n;
		strcpy(s->name, names[i]);
		made_write(
		    &m, sub ? path_join(&path, p->tmp.dir, NULL, sub) : p->tmp.dir, names[i]);
	}
}

static bool
exists(struct place *p, const char *sub, const char *name)
{
	struct path path;

	return access(path_join(&path, p->tmp.dir, sub, name), F_OK) == 0;
}

static bool
id_file_exists(struct place *p, const char *sub, const char *suffix)
{
	struct path path;

	return access(path_of_id(&path, p->tmp.dir, sub, &p->b->id, suffix), F_OK) == 0;
}

static void
gunzip_equals(struct place *p, const char *expected)
{
	struct path path;
	char text[4096];
	gzFile gz = gzopen(path_of_id(&path, p->tmp.dir, "uploading", &p->b->id, ".gz"), "rb");
	int n;

	assert_non_null(gz);
	n = gzread(gz, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	gzclose(gz);
	assert_string_equal(text, expected);
}

/* ---- the list ---- */

static void
list_survives_its_text(void **state)
{
	struct place *p = *state;
	struct bundle *back = bundle_new();

	make_sources(p, "aggregation");
	p->b->n = 7;
	assert_int_equal(bundle_write_list(p->b, p->tmp.dir), 0);
	assert_int_equal(bundle_read_list(p->tmp.dir, &p->b->id, back), 0);
	assert_memory_equal(back, p->b, sizeof(*back));
	bundle_free(back);
}

static void
damaged_list_is_noticed(void **state)
{
	struct place *p = *state;
	struct bundle *back = bundle_new();
	struct buf text;

	make_sources(p, "aggregation");
	buf_init(&text, 0);
	bundle_encode(p->b, &text);
	for (size_t n = 0; n < text.n; n++)
		assert_int_equal(bundle_decode(str_make(text.p, n), back), ERR_CORRUPT);
	for (size_t i = 0; i < text.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			text.p[i] = (char)(text.p[i] ^ 1 << bit);
			assert_int_equal(bundle_decode(buf_str(&text), back), ERR_CORRUPT);
			text.p[i] = (char)(text.p[i] ^ 1 << bit);
		}
	assert_int_equal(bundle_decode(buf_str(&text), back), 0);
	buf_fini(&text);
	bundle_free(back);
}

static void
key_follows_number(void **state)
{
	struct place *p = *state;

	make_sources(p, "aggregation");
	assert_string_equal(p->b->key, "pre/2026/11/22/01/2026112201.web1.jsonl.gz");
	p->b->n = 2;
	assert_int_equal(bundle_make_key(p->b, STR("pre/")), 0);
	assert_string_equal(p->b->key, "pre/2026/11/22/01/2026112201.web1.2.jsonl.gz");
}

/* ---- packing ---- */

static void
packs_in_order_of_commit(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;
	struct path path;
	uint64_t records;
	struct id id;
	int fd;

	make_sources(p, "aggregation");
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	gunzip_equals(p, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n{\"n\":6}\n");
	assert_int_equal(packed.records, 6);
	assert_int_equal(packed.skipped, 0);
	fd = open(path_of_id(&path, p->tmp.dir, "uploading", &p->b->id, ".gz"), O_RDONLY);
	assert_int_equal(gzid_read(fd, &id), 0);
	assert_true(id_eq(id, p->b->id));
	assert_int_equal(gzid_read_records(fd, &records), 0);
	assert_int_equal(records, 6);
	close(fd);
	assert_false(id_file_exists(p, "uploading", ".part"));
}

static void
long_bodies_pass_through(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;
	size_t n = 3 * READER_BUFFER + 17;
	char *body = malloc(n), *back = malloc(n + 2);
	struct made m;
	struct path path;
	gzFile gz;

	for (size_t i = 0; i < n; i++)
		body[i] = (char)('a' + random_u64() % 26);
	p->b->id = id_new();
	p->b->n_sources = 1;
	made_init(&m, HOUR, 3, 0);
	made_frame(&m, HOUR, "u", STR(""), str_make(body, n));
	p->b->sources[0].id = m.header.id;
	p->b->sources[0].length = m.bytes.n;
	strcpy(p->b->sources[0].name, names[0]);
	made_write(&m, path_join(&path, p->tmp.dir, NULL, "aggregation"), names[0]);
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 1 }, &packed), 0);
	gz = gzopen(path_of_id(&path, p->tmp.dir, "uploading", &p->b->id, ".gz"), "rb");
	assert_int_equal(gzread(gz, back, (unsigned)n + 2), (int)n + 1);
	assert_memory_equal(back, body, n);
	assert_int_equal(back[n], '\n');
	gzclose(gz);
	free(body);
	free(back);
}

static void
source_with_another_id_is_not_packed(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;

	make_sources(p, "aggregation");
	p->b->sources[1].id = id_new();
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed),
	    ERR_NOT_FOUND);
	assert_false(id_file_exists(p, "uploading", ".gz"));
}

static void
damaged_frame_is_passed_over_and_its_segment_kept(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;
	struct path path;
	int fd;

	make_sources(p, "aggregation");
	fd = open(path_join(&path, p->tmp.dir, "aggregation", names[1]), O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, SEGMENT_HEADER_LEN + SEGMENT_FRAME_LEN + 3), 1);
	close(fd);
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	gunzip_equals(p, "{\"n\":1}\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n{\"n\":6}\n");
	assert_true(packed.skipped > 0);
	assert_true(packed.damaged[1]);
	assert_int_equal(bundle_unlink_sources(p->b, p->tmp.dir, packed.damaged), 0);
	assert_true(exists(p, "corrupt", names[1]));
	assert_false(exists(p, "aggregation", names[0]));
	assert_false(exists(p, "aggregation", names[1]));
}

static void
only_the_listed_segment_is_unlinked(void **state)
{
	struct place *p = *state;

	make_sources(p, "aggregation");
	p->b->sources[2].id = id_new();
	assert_int_equal(bundle_unlink_sources(p->b, p->tmp.dir, NULL), 0);
	assert_false(exists(p, "aggregation", names[0]));
	assert_true(exists(p, "aggregation", names[2]));
}

/* ---- the scan ---- */

static void
scan_finds_free_segments_of_both_places(void **state)
{
	struct place *p = *state;
	struct path from, to;

	make_sources(p, NULL);
	rename(path_join(&from, p->tmp.dir, NULL, names[1]),
	    path_join(&to, p->tmp.dir, "aggregation", names[1]));
	p->scan->distrust = true;
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_int_equal(p->scan->n_segments, 3);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(p->scan->segments[i].name, names[i]);
		assert_int_equal(p->scan->segments[i].claimed, i == 1);
		assert_true(id_eq(p->scan->segments[i].id, p->b->sources[i].id));
	}
	assert_int_equal(p->scan->waiting_files, 3);
}

static void
scan_offers_a_list_without_gz_again(void **state)
{
	struct place *p = *state;

	make_sources(p, "aggregation");
	assert_int_equal(bundle_write_list(p->b, p->tmp.dir), 0);
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_true(p->scan->has_unpacked);
	assert_true(id_eq(p->scan->unpacked, p->b->id));
	assert_int_equal(p->scan->n_segments, 0);
	assert_int_equal(p->scan->n_ready, 0);
}

static void
scan_finds_a_source_under_its_old_name(void **state)
{
	struct place *p = *state;

	make_sources(p, NULL);
	assert_int_equal(bundle_write_list(p->b, p->tmp.dir), 0);
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_true(p->scan->has_unpacked);
	assert_int_equal(p->scan->n_segments, 0);
	assert_true(exists(p, "aggregation", names[0]));
}

static void
scan_dissolves_a_list_that_misses_a_source(void **state)
{
	struct place *p = *state;
	struct path path;

	make_sources(p, "aggregation");
	assert_int_equal(bundle_write_list(p->b, p->tmp.dir), 0);
	unlink(path_join(&path, p->tmp.dir, "aggregation", names[1]));
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_false(p->scan->has_unpacked);
	assert_false(id_file_exists(p, "aggregation", ".list"));
	assert_int_equal(p->scan->n_segments, 2);
}

static void
scan_unlinks_sources_that_are_packed(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;

	make_sources(p, "aggregation");
	assert_int_equal(bundle_write_list(p->b, p->tmp.dir), 0);
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_int_equal(p->scan->n_ready, 1);
	assert_true(id_eq(p->scan->ready[0], p->b->id));
	assert_int_equal(p->scan->n_segments, 0);
	assert_false(exists(p, "aggregation", names[0]));
}

static void
scan_leaves_busy_bundles_alone(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;

	make_sources(p, "aggregation");
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	p->scan->n_busy = 1;
	p->scan->busy[0] = p->b->id;
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_int_equal(p->scan->n_ready, 0);
	assert_true(id_file_exists(p, "uploading", ".gz"));
}

static void
scan_deletes_part_and_gz_without_list(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;
	struct path path;

	make_sources(p, "aggregation");
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	close(
	    open(path_join(&path, p->tmp.dir, "uploading", "00000000000000000000000000000000.part"),
		O_WRONLY | O_CREAT, 0640));
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_false(id_file_exists(p, "uploading", ".gz"));
	assert_false(exists(p, "uploading", "00000000000000000000000000000000.part"));
	assert_int_equal(p->scan->n_segments, 3);
}

static void
scan_finishes_what_was_sent(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;
	struct path from, to;

	make_sources(p, "aggregation");
	assert_int_equal(bundle_write_list(p->b, p->tmp.dir), 0);
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	assert_int_equal(bundle_unlink_sources(p->b, p->tmp.dir, NULL), 0);
	rename(path_of_id(&from, p->tmp.dir, "aggregation", &p->b->id, ".list"),
	    path_of_id(&to, p->tmp.dir, "aggregation", &p->b->id, ".sent"));
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_false(id_file_exists(p, "aggregation", ".sent"));
	assert_false(id_file_exists(p, "uploading", ".gz"));
	assert_int_equal(p->scan->n_ready, 0);
}

static void
scan_sets_a_damaged_list_aside_with_its_gz(void **state)
{
	struct place *p = *state;
	struct bundle_packed packed;
	struct path path;

	make_sources(p, "aggregation");
	assert_int_equal(bundle_write_list(p->b, p->tmp.dir), 0);
	assert_int_equal(
	    bundle_pack(p->b, p->tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	assert_int_equal(
	    truncate(path_of_id(&path, p->tmp.dir, "aggregation", &p->b->id, ".list"), 40), 0);
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_true(id_file_exists(p, "corrupt", ".list"));
	assert_true(id_file_exists(p, "corrupt", ".gz"));
}

static void
scan_sets_foreign_rubbish_aside(void **state)
{
	struct place *p = *state;
	struct path path;
	int fd = open(path_join(&path, p->tmp.dir, NULL, names[0]), O_WRONLY | O_CREAT, 0640);

	assert_int_equal(write(fd, "rubbish", 7), 7);
	close(fd);
	assert_int_equal(scan_bundles(p->scan), 0);
	assert_int_equal(p->scan->n_segments, 0);
	assert_true(exists(p, "corrupt", names[0]));
}

/* ---- objects ---- */

static void
objects_are_claimed_a_few_at_a_time(void **state)
{
	struct place *p = *state;
	struct scan_objects scan = { .dir = p->tmp.dir, .distrust = true, .claim_max = 2 };
	struct path path;

	make_sources(p, NULL);
	close(open(path_join(&path, p->tmp.dir, "uploading", "gone.n"), O_WRONLY | O_CREAT, 0640));
	assert_int_equal(scan_objects(&scan), 0);
	assert_int_equal(scan.n, 2);
	assert_string_equal(scan.names[0], names[0]);
	assert_int_equal(scan.waiting_files, 3);
	assert_true(exists(p, "uploading", names[1]));
	assert_true(exists(p, NULL, names[2]));
	assert_false(exists(p, "uploading", "gone.n"));
	free(scan.names);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(list_survives_its_text),
		TEST(damaged_list_is_noticed),
		TEST(key_follows_number),
		TEST(packs_in_order_of_commit),
		TEST(long_bodies_pass_through),
		TEST(source_with_another_id_is_not_packed),
		TEST(damaged_frame_is_passed_over_and_its_segment_kept),
		TEST(only_the_listed_segment_is_unlinked),
		TEST(scan_finds_free_segments_of_both_places),
		TEST(scan_offers_a_list_without_gz_again),
		TEST(scan_finds_a_source_under_its_old_name),
		TEST(scan_dissolves_a_list_that_misses_a_source),
		TEST(scan_unlinks_sources_that_are_packed),
		TEST(scan_leaves_busy_bundles_alone),
		TEST(scan_deletes_part_and_gz_without_list),
		TEST(scan_finishes_what_was_sent),
		TEST(scan_sets_a_damaged_list_aside_with_its_gz),
		TEST(scan_sets_foreign_rubbish_aside),
		TEST(objects_are_claimed_a_few_at_a_time),
	};

	log_threshold = LOG_ERROR + 1; /* they complain, as they should */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
