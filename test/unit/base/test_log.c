/*
 * The log: forms of a line, values that try to forge one, bounds, buffering, threads, reopening.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "unit/tmp.h"
#include "unit/unit.h"

static struct tmp tmp;
static char *text; /* what the last read_log found */

static int
setup(void **state)
{
	(void)state;
	tmp_init(&tmp);
	log_set_style(LOG_LOGFMT);
	return log_open(tmp_path(&tmp, "log"));
}

static int
teardown(void **state)
{
	(void)state;
	log_set_buffered(false);
	log_threshold = LOG_INFO;
	free(text);
	text = NULL;
	tmp_fini(&tmp);
	return log_open(NULL);
}

static struct str
read_log(const char *name)
{
	size_t n;

	free(text);
	text = NULL;
	assert_int_equal(file_read_all(tmp_path(&tmp, name), 1 << 24, &text, &n), 0);
	return str_make(text, n);
}

/* The only line, without its time and its newline. */
static struct str
only_line(void)
{
	struct str s = read_log("log");

	assert_true(s.n > 0 && str_find(s, '\n') == (ptrdiff_t)s.n - 1);
	assert_int_equal(s.p[CLOCK_RFC3339_LEN - 1], 'Z');
	return str_sub(s, CLOCK_RFC3339_LEN + 1, s.n - CLOCK_RFC3339_LEN - 2);
}

static void
a_line_in_logfmt(void **state)
{
	(void)state;
	errno = ENOSPC;
	log_event(LOG_INFO, "ingest", "stored", LOG_S("stream", "usage"), LOG_I("bytes", -512),
	    LOG_MS("took", 1234567), LOG_MS("gone", -5000), LOG_B("new", true),
	    LOG_STR("user", STR("a b")), LOG_S("none", NULL), LOG_ERR(ERR_TIMEOUT),
	    LOG_I("least", INT64_MIN), LOG_ERR(0), LOG_END);
	assert_int_equal(errno, ENOSPC);
	assert_true(str_is(only_line(),
	    "info ingest: stored stream=usage bytes=-512 took=1.234 gone=-0.005 new=true "
	    "user=\"a b\" none=\"\" error=\"timed out\" least=-9223372036854775808"));
}

static void
a_line_in_json(void **state)
{
	struct str line, value;

	(void)state;
	log_set_style(LOG_JSON);
	log_event(LOG_WARN, "s3", "put", LOG_S("key", "a\"\\\n\x01\x7f\xc3\xa9\xff"), LOG_I("n", 3),
	    LOG_MS("took", 1500000), LOG_B("ok", false), LOG_END);
	line = read_log("log");
	line.n--;
	assert_int_equal(json_get(line, "level", &value), 0);
	assert_true(str_is(value, "\"warn\""));
	assert_int_equal(json_get(line, "area", &value), 0);
	assert_true(str_is(value, "\"s3\""));
	assert_int_equal(json_get(line, "message", &value), 0);
	assert_true(str_is(value, "\"put\""));
	assert_int_equal(json_get(line, "key", &value), 0);
	assert_true(str_is(value, "\"a\\\"\\\\\\n\\u0001\\u007f\xc3\xa9\xef\xbf\xbd\""));
	assert_int_equal(json_get(line, "took", &value), 0);
	assert_true(str_is(value, "1.500"));
	assert_int_equal(json_get(line, "ok", &value), 0);
	assert_true(str_is(value, "false"));
	assert_int_equal(json_get(line, "time", &value), 0);
	assert_int_equal(value.n, CLOCK_RFC3339_LEN + 2);
}

/* Whatever a client sends, it is one line, valid UTF-8, and no control character of a terminal is
 * left in it. */
static void
values_cannot_forge_lines(void **state)
{
	(void)state;
	log_event(LOG_INFO, "a", "m",
	    LOG_S("v", "x\n2026-01-01T00:00:00.000Z error a: b\r\t\x1b[2J\"=\\"),
	    LOG_S("c1", "\xc2\x9b"
			"[31m"),
	    LOG_S("bad", "\xff\xc0\x80"), LOG_STR("zero", STR("a\0b")), LOG_END);
	assert_true(str_is(only_line(),
	    "info a: m v=\"x\\n2026-01-01T00:00:00.000Z error a: b\\r\\t\\x1b[2J\\\"=\\\\\" "
	    "c1=\"\\x9b[31m\" bad=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\" zero=\"a\\x00b\""));
}

