/*
 * The pool of works: what was given is taken again, with a buffer as new; what nobody needed for a while holds no memory.
 */
#include <stdio.h>
#include <unistd.h>

#include "unit/unit.h"

#include "http/http_priv.h"
#include "task/loop.h"

enum { MANY = 100 }; /* more than two slabs */

static struct http_scope scope;
static struct http_server_conf servers = { .scope = &scope };
static struct http_listen listens = { .servers = &servers };
static struct http_conn conn = { .listen = &listens };
static struct http_work *works[MANY];

/* Bytes of memory that the process holds. */
static size_t
held(void)
{
	unsigned long total, resident;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &resident), 2);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void
take(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		works[i] = http_work_take(&conn);
		assert_non_null(works[i]);
		assert_ptr_equal(works[i]->conn, &conn);
		assert_int_equal(works[i]->in.cap, HTTP_INPUT_SIZE);
		assert_int_equal(works[i]->in.end, 0);
		memset(works[i]->in.p, (int)i, HTTP_INPUT_SIZE);
		buf_puts(&works[i]->answer.out, "answer");
	}
	for (unsigned i = 0; i < n; i++)
		assert_int_equal((unsigned char)works[i]->in.p[HTTP_INPUT_SIZE - 1], i);
}

static void
give(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		http_work_give(works[i]);
}

/* Two looks of the pool, a second apart: the first learns what was needed. */
static void
rest(void *arg)
{
	(void)arg;
	assert_int_equal(task_sleep_until(clock_mono() + 2500 * NS_PER_MS), 0);
}

static void
test_what_is_not_needed_holds_no_memory(void **state)
{
	size_t before, busy;

	(void)state;
	assert_int_equal(loop_init(NULL), 0);
	before = held();
	take(MANY);
	give(MANY);
	busy = held();
	assert_true(busy - before >= MANY * HTTP_INPUT_SIZE);
	assert_int_equal(task_go("rest", rest, NULL, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_true(busy - held() >= MANY * HTTP_INPUT_SIZE);
	take(MANY);
	give(MANY);
	loop_fini();
}

static void
test_last_given_is_first_taken_with_a_buffer_of_its_own(void **state)
{
	struct http_input bigger;
	struct http_work *w;

	(void)state;
	assert_int_equal(loop_init(NULL), 0);
	take(3);
	assert_true(http_input_new(&bigger, 2 * HTTP_INPUT_SIZE));
	http_input_free(&works[1]->in);
	works[1]->in = bigger;
	give(3);
	assert_ptr_equal(http_work_take(&conn), works[2]);
	w = http_work_take(&conn);
	assert_ptr_equal(w, works[1]);
	assert_int_equal(w->in.cap, HTTP_INPUT_SIZE);
	memset(w->in.p, 1, HTTP_INPUT_SIZE);
	http_work_give(w);
	http_work_give(works[2]);
	loop_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_needed_holds_no_memory),
		cmocka_unit_test(test_last_given_is_first_taken_with_a_buffer_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
