/*
 * The zone among several processes, which die by kill -9 at any instant: sums are exact, never go backwards, and the directory holds together.
 * A process is killed after each number of instructions of an operation in turn, and at random instants of a busy life.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/unit.h"

#include "base/clock.h"
#include "unit/tmp.h"
#include "unit/zone/zone_test.h"
#include "zone/series_priv.h"

static struct metric_set test_passing = {
	.name = "test_passing", .labels = { "word" }, .rows = test_rows, .n_rows = 1
};

/* How often a process dies in each operation, evenly spread over its instructions; where the spread begins is left to chance. */
#ifdef __SANITIZE_ADDRESS__
#define DEATHS 8
#else
#define DEATHS 30
#endif

#define PARENT_SLOT 7
#define CHILDREN 4

/* ---- does the directory hold together? ---- */

static void
mark(unsigned char *marks, const struct dir *d, uint32_t first, uint32_t n)
{
	assert_true(first > 0 && first + n <= d->head->n_units);
	for (uint32_t i = first; i < first + n; i++) {
		assert_int_equal(marks[i], 0); /* no unit is in use twice */
		marks[i] = 1;
	}
}

static void
mark_entry(unsigned char *marks, const struct dir *d, uint32_t index)
{
	const struct entry *e = &d->entries[index];
	uint32_t unit = atomic_load(&e->blocks);
	uint32_t slots = 0;

	if (e->key_n > 0)
		mark(marks, d, e->key, units_for(e->key_n));
	for (; unit != 0; unit = atomic_load(&directory_block_at(d, unit)->next)) {
		const struct block *b = directory_block_at(d, unit);

		assert_int_equal(b->entry, index);
		assert_int_equal(slots >> b->slot & 1, 0); /* one block a slot */
		slots |= UINT32_C(1) << b->slot;
		mark(marks, d, unit, directory_block_units(b->words));
	}
	assert_int_not_equal(slots, 0);
}

/* With the lock. */
static void
check_structure(const struct dir *d)
{
	const struct directory *h = d->head;
	unsigned char *marks = calloc(h->n_units, 1);
	uint32_t live[METRIC_SETS_MAX] = { 0 }, used = 0, retired = 0, units = 1, listed = 0;

	marks[0] = 1;
	for (uint32_t i = 1; i < h->n_entries; i++) {
		const struct entry *e = &d->entries[i];
		uint32_t kind = atomic_load(&e->state) & 3;

		if (kind == ENTRY_FREE)
			continue;
		assert_true(i < atomic_load(&h->top));
		used++;
		retired += kind == ENTRY_RETIRED;
		mark_entry(marks, d, i);
		if (kind == ENTRY_RETIRED)
			continue;
		live[e->set]++;
		assert_int_equal(
		    directory_find(d, e->set, str_make(directory_key(d, e), e->key_n), e->hash), i);
	}
	for (uint32_t i = 1; i < h->n_units; i++) {
		assert_int_equal(d->bits[i / 64] >> (i % 64) & 1, marks[i]);
		units += marks[i];
	}
	free(marks);
	assert_int_equal(atomic_load(&h->space.used), units);
	assert_int_equal(atomic_load(&h->n_used), used);
	assert_int_equal(atomic_load(&h->n_retired), retired);
	for (uint32_t i = 0; i < h->n_sets; i++)
		assert_int_equal(atomic_load(&h->sets[i].count), live[i]);
	for (uint32_t i = h->free_entry; i != 0; i = d->entries[i].queue, listed++)
		assert_int_equal(atomic_load(&d->entries[i].state) & 3, ENTRY_FREE);
	assert_int_equal(listed, h->n_entries - 1 - used);
	for (uint32_t i = h->retired; i != 0; i = d->entries[i].queue, retired--)
		assert_int_equal(atomic_load(&d->entries[i].state) & 3, ENTRY_RETIRED);
	assert_int_equal(retired, 0);
	assert_int_equal(atomic_load(&h->repairs) & 1, 0);
}

/* The lock can be had at once, and all is well. */
static void
check(void)
{
	assert_true(directory_lock(&series_dir));
	check_structure(&series_dir);
	directory_unlock(&series_dir);
}

/* ---- processes, as the master keeps them ---- */

