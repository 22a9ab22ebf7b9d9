/*
 * config.yml: the same tree as the equivalent native configuration; what is refused, and why.
 */
#include "unit/conf/conf_test.h"

static const char *const environment[] = {
	"CACHE_DIR",
	"AWS_REGION",
	"AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_ENDPOINT",
	"S3_USAGE_BUCKET",
	"S3_USAGE_PREFIX",
	"S3_ERROR_BUCKET",
	"S3_ERROR_PREFIX",
	"S3_SPECIMEN_BUCKET",
	"S3_SPECIMEN_PREFIX",
	"AGGREGATION_USAGE_INTERVAL",
	"AGGREGATION_ERROR_INTERVAL",
};

static void
set(const char *name, const char *value)
{
	char full[64];

	snprintf(full, sizeof(full), "LIGHTFILE6_%s", name);
	assert_int_equal(value ? setenv(full, value, 1) : unsetenv(full), 0);
}

static int
clear_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(environment); i++)
		set(environment[i], NULL);
	return 0;
}

static struct conf *
parsed_yml(const char *text, unsigned port)
{
	struct conf *c = conf_new();

	conf_set_port(c, port);
	conf_parse_text(c, "c.yml", str_of(text));
	return c;
}

/* The least that is accepted. */
#define LEAST                                                  \
	"aws:\n  access_key_id: AK\n  secret_access_key: SK\n" \
	"s3:\n  usage_bucket: ub\n  error_bucket: eb\n  specimen_bucket: sb\n"

#define LOCATIONS                                                    \
	"location = /usage { auth user_token; ingest usage; }"       \
	"location = /error { auth user_token; ingest error; }"       \
	"location = /specimen { auth user_token; ingest specimen; }" \
	"location = /health { health; }"

static void
assert_same(struct conf *c, const char *native)
{
	struct conf *other = parsed(native);
	char *tree = flattened(other);

	assert_messages(c, "");
	assert_tree(c, tree);
	assert_int_equal(conf_check(c), 0);
	assert_int_equal(conf_apply(c), 0);
	assert_messages(c, "");
	free(tree);
	conf_free(other);
	conf_free(c);
}

static void
becomes_the_native_tree(void **state)
{
	(void)state;
	assert_same(parsed_yml(LEAST, 8080),
	    "state_dir /var/lib/lightfile6-insights-gateway;"
	    "http { store default { region ap-northeast-1; credentials keys AK SK; }"
	    "stream usage { sink s3 default bucket=ub; bundle_interval 10m; }"
	    "stream error { sink s3 default bucket=eb; bundle_interval 10m; }"
	    "stream specimen { mode object; sink s3 default bucket=sb; }"
	    "server { listen 8080; " LOCATIONS "} }");
	assert_same(
	    parsed_yml("---\n# all of it\ncache_dir: '/tmp/a b'  # quoted\n\n"
		       "aws:\n    region: us-east-1\n    access_key_id: \"A#K\"\n"
		       "    secret_access_key: s#k+/=\n    endpoint: http://127.0.0.1:9000\n"
		       "s3:\r\n  usage_bucket: ub\r\n  usage_prefix: u/\r\n"
		       "  error_bucket: eb\n  error_prefix: 'it''s/'\n"
		       "  specimen_bucket: sb\n  specimen_prefix: \"s\\u00e9/\"\n"
		       "aggregation:\n usage_interval: 1h30m # long\n error_interval: 500ms\n",
		9),
	    "state_dir \"/tmp/a b\";"
	    "http { store default { endpoint http://127.0.0.1:9000; region us-east-1;"
	    "credentials keys 'A#K' 's#k+/='; bucket_style path; }"
	    "stream usage { sink s3 default bucket=ub prefix=u/; bundle_interval 90m; }"
	    "stream error { sink s3 default bucket=eb \"prefix=it's/\"; bundle_interval 500ms; }"
	    "stream specimen { mode object; sink s3 default bucket=sb prefix=s\xc3\xa9/; }"
	    "server { listen 9; " LOCATIONS "} }");
}

