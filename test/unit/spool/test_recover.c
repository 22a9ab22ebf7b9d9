/*
 * Orphans, the names of segments, and the files of the origin gateway.
 */
#include <fcntl.h>
#include <sys/file.h>

#include "folder.h"

#define NAME "20261122T010203000000000Z.17.4"

/* A segment as a dead worker leaves it: records, then rubbish, then preallocated zeros. */
static size_t
make_orphan(const char *path, unsigned records, const char *rubbish, size_t zeros)
{
	struct segment_header h = { .id = id_new(), .created = 1000 };
	unsigned char p[4096] = { 0 };
	size_t n = SEGMENT_HEADER_LEN;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0640);

	assert_true(fd >= 0);
	segment_encode_header(&h, p);
	for (unsigned i = 0; i < records; i++) {
		struct segment_frame f = { .time = 1000, .body_len = 2 };

		segment_encode_frame(&f, p + n);
		p[n + SEGMENT_FRAME_LEN] = (unsigned char)('a' + i);
		n += segment_bind_frame(p + n, &h.id, n, i);
	}
	memcpy(p + n, rubbish, strlen(rubbish));
	assert_int_equal(write(fd, p, n + strlen(rubbish)), n + strlen(rubbish));
	assert_int_equal(ftruncate(fd, (off_t)(n + strlen(rubbish) + zeros)), 0);
	close(fd);
	return n;
}

static struct recover_stats
recover(void)
{
	struct recover_stats st;

	assert_int_equal(recover_dir(tmp.dir, &st), 0);
	return st;
}

static void
write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void
test_names(void **state)
{
	char name[NAME_CAP];

	(void)state;
	name_make(name, INT64_C(1795309323000000042), 7);
	assert_int_equal(strncmp(name, "20261122T010203000000042Z.", 26), 0);
	assert_int_equal(atol(name + 26), getpid());
	assert_int_equal(name_kind(str_of(name)), NAME_SEALED);
	assert_int_equal(name_kind(STR(NAME)), NAME_SEALED);
	assert_int_equal(name_kind(STR(NAME ".open")), NAME_OPEN);
	assert_int_equal(name_kind(STR(NAME ".part")), NAME_PART);
	assert_int_equal(name_kind(STR(NAME ".gz")), NAME_OTHER);
	assert_int_equal(name_kind(STR(NAME ".")), NAME_OTHER);
	assert_int_equal(name_kind(STR("1795309323000000000.17.part")), NAME_OTHER);
	assert_int_equal(name_kind(STR("1795309323000000000.17.4")), NAME_OTHER);
	assert_int_equal(name_kind(STR("20261122010203.17.4.part")), NAME_OTHER);
	assert_int_equal(name_kind(STR("aggregation")), NAME_OTHER);
	assert_int_equal(name_kind(STR("")), NAME_OTHER);
	name_make(name, INT64_MAX, UINT64_MAX);
	assert_true(strlen(name) + strlen(NAME_OPEN_SUFFIX) < NAME_CAP);
}

/* A name that is in use in any form is in use: no rename may ever land on a file that is there. */
static void
test_taken(void **state)
{
	static const char *const forms[] = { NAME, NAME ".open", NAME ".part", "aggregation/" NAME,
		"uploading/" NAME };

	(void)state;
	assert_int_equal(spool_prepare(tmp.dir, false), 0);
	assert_false(name_taken(tmp.dir, NAME, ""));
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		write_text(folder_path(forms[i]), "");
		assert_true(name_taken(tmp.dir, NAME, ""));
		assert_int_equal(name_taken(tmp.dir, NAME, ".open"), i != 1);
		assert_int_equal(unlink(folder_path(forms[i])), 0);
	}
}

/* The clock stands still and every process has our pid: all names differ, and nothing is replaced. */
static int64_t
frozen(void *arg)
{
	(void)arg;
	return INT64_C(1795309323000000000);
}

static void
collide(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct spool *s;

	opt.wall = frozen;
	assert_int_equal(spool_new(&opt, &s), 0);
	for (int i = 0; i < 3; i++) {
		struct spool_upload *u;
		struct spool_record r = record("u", arg);

		assert_int_equal(spool_append(s, &r), 0);
		assert_int_equal(spool_upload_begin(s, STR("u"), STR(""), 0, &u), 0);
		assert_int_equal(spool_upload_write(u, arg, 1), 0);
		assert_int_equal(spool_upload_commit(u), 0);
	}
	assert_int_equal(spool_close(s, CLOCK_NEVER), 0);
	spool_free(s);
}

