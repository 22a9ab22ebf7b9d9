/*
 * The table of idempotency keys: verdicts, expiry, full buckets, races of many processes, owners that are killed, sweeps that answer from
 * segments, and the file behind it.
 */
#include "harness.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "spool/idem_priv.h"
#include "spool/idem_sweep.h"
#include "unit/segments.h"

#define SLOTS 16
#define HOUR (3600 * NS_PER_S)

static struct tmp tmp;
static struct zone *zone;
static struct idem *table;
static char path[256], stream[256];

static void
open_table(uint64_t keys)
{
	assert_int_equal(idem_open(path, keys, zone, &table), 0);
	idem_attach(table, 3, atomic_load(&zone_slot(zone, 3)->generation));
}

/* Every stream recovered and read. */
static void
sweep(void)
{
	struct recover_stats stats;
	struct idem_sweep *w;
	int err = 0;

	assert_int_equal(idem_sweep_begin(table, &w), 0);
	assert_int_equal(recover_dir(stream, &stats), 0);
	if (idem_sweep_needed(w))
		err = idem_sweep_segments(w, stream);
	assert_int_equal(idem_sweep_end(w, err == 0), 0);
	assert_int_equal(err, 0);
}

static int
setup(void **state)
{
	(void)state;
	tmp_init(&tmp);
	snprintf(path, sizeof(path), "%s/idempotency", tmp.dir);
	snprintf(stream, sizeof(stream), "%s/usage", tmp.dir);
	assert_int_equal(spool_prepare(stream, false), 0);
	if (!zone)
		zone = zone_new(SLOTS);
	assert_non_null(zone);
	for (unsigned i = 0; i < SLOTS; i++)
		atomic_store(&zone_slot(zone, i)->generation, 1); /* as made_init() has it */
	open_table(1024);
	sweep();
	assert_true(idem_ready(table));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	idem_close(table);
	tmp_fini(&tmp);
	return 0;
}

static struct id
key(const char *text)
{
	return idem_key(STR("usage"), STR("u"), str_of(text));
}

/* The nth key of one bucket. */
static struct id
neighbour(unsigned n)
{
	struct id id = { { 7 } };

	id.b[8 + n % 8] = (unsigned char)(1 + n / 8);
	id.b[12 + n % 4] ^= (unsigned char)(0x80 | n);
	return id;
}

static void
be_slot(unsigned slot)
{
	idem_attach(table, slot, atomic_load(&zone_slot(zone, slot)->generation));
}

/* What the master does when it has reaped the slot's process. */
static void
bury(unsigned slot)
{
	atomic_fetch_add(&zone_slot(zone, slot)->generation, 1);
}

static int64_t
now(void)
{
	return clock_wall();
}

/* A sealed segment with one record, of this slot's process, that carries the key. */
static void
put_segment(const char *dir, struct id id, unsigned slot, int64_t time)
{
	static uint64_t seq;
	char text[2 * ID_LEN + 1], name[NAME_CAP];
	struct made m;
	struct buf attrs;

	made_init(&m, time, slot, seq);
	buf_init(&attrs, 0);
	id_text(id, text);
	segment_put_attr(&attrs, STR(SEGMENT_ATTR_IDEM), str_of(text));
	made_frame(&m, time, "u", buf_str(&attrs), STR("body"));
	buf_fini(&attrs);
	name_make(name, time, seq++);
	made_write(&m, dir, name);
}

/* ---- verdicts ---- */

static void
keys_differ_by_stream_user_and_text(void **state)
{
	struct id a = idem_key(STR("usage"), STR("ab"), STR("c"));

	(void)state;
	assert_true(id_eq(a, idem_key(STR("usage"), STR("ab"), STR("c"))));
	assert_false(id_eq(a, idem_key(STR("usage"), STR("a"), STR("bc"))));
	assert_false(id_eq(a, idem_key(STR("usag"), STR("eab"), STR("c"))));
	assert_false(id_eq(a, idem_key(STR("error"), STR("ab"), STR("c"))));
	assert_false(id_eq(a, idem_key(STR("usage"), STR("ab"), STR("d"))));
}

static void
a_key_is_claimed_once(void **state)
{
	(void)state;
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_NEW);
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_BUSY);
	assert_int_equal(idem_begin(table, key("b"), now()), IDEM_NEW);
	be_slot(4);
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_BUSY);
	idem_abort(table, key("a")); /* not ours */
	idem_commit(table, key("a"));
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_BUSY);
	be_slot(3);
	idem_commit(table, key("a"));
	idem_abort(table, key("b"));
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_DONE);
	idem_abort(table, key("a")); /* too late */
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_DONE);
	assert_int_equal(idem_begin(table, key("b"), now()), IDEM_NEW);
}

