/*
 * Keys files: what is a key and what is not, with messages that say where and never show a key; looking up; changing a file without losing
 * anything of it.
 */
#include "gate/keys.h"

#include <errno.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "unit/tmp.h"
#include "unit/unit.h"

/* FIPS 180-4's example: SHA-256 of "abc". */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OTHER "0000000000000000000000000000000000000000000000000000000000000001"
#define TIMES " - 2026-11-22T01:02:03Z"

static struct tmp tmp;

/* The one message of a text that is no keys file. */
static void
assert_bad(const char *text, const char *message)
{
	struct keys *k = (struct keys *)&tmp;
	struct buf errors;

	buf_init(&errors, 0);
	assert_int_equal(keys_parse(str_of(text), "f", &k, &errors), ERR_BAD);
	assert_null(k);
	assert_string_equal(buf_cstr(&errors), message);
	buf_fini(&errors);
}

static struct keys *
parsed(const char *text)
{
	struct keys *k;
	struct buf errors;

	buf_init(&errors, 0);
	if (keys_parse(str_of(text), "f", &k, &errors) != 0)
		fail_msg("%s", buf_cstr(&errors));
	assert_int_equal(errors.n, 0);
	return k;
}

static void
reads_keys(void **state)
{
	struct keys *k = parsed("# comment\n\n \t \n" ABC " alice admin" TIMES "\n" OTHER
				"\tb.o-b_@+1  service\t2027-01-01T00:00:00Z 2026-11-22T01:02:03Z ");
	const struct key *key;

	(void)state;
	assert_int_equal(keys_count(k), 2);
	key = keys_find(k, STR("abc"));
	assert_ptr_equal(key, keys_at(k, 0));
	assert_ptr_equal(key, keys_find_name(k, STR("alice")));
	assert_int_equal(key->role, ROLE_ADMIN);
	assert_int_equal(key->line, 4);
	assert_int_equal(key->expires, 0);
	assert_false(keys_is_expired(key, INT64_MAX));
	key = keys_find_name(k, STR("b.o-b_@+1"));
	assert_int_equal(key->role, ROLE_SERVICE);
	assert_int_equal(key->expires, INT64_C(1798761600) * NS_PER_S);
	assert_false(keys_is_expired(key, key->expires - 1));
	assert_true(keys_is_expired(key, key->expires));
	assert_null(keys_find(k, STR("abd")));
	assert_null(keys_find(k, STR("")));
	assert_null(keys_find_name(k, STR("ALICE")));
	keys_free(k);
	k = parsed("");
	assert_int_equal(keys_count(k), 0);
	assert_null(keys_find(k, STR("abc")));
	keys_free(k);
}

/* Digests alike in their first bytes: all of them decide. */
static void
compares_whole_digests(void **state)
{
	char text[2048] = "", line[160], digest[65];
	struct keys *k;

	(void)state;
	for (int i = 0; i < 8; i++) {
		strcpy(digest, ABC);
		digest[63 - 5 * i] = digest[63 - 5 * i] == '0' ? '1' : '0';
		snprintf(line, sizeof(line), "%s k%d user%s\n", digest, i, TIMES);
		strcat(text, line);
	}
	k = parsed(text);
	assert_null(keys_find(k, STR("abc")));
	keys_free(k);
	strcat(text, ABC " right user" TIMES "\n");
	k = parsed(text);
	assert_true(str_is(keys_find(k, STR("abc"))->name, "right"));
	keys_free(k);
}

static void
refuses_what_is_no_key(void **state)
{
	(void)state;
	assert_bad("abc\n", "f:1: too few fields, a key has five: SHA-256, name, role, expiry or "
			    "-, created\n");
	assert_bad("\n" ABC " a user - 2026-11-22T01:02:03Z x",
	    "f:2: too many fields, a key has five: SHA-256, name, role, expiry or -, created\n");
	/* A key instead of its digest is not shown. */
	assert_bad("sk_secret a user" TIMES,
	    "f:1: the first field is the SHA-256 of the key: 64 of 0-9 and a-f\n");
	assert_bad("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD a user" TIMES,
	    "f:1: the first field is the SHA-256 of the key: 64 of 0-9 and a-f\n");
	assert_bad(ABC " a/b user" TIMES, "f:1: a name is 1 to 64 of A-Z a-z 0-9 . _ @ + -\n");
	assert_bad(ABC " \xc3\xa9 user" TIMES, "f:1: a name is 1 to 64 of A-Z a-z 0-9 . _ @ + -\n");
	assert_bad(ABC " a root" TIMES, "f:1: unknown role: admin, service or user is allowed\n");
	assert_bad(ABC " a none" TIMES, "f:1: unknown role: admin, service or user is allowed\n");
	assert_bad(ABC " a user never 2026-11-22T01:02:03Z",
	    "f:1: invalid expiry: a time such as 2027-01-01T00:00:00Z, or - for never\n");
	assert_bad(
	    ABC " a user - -", "f:1: invalid time of creation: one such as 2026-11-22T01:02:03Z\n");
	assert_bad(ABC " a user" TIMES "\r\n",
	    "f:1: a control character; lines end in a line feed alone\n");
	assert_bad(ABC " a user" TIMES "\n" OTHER " a user" TIMES,
	    "f:2: the name a is taken, first at line 1\n");
	assert_bad(
	    "#\n" ABC " a user" TIMES "\n" ABC " b user" TIMES, "f:3: the same key is at line 2\n");
}