static int
claim(const char *name, void *arg)
{
	char to[512];

	(void)arg;
	snprintf(to, sizeof(to), "%s/aggregation/%s", tmp.dir, name);
	if (name_kind(str_of(name)) == NAME_SEALED)
		assert_int_equal(rename(folder_path(name), to), 0);
	return 0;
}

static void
test_collision(void **state)
{
	char dir[512];

	(void)state;
	assert_int_equal(spool_prepare(tmp.dir, false), 0);
	run(collide, "a");
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), 4);
	assert_int_equal(file_each(tmp.dir, claim, NULL), 0);
	run(collide, "b");
	run(collide, "c");
	snprintf(dir, sizeof(dir), "%s/aggregation", tmp.dir);
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), 8);
	assert_int_equal(count_files(dir, NAME_SEALED), 4);
	assert_int_equal(file_each(tmp.dir, claim, NULL), 0);
	assert_int_equal(count_files(dir, NAME_SEALED), 12);
}

static void
test_torn(void **state)
{
	struct recover_stats st;
	struct harvest h;
	struct stat file;
	size_t n;

	(void)state;
	n = make_orphan(folder_path(NAME ".open"), 3, "SLfrubbish", 5000);
	st = recover();
	assert_int_equal(st.sealed, 1);
	assert_int_equal(st.torn_bytes, 10);
	assert_int_equal(stat(folder_path(NAME), &file), 0);
	assert_int_equal(file.st_size, n);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.n, 3);
	assert_int_equal(h.err, 0);
	harvest_free(&h);
	st = recover(); /* once more: nothing to do */
	assert_int_equal(st.sealed + st.empty + st.busy + st.torn_bytes, 0);
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), 1);
}

static void
test_whole(void **state)
{
	struct recover_stats st;

	(void)state;
	make_orphan(folder_path(NAME ".open"), 2, "", 300000);
	st = recover();
	assert_int_equal(st.sealed, 1);
	assert_int_equal(st.torn_bytes, 0);
}

/* A frame that was whole once is no torn tail: what follows it was acknowledged, too. */
static void
test_damage_in_the_middle(void **state)
{
	static const char zeros[SEGMENT_FRAME_LEN + 2];
	const struct {
		const char *bytes;
		size_t n;
		off_t at; /* in the second of three frames */
	} damage[] = { { "X", 1, SEGMENT_FRAME_LEN }, { "X", 1, 0 }, { zeros, sizeof(zeros), 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		struct recover_stats st;
		struct stat file;
		size_t n = make_orphan(folder_path(NAME ".open"), 3, "rubbish", 5000);
		int fd = open(folder_path(NAME ".open"), O_WRONLY);
		off_t second = SEGMENT_HEADER_LEN + SEGMENT_FRAME_LEN + 2;

		assert_int_equal(
		    pwrite(fd, damage[i].bytes, damage[i].n, second + damage[i].at), damage[i].n);
		close(fd);
		st = recover();
		assert_int_equal(st.sealed, 1);
		assert_int_equal(st.torn_bytes, 7);
		assert_int_equal(stat(folder_path(NAME), &file), 0);
		assert_int_equal(file.st_size, n);
		folder_again();
	}
}

static void
test_empty(void **state)
{
	struct recover_stats st;

	(void)state;
	make_orphan(folder_path(NAME "1.open"), 0, "", 300000);
	make_orphan(folder_path(NAME "2.open"), 0, "rubbish", 0);
	write_text(folder_path(NAME "3.open"), "");
	write_text(folder_path(NAME "4.open"), "short");
	write_text(folder_path(NAME "5.part"), "whatever");
	assert_int_equal(truncate(folder_path(NAME "3.open"), 1 << 20), 0);
	st = recover();
	assert_int_equal(st.empty, 5);
	assert_int_equal(st.sealed, 0);
	assert_int_equal(count_files(tmp.dir, NAME_OPEN) + count_files(tmp.dir, NAME_PART) +
			     count_files(tmp.dir, NAME_SEALED),
	    0);
}

/* What cannot be read is kept for someone who can. */
static void
test_damaged_header(void **state)
{
	struct recover_stats st;
	int fd;

	(void)state;
	make_orphan(folder_path(NAME ".open"), 3, "", 0);
	fd = open(folder_path(NAME ".open"), O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, 20), 1);
	close(fd);
	st = recover();
	assert_int_equal(st.sealed + st.empty, 0);
	assert_int_equal(access(folder_path(NAME ".open.corrupt"), F_OK), 0);
	st = recover();
	assert_int_equal(access(folder_path(NAME ".open.corrupt"), F_OK), 0);
}