static void
a_key_expires_after_a_day(void **state)
{
	int64_t t = now();

	(void)state;
	assert_int_equal(idem_begin(table, key("a"), t), IDEM_NEW);
	idem_commit(table, key("a"));
	assert_int_equal(idem_begin(table, key("a"), t + IDEM_TTL - NS_PER_S), IDEM_DONE);
	assert_int_equal(idem_begin(table, key("a"), t - HOUR), IDEM_DONE);
	assert_int_equal(idem_begin(table, key("a"), t + IDEM_TTL + NS_PER_S), IDEM_NEW);
	assert_int_equal(idem_begin(table, key("a"), t + IDEM_TTL + NS_PER_S), IDEM_BUSY);
	idem_commit(table, key("a"));
	assert_int_equal(idem_begin(table, key("a"), t + IDEM_TTL + 2 * HOUR), IDEM_DONE);
	assert_int_equal(idem_get_stats(table).evicted, 0);
}

static void
a_full_bucket_forgets_the_oldest_but_never_a_pending_one(void **state)
{
	int64_t t = now();

	(void)state;
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
		assert_int_equal(idem_begin(table, neighbour(i), t + i * NS_PER_S), IDEM_NEW);
		if (i != 2)
			idem_commit(table, neighbour(i));
	}
	t += 100 * NS_PER_S;
	assert_int_equal(idem_begin(table, neighbour(8), t), IDEM_NEW); /* for 0 */
	assert_int_equal(idem_begin(table, neighbour(9), t), IDEM_NEW); /* for 1 */
	assert_int_equal(idem_get_stats(table).evicted, 2);
	assert_int_equal(idem_begin(table, neighbour(2), t), IDEM_BUSY);
	for (unsigned i = 3; i < BUCKET_ENTRIES; i++)
		assert_int_equal(idem_begin(table, neighbour(i), t), IDEM_DONE);
	for (unsigned i = 10; i < 15; i++)
		assert_int_equal(idem_begin(table, neighbour(i), t), IDEM_NEW);
	assert_int_equal(idem_begin(table, neighbour(15), t), IDEM_LATER); /* all pending */
	assert_int_equal(idem_get_stats(table).dropped, 1);
	idem_abort(table, neighbour(12));
	assert_int_equal(idem_begin(table, neighbour(15), t), IDEM_NEW);
}

static void
a_mark_does_not_displace_younger_ones(void **state)
{
	int64_t t = now();

	(void)state;
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
		idem_mark(table, neighbour(i), t - 10 * NS_PER_S);
	idem_mark(table, neighbour(20), t - HOUR);
	assert_int_equal(idem_get_stats(table).evicted, 0);
	assert_int_equal(idem_get_stats(table).dropped, 1);
	idem_mark(table, neighbour(21), t);
	assert_int_equal(idem_get_stats(table).evicted, 1);
	assert_int_equal(idem_begin(table, neighbour(21), t), IDEM_DONE);
	idem_mark(table, key("old"), t - IDEM_TTL - HOUR);
	assert_int_equal(idem_begin(table, key("old"), t), IDEM_NEW);
}

static void
a_mark_settles_a_pending_key_and_renews_an_expired_one(void **state)
{
	int64_t t = now();

	(void)state;
	assert_int_equal(idem_begin(table, key("a"), t), IDEM_NEW);
	be_slot(1);
	idem_mark(table, key("a"), t);
	be_slot(3);
	assert_int_equal(idem_begin(table, key("a"), t), IDEM_DONE);
	idem_commit(table, key("a"));
	assert_int_equal(idem_begin(table, key("b"), t - 25 * HOUR), IDEM_NEW);
	idem_commit(table, key("b"));
	idem_mark(table, key("b"), t);
	assert_int_equal(idem_begin(table, key("b"), t), IDEM_DONE);
}

/* ---- races ---- */

#define RACERS 6
#define ROUNDS 2000

struct race {
	_Atomic unsigned arrived;
	_Atomic unsigned inside[ROUNDS], wins[ROUNDS];
	_Atomic unsigned overlaps, commits[ROUNDS], after_commit;
};

