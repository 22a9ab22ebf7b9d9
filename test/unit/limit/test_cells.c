/*
 * The shared table: finding, making room, what is held, and several processes at once, of which some are killed.
 */
#include "unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "limit/cells.h"

#define S NS_PER_S
#define NOW (INT64_C(1800000000) * S)
#define WORDS 3

struct shared {
	cell_word used, evicted, full, go, ready;
	_Atomic uint64_t marks[1 << 12]; /* free for the tests */
	cell_word memory[];
};

static struct cells
table_of(struct shared *m, uint64_t sets, unsigned slot)
{
	return (struct cells){ .base = m->memory,
		.mask = sets - 1,
		.words = WORDS,
		.stride = CELLS_WAYS * (1 + WORDS),
		.slot = slot,
		.held = cells_held_until,
		.used = &m->used,
		.evicted = &m->evicted,
		.full = &m->full };
}

static struct shared *
share(uint64_t sets)
{
	struct shared *m = mmap(NULL, sizeof(*m) + cells_size(sets, WORDS), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(m, MAP_FAILED);
	return m;
}

static void
unshare(struct shared *m, uint64_t sets)
{
	munmap(m, sizeof(*m) + cells_size(sets, WORDS));
}

static uint64_t
hash_of(uint64_t i)
{
	static const uint64_t key[2] = { 1, 2 };

	return hash_siphash13(key, str_make(&i, sizeof(i)));
}

static void
what_was_taken_is_found(void **state)
{
	enum { SETS = 4096, N = 20000 };
	struct shared *m = share(SETS);
	struct cells t = table_of(m, SETS, 1);

	(void)state;
	for (uint64_t i = 0; i < N; i++) {
		cell_word *cell = cells_take(&t, hash_of(i), NOW, 7);

		assert_non_null(cell);
		assert_int_equal(cell[CELL_SEEN], (uint64_t)cells_stamp(NOW) << 32 | 7);
		assert_int_equal(cell[CELL_DATA], 0);
		atomic_store(&cell[CELL_DATA], i + 1);
		assert_ptr_equal(cells_take(&t, hash_of(i), NOW, 0), cell);
	}
	for (uint64_t i = 0; i < N; i++) {
		const cell_word *cell = cells_find(&t, hash_of(i));

		if (cell)
			assert_int_equal(cell[CELL_DATA], i + 1);
	}
	assert_null(cells_find(&t, hash_of(N)));
	assert_int_equal(m->used, N - m->evicted);
	assert_int_equal(m->full, 0);
	unshare(m, SETS);
}

static void
seen_longest_ago_goes_first(void **state)
{
	struct shared *m = share(1);
	struct cells t = table_of(m, 1, 1);

	(void)state;
	for (uint64_t i = 0; i < CELLS_WAYS; i++)
		cells_take(&t, hash_of(i), NOW + (int64_t)((i + 5) % CELLS_WAYS) * S, 0);
	assert_non_null(cells_take(&t, hash_of(100), NOW + 10 * S, 0));
	assert_null(cells_find(&t, hash_of(3)));
	assert_non_null(cells_take(&t, hash_of(101), NOW + 10 * S, 0));
	assert_null(cells_find(&t, hash_of(4)));
	assert_non_null(cells_find(&t, hash_of(2)));
	assert_int_equal(m->evicted, 2);
	assert_int_equal(m->used, CELLS_WAYS);
	unshare(m, 1);
}

static void
held_ones_stay(void **state)
{
	struct shared *m = share(1);
	struct cells t = table_of(m, 1, 1);

	(void)state;
	for (uint64_t i = 0; i < CELLS_WAYS; i++) {
		cell_word *cell = cells_take(&t, hash_of(i), NOW, 0);

		atomic_store(&cell[CELL_HOLD], (uint64_t)(NOW + 60 * S));
	}
	assert_null(cells_take(&t, hash_of(100), NOW + 59 * S, 0));
	assert_int_equal(m->full, 1);
	for (uint64_t i = 0; i < CELLS_WAYS; i++)
		assert_non_null(cells_find(&t, hash_of(i)));
	assert_non_null(cells_take(&t, hash_of(100), NOW + 60 * S, 0));
	/* What says it is held for ever was never written by us. */
	for (unsigned i = 0; i < CELLS_WAYS; i++)
		atomic_store(&m->memory[CELLS_WAYS + i * WORDS + CELL_HOLD], INT64_MAX);
	assert_non_null(cells_take(&t, hash_of(200), NOW + 61 * S, 0));
	unshare(m, 1);
}

/* A million new addresses in memory for sixteen thousand: one that has used up its limit stays. */
static void
a_flood_frees_nobody(void **state)
{
	enum { SETS = 2048, HELD = 500, FLOOD = 1000000 };
	struct shared *m = share(SETS);
	struct cells t = table_of(m, SETS, 1);

	(void)state;
	for (uint64_t i = 0; i < HELD; i++)
		atomic_store(
		    &cells_take(&t, hash_of(i), NOW, 0)[CELL_HOLD], (uint64_t)(NOW + 600 * S));
	for (uint64_t i = HELD; i < FLOOD; i++)
		assert_non_null(cells_take(&t, hash_of(i), NOW + (int64_t)i * 1000, 0));
	for (uint64_t i = 0; i < HELD; i++)
		assert_non_null(cells_find(&t, hash_of(i)));
	assert_int_equal(m->full, 0);
	assert_int_equal(m->used, SETS * CELLS_WAYS);
	assert_int_equal(m->used + m->evicted, FLOOD);
	unshare(m, SETS);
}

/* Whatever a crash of the machine left in the memory, it is used again. */
static void
torn_memory(void **state)
{
	enum { SETS = 64 };
	struct shared *m = share(SETS);
	struct cells t = table_of(m, SETS, 1);

	(void)state;
	random_bytes(m->memory, cells_size(SETS, WORDS));
	for (uint64_t i = 0; i < 10000; i++) {
		cell_word *cell = cells_take(&t, hash_of(i), NOW, 0);

		assert_non_null(cell);
		assert_int_equal(cell[CELL_DATA], 0);
		assert_ptr_equal(cells_find(&t, hash_of(i)), cell);
	}
	unshare(m, SETS);
}

/* ---- several processes ---- */

static void
start_line(struct shared *m, unsigned n)
{
	atomic_fetch_add(&m->ready, 1);
	while (atomic_load(&m->ready) < n)
		;
}

/* Each adds up in the same fresh cells, all beginning at once, so that they meet while cells are made: no sum is split. */
static void
one_cell_a_hash(void **state)
{
	enum { SETS = 1024, PROCESSES = 4, KEYS = 2000, ROUNDS = 10 };
	struct shared *m = share(SETS);
	struct cells t = table_of(m, SETS, 0);
	pid_t pids[PROCESSES];

	(void)state;
	for (unsigned p = 0; p < PROCESSES; p++) {
		pids[p] = fork();
		if (pids[p] == 0) {
			t.slot = p;
			start_line(m, PROCESSES);
			for (uint64_t k = 0; k < KEYS; k++)
				for (int i = 0; i < ROUNDS; i++) {
					cell_word *cell = cells_take(&t, hash_of(k), NOW, 0);

					if (!cell)
						_exit(1);
					atomic_fetch_add(&cell[CELL_DATA], 1);
				}
			_exit(0);
		}
	}
	for (unsigned p = 0; p < PROCESSES; p++) {
		int status;

		assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
		assert_int_equal(status, 0);
	}
	for (uint64_t k = 0; k < KEYS; k++)
		assert_int_equal(cells_find(&t, hash_of(k))[CELL_DATA], PROCESSES * ROUNDS);
	assert_int_equal(m->evicted, 0);
	assert_int_equal(m->used, KEYS);
	unshare(m, SETS);
}

/* Children make and give up cells until they are killed, at any instruction; what they leave harms nobody. */
static void
killed_in_the_middle(void **state)
{
	enum { SETS = 4, ROUNDS = 60 };
	struct shared *m = share(SETS);
	struct cells t = table_of(m, SETS, 0);

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct timespec pause = { 0, 200000 + (long)(random_u64() % 800000) };
		pid_t pids[2];

		for (unsigned p = 0; p < 2; p++) {
			pids[p] = fork();
			if (pids[p] == 0) {
				struct cells own = table_of(m, SETS, 1 + p);

				for (uint64_t i = 0;; i++)
					cells_take(&own, hash_of(i % 200), NOW + (int64_t)i, 0);
			}
		}
		nanosleep(&pause, NULL);
		for (unsigned p = 0; p < 2; p++) {
			kill(pids[p], SIGKILL);
			waitpid(pids[p], NULL, 0);
		}
	}
	for (uint64_t k = 1000; k < 2000; k++) {
		cell_word *cell = cells_take(&t, hash_of(k), NOW + 100 * S, 0);
		unsigned same = 0;

		assert_non_null(cell);
		atomic_store(&cell[CELL_DATA], k);
		assert_ptr_equal(cells_find(&t, hash_of(k)), cell);
		for (unsigned s = 0; s < SETS; s++)
			for (unsigned i = 0; i < CELLS_WAYS; i++)
				same += m->memory[s * t.stride + i] ==
					((hash_of(k) & ~UINT64_C(3)) | 1);
		assert_int_equal(same, 1);
	}
	unshare(m, SETS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_taken_is_found),
		cmocka_unit_test(seen_longest_ago_goes_first),
		cmocka_unit_test(held_ones_stay),
		cmocka_unit_test(a_flood_frees_nobody),
		cmocka_unit_test(torn_memory),
		cmocka_unit_test(one_cell_a_hash),
		cmocka_unit_test(killed_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
