/*
 * Uploads: streamed, visible only after their commit, gone without a trace after an abort; many at once; objects.
 */
#include "folder.h"

static unsigned char body[3 << 20];
static uint64_t fake_room;
static uint64_t added_bytes;

static uint64_t
room(void *arg)
{
	(void)arg;
	return fake_room;
}

static void
count_added(void *arg, uint64_t bytes)
{
	(void)arg;
	added_bytes += bytes;
}

static struct spool *
open_spool(bool object)
{
	struct spool_options opt = options(tmp.dir);
	struct spool *s;

	opt.object = object;
	opt.room = room;
	opt.added = count_added;
	fake_room = UINT64_MAX / 2;
	added_bytes = 0;
	assert_int_equal(spool_prepare(tmp.dir, object), 0);
	assert_int_equal(spool_new(&opt, &s), 0);
	return s;
}

/* The one sealed segment holds exactly the first n bytes of body, written by user with these attributes. */
static void
check_one(size_t n, const char *user, const char *attrs, uint32_t flags)
{
	static unsigned char back[sizeof(body)];
	struct harvest h = harvest(tmp.dir, NAME_SEALED);
	struct reader_record rec;
	struct reader *r;
	struct stat st;
	char path[256];
	size_t got = 0;
	ssize_t k;

	assert_int_equal(h.files, 1);
	assert_int_equal(h.err, 0);
	snprintf(path, sizeof(path), "%s/%s", tmp.dir, h.names[0]);
	harvest_free(&h);
	assert_int_equal(reader_open(path, 0, &r), 0);
	assert_int_equal(reader_header(r)->flags, flags);
	assert_int_equal(reader_next(r, &rec), 1);
	assert_true(str_is(rec.user, user));
	assert_true(str_is(rec.attrs, attrs));
	assert_int_equal(rec.frame.body_len, n);
	while ((k = reader_body(r, got, back + got, 1 << 16)) > 0)
		got += (size_t)k;
	assert_int_equal(got, n);
	assert_memory_equal(back, body, n);
	assert_int_equal(reader_next(r, &rec), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, reader_end(r));
	reader_close(r);
}

struct plan {
	size_t n, step, hint;
};

static void
stream(void *arg)
{
	const struct plan *p = arg;
	struct spool *s = open_spool(false);
	struct spool_upload *u;

	assert_int_equal(spool_upload_begin(s, STR("ann"), STR("attrs"), p->hint, &u), 0);
	for (size_t at = 0; at < p->n; at += p->step)
		assert_int_equal(spool_upload_write(u, body + at, MIN(p->step, p->n - at)), 0);
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), 0);
	assert_int_equal(spool_upload_commit(u), 0);
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), 1);
	assert_int_equal(added_bytes, 64 + 40 + 3 + 5 + p->n);
	assert_int_equal(spool_get_stats(s).records, 1);
	folder_close(s);
}

static void
test_stream(void **state)
{
	static const struct plan plans[] = {
		{ 0, 1, 0 },
		{ 1, 1, 1 },
		{ 65535, 1000, 0 },
		{ 65536, 65536, 65536 },
		{ 65537, 16384, 65537 },
		{ 100000, 70000, 200000 },
		{ sizeof(body), 16000, 0 },
		{ sizeof(body), 16384, sizeof(body) },
		{ sizeof(body), sizeof(body), 0 },
	};

	(void)state;
	random_bytes(body, sizeof(body));
	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		struct plan p = plans[i];

		run(stream, &p);
		check_one(p.n, "ann", "attrs", SEGMENT_SINGLE);
		folder_again();
	}
}

static void
aborting(void *arg)
{
	struct spool *s = open_spool(false);
	struct spool_upload *u;

	(void)arg;
	assert_int_equal(spool_upload_begin(s, STR("ann"), STR(""), 1000, &u), 0);
	spool_upload_abort(u);
	assert_int_equal(spool_upload_begin(s, STR("ann"), STR(""), 0, &u), 0);
	assert_int_equal(spool_upload_write(u, body, sizeof(body)), 0);
	assert_true(count_files(tmp.dir, NAME_PART) > 0);
	spool_upload_abort(u);
	folder_close(s);
	assert_int_equal(added_bytes, 0);
}

static void
test_abort(void **state)
{
	(void)state;
	run(aborting, NULL);
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), 0);
}

