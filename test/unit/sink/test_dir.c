/*
 * sink/dir: the "dir sink" paragraph of the durability protocol, mark by mark, over a table of
 * file calls that records, fails or dies at the Nth.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "sink/dir.h"
#include "sink/gzid.h"
#include "task/loop.h"
#include "unit/tmp.h"
#include "unit/unit.h"

/* ---- file calls that are watched */

static atomic_int calls; /* since the plan was made */
static int fail_at, fail_errno, die_at;
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static struct buf trace; /* "link <name>\n", … of the calls that change something */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* True if this call is to fail. */
static bool
passes(const char *call, const char *path)
{
	int n = ++calls;

	if (n == die_at)
		kill(getpid(), SIGKILL);
	if (n == fail_at) {
		errno = fail_errno;
		return false;
	}
	pthread_mutex_lock(&trace_lock);
	buf_printf(&trace, "%s %s\n", call, path ? base_name(path) : "");
	pthread_mutex_unlock(&trace_lock);
	return true;
}

static int
t_open(const char *path, int flags, mode_t mode)
{
	return passes("open", path) ? file_calls_real.open(path, flags, mode) : -1;
}

static ssize_t
t_pwrite(int fd, const void *p, size_t n, off_t at)
{
	return passes("pwrite", NULL) ? file_calls_real.pwrite(fd, p, n, at) : -1;
}

static ssize_t
t_pread(int fd, void *p, size_t n, off_t at)
{
	return passes("pread", NULL) ? file_calls_real.pread(fd, p, n, at) : -1;
}

/* Named after what is synced. */
static int
t_fsync(int fd)
{
	char link[64], path[512] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		path[0] = '\0';
	return passes("fsync", path) ? file_calls_real.fsync(fd) : -1;
}

static int
t_close(int fd)
{
	bool good = passes("close", NULL);
	int saved = errno, rc = file_calls_real.close(fd);

	errno = saved;
	return good ? rc : -1;
}

static int
t_link(const char *from, const char *to)
{
	return passes("link", to) ? file_calls_real.link(from, to) : -1;
}

static int
t_unlink(const char *path)
{
	return passes("unlink", path) ? file_calls_real.unlink(path) : -1;
}

static int
t_mkdir(const char *path, mode_t mode)
{
	return passes("mkdir", path) ? file_calls_real.mkdir(path, mode) : -1;
}

static struct file_ops watched;

static void
watch(int fail, int errnum, int die)
{
	calls = 0;
	fail_at = fail;
	fail_errno = errnum;
	die_at = die;
	buf_reset(&trace);
}

/* ---- a destination and what is delivered to it */

static struct tmp tmp;
static struct sink *sink;
static char root[300];

struct delivery {
	struct sink_item item;
	struct sink_result result;
	int64_t deadline;
	bool done;
};

static void
deliver(void *arg)
{
	struct delivery *d = arg;

	sink->ops->put(sink, &d->item, false, d->deadline, &d->result);
	d->done = true;
}

/* All of them at once. */
static void
run(struct delivery *d, unsigned n)
{
	assert_int_equal(loop_init(NULL), 0);
	for (unsigned i = 0; i < n; i++) {
		d[i].done = false;
		d[i].deadline = d[i].deadline ? d[i].deadline : CLOCK_NEVER;
		assert_int_equal(task_go("deliver", deliver, &d[i], NULL), 0);
	}
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
	for (unsigned i = 0; i < n; i++)
		assert_true(d[i].done);
}

static enum sink_outcome
put(struct delivery *d)
{
	run(d, 1);
	return d->result.outcome;
}

static void
write_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* A gzip file of text with the id in its header; some bytes before it in the file, to be left
 * out. */
