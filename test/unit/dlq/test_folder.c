/*
 * What hands, disks and crashes may make of the folder: torn tails, damage in the middle, files that are gone, garbage, copies, strangers. Each
 * time the store opens, says what it found, sets aside what is damaged, and has all that is still valid.
 */
#include "dlq/logfile.h"
#include "unit/dlq/harness.h"

static const char *
log_path(struct dlq *d, uint32_t number)
{
	static char path[4][DLQ_PATH_MAX];
	static unsigned turn;
	char *p = path[turn++ % 4];

	files_log_path(d, number, p);
	return p;
}

/* ---- tails ---- */

struct bytes {
	char *p;
	size_t n;
};

static struct bytes
read_log_of(struct dlq *d, uint32_t number)
{
	struct bytes b;

	assert_int_equal(file_read_all(log_path(d, number), 1 << 24, &b.p, &b.n), 0);
	return b;
}

static void
write_bytes(const char *path, const char *p, size_t n)
{
	int fd = file_open(path, O_WRONLY | O_CREAT | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, p, n, 0), 0);
	assert_int_equal(file_close(fd), 0);
}

/*
 * Cut at every byte of the last two frames, followed by nothing, by zeros, by rubbish: what stood before is there, and the store goes on.
 */
TEST(torn_tails)
{
	static const char *const tails[] = { "", "\0\0\0\0\0\0\0\0", "rubbish" };
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "why");
	size_t end, begin;
	struct bytes log;
	char path[DLQ_PATH_MAX];

	assert_int_equal(add(d, 1, "mail", "one"), 0);
	begin = d->logs[0].bytes;
	assert_int_equal(add(d, 2, "mail", "two"), 0);
	assert_int_equal(decide_one(dlq_discard, d, 1, &how), 0);
	end = d->logs[0].bytes;
	strcpy(path, log_path(d, 1));
	log = read_log_of(d, 1);
	dlq_close(d);
	for (size_t cut = begin; cut < end; cut++) {
		size_t tail = cut % ARRAY_LEN(tails), n = tail == 0 ? 0 : tail == 1 ? 8 : 7;
		char *torn = malloc(cut + n + 1);

		memcpy(torn, log.p, cut);
		memcpy(torn + cut, tails[tail], n);
		write_bytes(path, torn, cut + n);
		free(torn);
		d = open_store(t);
		assert_string_equal(payload(d, 1), "one");
		assert_int_equal(state_of(d, 1), DLQ_PENDING);
		if (cut % 16 == 0) {
			assert_int_equal(add(d, 3, "mail", "three"), 0);
			dlq_close(d);
			d = open_store(t);
			assert_string_equal(payload(d, 3), "three");
			(void)unlink(log_path(d, 2)); /* where the tail was cut, it went there */
		}
		assert_int_equal(d->strays, 0);
		dlq_close(d);
	}
	free(log.p);
}

/* ---- damage in the middle ---- */

static void
flip(const char *path, off_t at)
{
	int fd = file_open(path, O_RDWR);
	char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 0x40);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	assert_int_equal(file_close(fd), 0);
}

static bool
there(struct dlq *d, const char *name)
{
	char path[DLQ_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	return access(path, F_OK) == 0;
}

TEST(damage_in_the_middle)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_filter f = all();
	struct words w;
	char path[DLQ_PATH_MAX];
	off_t second;

	assert_int_equal(add(d, 1, "mail", "one"), 0);
	second = (off_t)d->logs[0].bytes;
	for (unsigned i = 2; i <= 4; i++)
		assert_int_equal(add(d, i, "mail", "more"), 0);
	strcpy(path, log_path(d, 1));
	dlq_close(d);
	flip(path, second + 50);
	d = open_store(t);
	assert_string_equal(list(d, &f, &w), "4 3 1");
	tend(d);
	assert_false(there(d, "0000000001.log"));
	assert_true(there(d, "0000000001.log.bad"));
	dlq_close(d);
	d = open_store(t);
	assert_string_equal(list(d, &f, &w), "4 3 1");
	assert_string_equal(payload(d, 3), "more");
	assert_string_equal(history(d, 4, &w), "attempt attempt dead");
	dlq_close(d);
}

TEST(damage_found_when_it_is_read)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_filter f = all();
	struct dlq_entry e;
	struct words w;
	char p[8];

	d->file_size = 1;
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(add(d, i, "mail", "hello"), 0);
	flip(log_path(d, 1), (off_t)d->logs[0].bytes - 2);
	assert_int_equal(dlq_read(d, id_of(1), 0, p, 8), ERR_CORRUPT);
	assert_int_equal(dlq_history(d, id_of(1), NULL, add_word, &w), ERR_IO);
	d->logs[2].damaged = true; /* so that all before it is written anew */
	tend(d);
	assert_true(there(d, "0000000001.log.bad"));
	for (int again = 0; again < 2; again++) {
		assert_string_equal(list(d, &f, &w), "3 2 1");
		assert_int_equal(dlq_find(d, id_of(1), &e), 0);
		assert_true(str_is(e.error, "503 try later") && e.size == 5);
		assert_int_equal(dlq_read(d, id_of(1), 0, p, 8), ERR_CORRUPT);
		assert_string_equal(payload(d, 2), "hello");
		dlq_close(d);
		d = open_store(t);
	}
	dlq_close(d);
}