static void
long_values_are_cut_and_marked(void **state)
{
	static char big[10000];
	struct str line;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa9", 2);
	for (int style = LOG_LOGFMT; style <= LOG_JSON; style++) {
		uint64_t bad_at;

		assert_int_equal(truncate(tmp_path(&tmp, "log"), 0), 0);
		log_set_style((enum log_style)style);
		log_event(LOG_INFO, "a", "m", LOG_STR("v", str_make(big, sizeof(big))),
		    LOG_I("after", 1), LOG_END);
		line = read_log("log");
		assert_true(line.n > 2000 && line.n < 2200);
		assert_true(utf8_valid(line));
		assert_non_null(strstr(text, "\xe2\x80\xa6\""));
		assert_non_null(strstr(text, style == LOG_JSON ? "\"after\":1}" : "after=1\n"));
		line.n--;
		if (style == LOG_JSON)
			assert_int_equal(json_check_text(line, &bad_at), 0);
	}
}

/* At every length around the end of the line: bounded, whole, and marked when a field was left
 * out. */
static void
lines_are_bounded(void **state)
{
	static char big[3000];
	struct log_field fields[10];
	uint64_t bad_at;

	(void)state;
	memset(big, '"', sizeof(big));
	for (int style = LOG_LOGFMT; style <= LOG_JSON; style++) {
		log_set_style((enum log_style)style);
		for (size_t n = 900; n < 1100; n++) {
			struct str line, s = str_make(big, n);

			assert_int_equal(truncate(tmp_path(&tmp, "log"), 0), 0);
			for (size_t i = 0; i < ARRAY_LEN(fields); i++)
				fields[i] = LOG_STR("value", s);
			log_writev(LOG_INFO, "a", "m", fields, ARRAY_LEN(fields));
			line = read_log("log");
			assert_true(line.n <= 8192);
			assert_int_equal(str_find(line, '\n'), line.n - 1);
			assert_non_null(
			    strstr(text, style == LOG_JSON ? ",\"cut\":true}" : " cut=true\n"));
			line.n--;
			if (style == LOG_JSON)
				assert_int_equal(json_check_text(line, &bad_at), 0);
		}
	}
}

static void
counted_fields(void **state)
{
	const struct log_field fields[] = { LOG_I("a", 1), LOG_I("b", 2) };

	(void)state;
	log_writev(LOG_ERROR, "x", "y", fields, 1);
	assert_true(str_is(only_line(), "error x: y a=1"));
}

static void
the_threshold_holds_back(void **state)
{
	(void)state;
	log_event(LOG_DEBUG, "a", "hidden", LOG_END);
	assert_int_equal(read_log("log").n, 0);
	log_threshold = LOG_DEBUG;
	log_event(LOG_DEBUG, "a", "shown", LOG_END);
	assert_true(str_is(only_line(), "debug a: shown"));
}

static void
gathered_lines_leave_in_order(void **state)
{
	(void)state;
	log_set_buffered(true);
	log_event(LOG_INFO, "a", "one", LOG_END);
	assert_int_equal(read_log("log").n, 0);
	log_flush();
	assert_true(str_is(only_line(), "info a: one"));
	log_event(LOG_INFO, "a", "two", LOG_END);
	log_event(LOG_WARN, "a", "three", LOG_END);
	read_log("log");
	assert_true(strstr(text, "one") < strstr(text, "two"));
	assert_true(strstr(text, "two") < strstr(text, "three"));
	log_event(LOG_INFO, "a", "four", LOG_END);
	assert_null(strstr(read_log("log").p, "four"));
	log_set_buffered(false);
	assert_non_null(strstr(read_log("log").p, "four"));
}

enum { THREADS = 4, LINES = 5000 };

static void *
log_many(void *arg)
{
	for (int i = 0; i < LINES; i++) {
		log_event(i % 1000 == 999 ? LOG_WARN : LOG_INFO, "t", "line",
		    LOG_I("thread", (intptr_t)arg), LOG_I("i", i), LOG_END);
		if (i % 100 == 0)
			log_flush();
	}
	return NULL;
}