static void
make_bundle(struct delivery *d, const char *name, const char *text)
{
	static char path[8][300];
	static unsigned turn;
	unsigned char extra[GZID_EXTRA_LEN], out[1024] = "12345";
	gz_header head = { .extra = extra, .extra_len = sizeof(extra) };
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)text,
		.avail_in = (uInt)strlen(text),
		.next_out = out + 5,
		.avail_out = sizeof(out) - 5 };
	char *p = path[turn++ % 8];

	*d = (struct delivery){ .item = { .key = STR("2026/11/22/01/2026112201.h.jsonl.gz"),
				    .id = id_new(),
				    .path = p,
				    .offset = 5,
				    .content_type = STR("application/gzip"),
				    .gzip_id = true } };
	snprintf(p, sizeof(path[0]), "%s/%s", tmp.dir, name);
	gzid_extra(&d->item.id, extra);
	deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0);
	deflateSetHeader(&z, &head);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	d->item.length = z.total_out;
	write_file(p, out, 5 + z.total_out);
}

static void
make_object(struct delivery *d, const char *name, const char *text)
{
	make_bundle(d, name, "");
	d->item.key = STR("u1/2026/11/22/page.1795312799123456789.html");
	d->item.gzip_id = false;
	d->item.offset = 0;
	d->item.length = strlen(text);
	d->item.content_type = STR("text/html");
	d->item.uri = STR("https://e.com/a b?c=\xff\"");
	write_file(d->item.path, text, strlen(text));
}

static const char *
in_root(const char *key)
{
	static char path[700];

	snprintf(path, sizeof(path), "%s/%s", root, key);
	return path;
}

static struct str
key_of(const struct delivery *d)
{
	return d->item.key;
}

static void
check_content(const char *key, const struct delivery *d)
{
	char *a, *b;
	size_t n, m;

	assert_int_equal(file_read_all(in_root(key), 1 << 26, &a, &n), 0);
	assert_int_equal(file_read_all(d->item.path, 1 << 26, &b, &m), 0);
	assert_int_equal(n, d->item.length);
	assert_memory_equal(a, b + d->item.offset, n);
	free(a);
	free(b);
}

static int
count_one(const char *name, void *arg)
{
	unsigned *n = arg;

	(void)name;
	(*n)++;
	return 0;
}

static int
is_temp(const char *name, void *arg)
{
	(void)arg;
	return strstr(name, ".sluice-") != NULL;
}

static unsigned
count(const char *folder)
{
	unsigned n = 0;

	file_each(in_root(folder), count_one, &n);
	return n;
}

static bool
has_temps(void)
{
	return file_each(root, is_temp, NULL) != 0;
}

