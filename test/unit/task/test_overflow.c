/*
 * What a crash says: each case is a forked child that dies, its last words read through a pipe.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/wait.h>

#include "unit/task/task_test.h"

static volatile int bottom = 1 << 30;

static int recurse(int depth);
static int (*volatile recurse_more)(int depth) = recurse; /* so that no compiler makes it a loop */

static int
recurse(int depth)
{
	char frame[512];

	frame[0] = (char)depth;
	__asm__ volatile("" : : "r"(frame) : "memory"); /* all of it is kept */
	return depth >= bottom ? 0 : recurse_more(depth + 1) + frame[0];
}

static void
overflows(void *arg)
{
	(void)arg;
	task_yield();
	recurse(0);
}

static void
bad_address(void *arg)
{
	volatile char *p = arg;

	task_yield();
	*p = 1;
}

static void
harmless(void *arg)
{
	(void)arg;
	bottom = 20;
	recurse(0);
	bottom = 1 << 30;
	task_yield();
}

/* Runs fn in a child after some other tasks; returns how it ended and what it said. */
static int
crash(const char *name, task_fn *fn, void *arg, char said[512])
{
	int pipes[2], status;
	ssize_t n, sum = 0;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		dup2(pipes[1], STDERR_FILENO);
		if (loop_init(NULL) != 0)
			_exit(9);
		loop_catch_overflow();
		for (int i = 0; i < 10; i++)
			task_go("innocent", harmless, NULL, NULL);
		task_go(name, fn, arg, NULL);
		loop_run_until_idle();
		_exit(8);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], said + sum, (size_t)(511 - sum))) > 0)
		sum += n;
	said[sum] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
test_overflow(void **state)
{
	char said[512];
	int status = crash("PUT /usage", overflows, NULL, said);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_true(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
	assert_string_equal(said, "stack overflow in task PUT /usage\n");
}

static void
test_bad_address(void **state)
{
	char said[512];
	int status = crash("shipper", bad_address, (void *)0x123, said);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_non_null(strstr(said, " at address 0x123 in task shipper\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_bad_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