static void
takes_the_environment(void **state)
{
	(void)state;
	clear_environment(NULL);
	for (size_t i = 0; i < ARRAY_LEN(environment); i++)
		set(environment[i], environment[i]);
	set("AGGREGATION_USAGE_INTERVAL", "1m");
	set("AGGREGATION_ERROR_INTERVAL", "2m0s");
#define ALL                                                                              \
	"state_dir CACHE_DIR;"                                                           \
	"http { store default { endpoint AWS_ENDPOINT; region AWS_REGION;"               \
	"credentials keys AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; bucket_style path; }" \
	"stream usage { sink s3 default bucket=S3_USAGE_BUCKET prefix=S3_USAGE_PREFIX;"  \
	"bundle_interval 1m; }"                                                          \
	"stream error { sink s3 default bucket=S3_ERROR_BUCKET prefix=S3_ERROR_PREFIX;"  \
	"bundle_interval 2m; }"                                                          \
	"stream specimen { mode object; sink s3 default bucket=S3_SPECIMEN_BUCKET "      \
	"prefix=S3_SPECIMEN_PREFIX; }"                                                   \
	"server { listen 1; " LOCATIONS "} }"
	assert_same(parsed_yml("", 1), ALL);    /* not set in the file */
	assert_same(parsed_yml(LEAST, 1), ALL); /* set there, and overridden */
	clear_environment(NULL);
	set("AWS_REGION", ""); /* empty counts as not set */
	set("AGGREGATION_ERROR_INTERVAL", "soon");
	assert_says(parsed_yml(LEAST, 1),
	    "[emerg] LIGHTFILE6_AGGREGATION_ERROR_INTERVAL: invalid value \"soon\" of "
	    "aggregation.error_interval, allowed: a duration such as 10m, 1h30m, 500ms\n");
	clear_environment(NULL);
}

static void
says_what_is_missing(void **state)
{
	(void)state;
	assert_says(parsed_yml("aws:\n  access_key_id:\ns3:\n  error_bucket: e\n", 0),
	    "[emerg] c.yml:2: AWS access key id is required: set aws.access_key_id, or "
	    "LIGHTFILE6_AWS_ACCESS_KEY_ID in the environment\n"
	    "[emerg] c.yml:1: AWS secret access key is required: set aws.secret_access_key, or "
	    "LIGHTFILE6_AWS_SECRET_ACCESS_KEY in the environment\n"
	    "[emerg] c.yml:1: usage bucket is required: set s3.usage_bucket, or "
	    "LIGHTFILE6_S3_USAGE_BUCKET in the environment\n"
	    "[emerg] c.yml:1: specimen bucket is required: set s3.specimen_bucket, or "
	    "LIGHTFILE6_S3_SPECIMEN_BUCKET in the environment\n"
	    "[emerg] c.yml:1: Port number is required (-p)\n");
	assert_says(parsed_yml(LEAST, 0), "[emerg] c.yml:1: Port number is required (-p)\n");
}

static void
warns_of_unknown_keys(void **state)
{
	struct conf *c = parsed_yml(LEAST "colour: red\nextra:\n  deep: 1\n  usage_bucket: 2\n"
					  "aggregation:\n  usage_intervall: 3\n",
	    1);

	(void)state;
	assert_int_equal(conf_errors(c), 0);
	assert_messages(c,
	    "[warn] c.yml:8: unknown key \"colour\" has no effect\n"
	    "[warn] c.yml:10: unknown key \"extra.deep\" has no effect\n"
	    "[warn] c.yml:11: unknown key \"extra.usage_bucket\" has no effect\n"
	    "[warn] c.yml:13: unknown key \"aggregation.usage_intervall\" has no effect\n");
	conf_free(c);
}

