/*
 * kill -9 of a process with a journal: at every crash point by name, and at random moments, in one life after the other over the same
 * folder. What a flush has promised is known to the next life; the attempts at a message never count down.
 */
#include <signal.h>
#include <sys/wait.h>

#include "base/hash.h"
#include "journal_test.h"
#include "message/points.h"

#define NAME_OF(point) point,

static const char *const points[] = { MESSAGE_POINTS_JOURNAL(NAME_OF) };

#define RECORDS 700

static int ack_fd;

/* ---- the child ---- */

/* Message n has n % 4 failed attempts, then is done; but every tenth is not. */
static void
one_message(struct journal *j, unsigned n)
{
	for (unsigned i = 1; i <= n % 4; i++)
		add(j, n / 100, n % 100, JOURNAL_RETRY, i);
	if (n % 10 != 9)
		add(j, n / 100, n % 100, JOURNAL_DELIVERED, n % 4 + 1);
}

static void
live(void *arg)
{
	unsigned from = *(const unsigned *)arg;
	struct journal *j;

	if (journal_open(journal_dir(), 1, &j))
		_exit(2);
	for (unsigned n = from; n < RECORDS; n++) {
		one_message(j, n);
		if (n % 7 != 0)
			continue;
		if (journal_flush(j, CLOCK_NEVER) || write(ack_fd, &n, sizeof(n)) != sizeof(n))
			_exit(3);
	}
	journal_close(j);
}

static pid_t
start(unsigned *from, const char *point, unsigned nth, int *acks)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char plan[80];

		close(fds[0]);
		ack_fd = fds[1];
		snprintf(plan, sizeof(plan), "%s:%u", point ? point : "none", nth);
		setenv("SLUICE_CRASH", plan, 1);
		file_test_init();
		run(live, from);
		_exit(0);
	}
	close(fds[1]);
	*acks = fds[0];
	return pid;
}

/* ---- the parent ---- */

/* The child's end: the last message that was promised, +1; or from. */
static unsigned
read_acks(int fd, unsigned from)
{
	unsigned n, acked = from;

	while (read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		acked = n + 1;
	close(fd);
	return acked;
}

static void
check(void *arg)
{
	unsigned acked = *(const unsigned *)arg;
	struct journal *j = open_limited(1);

	for (unsigned n = 0; n < acked; n++) {
		struct journal_attempts a;

		journal_attempts(j, segment(n / 100), n % 100, &a);
		assert_int_equal(journal_is_done(j, segment(n / 100), n % 100), n % 10 != 9);
		assert_int_equal(a.n, n % 10 == 9 ? n % 4 : 0);
	}
	assert_int_equal(journal_get_stats(j).damaged, 0);
	journal_close(j);
}

static bool
was_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

#ifdef SLUICE_TEST
static void
dies_at_every_point(void **state)
{
	(void)state;
	for (size_t p = 0; p < ARRAY_LEN(points); p++) {
		unsigned acked = 0, deaths = 0;

		tmp_init(&tmp);
		/* Later and later in a life, and life after life. */
		for (unsigned nth = 1; nth < 8; nth += 3) {
			int acks;
			pid_t pid = start(&acked, points[p], nth, &acks);

			acked = read_acks(acks, acked);
			deaths += was_killed(pid);
			run(check, &acked);
		}
		if (deaths == 0)
			fail_msg("nobody came by %s", points[p]);
		tmp_fini(&tmp);
	}
}
#endif

static void
dies_at_random_moments(void **state)
{
	(void)state;
	for (unsigned turn = 0; turn < 4; turn++) {
		unsigned acked = 0;

		tmp_init(&tmp);
		for (unsigned life = 0; life < 5; life++) {
			int acks;
			pid_t pid = start(&acked, NULL, 1, &acks);

			usleep((unsigned)(random_u64() % 30000));
			assert_int_equal(kill(pid, SIGKILL), 0);
			acked = read_acks(acks, acked);
			(void)was_killed(pid);
			run(check, &acked);
		}
		tmp_fini(&tmp);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dies_at_random_moments),
#ifdef SLUICE_TEST
		cmocka_unit_test(dies_at_every_point),
#endif
	};

	log_threshold = LOG_ERROR;
	file_calls = quick_calls();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