/* Every line of every thread once, whole, and each thread's in its order. */
static void
threads_share_the_buffer(void **state)
{
	pthread_t threads[THREADS];
	int next[THREADS] = { 0 };
	struct str s;

	(void)state;
	log_set_buffered(true);
	for (intptr_t t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, log_many, (void *)t), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	log_set_buffered(false);
	s = read_log("log");
	while (s.n > 0) {
		struct str line = str_split(&s, '\n');
		int thread, i;

		assert_int_equal(
		    sscanf(strstr(line.p, "thread="), "thread=%d i=%d", &thread, &i), 2);
		assert_in_range(thread, 0, THREADS - 1);
		assert_int_equal(i, next[thread]++);
	}
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(next[t], LINES);
}

static void
reopening_follows_the_name(void **state)
{
	char from[256];

	(void)state;
	log_set_buffered(true);
	log_event(LOG_INFO, "a", "before", LOG_END);
	strcpy(from, tmp_path(&tmp, "log"));
	assert_int_equal(rename(from, tmp_path(&tmp, "old")), 0);
	assert_int_equal(log_reopen(), 0);
	log_event(LOG_ERROR, "a", "after", LOG_END);
	assert_non_null(strstr(read_log("old").p, "before"));
	assert_null(strstr(text, "after"));
	assert_non_null(strstr(read_log("log").p, "after"));
	assert_null(strstr(text, "before"));
}

static void
a_link_makes_no_file(void **state)
{
	const char *link = tmp_path(&tmp, "link"), *other = tmp_path(&tmp, "other");

	(void)state;
	assert_int_equal(symlink(other, link), 0);
	assert_int_equal(log_open(link), ERR_NOT_FOUND);
	assert_int_not_equal(access(other, F_OK), 0);
	close(open(other, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(log_open(link), 0);
}

static void
a_failed_open_keeps_the_old_one(void **state)
{
	(void)state;
	assert_int_equal(log_open(tmp_path(&tmp, "missing/log")), ERR_NOT_FOUND);
	log_event(LOG_ERROR, "a", "still here", LOG_END);
	assert_true(str_is(only_line(), "error a: still here"));
	assert_int_equal(log_reopen(), 0);
}

/* The log's own descriptor is not ours to see; it is the only one of this process that writes to
 * the pipe. */
static void
set_nonblocking(void)
{
	int found = 0;

	for (int fd = 3; fd < 64; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
			assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND), 0);
			found++;
		}
	}
	assert_int_equal(found, 1);
}

/* A pipe that nobody reads: the line is lost, the caller goes on. */
static void
a_full_pipe_does_not_stop_us(void **state)
{
	static char big[2000];
	char path[256];
	int fd;

	(void)state;
	strcpy(path, tmp_path(&tmp, "pipe"));
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(log_open(path), 0);
	set_nonblocking();
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 40; i++)
		log_event(LOG_INFO, "a", "m", LOG_STR("v", str_make(big, sizeof(big))), LOG_END);
	assert_true(read(fd, big, 1) == 1 && big[0] >= '0' && big[0] <= '9');
	close(fd);
	/* Nor does one whose reader is gone (SIGPIPE is ignored, as the server does). */
	signal(SIGPIPE, SIG_IGN);
	log_event(LOG_ERROR, "a", "m", LOG_END);
}

static void
errno_texts(void **state)
{
	(void)state;
	assert_string_equal(log_errno_text(ENOENT), "No such file or directory");
	assert_non_null(log_errno_text(123456));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_line_in_logfmt),
		CASE(a_line_in_json),
		CASE(values_cannot_forge_lines),
		CASE(long_values_are_cut_and_marked),
		CASE(lines_are_bounded),
		CASE(counted_fields),
		CASE(the_threshold_holds_back),
		CASE(gathered_lines_leave_in_order),
		CASE(threads_share_the_buffer),
		CASE(reopening_follows_the_name),
		CASE(a_link_makes_no_file),
		CASE(a_failed_open_keeps_the_old_one),
		CASE(a_full_pipe_does_not_stop_us),
		CASE(errno_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
