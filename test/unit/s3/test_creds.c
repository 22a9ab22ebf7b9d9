/* s3/creds: the three sources, what each says when something is missing, and that no message
 * shows a secret. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "s3/creds.h"
#include "unit/unit.h"

static char why[256];
static struct creds c;

static void
clear_env(void)
{
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_SESSION_TOKEN");
}

static void
test_env(void **state)
{
	const struct creds_source source = { .kind = CREDS_ENV };

	(void)state;
	clear_env();
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), ERR_CONFIG);
	assert_non_null(strstr(why, "AWS_ACCESS_KEY_ID is missing"));
	setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), ERR_CONFIG);
	assert_non_null(strstr(why, "AWS_SECRET_ACCESS_KEY is missing"));
	setenv("AWS_SECRET_ACCESS_KEY", "s3cret", 1);
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), 0);
	assert_string_equal(c.id, "AKID");
	assert_string_equal(c.secret, "s3cret");
	assert_string_equal(c.token, "");
	setenv("AWS_SESSION_TOKEN", "tok", 1);
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), 0);
	assert_string_equal(c.token, "tok");
	setenv("AWS_SECRET_ACCESS_KEY", "s3cret\r\nX: y", 1);
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), ERR_CONFIG);
	assert_null(strstr(why, "s3cret"));
	assert_string_equal(c.id, "");
	clear_env();
}

static void
test_keys(void **state)
{
	struct creds_source source = {
		.kind = CREDS_KEYS, .id = STR_INIT("ID"), .secret = STR_INIT("SEC")
	};

	(void)state;
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), 0);
	assert_string_equal(c.id, "ID");
	assert_string_equal(c.secret, "SEC");
	source.secret = STR("");
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), ERR_CONFIG);
	assert_string_equal(why, "secret access key is missing");
}

static const char file_text[] = "# the shared credentials file\n"
				"[default]\r\n"
				"aws_access_key_id = DEF\r\n"
				"aws_secret_access_key=defsecret\r\n"
				"\n"
				"; another\n"
				"[profile other]\n"
				"region = eu-west-1\n"
				"s3 =\n"
				"  max_concurrent_requests = 20\n"
				"AWS_ACCESS_KEY_ID\t=\tOTHER\n"
				"aws_secret_access_key = a/b+c=\n"
				"aws_session_token = token==\n"
				"[half]\n"
				"aws_access_key_id = HALF\n";

static void
test_parse(void **state)
{
	(void)state;
	assert_int_equal(creds_parse(str_of(file_text), STR("default"), &c), 0);
	assert_string_equal(c.id, "DEF");
	assert_string_equal(c.secret, "defsecret");
	assert_string_equal(c.token, "");
	assert_int_equal(creds_parse(str_of(file_text), STR("other"), &c), 0);
	assert_string_equal(c.id, "OTHER");
	assert_string_equal(c.secret, "a/b+c=");
	assert_string_equal(c.token, "token==");
	assert_int_equal(creds_parse(str_of(file_text), STR("third"), &c), ERR_NOT_FOUND);
	assert_int_equal(creds_parse(STR("[default\n"), STR("default"), &c), ERR_BAD);
	assert_int_equal(creds_parse(STR("[default]\nwords\n"), STR("default"), &c), ERR_BAD);
	assert_int_equal(creds_parse(STR(""), STR("default"), &c), ERR_NOT_FOUND);
}

static void
test_file(void **state)
{
	char path[] = "/tmp/test_creds.XXXXXX";
	struct creds_source source = { .kind = CREDS_FILE, .path = path };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, file_text, sizeof(file_text) - 1, 0), 0);
	close(fd);
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), 0);
	assert_string_equal(c.id, "DEF");
	source.profile = STR("half");
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), ERR_CONFIG);
	assert_non_null(strstr(why, "aws_secret_access_key"));
	assert_non_null(strstr(why, path));
	assert_non_null(strstr(why, "[half]"));
	source.profile = STR("nobody");
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), ERR_CONFIG);
	assert_non_null(strstr(why, "no profile [nobody]"));
	unlink(path);
	assert_int_equal(creds_load(&source, &c, why, sizeof(why)), ERR_NOT_FOUND);
	assert_non_null(strstr(why, path));
}

static void
test_equal_and_wiped(void **state)
{
	static struct creds a = { "i", "s", "t" }, b = { "i", "s", "t" };

	(void)state;
	assert_true(creds_eq(&a, &b));
	b.token[0] = 'u';
	assert_false(creds_eq(&a, &b));
	creds_wipe(&a);
	for (size_t i = 0; i < sizeof(a); i++)
		assert_int_equal(((const char *)&a)[i], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_equal_and_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