static void
knows_times(void **state)
{
	static const char *const bad[] = { "", "2026-11-22T01:02:03", "2026-11-22 01:02:03Z",
		"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "2026-1-101T00:00:00Z",
		"+026-01-01T00:00:00Z", "2026-01-01T00:00:00z", "2026-01-01T00:00:0\0Z" };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(keys_parse_time(str_of(bad[i]), &ns), ERR_BAD);
	assert_int_equal(keys_parse_time(STR("1970-01-01T00:00:01Z"), &ns), 0);
	assert_int_equal(ns, NS_PER_S);
	assert_int_equal(keys_parse_time(STR("2024-02-29T23:59:59Z"), &ns), 0);
	assert_int_equal(ns, INT64_C(1709251199) * NS_PER_S);
	assert_int_equal(keys_parse_time(STR("2199-12-31T00:00:00Z"), &ns), 0);
}

/* Any bytes in place of any others: never a crash, and a message whenever there are no keys. */
static void
survives_hostile_files(void **state)
{
	static const char good[] = ABC " alice admin" TIMES "\n" OTHER " bob user" TIMES "\n";
	static const char poison[] = "\0\n\r\t \xff#z";
	char text[sizeof(good)];
	struct keys *k;
	struct buf errors;

	(void)state;
	buf_init(&errors, 0);
	for (size_t i = 0; i < sizeof(good) - 1; i++)
		for (size_t j = 0; j < sizeof(poison) - 1; j++) {
			memcpy(text, good, sizeof(good));
			text[i] = poison[j];
			buf_reset(&errors);
			if (keys_parse(str_make(text, sizeof(good) - 1), "f", &k, &errors) != 0)
				assert_true(errors.n > 0 && k == NULL);
			keys_free(k);
		}
	buf_fini(&errors);
}

static void
tells_twenty_errors_of_a_thousand(void **state)
{
	struct buf text, errors;
	struct keys *k;
	unsigned lines = 0;

	(void)state;
	buf_init(&text, 0);
	buf_init(&errors, 0);
	for (int i = 0; i < 1000; i++)
		buf_puts(&text, "x\n");
	assert_int_equal(keys_parse(buf_str(&text), "f", &k, &errors), ERR_BAD);
	for (size_t i = 0; i < errors.n; i++)
		lines += errors.p[i] == '\n';
	assert_int_equal(lines, 20);
	buf_fini(&text);
	buf_fini(&errors);
}

/* ---- files ---- */

static void
write_file(const char *path, const char *text)
{
	assert_int_equal(file_replace(path, text, strlen(text)), 0);
}

static void
assert_file(const char *path, const char *text)
{
	char *is;
	size_t n;

	assert_int_equal(file_read_all(path, 1 << 20, &is, &n), 0);
	assert_string_equal(is, text);
	free(is);
}

static void
adds_and_revokes(void **state)
{
	char secret[KEYS_SECRET_LEN + 1];
	const char *path = tmp_path(&tmp, "keys");
	const struct key *key;
	struct keys *k;
	struct buf errors;
	struct stat st;

	(void)state;
	buf_init(&errors, 0);
	umask(022);
	assert_int_equal(keys_add(path, STR("alice"), ROLE_ADMIN, 0, secret, &errors), 0);
	assert_int_equal(strlen(secret), KEYS_SECRET_LEN);
	assert_memory_equal(secret, "sk_", 3);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(keys_load(path, &k, &errors), 0);
	key = keys_find(k, str_of(secret));
	assert_non_null(key);
	assert_int_equal(key->role, ROLE_ADMIN);
	assert_in_range(key->created, clock_wall() - 60 * NS_PER_S, clock_wall());
	keys_free(k);
	assert_int_equal(keys_add(path, STR("alice"), ROLE_USER, 0, secret, &errors), ERR_EXISTS);
	assert_int_equal(secret[0], 0);
	assert_int_equal(keys_revoke(path, STR("bob"), &errors), ERR_NOT_FOUND);
	assert_int_equal(keys_revoke(path, STR("alice"), &errors), 0);
	assert_int_equal(keys_load(path, &k, &errors), 0);
	assert_int_equal(keys_count(k), 0);
	keys_free(k);
	assert_int_equal(errors.n, 0);
	buf_fini(&errors);
}