static struct shared {
	_Atomic uint64_t begun, done; /* what a slot counted: before and after */
	_Atomic bool stop;
} * shared; /* by slot */

static void
begin_life(unsigned slot, pid_t pid)
{
	atomic_store(&zone_slot(test_zone, slot)->pid, pid);
}

static void
bury(unsigned slot)
{
	atomic_store(&zone_slot(test_zone, slot)->pid, 0);
	atomic_fetch_add(&zone_slot(test_zone, slot)->generation, 1);
	series_clear_slot(test_zone, slot);
}

static pid_t
start(unsigned slot, void (*fn)(unsigned slot))
{
	pid_t pid;

	atomic_fetch_add(&zone_slot(test_zone, slot)->generation, 1);
	pid = fork();
	if (pid == 0) {
		if (series_attach(test_zone, slot) != 0)
			_exit(1);
		fn(slot);
		_exit(0);
	}
	assert_true(pid > 0);
	begin_life(slot, pid);
	return pid;
}

static int
enter_world(void)
{
	shared = mmap(NULL, TEST_SLOTS * sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || test_zone == NULL)
		return -1;
	return series_attach(test_zone, PARENT_SLOT);
}

static int
make_world(void **state)
{
	(void)state;
	test_zone = zone_new(TEST_SLOTS);
	return enter_world();
}

/* As small as can be, so that a repair is soon over; in a file. */
static int
make_small_world(void **state)
{
	struct zone_options opt = { .slots = TEST_SLOTS, .size = 64 << 10 };
	struct tmp tmp;

	(void)state;
	tmp_init(&tmp);
	opt.path = tmp_path(&tmp, "zone");
	test_zone = zone_open(&opt);
	tmp_fini(&tmp);
	return enter_world();
}

static int
drop_world(void **state)
{
	munmap(shared, TEST_SLOTS * sizeof(*shared));
	return test_zone_drop(state);
}

static uint64_t
sum_of(const struct metric_set *set)
{
	struct series_view v;
	uint32_t cursor = 0;
	uint64_t sum = 0;

	while (series_next(set, &cursor, &v))
		sum += series_value(set, &v, 0);
	return sum;
}

/* ---- nobody dies ---- */

#define EVENTS 50000

static void
count_events(unsigned slot)
{
	unsigned seed = slot;
	char key[32];

	for (unsigned i = 0; i < EVENTS; i++) {
		struct series *s;

		snprintf(key, sizeof(key), "key %d", rand_r(&seed) % 300);
		s = series_get(&test_words, str_of(key));
		series_add(s, TEST_COUNT, 1);
		series_observe(s, TEST_LATENCY, i);
		if (i % 100 == 0)
			series_tick();
	}
}

static void
sums_are_exact(void **state)
{
	struct series_view v;
	uint32_t cursor = 0;
	uint64_t observed = 0;
	int status;

	(void)state;
	for (unsigned slot = 3; slot < 3 + CHILDREN; slot++)
		start(slot, count_events);
	for (unsigned i = 0; i < CHILDREN; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	/* On a busy machine somebody may have waited for the lock in vain. */
	assert_in_range(series_count(&test_words), 300, 301);
	assert_int_equal(sum_of(&test_words), CHILDREN * EVENTS);
	while (series_next(&test_words, &cursor, &v)) {
		uint64_t counts[13], sum;

		series_histogram(&test_words, &v, TEST_LATENCY, counts, &sum);
		for (unsigned i = 0; i < 13; i++)
			observed += counts[i];
	}
	assert_int_equal(observed, CHILDREN * EVENTS);
	check();
}

/* ---- killed after so many instructions ---- */

static void
make_new(unsigned slot)
{
	static unsigned n;
	char key[32];

	(void)slot;
	n = atomic_load(&shared[0].begun);
	snprintf(key, sizeof(key), "victim's %u", n);
	raise(SIGSTOP);
	series_add(series_get(&test_words, str_of(key)), TEST_COUNT, 1);
}

static void
retire_and_reclaim(unsigned slot)
{
	struct series_view v;

	(void)slot;
	if (!series_find(&test_words, STR("old"), &v))
		_exit(1);
	raise(SIGSTOP);
	(void)series_retire(&test_words, &v);
}

/* Takes a dead owner's lock over, with the repair. */
static void
take_over(unsigned slot)
{
	(void)slot;
	raise(SIGSTOP);
	if (directory_lock(&series_dir))
		directory_unlock(&series_dir);
}

/* Lets the stopped child go on for n instructions, then kills it. Returns how many it took: fewer if it came to its end before. */
static unsigned
run_for(pid_t pid, unsigned n)
{
	int status;

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(status, 0);
			return i;
		}
		assert_true(WIFSTOPPED(status));
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return n;
}