static int
setup(void **state)
{
	char why[200] = "";
	struct sink_conf conf = { .ops = &dir_ops, .arg = root };

	(void)state;
	tmp_init(&tmp);
	snprintf(root, sizeof(root), "%s/dest", tmp.dir);
	watched = file_calls_real;
	watched.open = t_open;
	watched.pwrite = t_pwrite;
	watched.pread = t_pread;
	watched.fsync = t_fsync;
	watched.close = t_close;
	watched.link = t_link;
	watched.unlink = t_unlink;
	watched.mkdir = t_mkdir;
	buf_init(&trace, 0);
	assert_int_equal(dir_ops.open(&conf, &sink, why, sizeof(why)), 0);
	file_calls = &watched;
	watch(0, 0, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	file_calls = &file_calls_real;
	sink->ops->close(sink);
	buf_fini(&trace);
	tmp_fini(&tmp);
	return 0;
}

static void
forget_folder(void)
{
	char why[200];
	struct sink_conf conf = { .ops = &dir_ops, .arg = root };

	sink->ops->close(sink);
	assert_int_equal(dir_ops.open(&conf, &sink, why, sizeof(why)), 0);
}

/* Position of a line in the trace, from a given one on; fails if it is not there. */
static size_t
find_call(const char *line, size_t from)
{
	const char *at = strstr(buf_cstr(&trace) + from, line);

	if (!at)
		fail_msg("no \"%s\" behind %zu in:\n%s", line, from, trace.p);
	return (size_t)(at - trace.p);
}

/* ---- tests */

static void
test_bundle(void **state)
{
	struct delivery d;

	(void)state;
	make_bundle(&d, "src", "hello\n");
	assert_int_equal(put(&d), SINK_CONFIRMED);
	check_content(key_of(&d).p, &d);
	assert_int_equal(count("2026/11/22/01"), 1);
	assert_false(has_temps());
	assert_int_equal(sink->ops->probe(sink, CLOCK_NEVER, NULL, 0), 1);
	assert_true(sink->conditional);
}

/* Data before its name, the hour's folder before what is in it, the name before the
 * confirmation. */
static void
test_order_of_syncs(void **state)
{
	struct delivery d;
	size_t at;

	(void)state;
	make_bundle(&d, "src", "hello\n");
	assert_int_equal(put(&d), SINK_CONFIRMED);
	at = find_call("pwrite", 0);
	at = find_call("fsync .sluice-", at);
	at = find_call("mkdir 2026\n", at);
	at = find_call("fsync dest\n", at);
	at = find_call("mkdir 11\n", at);
	at = find_call("fsync 2026\n", at);
	at = find_call("mkdir 22\n", at);
	at = find_call("fsync 11\n", at);
	at = find_call("mkdir 01\n", at);
	at = find_call("fsync 22\n", at);
	at = find_call("link 2026112201.h.jsonl.gz\n", at);
	at = find_call("fsync 01\n", at);
	find_call("unlink .sluice-", at);
}

/* A folder made by someone who died before syncing its parent: the first delivery of a life
 * syncs it. */
static void
test_parent_of_existing_folder(void **state)
{
	struct delivery d;

	(void)state;
	assert_int_equal(mkdir(in_root("2026"), 0750), 0);
	assert_int_equal(mkdir(in_root("2026/11"), 0750), 0);
	assert_int_equal(mkdir(in_root("2026/11/22"), 0750), 0);
	assert_int_equal(mkdir(in_root("2026/11/22/01"), 0750), 0);
	make_bundle(&d, "src", "hello\n");
	assert_int_equal(put(&d), SINK_CONFIRMED);
	find_call("fsync 01\n", find_call("link 2026", find_call("fsync 22\n", 0)));
}

static void
test_same_bundle_again(void **state)
{
	struct delivery d;

	(void)state;
	make_bundle(&d, "src", "hello\n");
	assert_int_equal(put(&d), SINK_CONFIRMED);
	watch(0, 0, 0);
	assert_int_equal(put(&d), SINK_CONFIRMED); /* the folder is known */
	find_call("fsync 01\n", 0);
	forget_folder();
	watch(0, 0, 0);
	assert_int_equal(put(&d), SINK_CONFIRMED); /* after a restart */
	find_call("fsync 01\n", find_call("fsync 22\n", 0));
	assert_int_equal(count("2026/11/22/01"), 1);
	check_content(key_of(&d).p, &d);
	assert_false(has_temps());
}

static void
test_other_bundle_is_never_replaced(void **state)
{
	struct delivery first, second;

	(void)state;
	make_bundle(&first, "a", "first\n");
	make_bundle(&second, "b", "second\n");
	assert_int_equal(put(&first), SINK_CONFIRMED);
	assert_int_equal(put(&second), SINK_TAKEN);
	forget_folder();
	assert_int_equal(put(&second), SINK_TAKEN);
	check_content(key_of(&first).p, &first);
	second.item.key = STR("2026/11/22/01/2026112201.h.1.jsonl.gz");
	assert_int_equal(put(&second), SINK_CONFIRMED);
	check_content(second.item.key.p, &second);
	assert_false(has_temps());
}

static void
test_strangers_keep_the_name(void **state)
{
	struct delivery d;

	(void)state;
	make_bundle(&d, "src", "hello\n");
	assert_int_equal(file_make_dirs(in_root("2026/11/22/01")), 0);
	write_file(in_root(key_of(&d).p), "not gzip", 8);
	assert_int_equal(put(&d), SINK_TAKEN);
	unlink(in_root(key_of(&d).p));
	assert_int_equal(symlink("/nonexistent", in_root(key_of(&d).p)), 0);
	assert_int_equal(put(&d), SINK_TAKEN);
	unlink(in_root(key_of(&d).p));
	assert_int_equal(mkdir(in_root(key_of(&d).p), 0750), 0);
	assert_int_equal(put(&d), SINK_TAKEN);
}

/* A temporary file left by a crash behind link(2) is the delivered file itself: writing to it
 * would change that. */
static void
test_left_over_is_unlinked_not_truncated(void **state)
{
	struct delivery d, other;
	char temp[600], id[2 * ID_LEN + 1];

	(void)state;
	make_bundle(&d, "a", "first\n");
	assert_int_equal(put(&d), SINK_CONFIRMED);
	make_bundle(&other, "b", "a longer second bundle\n");
	other.item.key = STR("2026/11/22/01/2026112201.h.1.jsonl.gz");
	id_text(other.item.id, id);
	snprintf(temp, sizeof(temp), "%s/.sluice-%s.tmp", root, id);
	assert_int_equal(link(in_root(key_of(&d).p), temp), 0);
	assert_int_equal(put(&other), SINK_CONFIRMED);
	check_content(key_of(&d).p, &d);
	check_content(other.item.key.p, &other);
	assert_false(has_temps());
}

static void
test_object_and_sidecar(void **state)
{
	struct delivery d;
	char id[2 * ID_LEN + 1], expected[400], *text;
	size_t n, at;

	(void)state;
	make_object(&d, "src", "<p>hello</p>");
	assert_int_equal(put(&d), SINK_CONFIRMED);
	check_content(key_of(&d).p, &d);
	id_text(d.item.id, id);
	snprintf(expected, sizeof(expected),
	    "{\"id\":\"%s\",\"uri\":\"https://e.com/a%%20b?c=%%FF\\\"\",\"content_type\":\"text/"
	    "html\","
	    "\"content_encoding\":\"\",\"length\":12}\n",
	    id);
	assert_int_equal(file_read_all(in_root("u1/2026/11/22/page.1795312799123456789.html.meta"),
			     4096, &text, &n),
	    0);
	assert_string_equal(text, expected);
	free(text);
	/* The sidecar claims the name durably before the file appears. */
	at = find_call("link page.1795312799123456789.html.meta\n", 0);
	at = find_call("fsync 22\n", at);
	at = find_call("link page.1795312799123456789.html\n", at);
	find_call("fsync 22\n", at);
	assert_int_equal(put(&d), SINK_CONFIRMED);
	assert_int_equal(count("u1/2026/11/22"), 2);
	assert_false(has_temps());
}

static void
test_object_taken(void **state)
{
	struct delivery first, second;

	(void)state;
	make_object(&first, "a", "first");
	make_object(&second, "b", "first"); /* the same bytes, yet another object */
	assert_int_equal(put(&first), SINK_CONFIRMED);
	assert_int_equal(put(&second), SINK_TAKEN);
	check_content(key_of(&first).p, &first);
	assert_false(has_temps());
}

/* Crash between the two links: the claim is ours, the file is still to come. */
static void
test_object_half_done(void **state)
{
	struct delivery d;

	(void)state;
	make_object(&d, "src", "text");
	assert_int_equal(put(&d), SINK_CONFIRMED);
	assert_int_equal(unlink(in_root(key_of(&d).p)), 0);
	assert_int_equal(put(&d), SINK_CONFIRMED);
	check_content(key_of(&d).p, &d);
}

/* A file nobody claimed, with other bytes: it stays, and our claim on its name goes. */
static void
test_object_stranger(void **state)
{
	struct delivery d;

	(void)state;
	make_object(&d, "src", "text");
	assert_int_equal(file_make_dirs(in_root("u1/2026/11/22")), 0);
	write_file(in_root(key_of(&d).p), "none", 4);
	assert_int_equal(put(&d), SINK_TAKEN);
	assert_int_equal(count("u1/2026/11/22"), 1);
	write_file(in_root(key_of(&d).p), "texts", 5);
	assert_int_equal(put(&d), SINK_TAKEN);
	assert_false(has_temps());
}

static void
start_afresh(void)
{
	tmp_fini(&tmp);
	assert_int_equal(mkdir(tmp.dir, 0750), 0);
	assert_int_equal(mkdir(root, 0750), 0);
	forget_folder();
	watch(0, 0, 0);
}

/*
 * Whichever call fails: nothing but our file under the name, complete if it is there; never
 * confirmed unless it is; and the next attempt confirms it.
 */
static void
fail_every_call(void (*make)(struct delivery *, const char *, const char *), int errnum)
{
	struct delivery d;
	bool reached = true;

	for (int n = 1; reached; n++) {
		make(&d, "src", "some text\n");
		forget_folder();
		watch(n, errnum, 0);
		put(&d);
		reached = calls >= n;
		watch(0, 0, 0);
		assert_true(d.result.outcome == SINK_CONFIRMED || d.result.outcome == SINK_AGAIN ||
			    d.result.outcome == SINK_HELD);
		assert_true(d.result.why[0] != '\0');
		if (d.result.outcome == SINK_CONFIRMED || access(in_root(key_of(&d).p), F_OK) == 0)
			check_content(key_of(&d).p, &d);
		assert_int_equal(put(&d), SINK_CONFIRMED);
		check_content(key_of(&d).p, &d);
		assert_false(has_temps());
		start_afresh();
	}
}

static void
test_failing_calls(void **state)
{
	(void)state;
	fail_every_call(make_bundle, EIO);
	fail_every_call(make_bundle, ENOSPC);
	fail_every_call(make_bundle, EINTR);
	fail_every_call(make_object, EIO);
	fail_every_call(make_object, EDQUOT);
}

/* The number of the nth fsync among the calls of the trace; 0 if there are fewer. */
static int
call_of_sync(unsigned nth)
{
	int at = 0;

	for (struct str rest = buf_str(&trace); rest.p;) {
		at++;
		if (str_starts(str_split(&rest, '\n'), STR("fsync")) && nth-- == 1)
			return at;
	}
	return 0;
}

/* A failed fsync of file or folder is never taken for a success. */
static void
test_failing_syncs(void **state)
{
	struct delivery d;
	unsigned nth = 1;
	int call;

	(void)state;
	make_bundle(&d, "src", "text\n");
	assert_int_equal(put(&d), SINK_CONFIRMED);
	while ((call = call_of_sync(nth))) {
		start_afresh();
		make_bundle(&d, "src", "text\n");
		watch(call, EIO, 0);
		assert_int_equal(put(&d), SINK_AGAIN);
		start_afresh();
		make_bundle(&d, "src", "text\n");
		assert_int_equal(put(&d), SINK_CONFIRMED);
		nth++;
	}
	assert_true(nth > 6); /* the file, four parents, the hour's folder */
}

/* kill -9 before every call of a delivery; the next life delivers once. */
static void
kill_at_every_call(void (*make)(struct delivery *, const char *, const char *))
{
	bool killed = true;

	for (int n = 1; killed; n++) {
		struct delivery d;
		int status;
		pid_t pid;

		make(&d, "src", "some text\n");
		forget_folder();
		watch(0, 0, 0);
		if ((pid = fork()) == 0) {
			watch(0, 0, n);
			put(&d);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		killed = WIFSIGNALED(status);
		if (access(in_root(key_of(&d).p), F_OK) == 0)
			check_content(key_of(&d).p, &d);
		assert_int_equal(put(&d), SINK_CONFIRMED);
		check_content(key_of(&d).p, &d);
		assert_int_equal(count(d.item.gzip_id ? "2026/11/22/01" : "u1/2026/11/22"),
		    d.item.gzip_id ? 1 : 2);
		assert_false(has_temps());
		start_afresh();
	}
}

static void
test_kill_at_every_call(void **state)
{
	(void)state;
	kill_at_every_call(make_bundle);
	kill_at_every_call(make_object);
}

/* Eight at once for one name: one has it. */
static void
test_many_at_once(void **state)
{
	struct delivery d[8];
	unsigned confirmed = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(d); i++) {
		char name[16];

		snprintf(name, sizeof(name), "src%u", i);
		make_bundle(&d[i], name, "x\n");
	}
	run(d, ARRAY_LEN(d));
	for (unsigned i = 0; i < ARRAY_LEN(d); i++) {
		assert_true(
		    d[i].result.outcome == SINK_CONFIRMED || d[i].result.outcome == SINK_TAKEN);
		confirmed += d[i].result.outcome == SINK_CONFIRMED;
	}
	assert_int_equal(confirmed, 1);
	assert_int_equal(count("2026/11/22/01"), 1);
	assert_false(has_temps());
}

static void
test_slices_and_deadline(void **state)
{
	static char big[20 << 20];
	struct delivery d;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 2654435761u >> 13);
	make_object(&d, "src", "x");
	write_file(d.item.path, big, sizeof(big));
	d.item.offset = 3;
	d.item.length = sizeof(big) - 3;
	d.deadline = clock_mono() - 1;
	assert_int_equal(put(&d), SINK_AGAIN);
	assert_non_null(strstr(d.result.why, "timed out"));
	assert_int_not_equal(access(in_root(key_of(&d).p), F_OK), 0);
	d.deadline = CLOCK_NEVER;
	assert_int_equal(put(&d), SINK_CONFIRMED);
	check_content(key_of(&d).p, &d);
	assert_false(has_temps());
}

