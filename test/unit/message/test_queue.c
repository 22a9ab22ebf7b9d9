/* message/queue: order, keys, waiting, room; and at random against a plain model of the same promises. */
#include <stdlib.h>

#include "base/clock.h"
#include "message/queue.h"
#include "unit/unit.h"

static struct queue q;

static struct message *
add(uint64_t number, uint64_t key, int64_t due, int64_t now)
{
	struct message *m = queue_get(&q);

	assert_non_null(m);
	m->number = number;
	m->key = key;
	m->due = due;
	queue_add(&q, m, now);
	return m;
}

static struct message *
taken(int64_t now, uint64_t number)
{
	struct message *m = queue_take(&q, now);

	assert_non_null(m);
	assert_int_equal(m->number, number);
	return m;
}

static int
setup(void **state)
{
	(void)state;
	return queue_init(&q, 300);
}

static int
teardown(void **state)
{
	(void)state;
	queue_fini(&q);
	return 0;
}

static void
test_in_order(void **state)
{
	(void)state;
	assert_null(queue_take(&q, 0));
	for (uint64_t i = 0; i < 300; i++)
		add(i, 0, 0, 0);
	assert_null(queue_get(&q));
	assert_non_null(queue_get_extra(&q, 1));
	assert_null(queue_get_extra(&q, 1));
	for (uint64_t i = 0; i < 300; i++)
		queue_done(&q, taken(0, i));
	assert_null(queue_take(&q, 0));
	assert_int_equal(queue_count(&q), 0);
}

static void
test_waiting(void **state)
{
	struct message *m;

	(void)state;
	add(1, 0, 30, 0);
	add(2, 0, 10, 0);
	add(3, 0, 20, 20);
	assert_int_equal(queue_next(&q), 10);
	assert_true(queue_has(&q, 0));
	m = taken(5, 3);
	assert_false(queue_has(&q, 5));
	assert_null(queue_take(&q, 9));
	queue_wait(&q, m, 15);
	queue_done(&q, taken(10, 2));
	assert_int_equal(queue_next(&q), 15);
	m = taken(30, 3);
	queue_again(&q, m);
	/* What waited comes before what is only ready. */
	queue_done(&q, taken(30, 1));
	queue_done(&q, taken(30, 3));
	assert_int_equal(queue_next(&q), CLOCK_NEVER);
}

static void
test_keys(void **state)
{
	struct message *a, *b;

	(void)state;
	add(1, 7, 0, 0);
	add(2, 7, 0, 0);
	add(3, 8, 0, 0);
	add(4, 7, 0, 0);
	add(5, 0, 0, 0);
	assert_int_equal(q.counts[MESSAGE_BLOCKED], 2);
	a = taken(0, 1);
	b = taken(0, 3);
	queue_done(&q, taken(0, 5));
	assert_null(queue_take(&q, 0));
	queue_wait(&q, a, 10); /* blocks its key, and no other */
	add(6, 7, 0, 0);
	queue_done(&q, b);
	add(7, 8, 0, 0);
	queue_done(&q, taken(0, 7));
	assert_null(queue_take(&q, 9));
	queue_done(&q, taken(10, 1));
	queue_done(&q, taken(10, 2));
	queue_done(&q, taken(10, 4));
	queue_done(&q, taken(10, 6));
	assert_int_equal(queue_count(&q), 0);
	add(8, 7, 0, 0);
	queue_done(&q, taken(0, 8));
}

static void
remove_number(void *arg, struct message *m)
{
	if (m->number == *(uint64_t *)arg)
		queue_remove(&q, m);
}

static void
test_remove(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		add(i, 7, i == 0 ? 100 : 0, 0);
	for (uint64_t i = 2; i < 5; i += 2)
		queue_each(&q, remove_number, &i);
	assert_null(queue_take(&q, 0));
	queue_each(&q, remove_number, &(uint64_t){ 0 });
	queue_done(&q, taken(0, 1));
	queue_done(&q, taken(0, 3));
	assert_int_equal(queue_count(&q), 0);
}

static void
test_memory(void **state)
{
	struct chunks cs;
	struct chunk *c;
	struct message *m;

	(void)state;
	chunks_init(&cs, (size_t)2 * CHUNK_SIZE);
	c = chunk_new(&cs, CHUNK_SIZE);
	assert_false(chunks_full(&cs));
	m = add(1, 0, 0, 0);
	m->chunk = chunk_hold(c);
	m = add(2, 0, 0, 0);
	m->chunk = chunk_hold(c);
	m->body = str_make(c->p, 3);
	chunk_drop(c);
	assert_int_equal(cs.bytes, CHUNK_SIZE);
	queue_done(&q, taken(0, 1));
	assert_int_equal(cs.bytes, CHUNK_SIZE);
	queue_unload(m);
	assert_null(m->body.p);
	assert_int_equal(cs.bytes, 0);
	c = chunk_new(&cs, 10);
	m->chunk = c;
	queue_done(&q, taken(0, 2));
	queue_trim(&q);
	assert_int_equal(q.counts[MESSAGE_FREE], 0);
	chunks_fini(&cs);
}

/* ---- at random ---- */

enum { KEYS = 5, STEPS = 20000, MOST = 300 };

static struct {
	uint64_t next[KEYS], expected[KEYS]; /* numbers given to, and wanted of, each key */
	struct message *sending[MOST];
	unsigned n;
	int64_t now;
	size_t count;
} model;

static void
random_add(void)
{
	uint64_t key = random_u64() % KEYS;

	if (model.count == MOST)
		return;
	add(model.next[key]++, key, model.now + (int64_t)(random_u64() % 8), model.now);
	model.count++;
}

static void
random_take(void)
{
	struct message *m = queue_take(&q, model.now);

	if (m == NULL)
		return;
	if (m->key != 0) {
		for (unsigned i = 0; i < model.n; i++)
			assert_int_not_equal(model.sending[i]->key, m->key);
		assert_int_equal(m->number, model.expected[m->key]);
	}
	model.sending[model.n++] = m;
}

static void
random_end(void)
{
	unsigned i = model.n ? (unsigned)(random_u64() % model.n) : 0;
	struct message *m = model.sending[i];

	if (model.n == 0)
		return;
	model.sending[i] = model.sending[--model.n];
	switch (random_u64() % 4) {
	case 0:
		queue_wait(&q, m, model.now + (int64_t)(random_u64() % 20));
		break;
	case 1:
		queue_again(&q, m);
		break;
	default:
		model.expected[m->key] += m->key != 0;
		queue_done(&q, m);
		model.count--;
	}
}

static void
test_random(void **state)
{
	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		switch (random_u64() % 8) {
		case 0:
			model.now++;
			break;
		case 1:
		case 2:
			random_add();
			break;
		case 3:
		case 4:
			random_take();
			break;
		default:
			random_end();
		}
		assert_int_equal(queue_count(&q), model.count);
		assert_int_equal(q.counts[MESSAGE_SENDING], model.n);
	}
	while (model.count > 0) {
		model.now++;
		random_take();
		random_end();
	}
	for (unsigned key = 1; key < KEYS; key++)
		assert_int_equal(model.expected[key], model.next[key]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