static void (*victim)(unsigned slot);

static void
be_traced(unsigned slot)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(2);
	victim(slot);
}

static unsigned
kill_after(void (*fn)(unsigned slot), unsigned instructions)
{
	int status;
	pid_t pid;
	unsigned n;

	victim = fn;
	pid = start(3, be_traced);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status)); /* if not: may this user trace its own children? */
	n = run_for(pid, instructions);
	bury(3);
	return n;
}

/* before() sets the stage, fn dies, after() looks at what it left. The last one does not die. */
static void
die_all_over(void (*before)(void), void (*fn)(unsigned slot), void (*after)(void))
{
	unsigned length, begin;

	before();
	length = kill_after(fn, UINT_MAX);
	after();
	assert_true(length > DEATHS);
	srandom((unsigned)getpid());
	begin = (unsigned)random() % (length / DEATHS);
	for (unsigned i = 0; i <= DEATHS; i++) {
		before();
		(void)kill_after(
		    fn, i < DEATHS ? begin + (unsigned)((uint64_t)length * i / DEATHS) : UINT_MAX);
		after();
	}
}

static uint64_t sum_before;

static void
before_making(void)
{
	atomic_fetch_add(&shared[0].begun, 1);
	sum_before = sum_of(&test_words);
}

static void
after_making(void)
{
	check();
	assert_in_range(sum_of(&test_words), sum_before, sum_before + 1);
}

static void
killed_while_making(void **state)
{
	(void)state;
	series_add(series_get(&test_words, STR("ours")), TEST_COUNT, 1);
	die_all_over(before_making, make_new, after_making);
	assert_int_equal(sum_of(&test_words), sum_before + 1);
	series_add(series_get(&test_words, STR("ours")), TEST_COUNT, 1);
	assert_int_equal(test_value("ours", TEST_COUNT), 2);
}

static void
before_retiring(void)
{
	struct series_view v;

	(void)series_get(&test_words, STR("old"));
	(void)series_get(&test_words, STR("older"));
	assert_true(series_find(&test_words, STR("older"), &v));
	assert_true(series_retire(&test_words, &v));
	series_tick(); /* so that the victim has something to reclaim */
}

static void
killed_while_retiring(void **state)
{
	(void)state;
	die_all_over(before_retiring, retire_and_reclaim, check);
	assert_int_equal(series_count(&test_words), 0);
}

/* Somebody died with the lock. */
static void
before_repairing(void)
{
	atomic_store(&series_dir.head->lock, UINT64_C(6) << 32 | 77);
	atomic_fetch_add(&zone_slot(test_zone, 5)->generation, 100);
}

static void
after_repairing(void)
{
	check();
	assert_int_equal(sum_of(&test_words), 50);
}

static void
killed_while_repairing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		series_add(series_get(&test_words, str_make(&i, sizeof(i))), TEST_COUNT, 1);
	die_all_over(before_repairing, take_over, after_repairing);
}

/* ---- killed at random in a busy life ---- */

static void
live_busily(unsigned slot)
{
	struct shared *mine = &shared[slot];
	unsigned seed = (unsigned)getpid();
	struct series_view v;
	char key[32];

	while (!atomic_load(&mine->stop)) {
		/* Counts that stay, … */
		snprintf(key, sizeof(key), "key %d", rand_r(&seed) % 500);
		atomic_fetch_add(&mine->begun, 1);
		series_add(series_get(&test_words, str_of(key)), TEST_COUNT, 1);
		atomic_fetch_add(&mine->done, 1);
		/* … a gauge, and a coming and going of others. */
		series_set(series_get(&test_words, str_of(key)), TEST_GAUGE, 1);
		snprintf(key, sizeof(key), "passing %d", rand_r(&seed) % 1000);
		series_add(series_get(&test_passing, str_of(key)), 0, 1);
		if (rand_r(&seed) % 2 && series_find(&test_passing, str_of(key), &v))
			(void)series_retire(&test_passing, &v);
		if (rand_r(&seed) % 8 == 0)
			series_tick();
	}
}

