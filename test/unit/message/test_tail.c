/*
 * message/tail: what is handed out of sealed and open segments, in which order, and what becomes of their files.
 */
#include "tail_test.h"

/* ---- reading ---- */

static void
sealed_in_order(void *arg)
{
	(void)arg;
	put_segment("20261122T010000000000001Z.1.1", 1000, 300, SEALED);
	put_segment("20261122T010000000000002Z.2.1", 1001, 300, SEALED); /* beside the first */
	put_segment("20261122T010000000000003Z.1.2", 9000, 1, SEALED);
	tail_open();
	take_all();
	assert_int_equal(t.n, 601);
	for (unsigned i = 1; i < t.n; i++)
		assert_true(t.v[i - 1]->received <= t.v[i]->received);
	assert_true(str_is(t.v[600]->body, "9000"));
	assert_true(str_is(t.v[600]->user, "u"));
	assert_true(str_is(t.v[600]->method, "PUT"));
	assert_true(str_is(t.v[600]->type, "text/plain"));
	assert_true(tail_is_read(t.tail));
	assert_int_equal(files(""), 3);
	done_all();
	assert_int_equal(tail_sweep(t.tail), 1);
	assert_int_equal(tail_sweep(t.tail), 0);
	assert_int_equal(files(""), 0);
	assert_int_equal(t.n_removed, 3);
	assert_int_equal(take(1), 0);
	assert_true(tail_is_empty(t.tail));
	tail_close();
}

static void
test_sealed(void **state)
{
	(void)state;
	run(sealed_in_order, NULL);
}

/* A segment as a worker fills it: handed out as far as it says that it is on disk, over sealing, each record once. */
static void
open_as_it_grows(void *arg)
{
	struct made m = grow_begin("20261122T010000000000001Z.1.1", 5);
	uint64_t end;

	(void)arg;
	tail_open();
	assert_int_equal(take(10), 0); /* not even a header */
	grow(&m, 3);
	end = m.bytes.n;
	grow(&m, 3);
	grow_write(&m, OPEN, 100);
	assert_int_equal(take(10), 0); /* nobody vouches for it */
	durable_publish(t.zone, 3, 0, 4, 500);
	assert_int_equal(take(10), 0); /* of another */
	durable_publish(t.zone, 3, 0, 5, end);
	assert_int_equal(take(2), 2);
	assert_true(tail_has_more(t.tail));
	assert_int_equal(take(10), 1);
	assert_int_equal(take(10), 0);
	done_all();
	assert_int_equal(tail_sweep(t.tail), 0);
	durable_publish(t.zone, 3, 0, 5, m.bytes.n);
	assert_int_equal(take(10), 3);
	grow(&m, 2);
	grow_write(&m, OPEN, 0);
	durable_publish(t.zone, 3, 0, 6, 100); /* its worker has gone on: not sealed yet */
	assert_int_equal(take(10), 0);
	grow_seal(&m);
	assert_int_equal(take(10), 2);
	assert_true(tail_is_read(t.tail));
	for (unsigned i = t.n_done; i < t.n; i++)
		assert_int_equal(t.v[i]->number, i);
	done_all();
	assert_int_equal(tail_sweep(t.tail), 1);
	assert_int_equal(files(""), 0);
	buf_fini(&m.bytes);
	tail_close();
}

static void
test_open(void **state)
{
	(void)state;
	run(open_as_it_grows, NULL);
}

/* What a dead worker left is nobody's to vouch for; recovery seals it. */
static void
orphan_is_read_when_recovered(void *arg)
{
	struct made m = grow_begin("20261122T010000000000001Z.1.1", 5);

	(void)arg;
	grow(&m, 1);
	durable_publish(t.zone, 3, 0, 5, m.bytes.n);
	grow(&m, 3);
	grow_write(&m, OPEN, 0);
	tail_open();
	assert_int_equal(take(10), 1);
	atomic_fetch_add(&zone_slot(t.zone, 3)->generation, 1);
	durable_clear(t.zone, 3);
	assert_int_equal(take(10), 0);
	grow_seal(&m);
	assert_int_equal(take(10), 3);
	done_all();
	assert_int_equal(tail_sweep(t.tail), 1);
	buf_fini(&m.bytes);
	tail_close();
}

static void
test_orphan(void **state)
{
	(void)state;
	run(orphan_is_read_when_recovered, NULL);
}