/* ---- by hand ---- */

TEST(files_are_gone)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "r");
	struct dlq_filter f = all();
	struct words w;
	char p[8];

	d->file_size = 1;
	assert_int_equal(add(d, 1, "mail", "one"), 0);
	assert_int_equal(add(d, 2, "mail", "two"), 0);
	assert_int_equal(decide_one(dlq_discard, d, 1, &how), 0);
	assert_int_equal(unlink(log_path(d, 1)), 0);
	assert_int_equal(dlq_read(d, id_of(1), 0, p, 8), ERR_NOT_FOUND);
	assert_int_equal(dlq_history(d, id_of(1), NULL, add_word, &w), ERR_IO);
	assert_int_equal(state_of(d, 1), DLQ_DISCARDED);
	dlq_close(d);
	d = open_store(t); /* the change speaks of a letter that is not there */
	assert_int_equal(d->strays, 1);
	assert_string_equal(list(d, &f, &w), "2");
	dlq_close(d);
}

TEST(the_folder_is_gone)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	char command[256];

	assert_int_equal(add(d, 1, "mail", "one"), 0);
	snprintf(command, sizeof(command), "rm -r '%s'", folder(t));
	assert_int_equal(system(command), 0);
	d->file_size = 1;
	assert_int_equal(add(d, 2, "mail", "two"), 0); /* the file that is open still takes it */
	dlq_close(d);
	d = open_store(t);
	assert_int_equal(state_of(d, 1), -1);
	assert_int_equal(add(d, 3, "mail", "three"), 0);
	dlq_close(d);
}

TEST(garbage_and_strangers)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_filter f = all();
	struct bytes log;
	struct words w;
	char path[DLQ_PATH_MAX];

	assert_int_equal(add(d, 1, "mail", "one"), 0);
	log = read_log_of(d, 1);
	write_bytes(log_path(d, 2), "garbage", 7);
	write_bytes(log_path(d, 3), log.p, log.n); /* cp 1.log 3.log */
	write_bytes(log_path(d, 4), "", 0);
	assert_int_equal(mkdir(log_path(d, 5), 0700), 0);
	assert_int_equal(symlink("/etc/passwd", log_path(d, 6)), 0);
	assert_int_equal(mkfifo(log_path(d, 7), 0600), 0);
	snprintf(path, sizeof(path), "%s/notes.log", d->dir);
	write_bytes(path, "mine", 4);
	snprintf(path, sizeof(path), "%s/stranger", d->files);
	write_bytes(path, "mine", 4);
	free(log.p);
	dlq_close(d);
	d = open_store(t);
	assert_string_equal(list(d, &f, &w), "1");
	assert_true(there(d, "0000000002.log.bad"));
	assert_true(there(d, "0000000003.log.bad"));
	assert_false(there(d, "0000000004.log"));
	assert_true(there(d, "0000000005.log"));
	assert_true(there(d, "0000000006.log"));
	assert_true(there(d, "0000000007.log"));
	assert_true(there(d, "notes.log"));
	assert_true(there(d, "files/stranger"));
	assert_int_equal(add(d, 2, "mail", "two"), 0);
	assert_true(d->active.header.number > 7);
	dlq_close(d);
}

/* The next number is in use: somebody put a file there while the store was open. */
TEST(a_number_is_taken)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_filter f = all();
	struct words w;

	write_bytes(log_path(d, 1), "garbage", 7);
	assert_int_equal(add(d, 1, "mail", "one"), 0);
	assert_int_equal(d->active.header.number, 2);
	dlq_close(d);
	d = open_store(t);
	assert_string_equal(list(d, &f, &w), "1");
	dlq_close(d);
}

/* A loop of links stands for what even root may not open. */
TEST(a_file_that_cannot_be_opened)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_filter f = all();
	struct words w;
	char path[DLQ_PATH_MAX];
	const char *saved = tmp_path(t, "saved");

	assert_int_equal(add(d, 1, "mail", "one"), 0);
	strcpy(path, log_path(d, 1));
	dlq_close(d);
	assert_int_equal(rename(path, saved), 0);
	assert_int_equal(symlink(path, path), 0);
	d = open_store(t);
	assert_string_equal(list(d, &f, &w), "");
	assert_int_equal(add(d, 2, "mail", "two"), 0);
	dlq_close(d);
	assert_int_equal(rename(saved, path), 0);
	d = open_store(t);
	assert_string_equal(list(d, &f, &w), "2 1");
	dlq_close(d);
}