/* Who holds the lock keeps the file. */
static void
test_busy(void **state)
{
	struct recover_stats st;
	int fd;

	(void)state;
	make_orphan(folder_path(NAME ".open"), 3, "", 10);
	write_text(folder_path(NAME "1.part"), "x");
	fd = open(folder_path(NAME ".open"), O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	st = recover();
	assert_int_equal(st.busy, 1);
	assert_int_equal(st.empty, 1);
	assert_int_equal(count_files(tmp.dir, NAME_OPEN), 1);
	close(fd);
	st = recover();
	assert_int_equal(st.sealed, 1);
}

/*
 * The owner seals between our opening the file and our locking it: the lock is ours then, but the name leads elsewhere, here to
 * another segment of that name. Neither may be touched. The file call that opens is where the owner slips in.
 */
static char slip_from[512], slip_to[512];

static int
open_and_slip(const char *path, int flags, mode_t mode)
{
	int fd = file_calls_real.open(path, flags, mode);

	if (strcmp(path, slip_from) == 0 && access(slip_to, F_OK) != 0) {
		assert_int_equal(rename(slip_from, slip_to), 0);
		make_orphan(slip_from, 1, "", 100);
	}
	return fd;
}

static void
test_sealed_meanwhile(void **state)
{
	struct file_ops table = file_calls_real;
	struct recover_stats st;
	struct stat sealed, other;

	(void)state;
	table.open = open_and_slip;
	make_orphan(folder_path(NAME ".open"), 3, "", 0);
	snprintf(slip_from, sizeof(slip_from), "%s", folder_path(NAME ".open"));
	snprintf(slip_to, sizeof(slip_to), "%s", folder_path(NAME));
	file_calls = &table;
	st = recover();
	file_calls = &file_calls_real;
	assert_int_equal(st.sealed + st.empty + st.busy, 0);
	assert_int_equal(stat(slip_to, &sealed), 0);
	assert_int_equal(stat(slip_from, &other), 0);
	assert_int_equal(sealed.st_size, SEGMENT_HEADER_LEN + 3 * (SEGMENT_FRAME_LEN + 2));
	assert_int_not_equal(sealed.st_ino, other.st_ino);
}

/* The other way round: a recovery takes the file between its making and its locking. The maker sees it and makes another. */
static bool slipped;

static int
open_and_recover(const char *path, int flags, mode_t mode)
{
	int fd = file_calls_real.open(path, flags, mode);

	if (flags & O_EXCL && !slipped) {
		slipped = true;
		assert_int_equal(recover().empty, 1);
		assert_int_not_equal(access(path, F_OK), 0);
	}
	return fd;
}

static void
one_record(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct spool_record r = record("u", "x");
	struct spool *s;

	(void)arg;
	assert_int_equal(spool_new(&opt, &s), 0);
	assert_int_equal(spool_append(s, &r), 0);
	assert_int_equal(count_files(tmp.dir, NAME_OPEN), 1);
	assert_int_equal(spool_close(s, CLOCK_NEVER), 0);
	spool_free(s);
}

static void
test_recovered_while_made(void **state)
{
	struct file_ops table = file_calls_real;

	(void)state;
	table.open = open_and_recover;
	slipped = false;
	file_calls = &table;
	run(one_record, NULL);
	file_calls = &file_calls_real;
	assert_true(slipped);
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), 1);
}

/* ---- the origin gateway's files */

static struct recover_stats
take_in(bool object)
{
	struct recover_stats st;

	assert_int_equal(recover_origin_files(tmp.dir, object, &st), 0);
	return st;
}