static const struct {
	const char *text, *message;
} wrong[] = {
	{ "aws:\n\tregion: x", "2: a tab in the indentation, allowed: spaces" },
	{ "aws:\n  \tregion: x", "2: a tab in the indentation, allowed: spaces" },
	{ "s3:\n  - a", "2: lists are not supported, allowed: \"key: value\"" },
	{ "- a", "1: lists are not supported, allowed: \"key: value\"" },
	{ "a: - b", "1: lists are not supported, allowed: \"key: value\"" },
	{ "s3:\n  a:\n    b: 1", "3: nested too deeply, allowed: two levels" },
	{ "s3:\n  a: 1\n b: 1", "3: the indentation differs from that of the lines before" },
	{ "a: 1\n  b: 1", "2: unexpected indentation, allowed: below a line of the form \"key:\"" },
	{ " a: 1", "1: unexpected indentation, allowed: below a line of the form \"key:\"" },
	{ "just words", "1: expected \"key: value\"" },
	{ "{a: 1}", "1: expected \"key: value\"" },
	{ "a:1", "1: expected a space behind \":\"" },
	{ "a: [1]", "1: unexpected character, allowed: a plain or quoted value on one line" },
	{ "a: |", "1: unexpected character, allowed: a plain or quoted value on one line" },
	{ "a: *x", "1: unexpected character, allowed: a plain or quoted value on one line" },
	{ "a: b: c", "1: unexpected \":\" in a value, put the value in quotes" },
	{ "a: 'b", "1: the quoted value is not closed on its line" },
	{ "a: \"b\\\"", "1: the quoted value is not closed on its line" },
	{ "a: \"\\q\"", "1: unknown escape, allowed: \\n \\r \\t \\\" \\\\ \\/ \\xNN \\uNNNN" },
	{ "a: \"\\x00\"", "1: unknown escape, allowed: \\n \\r \\t \\\" \\\\ \\/ \\xNN \\uNNNN" },
	{ "a: \"\\ud800\"", "1: unknown escape, allowed: \\n \\r \\t \\\" \\\\ \\/ \\xNN \\uNNNN" },
	{ "a: 'b' c", "1: unexpected text behind a quoted value" },
	{ "a: 'b'#c", "1: unexpected text behind a quoted value" },
	{ "aws:\n  region: a\n  Region: b",
	    "3: key \"region\" is duplicate, the first is in line 2" },
};

static void
refuses_other_yaml(void **state)
{
	char expected[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct conf *c = parsed_yml(wrong[i].text, 1);
		char *text = strndup(conf_messages(c).p, conf_messages(c).n), *warn;

		snprintf(expected, sizeof(expected), "[emerg] c.yml:%s\n", wrong[i].message);
		warn = strstr(text, "[warn]"); /* of keys before the error */
		if (warn)
			*warn = '\0';
		assert_string_equal(text, expected);
		free(text);
		conf_free(c);
	}
}

static void
refuses_odd_intervals(void **state)
{
	static const char *const bad[] = { "600", "0", "10", "-1m", "1us", "1d", "10 m" };
	char text[512], expected[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), LEAST "aggregation:\n  usage_interval: %s\n", bad[i]);
		snprintf(expected, sizeof(expected),
		    "[emerg] c.yml:9: invalid value \"%s\" of aggregation.usage_interval, allowed: "
		    "a "
		    "duration such as 10m, 1h30m, 500ms\n",
		    bad[i]);
		assert_says(parsed_yml(text, 1), expected);
	}
}

/* An error that shows only later points at the line of the key. */
static void
keeps_the_lines(void **state)
{
	struct conf *c = parsed_yml(LEAST "aggregation:\n\n  error_interval: 5m\n", 1);
	const struct conf_node *stream = conf_tree(c)->next->children->next->next;

	(void)state;
	assert_true(str_is(stream->args[0], "error"));
	assert_int_equal(stream->children->line, 6);
	assert_int_equal(stream->children->next->line, 10);
	assert_string_equal(stream->children->file, "c.yml");
	conf_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(becomes_the_native_tree),
		cmocka_unit_test(takes_the_environment),
		cmocka_unit_test(says_what_is_missing),
		cmocka_unit_test(warns_of_unknown_keys),
		cmocka_unit_test(refuses_other_yaml),
		cmocka_unit_test(refuses_odd_intervals),
		cmocka_unit_test(keeps_the_lines),
	};

	clear_environment(NULL);
	return cmocka_run_group_tests(tests, demo_setup, NULL);
}