static void
totals(uint64_t *begun, uint64_t *done)
{
	*begun = *done = 0;
	for (unsigned slot = 0; slot < TEST_SLOTS; slot++) {
		*done += atomic_load(&shared[slot].done);
		*begun += atomic_load(&shared[slot].begun);
	}
}

static void
check_sums(uint64_t *last)
{
	uint64_t begun, done, late, sum;

	totals(&begun, &done);
	sum = sum_of(&test_words);
	assert_true(sum >= *last);
	assert_true(sum >= done);
	totals(&begun, &late);
	assert_true(sum <= begun);
	*last = sum;
}

static void
killed_at_random(void **state)
{
	pid_t pids[TEST_SLOTS] = { 0 };
	uint64_t last = 0, begun, done;
	struct series_view v;
	uint32_t cursor = 0;
	int status;

	(void)state;
	srandom((unsigned)getpid());
	for (unsigned slot = 3; slot < 3 + CHILDREN; slot++)
		pids[slot] = start(slot, live_busily);
	for (unsigned i = 0; i < 200; i++) {
		unsigned slot = 3 + (unsigned)random() % CHILDREN;

		usleep((useconds_t)random() % 4000);
		kill(pids[slot], SIGKILL);
		assert_int_equal(waitpid(pids[slot], &status, 0), pids[slot]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		bury(slot);
		check_sums(&last);
		pids[slot] = start(slot, live_busily);
		series_tick();
	}
	for (unsigned slot = 3; slot < 3 + CHILDREN; slot++) {
		atomic_store(&shared[slot].stop, true);
		assert_int_equal(waitpid(pids[slot], &status, 0), pids[slot]);
		assert_int_equal(status, 0);
		bury(slot);
	}
	check_sums(&last);
	totals(&begun, &done);
	assert_true(begun - done <= 200);
	while (series_next(&test_words, &cursor, &v))
		assert_int_equal(series_value(&test_words, &v, TEST_GAUGE), 0);
	check();
}

/* One that holds the lock and does not move holds nobody up for long: counts go elsewhere, none are lost. */
static void
a_stopped_owner_holds_nobody_up(void **state)
{
	uint64_t word = UINT64_C(5) << 32 | atomic_load(&zone_slot(test_zone, 4)->generation);
	int64_t start_at = clock_mono();

	struct series *pin;

	(void)state;
	begin_life(4, getpid());
	(void)series_get(&test_words, STR("known"));
	atomic_store(&series_dir.head->lock, word);
	for (unsigned i = 0; i < 1000; i++)
		series_add(series_get(&test_words, str_make(&i, sizeof(i))), TEST_COUNT, 1);
	pin = series_pin(&test_words, STR("pinned"));
	series_add(pin, TEST_COUNT, 1);
	series_observe(pin, TEST_LATENCY, 0);
	series_tick();
	series_add(pin, TEST_COUNT, 1);
	series_add(series_get(&test_words, STR("known")), TEST_COUNT, 1);
	assert_true(clock_mono() - start_at < 10 * NS_PER_S); /* not a wait for each */
	assert_int_equal(test_value("known", TEST_COUNT), 1);
	/* It goes on. */
	atomic_store(&series_dir.head->lock, 0);
	series_add(series_get(&test_words, STR("new")), TEST_COUNT, 1);
	assert_int_equal(test_value("new", TEST_COUNT), 1);
	series_tick();
	series_add(pin, TEST_COUNT, 1);
	assert_int_equal(test_value("pinned", TEST_COUNT), 1);
	assert_int_equal(test_value_of(STR("other\0other"), TEST_COUNT), 1000 + 2);
	assert_int_equal(test_value_of(STR("other\0other"), TEST_LATENCY), 1);
	check();
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, drop_world)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(sums_are_exact),
		IN_WORLD(killed_while_making),
		IN_WORLD(killed_while_retiring),
		cmocka_unit_test_setup_teardown(
		    killed_while_repairing, make_small_world, drop_world),
		IN_WORLD(killed_at_random),
		IN_WORLD(a_stopped_owner_holds_nobody_up),
	};

	test_register();
	metric_register(&test_passing);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