/* All meet, then all want the same key at once; the winner lets go of it, or keeps it. Neighbours keep the bucket moving. */
static void
race_round(struct race *r, unsigned me, unsigned round)
{
	struct id id = neighbour(round % 5);
	enum idem_verdict v;

	id.b[15] ^= (unsigned char)(round >> 8);
	id.b[11] ^= (unsigned char)round;
	atomic_fetch_add(&r->arrived, 1);
	while (atomic_load(&r->arrived) < (round + 1) * RACERS)
		sched_yield();
	for (unsigned i = 0; i < 3; i++) {
		v = idem_begin(table, id, now());
		if (v == IDEM_DONE || v == IDEM_LATER)
			return;
		if (v != IDEM_NEW)
			continue;
		if (atomic_fetch_add(&r->inside[round], 1) != 0)
			atomic_fetch_add(&r->overlaps, 1);
		if (atomic_load(&r->commits[round]) > 0)
			atomic_fetch_add(&r->after_commit, 1);
		atomic_fetch_add(&r->wins[round], 1);
		atomic_fetch_sub(&r->inside[round], 1);
		if ((round + me) % 3 != 0) {
			atomic_fetch_add(&r->commits[round], 1);
			idem_commit(table, id);
			return;
		}
		idem_abort(table, id);
	}
}

static void
of_many_processes_one_gets_the_key(void **state)
{
	struct race *r =
	    mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[RACERS];
	unsigned won = 0;

	(void)state;
	assert_true(r != MAP_FAILED);
	for (unsigned i = 0; i < RACERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			be_slot(3 + i);
			for (unsigned k = 0; k < ROUNDS; k++)
				race_round(r, i, k);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < RACERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	for (unsigned k = 0; k < ROUNDS; k++) {
		won += atomic_load(&r->wins[k]) > 0;
		assert_true(atomic_load(&r->commits[k]) <= 1);
	}
	assert_int_equal(atomic_load(&r->overlaps), 0);
	assert_int_equal(atomic_load(&r->after_commit), 0);
	assert_true(won > ROUNDS * 9 / 10);
	munmap(r, sizeof(*r));
}

/* A rival frozen between its claim and its confirmation, put there by hand. */
static struct idem_entry *
plant_claim(struct id id, unsigned entry, unsigned slot)
{
	uint64_t low;
	uint32_t fingerprint;
	struct idem_entry *e;

	memcpy(&low, id.b, 8);
	memcpy(&fingerprint, id.b + 12, 4);
	e = &table->file->buckets[low & (table->file->n_buckets - 1)].entries[entry];
	atomic_store(&e->state,
	    (uint64_t)fingerprint << 32 |
		idem_owner(slot, atomic_load(&zone_slot(zone, slot)->generation)) | PHASE_CLAIMED);
	return e;
}

static void
the_lower_claim_knocks_out_the_higher(void **state)
{
	struct idem_entry *e;

	(void)state;
	/* Room is taken from the last free entry, so a claim in entry 0 is lower than ours, */
	e = plant_claim(neighbour(0), 0, 5);
	assert_int_equal(idem_begin(table, neighbour(0), now()), IDEM_BUSY);
	assert_int_equal(idem_phase_of(atomic_load(&e->state)), PHASE_CLAIMED);
	/* one of a dead owner is none, */
	bury(5);
	assert_int_equal(idem_begin(table, neighbour(0), now()), IDEM_NEW);
	idem_abort(table, neighbour(0));
	atomic_store(&e->state, PHASE_FREE);
	/* and with the last entry taken by a rival ours is lower. */
	e = plant_claim(neighbour(1), BUCKET_ENTRIES - 1, 5);
	assert_int_equal(idem_begin(table, neighbour(1), now()), IDEM_NEW);
	assert_int_equal(idem_phase_of(atomic_load(&e->state)), PHASE_FREE);
}

/* ---- owners that die ---- */

static void
claim_and_die(unsigned slot, struct id id)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		be_slot(slot);
		if (idem_begin(table, id, now()) == IDEM_NEW)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void
a_key_of_the_dead_is_open_until_a_sweep(void **state)
{
	(void)state;
	claim_and_die(7, key("stored"));
	claim_and_die(8, key("lost"));
	assert_int_equal(idem_begin(table, key("lost"), now()), IDEM_BUSY); /* not reaped yet */
	bury(7);
	bury(8);
	assert_int_equal(idem_begin(table, key("stored"), now()), IDEM_LATER);
	assert_int_equal(idem_begin(table, key("lost"), now()), IDEM_LATER);
	put_segment(stream, key("stored"), 7, now());
	sweep();
	assert_int_equal(idem_begin(table, key("stored"), now()), IDEM_DONE);
	assert_int_equal(idem_begin(table, key("lost"), now()), IDEM_NEW);
}

/* Whatever the instruction at which they are killed, a sweep later every key can be had again, or is known. */
static void
kills_leave_nothing_behind(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		pid_t pids[3];

		for (unsigned i = 0; i < 3; i++) {
			pids[i] = fork();
			assert_true(pids[i] >= 0);
			if (pids[i] == 0) {
				be_slot(3 + i);
				for (unsigned k = i;; k += 3 + i) {
					struct id id = neighbour(k % 11);

					if (idem_begin(table, id, now()) != IDEM_NEW)
						continue;
					if (k % 2)
						idem_abort(table, id);
					else
						idem_commit(table, id);
				}
			}
		}
		usleep((useconds_t)(random_u64() % 2000));
		for (unsigned i = 0; i < 3; i++) {
			kill(pids[i], SIGKILL);
			assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
			bury(3 + i);
		}
		sweep();
		be_slot(6);
		for (unsigned k = 0; k < 11; k++) {
			enum idem_verdict v = idem_begin(table, neighbour(k), now());

			assert_true(v == IDEM_NEW || v == IDEM_DONE);
			if (v == IDEM_NEW)
				idem_abort(table, neighbour(k));
		}
	}
}