/* A file that goes away before anything was in it, as recovery does with empty ones, or that somebody takes away. */
static void
files_that_go_away(void *arg)
{
	struct made m = grow_begin("20261122T010000000000001Z.1.1", 5);

	(void)arg;
	put_segment("20261122T010000000000002Z.1.2", 1000, 5, SEALED);
	tail_open();
	assert_int_equal(take(2), 2);
	remove_file("20261122T010000000000001Z.1.1.open");
	remove_file("20261122T010000000000002Z.1.2");
	tail_look(t.tail);
	take_all();
	assert_int_equal(t.n, 5); /* the descriptor still leads to it */
	done_all();
	while (tail_sweep(t.tail) == 1)
		;
	assert_int_equal(take(1), 0);
	assert_true(tail_is_empty(t.tail));
	buf_fini(&m.bytes);
	tail_close();
}

static void
test_gone(void **state)
{
	(void)state;
	run(files_that_go_away, NULL);
}

/* More files than are taken in at a time. */
static void
long_backlog(void *arg)
{
	enum { FILES = 700 };
	char name[NAME_CAP];

	(void)arg;
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "20261122T010000%09uZ.1.%u", i, i);
		put_segment(name, 1000 + i, 1, SEALED);
	}
	tail_open();
	while (t.n < FILES) {
		unsigned before = t.n;

		assert_true(take(64) >= 0);
		for (unsigned i = before; i < t.n; i++)
			assert_int_equal(t.v[i]->received, 1000 + i);
		if (t.n % 3 == 0)
			done_all();
		while (tail_sweep(t.tail) == 1)
			;
	}
	done_all();
	while (tail_sweep(t.tail) == 1)
		;
	assert_int_equal(files(""), 0);
	tail_close();
}

static void
test_backlog(void **state)
{
	(void)state;
	run(long_backlog, NULL);
}

/* Bodies of all lengths: what is held in memory, and what stays in its file. */
static void
lengths(void *arg)
{
	static const size_t sizes[] = { 0, 1, 60000, 65400, 65496, 65535, 65536, 65537, 300000 };
	struct made m = grow_begin("20261122T010000000000001Z.1.1", 5);

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		grow_body(&m, sizes[i]);
	grow_write(&m, OPEN, 0);
	grow_seal(&m);
	tail_open();
	take_all();
	assert_int_equal(t.n, ARRAY_LEN(sizes));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		check_body(t.v[i], sizes[i]);
		queue_unload(t.v[i]);
		assert_int_equal(tail_load(t.tail, t.v[i]), 0);
		check_body(t.v[i], sizes[i]);
		assert_true(str_is(t.v[i]->type, "text/plain"));
	}
	done_all();
	assert_int_equal(tail_sweep(t.tail), 1);
	buf_fini(&m.bytes);
	tail_close();
}

static void
test_lengths(void **state)
{
	(void)state;
	run(lengths, NULL);
}

/* ---- what cannot be read ---- */

static void
damaged(void *arg)
{
	struct made m = grow_begin("20261122T010000000000001Z.1.1", 5);
	uint64_t bad, next;
	const struct tail_damage *d;

	(void)arg;
	grow(&m, 2);
	bad = m.bytes.n;
	grow(&m, 1);
	next = m.bytes.n;
	grow(&m, 2);
	m.bytes.p[bad + 45] ^= 1;
	grow_write(&m, OPEN, 0);
	grow_seal(&m);
	put_segment("20261122T010000000000002Z.1.2", 5000, 1, SEALED);
	tail_open();
	take_all();
	assert_int_equal(t.n, 5);
	d = tail_damage(t.tail);
	assert_non_null(d);
	assert_int_equal(d->offset, bad);
	assert_int_equal(d->length, next - bad);
	done_all();
	assert_int_equal(tail_sweep(t.tail), 1); /* the other one */
	assert_int_equal(files(""), 1);
	assert_false(tail_is_read(t.tail));
	tail_told(t.tail);
	assert_null(tail_damage(t.tail));
	assert_int_equal(tail_sweep(t.tail), 1);
	assert_int_equal(files(""), 0);
	assert_int_equal(files("/corrupt"), 1);
	buf_fini(&m.bytes);
	tail_close();
}

static void
test_damaged(void **state)
{
	(void)state;
	run(damaged, NULL);
}

