/*
 * kill -9: at every crash point by name, and at random moments. The child says through a pipe what was acknowledged; afterwards
 * recovery and a reader must find each of these records exactly once, in order, and no record twice.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/hash.h"
#include "harness.h"
#include "spool/points.h"

#define NAME_OF(point) point,

static const char *const writer_points[] = { SPOOL_POINTS_WRITER(NAME_OF) };
static const char *const upload_points[] = { SPOOL_POINTS_UPLOAD(NAME_OF) };
static const char *const recover_points[] = { SPOOL_POINTS_RECOVER(NAME_OF) };
static const char *const origin_points[] = { SPOOL_POINTS_ORIGIN(NAME_OF) };

static struct tmp tmp;
static int ack_fd;

/* ---- the child */

struct job {
	unsigned each; /* records a writer */
	unsigned writers, uploaders;
};

static struct spool *shared;
static unsigned left;
static struct waitq finished;

static void
tell(unsigned task, unsigned i)
{
	uint32_t ack[2] = { task, i };

	if (write(ack_fd, ack, sizeof(ack)) != (ssize_t)sizeof(ack))
		_exit(3);
}

struct turn {
	const struct job *job;
	unsigned task;
};

static int
upload_one(const char *body)
{
	static const char filler[150000];
	struct spool_upload *u;
	int err = spool_upload_begin(shared, STR("u"), STR(""), 0, &u);

	if (err)
		return err;
	(void)spool_upload_write(u, body, strlen(body) + 1);
	(void)spool_upload_write(u, filler, sizeof(filler));
	return spool_upload_commit(u);
}

static void
produce(void *arg)
{
	struct turn t = *(struct turn *)arg;
	char body[32];

	free(arg);
	for (unsigned i = 0; i < t.job->each; i++) {
		struct spool_record r;

		snprintf(body, sizeof(body), "%u.%u", t.task, i);
		r = record("u", body);
		if (t.task < t.job->writers ? spool_append(shared, &r) : upload_one(body))
			_exit(2);
		tell(t.task, i);
	}
	if (--left == 0)
		waitq_wake_all(&finished);
}

static void
produce_all(void *arg)
{
	const struct job *job = arg;
	struct spool_options opt = options(tmp.dir);

	opt.segment_size = 1500;
	if (spool_new(&opt, &shared))
		_exit(2);
	waitq_init(&finished);
	left = job->writers + job->uploaders;
	for (unsigned i = 0; i < job->writers + job->uploaders; i++) {
		struct turn *t = malloc(sizeof(*t));

		*t = (struct turn){ job, i };
		if (task_go("producer", produce, t, NULL))
			_exit(2);
	}
	while (left)
		(void)waitq_park(&finished, CLOCK_NEVER);
	(void)spool_close(shared, CLOCK_NEVER);
	spool_free(shared);
}

/* Starts the work in a process of its own, which dies at the Nth passage of point, if one is named. */
static pid_t
start(const struct job *job, const char *point, unsigned n, int *acks)
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
		snprintf(plan, sizeof(plan), "%s:%u", point ? point : "none", n);
		setenv("SLUICE_CRASH", plan, 1);
		file_test_init();
		if (loop_init(NULL) || task_go("main", produce_all, (void *)(uintptr_t)job, NULL) ||
		    loop_run_until_idle())
			_exit(2);
		_exit(0);
	}
	close(fds[1]);
	*acks = fds[0];
	return pid;
}

/* ---- the parent */

#define TASKS_MAX 32

/* How many records of each task were acknowledged; each task's come in order, so the number says all. */
static void
read_acks(int fd, unsigned acked[TASKS_MAX])
{
	uint32_t ack[2];

	memset(acked, 0, TASKS_MAX * sizeof(acked[0]));
	while (read(fd, ack, sizeof(ack)) == (ssize_t)sizeof(ack)) {
		assert_true(ack[0] < TASKS_MAX);
		assert_int_equal(ack[1], acked[ack[0]]);
		acked[ack[0]]++;
	}
	close(fd);
}

/* Records of one task are numbered from 0: they must be there from 0 on, without a gap, at least as many as were acknowledged. */
static void
check_kept(const struct job *job, const unsigned acked[TASKS_MAX])
{
	unsigned next[TASKS_MAX] = { 0 };
	struct recover_stats st;
	struct harvest h;

	assert_int_equal(recover_dir(tmp.dir, &st), 0);
	assert_int_equal(st.busy, 0);
	assert_int_equal(recover_dir(tmp.dir, &st), 0);
	assert_int_equal(st.sealed + st.empty + st.torn_bytes, 0);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	for (size_t f = 0; f < h.n; f++) {
		unsigned task, i;

		assert_int_equal(sscanf(h.at[f].body, "%u.%u", &task, &i), 2);
		assert_true(task < TASKS_MAX);
		assert_int_equal(i, next[task]);
		next[task]++;
	}
	for (unsigned t = 0; t < job->writers + job->uploaders; t++) {
		assert_true(next[t] >= acked[t]);
		assert_true(next[t] <= acked[t] + 1);
	}
	harvest_free(&h);
}

static bool
was_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

/* One life that ends at a point. True if it got there. */
static bool
die_at(const struct job *job, const char *point, unsigned n)
{
	unsigned acked[TASKS_MAX];
	bool killed;
	pid_t pid;
	int acks;

	tmp_init(&tmp);
	assert_int_equal(spool_prepare(tmp.dir, false), 0);
	pid = start(job, point, n, &acks);
	read_acks(acks, acked);
	killed = was_killed(pid);
	check_kept(job, acked);
	tmp_fini(&tmp);
	return killed;
}