static void
keeps_comments_and_mode(void **state)
{
	const char *path = tmp_path(&tmp, "commented");
	struct buf errors;
	struct stat st;

	(void)state;
	buf_init(&errors, 0);
	write_file(path, "# head\n" ABC " alice admin" TIMES "\n# tail\n" OTHER " bob user" TIMES);
	assert_int_equal(chmod(path, 0604), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 12345, 23456), 0);
	assert_int_equal(keys_revoke(path, STR("alice"), &errors), 0);
	assert_file(path, "# head\n# tail\n" OTHER " bob user" TIMES "\n");
	assert_int_equal(keys_revoke(path, STR("bob"), &errors), 0);
	assert_file(path, "# head\n# tail\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0604);
	if (geteuid() == 0) {
		assert_int_equal(st.st_uid, 12345);
		assert_int_equal(st.st_gid, 23456);
	}
	buf_fini(&errors);
}

/* What is not understood is not written over. */
static void
leaves_a_bad_file_alone(void **state)
{
	char secret[KEYS_SECRET_LEN + 1];
	const char *path = tmp_path(&tmp, "bad");
	struct buf errors;

	(void)state;
	buf_init(&errors, 0);
	write_file(path, "what is this\n");
	assert_int_equal(keys_add(path, STR("a"), ROLE_USER, 0, secret, &errors), ERR_BAD);
	assert_non_null(strstr(buf_cstr(&errors), "bad:1: too few fields"));
	assert_file(path, "what is this\n");
	buf_reset(&errors);
	assert_int_equal(
	    keys_add(tmp_path(&tmp, "no/such/folder"), STR("a"), ROLE_USER, 0, secret, &errors),
	    ERR_NOT_FOUND);
	assert_non_null(strstr(buf_cstr(&errors), "cannot open its folder"));
	buf_fini(&errors);
}

/* Several operators at once: each one's keys are there in the end. */
static void
loses_no_change(void **state)
{
	enum { OPERATORS = 4, KEYS = 12 };
	const char *path = tmp_path(&tmp, "shared");
	struct keys *k;
	struct buf errors;
	int status;

	(void)state;
	buf_init(&errors, 0);
	for (int i = 0; i < OPERATORS; i++)
		if (fork() == 0) {
			char name[32], secret[KEYS_SECRET_LEN + 1];
			int err = 0;

			for (int j = 0; j < KEYS && err == 0; j++) {
				snprintf(name, sizeof(name), "k%d.%d", i, j);
				err = keys_add(path, str_of(name), ROLE_USER, 0, secret, &errors);
			}
			_exit(err != 0);
		}
	for (int i = 0; i < OPERATORS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(keys_load(path, &k, &errors), 0);
	assert_int_equal(keys_count(k), OPERATORS * KEYS);
	keys_free(k);
	buf_fini(&errors);
}

/* Each file call fails in turn: the file is as it was, or as it is to be, and nothing is left beside it. */
static int fail_at, calls;

static int
failing_fsync(int fd)
{
	if (++calls == fail_at) {
		errno = EIO;
		return -1;
	}
	return file_calls_real.fsync(fd);
}

static ssize_t
failing_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (++calls == fail_at) {
		errno = ENOSPC;
		return -1;
	}
	return file_calls_real.pwrite(fd, p, n, at);
}

static int
failing_rename(const char *from, const char *to)
{
	if (++calls == fail_at) {
		errno = EACCES;
		return -1;
	}
	return file_calls_real.rename(from, to);
}

static void
survives_failing_calls(void **state)
{
	static const char after[] = OTHER " bob user" TIMES "\n",
			  before[] = ABC " alice admin" TIMES "\n" OTHER " bob user" TIMES "\n";
	struct file_ops failing = file_calls_real;
	const char *path = tmp_path(&tmp, "frail");
	struct buf errors;
	char *is;
	size_t n;

	(void)state;
	failing.fsync = failing_fsync;
	failing.pwrite = failing_pwrite;
	failing.rename = failing_rename;
	buf_init(&errors, 0);
	for (fail_at = 1; fail_at <= 4; fail_at++) {
		int err;

		write_file(path, before);
		calls = 0;
		buf_reset(&errors);
		file_calls = &failing;
		err = keys_revoke(path, STR("alice"), &errors);
		file_calls = &file_calls_real;
		assert_true(err != 0 && errors.n > 0);
		assert_int_equal(file_read_all(path, 4096, &is, &n), 0);
		/* Only the sync of the folder comes after the point of no return. */
		assert_string_equal(is, fail_at == 4 ? after : before);
		free(is);
		assert_int_equal(access(tmp_path(&tmp, "frail.new"), F_OK), -1);
	}
	buf_fini(&errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_keys),
		cmocka_unit_test(compares_whole_digests),
		cmocka_unit_test(refuses_what_is_no_key),
		cmocka_unit_test(knows_times),
		cmocka_unit_test(survives_hostile_files),
		cmocka_unit_test(tells_twenty_errors_of_a_thousand),
		cmocka_unit_test(adds_and_revokes),
		cmocka_unit_test(keeps_comments_and_mode),
		cmocka_unit_test(leaves_a_bad_file_alone),
		cmocka_unit_test(loses_no_change),
		cmocka_unit_test(survives_failing_calls),
	};
	int failed;

	tmp_init(&tmp);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tmp_fini(&tmp);
	return failed;
}