/* ---- files of payloads ---- */

static void
add_long(struct dlq *d, unsigned n)
{
	struct dlq_letter l = letter(n, "mail", "");
	char *p = calloc(1, DLQ_INLINE_MAX + 1);

	l.m.body = str_make(p, DLQ_INLINE_MAX + 1);
	assert_int_equal(dlq_add(d, &l), 0);
	free(p);
}

TEST(files_of_nobody)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	char path[DLQ_PATH_MAX], other[DLQ_PATH_MAX];
	struct dlq_files files;

	add_long(d, 1);
	files_path(d, id_of(2), DLQ_MESSAGE, false, path);
	write_bytes(path, "x", 1);
	files_path(d, id_of(3), DLQ_BUNDLE, false, path);
	write_bytes(path, "x", 1); /* its only name: not ours to remove */
	files_path(d, id_of(4), DLQ_BUNDLE, false, other);
	write_bytes(other, "x", 1);
	assert_int_equal(link(other, tmp_path(t, "bundle.gz")), 0);
	snprintf(other, sizeof(other), "%s/%032d.tmp", d->files, 5);
	write_bytes(other, "x", 1);
	dlq_close(d);
	d = open_store(t);
	assert_int_equal(dlq_find_files(d, id_of(1), &files), 0);
	assert_int_equal(access(files.file, F_OK), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(other, F_OK), -1);
	files_path(d, id_of(2), DLQ_MESSAGE, false, path);
	assert_int_equal(access(path, F_OK), -1);
	files_path(d, id_of(4), DLQ_BUNDLE, false, path);
	assert_int_equal(access(path, F_OK), -1);
	dlq_close(d);
}

/* Where letters may be missing, what they may have spoken of stays. */
TEST(nothing_is_removed_beside_damage)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_files files;
	char path[DLQ_PATH_MAX];

	add_long(d, 1);
	assert_int_equal(add(d, 2, "mail", "two"), 0);
	assert_int_equal(dlq_find_files(d, id_of(1), &files), 0);
	strcpy(path, log_path(d, 1));
	dlq_close(d);
	flip(path, FRAME_FILE_HEADER_LEN + 40);
	d = open_store(t);
	assert_int_equal(state_of(d, 1), -1);
	assert_int_equal(state_of(d, 2), DLQ_PENDING);
	assert_int_equal(access(files.file, F_OK), 0);
	dlq_close(d);
}

/* ---- a disk that is full ---- */

static bool full;

static int
full_allocate(int fd, off_t at, off_t n)
{
	return full ? 28 /* ENOSPC */ : file_calls_real.allocate(fd, at, n);
}

/* Letters are refused, decisions are not: room for them is kept. */
TEST(a_full_disk)
{
	static struct file_ops table;
	struct tmp *t = arg;
	struct dlq *d;
	struct dlq_decision how = by("eve", "for room");
	struct dlq_filter f = all();
	struct words w;

	table = file_calls_real;
	table.allocate = full_allocate;
	file_calls = &table;
	d = open_store(t);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(add(d, i, "mail", "hello"), 0);
	full = true;
	assert_int_equal(decide_one(dlq_discard, d, 1, &how), 0);
	/* Beyond what is reserved, and then all of it again after a restart. */
	d->active.reserved = d->active.end + 3 * 1024 * 1024;
	assert_int_equal(add(d, 4, "mail", "hello"), ERR_NOSPACE);
	assert_int_equal(state_of(d, 4), -1);
	assert_int_equal(decide_one(dlq_discard, d, 2, &how), 0);
	dlq_close(d);
	d = open_store(t);
	assert_int_equal(decide_one(dlq_discard, d, 3, &how), 0);
	full = false;
	assert_int_equal(add(d, 5, "mail", "hello"), 0);
	assert_string_equal(list(d, &f, &w), "5 3 2 1");
	f.state = DLQ_DISCARDED;
	assert_string_equal(list(d, &f, &w), "3 2 1");
	dlq_close(d);
	file_calls = &file_calls_real;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(torn_tails),
		cmocka_unit_test(damage_in_the_middle),
		cmocka_unit_test(damage_found_when_it_is_read),
		cmocka_unit_test(files_are_gone),
		cmocka_unit_test(the_folder_is_gone),
		cmocka_unit_test(garbage_and_strangers),
		cmocka_unit_test(a_number_is_taken),
		cmocka_unit_test(a_file_that_cannot_be_opened),
		cmocka_unit_test(files_of_nobody),
		cmocka_unit_test(nothing_is_removed_beside_damage),
		cmocka_unit_test(a_full_disk),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