static void
a_sweep_leaves_those_who_die_while_it_runs(void **state)
{
	struct idem_sweep *w;

	(void)state;
	claim_and_die(7, key("a"));
	assert_int_equal(idem_begin(table, key("b"), now()), IDEM_NEW);
	assert_int_equal(idem_begin(table, key("c"), now()), IDEM_NEW);
	idem_doubt(table, key("c"));
	assert_int_equal(idem_sweep_begin(table, &w), 0);
	bury(7);
	idem_doubt(table, key("b"));
	assert_true(idem_sweep_needed(w));
	assert_int_equal(idem_sweep_segments(w, stream), 0);
	assert_int_equal(idem_sweep_end(w, true), 0);
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_LATER);
	assert_int_equal(idem_begin(table, key("b"), now()), IDEM_LATER);
	assert_int_equal(idem_begin(table, key("c"), now()), IDEM_NEW);
	sweep();
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_NEW);
	assert_int_equal(idem_begin(table, key("b"), now()), IDEM_NEW);
	/* Nothing is open for a sweep that comes now, and an incomplete one decides nothing. */
	assert_int_equal(idem_sweep_begin(table, &w), 0);
	assert_false(idem_sweep_needed(w));
	idem_doubt(table, key("a"));
	assert_int_equal(idem_sweep_end(w, true), 0);
	assert_int_equal(idem_sweep_begin(table, &w), 0);
	assert_true(idem_sweep_needed(w));
	assert_int_equal(idem_sweep_end(w, false), 0);
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_LATER);
}

static void
a_doubt_is_answered_by_a_segment_of_the_living(void **state)
{
	(void)state;
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_NEW);
	idem_doubt(table, key("a"));
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_LATER);
	put_segment(stream, key("a"), 3, now());
	sweep();
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_DONE);
}

/* ---- the file ---- */

static void
reopen(uint64_t keys)
{
	idem_close(table);
	table = NULL;
	open_table(keys);
}

static void
the_table_outlives_the_server(void **state)
{
	(void)state;
	assert_int_equal(idem_begin(table, key("done"), now()), IDEM_NEW);
	idem_commit(table, key("done"));
	assert_int_equal(idem_begin(table, key("pending"), now()), IDEM_NEW);
	(void)plant_claim(key("claimed"), 4, 3);
	reopen(1024);
	assert_true(idem_ready(table));
	assert_int_equal(idem_begin(table, key("done"), now()), IDEM_DONE);
	assert_int_equal(idem_begin(table, key("pending"), now()), IDEM_LATER);
	assert_int_equal(idem_begin(table, key("claimed"), now()), IDEM_NEW);
	put_segment(stream, key("pending"), 3, now());
	sweep();
	assert_int_equal(idem_begin(table, key("pending"), now()), IDEM_DONE);
}