static void
die_at_all(const struct job *job, const char *const points[], size_t count)
{
	static const unsigned passages[] = { 1, 2, 3, 5, 9 };

	for (size_t p = 0; p < count; p++) {
		unsigned deaths = 0;

		for (size_t i = 0; i < ARRAY_LEN(passages); i++)
			deaths += die_at(job, points[p], passages[i]);
		if (deaths < 3)
			fail_msg("%s was passed %u times", points[p], deaths);
	}
}

static void
test_writer_points(void **state)
{
	static const struct job job = { .each = 30, .writers = 8 };

	(void)state;
	die_at_all(&job, writer_points, ARRAY_LEN(writer_points));
}

static void
test_upload_points(void **state)
{
	static const struct job job = { .each = 4, .uploaders = 6 };

	(void)state;
	die_at_all(&job, upload_points, ARRAY_LEN(upload_points));
}

static void
test_random_moments(void **state)
{
	static const struct job job = { .each = 100000, .writers = 16, .uploaders = 3 };

	(void)state;
	for (int i = 0; i < 60; i++) {
		unsigned acked[TASKS_MAX];
		pid_t pid;
		int acks;

		tmp_init(&tmp);
		assert_int_equal(spool_prepare(tmp.dir, false), 0);
		pid = start(&job, NULL, 1, &acks);
		usleep((unsigned)(random_u64() % 20000));
		assert_int_equal(kill(pid, SIGKILL), 0);
		read_acks(acks, acked);
		assert_true(was_killed(pid));
		check_kept(&job, acked);
		tmp_fini(&tmp);
	}
}

/* Recovery goes over the folder all the time while its owner is at work. */
static void
test_recovery_beside_owner(void **state)
{
	static const struct job job = { .each = 60, .writers = 16, .uploaders = 4 };
	unsigned acked[TASKS_MAX], busy = 0;
	int acks, status;
	pid_t pid;

	(void)state;
	tmp_init(&tmp);
	assert_int_equal(spool_prepare(tmp.dir, false), 0);
	pid = start(&job, NULL, 1, &acks);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct recover_stats st;

		assert_int_equal(recover_dir(tmp.dir, &st), 0);
		assert_int_equal(st.torn_bytes, 0);
		busy += st.busy;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(busy > 0);
	read_acks(acks, acked);
	for (unsigned t = 0; t < job.writers + job.uploaders; t++)
		assert_int_equal(acked[t], job.each);
	check_kept(&job, acked);
	tmp_fini(&tmp);
}

/* Runs fn in a process that dies at the first passage of point; true if it did. */
static bool
die_in(void (*fn)(void), const char *point)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char plan[80];

		snprintf(plan, sizeof(plan), "%s:1", point);
		setenv("SLUICE_CRASH", plan, 1);
		file_test_init();
		fn();
		_exit(0);
	}
	return was_killed(pid);
}

static void
recover_in_child(void)
{
	struct recover_stats st;

	if (recover_dir(tmp.dir, &st))
		_exit(2);
}

/* Recovery dies too, and is done again. Points of sealing see an orphan with records, those of removal one without. */
static void
test_recover_points(void **state)
{
	static const struct job job = { .each = 30, .writers = 8 };

	(void)state;
	for (size_t p = 0; p < ARRAY_LEN(recover_points); p++) {
		bool removal = strcmp(recover_points[p], "spool.recover.removed") == 0;
		unsigned acked[TASKS_MAX];
		pid_t pid;
		int acks;

		tmp_init(&tmp);
		assert_int_equal(spool_prepare(tmp.dir, false), 0);
		pid = start(&job, removal ? "spool.create.synced" : "spool.commit.written",
		    removal ? 1 : 3, &acks);
		read_acks(acks, acked);
		assert_true(was_killed(pid));
		assert_true(die_in(recover_in_child, recover_points[p]));
		check_kept(&job, acked);
		tmp_fini(&tmp);
	}
}

static void
take_in_child(void)
{
	struct recover_stats st;

	if (recover_origin_files(tmp.dir, false, &st))
		_exit(2);
}

static void
test_origin_points(void **state)
{
	(void)state;
	for (size_t p = 0; p < ARRAY_LEN(origin_points); p++) {
		struct recover_stats st;
		struct harvest h;
		char path[512];
		FILE *f;

		tmp_init(&tmp);
		assert_int_equal(spool_prepare(tmp.dir, false), 0);
		snprintf(path, sizeof(path), "%s/1795309323000000001.12.ann", tmp.dir);
		f = fopen(path, "w");
		assert_non_null(f);
		fputs("once", f);
		fclose(f);
		assert_true(die_in(take_in_child, origin_points[p]));
		assert_int_equal(recover_dir(tmp.dir, &st), 0);
		assert_int_equal(recover_origin_files(tmp.dir, false, &st), 0);
		h = harvest(tmp.dir, NAME_SEALED);
		assert_int_equal(h.n, 1);
		assert_string_equal(h.at[0].body, "once");
		assert_string_equal(h.at[0].user, "ann");
		harvest_free(&h);
		assert_int_not_equal(access(path, F_OK), 0);
		assert_int_equal(count_files(tmp.dir, NAME_PART), 0);
		tmp_fini(&tmp);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_moments),
		cmocka_unit_test(test_recovery_beside_owner),
#ifdef SLUICE_TEST
		cmocka_unit_test(test_writer_points),
		cmocka_unit_test(test_upload_points),
		cmocka_unit_test(test_recover_points),
		cmocka_unit_test(test_origin_points),
#endif
	};

	log_threshold = LOG_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
