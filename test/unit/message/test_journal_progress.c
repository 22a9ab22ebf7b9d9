/*
 * Progress against a plain model: random rows, checkpoints that bring back the same, and rows told twice.
 */
#include <stdlib.h>

#include "unit/unit.h"

#include "base/clock.h"
#include "message/journal_progress.h"

#define SEGMENTS 5
#define RECORDS 3000

/* What is true. */
static struct {
	bool known;
	bool done[RECORDS];
	unsigned tries[RECORDS];
} model[SEGMENTS];

static uint64_t seed;

static unsigned
roll(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(seed >> 33) % n;
}

static struct id
segment(unsigned n)
{
	return (struct id){ .b = { 1, (unsigned char)n } };
}

static struct journal_record
attempt(unsigned s, unsigned number, enum journal_result result, unsigned n)
{
	return (struct journal_record){ .kind = JOURNAL_ATTEMPT,
		.row = { .segment = segment(s),
		    .number = number,
		    .result = result,
		    .attempt = n,
		    .time = (int64_t)n * NS_PER_S,
		    .status = 500,
		    .error = STR("why") } };
}

static void
check(const struct progress *p)
{
	struct journal_attempts a;

	for (unsigned s = 0; s < SEGMENTS; s++) {
		assert_int_equal(progress_has(p, segment(s)), model[s].known);
		for (unsigned i = 0; i < RECORDS; i++) {
			assert_int_equal(progress_is_done(p, segment(s), i), model[s].done[i]);
			progress_attempts(p, segment(s), i, &a);
			assert_int_equal(a.n, model[s].done[i] ? 0 : model[s].tries[i]);
			assert_int_equal(a.first, a.n ? NS_PER_S : 0);
			assert_int_equal(a.last, a.n * NS_PER_S);
			assert_true(a.n == 0 || (a.status == 500 && str_is(a.error, "why")));
		}
		assert_false(progress_is_done(p, segment(s), RECORDS + 1000));
		assert_false(progress_is_done(p, segment(s), UINT64_MAX));
	}
}

/* Mostly in order, as delivery is; now and then far ahead. */
static struct journal_record
random_row(unsigned step)
{
	unsigned s = roll(SEGMENTS), near = step / SEGMENTS + roll(100);
	unsigned number = roll(10) && near < RECORDS ? near : roll(RECORDS);
	struct journal_record r;

	switch (roll(8)) {
	case 0:
		r = attempt(s, number, JOURNAL_HELD, 1);
		break;
	case 1:
	case 2:
		r = attempt(s, number, JOURNAL_RETRY, model[s].tries[number] + 1);
		model[s].known = true;
		if (!model[s].done[number])
			model[s].tries[number]++;
		else
			r.row.attempt = 1;
		break;
	default:
		r = attempt(s, number, roll(5) ? JOURNAL_DELIVERED : JOURNAL_DEAD, 1);
		model[s].known = model[s].done[number] = true;
	}
	return r;
}

static void
read_back(struct buf *rows, struct progress *into)
{
	static const struct id file;
	size_t at = 0;

	journal_bind((unsigned char *)rows->p, rows->n, &file, 0);
	while (at < rows->n) {
		struct journal_record r;
		ssize_t used =
		    journal_get((unsigned char *)rows->p + at, rows->n - at, &file, at, &r);

		assert_true(used > 0);
		assert_int_equal(r.kind == JOURNAL_CHECKPOINT, at + (size_t)used == rows->n);
		assert_int_equal(progress_apply(into, &r), 0);
		at += (size_t)used;
	}
}

static void
a_checkpoint_tells_all(void **state)
{
	struct progress p, again;
	struct buf rows;

	(void)state;
	progress_init(&p);
	buf_init(&rows, 0);
	for (unsigned step = 0; step < SEGMENTS * RECORDS; step++) {
		struct journal_record r = random_row(step);

		assert_int_equal(progress_apply(&p, &r), 0);
		if (r.row.result != JOURNAL_RETRY) /* told twice: nothing changes */
			assert_int_equal(progress_apply(&p, &r), 0);
		if (step % 1500 != 0)
			continue;
		check(&p);
		buf_reset(&rows);
		progress_checkpoint(&p, &rows);
		progress_init(&again);
		read_back(&rows, &again);
		check(&again);
		read_back(&rows, &again); /* the same once more */
		check(&again);
		progress_fini(&p);
		p = again;
	}
	check(&p);
	buf_fini(&rows);
	progress_fini(&p);
}

static void
forgetting_one_leaves_the_others(void **state)
{
	struct progress p;
	struct id left[3];

	(void)state;
	progress_init(&p);
	for (unsigned s = 0; s < 3; s++) {
		struct journal_record r = attempt(s, 5, JOURNAL_RETRY, 1);

		assert_int_equal(progress_apply(&p, &r), 0);
	}
	for (unsigned twice = 0; twice < 2; twice++) {
		struct journal_record r = { .kind = JOURNAL_FORGET, .row.segment = segment(1) };

		assert_int_equal(progress_apply(&p, &r), 0);
		assert_int_equal(progress_segments(&p, left, 3), 2);
	}
	assert_false(id_eq(left[0], segment(1)) || id_eq(left[1], segment(1)));
	assert_false(progress_has(&p, segment(1)));
	progress_fini(&p);
}

/* Of what is done in order nothing is kept but where it ends. */
static void
memory_does_not_grow_with_what_is_done(void **state)
{
	struct progress p;
	struct buf rows;

	(void)state;
	progress_init(&p);
	buf_init(&rows, 0);
	for (unsigned i = 0; i < 1000000; i++) {
		struct journal_record r = attempt(0, i ^ 7, JOURNAL_DELIVERED, 1);

		assert_int_equal(progress_apply(&p, &r), 0);
	}
	assert_true(progress_is_done(&p, segment(0), 999999));
	assert_false(progress_is_done(&p, segment(0), 1000000));
	progress_checkpoint(&p, &rows);
	assert_true(rows.n <= 2 * JOURNAL_ROW_MIN + 64);
	buf_fini(&rows);
	progress_fini(&p);
}

/* The farthest there is, and a checkpoint that says all before are done. */
static void
far_numbers(void **state)
{
	struct progress p;
	struct journal_record far = attempt(0, JOURNAL_NUMBER_MAX - 1, JOURNAL_DELIVERED, 1),
			      below = { .kind = JOURNAL_DONE,
				      .row = { .segment = segment(0),
					  .number = JOURNAL_NUMBER_MAX - 64 },
				      .below = true };

	(void)state;
	progress_init(&p);
	assert_int_equal(progress_apply(&p, &far), 0);
	assert_true(progress_is_done(&p, segment(0), JOURNAL_NUMBER_MAX - 1));
	assert_false(progress_is_done(&p, segment(0), JOURNAL_NUMBER_MAX - 2));
	assert_int_equal(progress_apply(&p, &below), 0);
	assert_true(progress_is_done(&p, segment(0), JOURNAL_NUMBER_MAX - 65));
	assert_false(progress_is_done(&p, segment(0), JOURNAL_NUMBER_MAX - 2));
	assert_true(progress_is_done(&p, segment(0), JOURNAL_NUMBER_MAX - 1));
	progress_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checkpoint_tells_all),
		cmocka_unit_test(forgetting_one_leaves_the_others),
		cmocka_unit_test(memory_does_not_grow_with_what_is_done),
		cmocka_unit_test(far_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