static void
test_source_too_short(void **state)
{
	struct delivery d;

	(void)state;
	make_object(&d, "src", "text");
	d.item.length = 5;
	assert_int_equal(put(&d), SINK_AGAIN);
	assert_non_null(strstr(d.result.why, "shorter"));
	d.item.path = "/nonexistent";
	assert_int_equal(put(&d), SINK_AGAIN);
	assert_false(has_temps());
}

static void
test_held(void **state)
{
	static const struct str bad[] = { STR_INIT(""), STR_INIT("/a"), STR_INIT("a/"),
		STR_INIT("a//b"), STR_INIT("../a"), STR_INIT("a/.."), STR_INIT("./a"),
		STR_INIT("a\0b") };
	struct delivery d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		make_bundle(&d, "src", "x\n");
		d.item.key = bad[i];
		assert_int_equal(put(&d), SINK_HELD);
	}
	make_bundle(&d, "src", "x\n");
	write_file(in_root("2026"), "", 0); /* a file where a folder should be */
	assert_int_equal(put(&d), SINK_HELD);
	assert_true(d.result.why[0] != '\0');
}

static void
test_open_says_why(void **state)
{
	struct sink_conf conf = { .ops = &dir_ops,
		.arg = (void *)(uintptr_t) "/proc/nothing/here" };
	struct sink *none;
	char why[200] = "";

	(void)state;
	assert_true(dir_ops.open(&conf, &none, why, sizeof(why)) < 0);
	assert_non_null(strstr(why, "/proc/nothing/here"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bundle),
		TEST(test_order_of_syncs),
		TEST(test_parent_of_existing_folder),
		TEST(test_same_bundle_again),
		TEST(test_other_bundle_is_never_replaced),
		TEST(test_strangers_keep_the_name),
		TEST(test_left_over_is_unlinked_not_truncated),
		TEST(test_object_and_sidecar),
		TEST(test_object_taken),
		TEST(test_object_half_done),
		TEST(test_object_stranger),
		TEST(test_failing_calls),
		TEST(test_failing_syncs),
		TEST(test_kill_at_every_call),
		TEST(test_many_at_once),
		TEST(test_slices_and_deadline),
		TEST(test_source_too_short),
		TEST(test_held),
		TEST(test_open_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