/* Its end is cut off, and more than one place is bad: each is told. */
static void
much_damage(void *arg)
{
	enum { RECORDS = 60 };
	struct made m = grow_begin("20261122T010000000000001Z.1.1", 5);
	uint64_t at[RECORDS];
	unsigned told = 0;

	(void)arg;
	for (unsigned i = 0; i < RECORDS; i++) {
		at[i] = m.bytes.n;
		grow(&m, 1);
	}
	for (unsigned i = 1; i < RECORDS; i += 2)
		m.bytes.p[at[i] + 45] ^= 1;
	grow_write(&m, OPEN, 0);
	grow_seal(&m);
	tail_open();
	while (t.n < RECORDS / 2 || tail_damage(t.tail) != NULL) {
		assert_true(take(100) >= 0);
		for (; tail_damage(t.tail) != NULL; told++)
			tail_told(t.tail);
	}
	assert_int_equal(told, RECORDS / 2);
	done_all();
	assert_int_equal(tail_sweep(t.tail), 1);
	assert_int_equal(files("/corrupt"), 1);
	buf_fini(&m.bytes);
	tail_close();
}

static void
test_much_damage(void **state)
{
	(void)state;
	run(much_damage, NULL);
}

static void
no_segment(void *arg)
{
	(void)arg;
	put_bytes("20261122T010000000000001Z.1.1", "this is none");
	put_bytes("20261122T010000000000002Z.1.1", "");
	put_bytes("notes.txt", "somebody's");
	put_segment("20261122T010000000000003Z.1.2", 5000, 1, SEALED);
	tail_open();
	take_all();
	assert_int_equal(t.n, 1);
	done_all();
	for (unsigned i = 0; i < 2; i++) {
		assert_non_null(tail_damage(t.tail));
		tail_told(t.tail);
	}
	while (tail_sweep(t.tail) == 1)
		;
	assert_int_equal(files("/corrupt"), 2);
	assert_int_equal(files(""), 1);
	tail_close();
}

static void
test_no_segment(void **state)
{
	(void)state;
	run(no_segment, NULL);
}

/* ---- a disk that fails ---- */

static ssize_t
pread_fails(int fd, void *p, size_t n, off_t at)
{
	if (at < t.fail_to && at + (off_t)n > t.fail_from) {
		errno = EIO;
		return -1;
	}
	return pread(fd, p, n, at);
}

/* For good, in one block: it costs what is in that block, after a time; what is elsewhere does not wait. */
static void
bad_block(void *arg)
{
	struct made m = grow_begin("20261122T010000000000001Z.1.1", 5);
	struct file_ops ops = file_calls_real;

	(void)arg;
	for (unsigned i = 0; i < 30; i++)
		grow_body(&m, 3000);
	grow_write(&m, OPEN, 0);
	grow_seal(&m);
	ops.pread = pread_fails;
	file_calls = &ops;
	t.fail_from = 8192;
	t.fail_to = 12288;
	tail_patience = 20 * NS_PER_MS;
	tail_open();
	while (t.n < 28) {
		assert_true(take(100) >= 0);
		assert_int_equal(task_sleep_until(clock_mono() + NS_PER_MS), 0);
	}
	for (unsigned i = 0; i < 28; i++) {
		uint64_t number = i < 2 ? i : i + 2;

		assert_int_equal(t.v[i]->number, number);
	}
	done_all();
	while (tail_damage(t.tail) != NULL)
		tail_told(t.tail);
	take_all();
	assert_int_equal(tail_sweep(t.tail), 1);
	assert_int_equal(files("/corrupt"), 1);
	file_calls = &file_calls_real;
	buf_fini(&m.bytes);
	tail_close();
}

static void
test_bad_block(void **state)
{
	(void)state;
	run(bad_block, NULL);
}

static int
unlink_fails(const char *path)
{
	(void)path;
	errno = EIO;
	return -1;
}

/* The disk does not let go of a segment for a while: what its stream holds is counted down once all the same. */
static void
removed_late(void *arg)
{
	struct file_ops failing = file_calls_real;
	uint64_t size;

	(void)arg;
	put_segment("20261122T010000000000001Z.1.1", 1000, 3, SEALED);
	tail_open();
	take_all();
	size = t.v[2]->offset + t.v[2]->length;
	done_all();
	failing.unlink = unlink_fails;
	file_calls = &failing;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(tail_sweep(t.tail), ERR_IO);
	file_calls = &file_calls_real;
	assert_int_equal(t.n_removed, 0);
	assert_int_equal(tail_sweep(t.tail), 1);
	assert_int_equal(t.n_removed, 1);
	assert_int_equal(t.removing, size);
	assert_int_equal(files(""), 0);
	tail_close();
}

static void
test_removed_late(void **state)
{
	(void)state;
	run(removed_late, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orphan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backlog, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_much_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_segment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_block, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_late, setup, teardown),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