static void
another_size_is_taken_over(void **state)
{
	char text[16];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(idem_begin(table, key(text), now()), IDEM_NEW);
		idem_commit(table, key(text));
	}
	assert_int_equal(idem_begin(table, key("pending"), now()), IDEM_NEW);
	reopen(5000);
	assert_int_equal(idem_get_stats(table).capacity, 8192);
	reopen(2048);
	assert_int_equal(idem_get_stats(table).capacity, 2048);
	assert_true(idem_ready(table));
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(idem_begin(table, key(text), now()), IDEM_DONE);
	}
	assert_int_equal(idem_begin(table, key("pending"), now()), IDEM_LATER);
}

static void
after_a_reboot_segments_tell(void **state)
{
	char aggregation[300];

	(void)state;
	snprintf(aggregation, sizeof(aggregation), "%s/aggregation", stream);
	put_segment(stream, key("a"), 3, now());
	put_segment(aggregation, key("b"), 3, now() - 2 * HOUR);
	put_segment(stream, key("old"), 3, now() - IDEM_TTL - 2 * HOUR);
	assert_int_equal(idem_begin(table, key("table"), now()), IDEM_NEW);
	idem_commit(table, key("table"));
	atomic_store(&table->file->boot, 1); /* not this one */
	reopen(1024);
	assert_false(idem_ready(table));
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_LATER);
	assert_int_equal(idem_begin(table, key("other"), now()), IDEM_LATER);
	sweep();
	assert_true(idem_ready(table));
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_DONE);
	assert_int_equal(idem_begin(table, key("b"), now()), IDEM_DONE);
	assert_int_equal(idem_begin(table, key("table"), now()), IDEM_DONE);
	assert_int_equal(idem_begin(table, key("old"), now()), IDEM_NEW);
	assert_int_equal(idem_begin(table, key("other"), now()), IDEM_NEW);
}

static void
damage_at(off_t at)
{
	int fd = open(path, O_RDWR);
	unsigned char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x41;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void
a_damaged_file_is_set_aside(void **state)
{
	char aside[300];
	struct stat st;

	(void)state;
	snprintf(aside, sizeof(aside), "%s.corrupt", path);
	for (off_t at = 0; at < 28; at += 5) {
		put_segment(stream, key("a"), 3, now());
		damage_at(at);
		reopen(1024);
		assert_int_equal(stat(aside, &st), 0);
		assert_int_equal(unlink(aside), 0);
		assert_false(idem_ready(table));
		sweep();
		assert_int_equal(idem_begin(table, key("a"), now()), IDEM_DONE);
	}
	assert_int_equal(truncate(path, 1000), 0);
	reopen(1024);
	assert_int_equal(stat(aside, &st), 0);
	assert_int_equal(truncate(path, 10), 0);
	reopen(1024);
	sweep();
	assert_int_equal(idem_begin(table, key("a"), now()), IDEM_DONE);
}

static void
a_torn_entry_stands_for_no_key(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
		idem_mark(table, neighbour(i), now());
	for (unsigned b = 0; b < table->file->n_buckets; b++)
		for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
			atomic_fetch_xor(&table->file->buckets[b].entries[i].stamp,
			    (uint64_t)1 << (32 + i)); /* the seconds */
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
		assert_int_equal(idem_begin(table, neighbour(i), now()), IDEM_NEW);
	assert_int_equal(idem_get_stats(table).evicted, 0);
}

static void
blocks_are_there_before_they_are_touched(void **state)
{
	struct stat st;

	(void)state;
	reopen(1 << 16);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 256 + (1 << 16) * 32);
	assert_true((int64_t)st.st_blocks * 512 >= st.st_size);
	assert_int_equal(idem_sync(table), 0);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		CASE(keys_differ_by_stream_user_and_text),
		CASE(a_key_is_claimed_once),
		CASE(a_key_expires_after_a_day),
		CASE(a_full_bucket_forgets_the_oldest_but_never_a_pending_one),
		CASE(a_mark_does_not_displace_younger_ones),
		CASE(a_mark_settles_a_pending_key_and_renews_an_expired_one),
		CASE(of_many_processes_one_gets_the_key),
		CASE(the_lower_claim_knocks_out_the_higher),
		CASE(a_key_of_the_dead_is_open_until_a_sweep),
		CASE(kills_leave_nothing_behind),
		CASE(a_sweep_leaves_those_who_die_while_it_runs),
		CASE(a_doubt_is_answered_by_a_segment_of_the_living),
		CASE(the_table_outlives_the_server),
		CASE(another_size_is_taken_over),
		CASE(after_a_reboot_segments_tell),
		CASE(a_damaged_file_is_set_aside),
		CASE(a_torn_entry_stands_for_no_key),
		CASE(blocks_are_there_before_they_are_touched),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