static void
test_origin_records(void **state)
{
	char *big = malloc(200001);
	struct recover_stats st;
	struct harvest h;

	(void)state;
	memset(big, 'b', 200000);
	big[200000] = '\0';
	assert_int_equal(spool_prepare(tmp.dir, false), 0);
	write_text(folder_path("1795309323000000001.12.ann"), "{\"a\":1}");
	write_text(folder_path("1795309323000000002.13.bob.part"), "line 1\nline 2\n");
	write_text(folder_path("aggregation/1795309323000000003.12.ann"), big);
	write_text(folder_path("1795309323000000004.12.empty"), "");
	write_text(folder_path("aggregation/aggregate_1795309323.gz"), "partial");
	write_text(folder_path("uploading/aggregate_1795309999.gz"), "unsent");
	write_text(folder_path("notes.txt"), "not of the gateway");
	make_orphan(folder_path(NAME), 1, "", 0);
	st = recover(); /* which must not take any of them for its own */
	assert_int_equal(st.sealed + st.empty, 0);
	st = take_in(false);
	assert_int_equal(st.sealed, 3);
	assert_int_equal(st.empty, 1);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.n, 4);
	assert_string_equal(h.at[0].body, "a");
	assert_string_equal(h.at[1].user, "ann");
	assert_int_equal(h.at[1].frame.time, INT64_C(1795309323000000001));
	assert_string_equal(h.at[2].user, "bob.part");
	assert_string_equal(h.at[2].body, "line 1\nline 2\n");
	assert_int_equal(h.at[3].body_n, 200000);
	harvest_free(&h);
	assert_int_equal(access(folder_path("aside/aggregate_1795309323.gz"), F_OK), 0);
	assert_int_equal(access(folder_path("aside/aggregate_1795309999.gz"), F_OK), 0);
	assert_int_equal(access(folder_path("notes.txt"), F_OK), 0);
	st = take_in(false);
	assert_int_equal(st.sealed + st.empty, 0);
	free(big);
}

static struct str
uri_of(const char *name)
{
	static char out[256];
	struct reader_record rec;
	struct reader *r;

	assert_int_equal(reader_open(folder_path(name), 0, &r), 0);
	assert_int_equal(reader_header(r)->flags, SEGMENT_SINGLE | SEGMENT_OBJECT);
	assert_int_equal(reader_next(r, &rec), 1);
	assert_true(str_copyz(out, sizeof(out), segment_get_attr(rec.attrs, SEGMENT_ATTR_URI)));
	reader_close(r);
	return str_of(out);
}

static void
test_origin_objects(void **state)
{
	struct harvest h;

	(void)state;
	assert_int_equal(spool_prepare(tmp.dir, true), 0);
	write_text(
	    folder_path("20261122010203.123456.77.https%3A%2F%2Fx.example%2Fa+b.png"), "png");
	write_text(folder_path("20261122010203.5.77.https%3A%2F%2Fx%2F100%"), "half a second");
	write_text(folder_path("uploading/20261122010205.77.screenshot"), "");
	assert_int_equal(take_in(true).sealed, 3);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.n, 3);
	assert_int_equal(h.at[0].frame.time, INT64_C(1795309323123456000));
	assert_int_equal(h.at[1].frame.time, INT64_C(1795309323500000000));
	assert_int_equal(h.at[2].frame.time, INT64_C(1795309325000000000));
	assert_string_equal(h.at[0].user, "unknown");
	assert_true(str_is(uri_of(h.names[0]), "https://x.example/a b.png"));
	assert_true(str_is(uri_of(h.names[1]), "https%3A%2F%2Fx%2F100%"));
	assert_true(str_is(uri_of(h.names[2]), "screenshot"));
	harvest_free(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(test_names),
		FOLDER_TEST(test_taken),
		FOLDER_TEST(test_collision),
		FOLDER_TEST(test_torn),
		FOLDER_TEST(test_whole),
		FOLDER_TEST(test_damage_in_the_middle),
		FOLDER_TEST(test_empty),
		FOLDER_TEST(test_damaged_header),
		FOLDER_TEST(test_busy),
		FOLDER_TEST(test_sealed_meanwhile),
		FOLDER_TEST(test_recovered_while_made),
		FOLDER_TEST(test_origin_records),
		FOLDER_TEST(test_origin_objects),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