/* Room is asked for what is announced, and again for what comes beyond it; what is promised to one is not given to another. */
static void
no_room(void *arg)
{
	struct spool *s = open_spool(false);
	struct spool_upload *u, *v;
	struct spool_record r = record("u", "small");

	(void)arg;
	fake_room = 10000;
	assert_int_equal(spool_upload_begin(s, STR(""), STR(""), 10000, &u), ERR_NOSPACE);
	assert_int_equal(spool_upload_begin(s, STR(""), STR(""), 9000, &u), 0);
	assert_int_equal(spool_upload_begin(s, STR(""), STR(""), 1000, &v), ERR_NOSPACE);
	fake_room = 9104;
	assert_int_equal(spool_append(s, &r), ERR_NOSPACE);
	assert_int_equal(spool_upload_write(u, body, 9000), 0);
	assert_int_equal(spool_upload_commit(u), 0);
	fake_room = 1000;
	assert_int_equal(spool_append(s, &r), 0); /* the promise was given back */
	assert_int_equal(spool_upload_begin(s, STR(""), STR(""), 0, &u), 0);
	assert_int_equal(spool_upload_write(u, body, 70000), ERR_NOSPACE);
	assert_int_equal(spool_upload_write(u, body, 1), ERR_NOSPACE);
	assert_int_equal(spool_upload_commit(u), ERR_NOSPACE);
	assert_int_equal(
	    spool_upload_begin(s, str_make(body, 1), str_make(body, SEGMENT_META_MAX), 0, &u),
	    ERR_TOO_LARGE);
	folder_close(s);
}

static void
test_no_room(void **state)
{
	struct harvest h;

	(void)state;
	run(no_room, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.n, 2);
	harvest_free(&h);
}

static void
object(void *arg)
{
	struct spool *s = open_spool(true);
	struct spool_record r = {
		.user = STR("bob"), .attrs = STR("attributes"), .body = str_make(body, 5000)
	};

	(void)arg;
	assert_int_equal(spool_append(s, &r), 0);
	folder_close(s);
}

static void
test_object(void **state)
{
	(void)state;
	run(object, NULL);
	check_one(5000, "bob", "attributes", SEGMENT_SINGLE | SEGMENT_OBJECT);
}

enum { MANY = 64 };

static unsigned left;
static struct waitq all_done;
static struct spool *shared;

static void
one_of_many(void *arg)
{
	int i = *(int *)arg;
	char user[8];
	struct spool_upload *u;

	free(arg);
	snprintf(user, sizeof(user), "%d", i);
	assert_int_equal(spool_upload_begin(shared, str_of(user), STR(""), 0, &u), 0);
	for (size_t at = 0; at < 300000; at += 10000)
		assert_int_equal(spool_upload_write(u, body + i, 10000), 0);
	assert_int_equal(spool_upload_commit(u), 0);
	if (--left == 0)
		waitq_wake_all(&all_done);
}

static void
many(void *arg)
{
	(void)arg;
	shared = open_spool(false);
	waitq_init(&all_done);
	left = MANY;
	for (int i = 0; i < MANY; i++) {
		int *index = malloc(sizeof(*index));

		*index = i;
		assert_int_equal(task_go("upload", one_of_many, index, NULL), 0);
	}
	while (left)
		assert_int_equal(waitq_park(&all_done, CLOCK_NEVER), 0);
	folder_close(shared);
}

static void
test_many(void **state)
{
	struct harvest h;

	(void)state;
	run(many, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.n, MANY);
	for (size_t f = 0; f < h.n; f++) {
		assert_int_equal(h.at[f].body_n, 300000);
		assert_memory_equal(h.at[f].body, body + atoi(h.at[f].user), 1);
	}
	harvest_free(&h);
}

/* The client leaves at any moment: what was begun is given up, and nothing is leaked or half there. */
static void
leave_early(void *arg)
{
	struct spool *s = shared;
	struct spool_upload *u;
	int *result = arg;
	int err = spool_upload_begin(s, STR("u"), STR(""), 0, &u);

	*result = err;
	if (err)
		return;
	for (int i = 0; i < 4 && !err; i++)
		err = spool_upload_write(u, body, 70000);
	*result = spool_upload_commit(u);
}

static void
cancelling(void *arg)
{
	int yields = *(int *)arg, result = 1;
	struct task_handle h;

	shared = open_spool(false);
	assert_int_equal(task_go("leaver", leave_early, &result, &h), 0);
	for (int i = 0; i < yields; i++)
		assert_int_equal(task_sleep_until(clock_mono() + 20 * NS_PER_US), 0);
	task_cancel(h);
	assert_int_equal(task_join(h, CLOCK_NEVER), 0);
	folder_close(shared);
	assert_true(result == 0 || result == ERR_CANCELLED);
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), result == 0);
}

static void
test_cancel(void **state)
{
	(void)state;
	for (int yields = 0; yields < 25; yields++) {
		run(cancelling, &yields);
		folder_again();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(test_stream),
		FOLDER_TEST(test_abort),
		FOLDER_TEST(test_no_room),
		FOLDER_TEST(test_object),
		FOLDER_TEST(test_many),
		FOLDER_TEST(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
