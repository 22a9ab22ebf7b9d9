/* sink/s3_outcome: every answer a store gives, as step 11 of the durability protocol and the
 * table of error classes want it. */
#include <stdio.h>

#include "sink/s3_priv.h"
#include "unit/unit.h"

static enum s3_verdict
judge(int status, const char *code, bool head)
{
	struct store_answer a = { .status = status };
	char why[240] = "";
	enum s3_verdict verdict;

	snprintf(a.code, sizeof(a.code), "%s", code);
	verdict = s3_judge(&a, head, why, sizeof(why));
	assert_true(why[0] != '\0');
	return verdict;
}

static void
test_put(void **state)
{
	static const struct {
		int status;
		const char *code;
		enum s3_verdict verdict;
	} rows[] = {
		{ 200, "", S3_DONE },
		{ 201, "", S3_DONE },
		{ 204, "", S3_DONE },
		{ 202, "", S3_AGAIN },
		{ 206, "", S3_AGAIN },
		{ 301, "PermanentRedirect", S3_HELD },
		{ 302, "", S3_HELD },
		{ 304, "", S3_HELD },
		{ 307, "TemporaryRedirect", S3_AGAIN },
		{ 400, "InvalidRequest", S3_HELD },
		{ 400, "ExpiredToken", S3_HELD },
		{ 400, "EntityTooLarge", S3_HELD },
		{ 400, "MetadataTooLarge", S3_HELD },
		{ 400, "KeyTooLongError", S3_HELD },
		{ 400, "RequestTimeout", S3_AGAIN },
		{ 400, "BadDigest", S3_AGAIN },
		{ 400, "IncompleteBody", S3_AGAIN },
		{ 400, "XAmzContentSHA256Mismatch", S3_AGAIN },
		{ 401, "", S3_HELD },
		{ 403, "AccessDenied", S3_HELD },
		{ 403, "RequestTimeTooSkewed", S3_HELD },
		{ 403, "SignatureDoesNotMatch", S3_HELD },
		{ 404, "NoSuchBucket", S3_HELD },
		{ 404, "", S3_HELD },
		{ 405, "MethodNotAllowed", S3_HELD },
		{ 408, "", S3_AGAIN },
		{ 409, "ConditionalRequestConflict", S3_AGAIN },
		{ 411, "MissingContentLength", S3_HELD },
		{ 412, "PreconditionFailed", S3_EXISTS },
		{ 413, "", S3_HELD },
		{ 425, "", S3_AGAIN },
		{ 429, "TooManyRequests", S3_AGAIN },
		{ 499, "", S3_HELD },
		{ 500, "InternalError", S3_AGAIN },
		{ 501, "NotImplemented", S3_HELD },
		{ 502, "", S3_AGAIN },
		{ 503, "SlowDown", S3_AGAIN },
		{ 504, "", S3_AGAIN },
		{ 507, "XMinioStorageFull", S3_AGAIN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (judge(rows[i].status, rows[i].code, false) != rows[i].verdict)
			fail_msg("PUT %d %s", rows[i].status, rows[i].code);
}

/* Only a plain 200 and a plain 404 say anything about the object. */
static void
test_head(void **state)
{
	(void)state;
	assert_int_equal(judge(200, "", true), S3_DONE);
	assert_int_equal(judge(404, "", true), S3_MISSING);
	assert_int_equal(judge(404, "NoSuchBucket", true), S3_HELD);
	assert_int_equal(judge(201, "", true), S3_AGAIN);
	assert_int_equal(judge(204, "", true), S3_AGAIN);
	assert_int_equal(judge(301, "", true), S3_HELD);
	assert_int_equal(judge(400, "", true), S3_HELD);
	assert_int_equal(judge(403, "", true), S3_HELD);
	assert_int_equal(judge(412, "", true), S3_HELD);
	assert_int_equal(judge(429, "", true), S3_AGAIN);
	assert_int_equal(judge(500, "", true), S3_AGAIN);
	assert_int_equal(judge(503, "", true), S3_AGAIN);
}

/* Without an answer: unknown, unless the configuration is wrong and nothing was sent. */
static void
test_errors(void **state)
{
	static const int network[] = { ERR_TIMEOUT, ERR_CLOSED, ERR_REFUSED, ERR_UNREACHABLE,
		ERR_DNS, ERR_PROTOCOL, ERR_CANCELLED, ERR_NOMEM, ERR_IO };
	struct store_answer a = { 0 };
	char why[240];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(network); i++)
		for (int sent = 0; sent < 2; sent++) {
			a.err = network[i];
			a.sent = sent;
			assert_int_equal(s3_judge(&a, false, why, sizeof(why)), S3_AGAIN);
			assert_int_equal(s3_judge(&a, true, why, sizeof(why)), S3_AGAIN);
			assert_string_equal(why, err_text(a.err));
		}
	a.err = ERR_TLS;
	a.sent = false;
	snprintf(a.message, sizeof(a.message), "certificate expired");
	assert_int_equal(s3_judge(&a, false, why, sizeof(why)), S3_HELD);
	assert_string_equal(why, "certificate expired");
	a.sent = true;
	assert_int_equal(s3_judge(&a, false, why, sizeof(why)), S3_AGAIN);
}

static void
test_why(void **state)
{
	struct store_answer a = {
		.status = 503, .code = "SlowDown", .message = "Reduce your rate"
	};
	char why[240];

	(void)state;
	s3_judge(&a, false, why, sizeof(why));
	assert_string_equal(why, "503 SlowDown: Reduce your rate");
	a = (struct store_answer){ .status = 403 };
	s3_judge(&a, true, why, sizeof(why));
	assert_string_equal(why, "HEAD: 403");
	a = (struct store_answer){
		.status = 301, .code = "PermanentRedirect", .region = "eu-west-1"
	};
	s3_judge(&a, false, why, sizeof(why));
	assert_non_null(strstr(why, "the bucket is in region eu-west-1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
