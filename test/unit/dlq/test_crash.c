/*
 * kill -9 at every crash point by name, and at random moments, while several tasks add, decide, deliver and drop, and the log is written anew all
 * the time: whatever was told done is found at the next start, nothing twice, nothing else. One folder lives through all of it.
 */
#include <signal.h>
#include <sys/wait.h>

#include "dlq/points.h"
#include "unit/dlq/model.h"

#define NAME_OF(point) point,
static const char *const points[] = { DLQ_POINTS(NAME_OF) };

static struct tmp tmp;
static struct model *model;

/* kill -9 leaves what was written; so the syncs, which cost most, need not be made. */
static struct file_ops unsynced;

static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

/* ---- the child */

static struct dlq *store;
static unsigned steps, left;
static struct waitq finished;

static void
work(void *arg)
{
	unsigned task = (unsigned)(uintptr_t)arg;
	struct worker w = { store, model, task, "" };

	snprintf(w.stream, sizeof(w.stream), "s%u", task);
	for (unsigned i = 0; i < steps; i++) {
		if (step(&w))
			_exit(2);
		if (task == 0 && i % 8 == 0)
			dlq_tend(store);
	}
	if (--left == 0)
		waitq_wake_all(&finished);
}

static void
live(void *arg)
{
	(void)arg;
	if (dlq_open(folder(&tmp), &(struct dlq_limits){ 0 }, &store))
		_exit(2);
	store->file_size = 4000;
	waitq_init(&finished);
	left = MODEL_TASKS;
	for (unsigned i = 0; i < MODEL_TASKS; i++) {
		if (task_go("work", work, (void *)(uintptr_t)i, NULL))
			_exit(2);
	}
	while (left)
		(void)waitq_park(&finished, CLOCK_NEVER);
	dlq_close(store);
}

static pid_t
start(const char *point, unsigned n)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char plan[80];

		snprintf(plan, sizeof(plan), "%s:%u", point, n);
		setenv("SLUICE_CRASH", plan, 1);
		file_test_init();
		file_calls = &unsynced;
		if (loop_init(NULL) || task_go("live", live, NULL, NULL) || loop_run_until_idle())
			_exit(2);
		_exit(0);
	}
	return pid;
}

/* ---- the parent */

static void
look(void *arg)
{
	struct dlq *d = open_store(&tmp);

	(void)arg;
	model_check(d, model);
	dlq_close(d);
}

/* True if it was killed. */
static bool
ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

static void
begin(void)
{
	tmp_init(&tmp);
	model = model_new(tmp.dir);
}

static void
end(void)
{
	model_free(model);
	tmp_fini(&tmp);
}

static void
at_every_point(void **state)
{
	static const unsigned passages[] = { 1, 2, 7 };

	(void)state;
	begin();
	steps = 60;
	for (size_t p = 0; p < ARRAY_LEN(points); p++) {
		unsigned deaths = 0;

		for (size_t i = 0; i < ARRAY_LEN(passages); i++) {
			deaths += ended(start(points[p], passages[i]));
			run(look, NULL);
		}
		if (deaths < 2)
			fail_msg("%s was passed too seldom: %u deaths", points[p], deaths);
	}
	end();
}

static void
at_random_moments(void **state)
{
	(void)state;
	begin();
	steps = 1000000;
	for (int i = 0; i < 30; i++) {
		unsigned until = model->steps + 1 + (unsigned)(random_u64() % 300);
		pid_t pid = start("none", 1);

		while (model->steps < until)
			usleep(100);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_true(ended(pid));
		run(look, NULL);
	}
	end();
}

/* Nobody dies: the store and the model come to the same, and opening it changes nothing. */
static void
undisturbed(void **state)
{
	(void)state;
	begin();
	steps = 400;
	assert_false(ended(start("none", 1)));
	run(look, NULL);
	run(look, NULL);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undisturbed),
		cmocka_unit_test(at_every_point),
		cmocka_unit_test(at_random_moments),
	};

	unsynced = file_calls_real;
	unsynced.fsync = unsynced.fdatasync = no_sync;
	file_calls = &unsynced;
	log_threshold = LOG_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
