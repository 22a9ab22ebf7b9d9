/*
 * s3/sigv4 against published vectors: the "aws-sig-v4-test-suite" of the AWS documentation, and
 * the four worked examples in the S3 API reference, "Signature Calculations for the
 * Authorization Header: Transferring Payload in a Single Chunk".
 */
#include "s3/sigv4.h"
#include "unit/unit.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FORM "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
#define WELCOME "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
#define SUITE_HOST                                                  \
	{                                                           \
		STR_INIT("Host"), STR_INIT("example.amazonaws.com") \
	}
#define SUITE_DATE                                                   \
	{                                                            \
		STR_INIT("X-Amz-Date"), STR_INIT("20150830T123600Z") \
	}
#define S3_HOST                                                              \
	{                                                                    \
		STR_INIT("Host"), STR_INIT("examplebucket.s3.amazonaws.com") \
	}
#define S3_DATE                                                      \
	{                                                            \
		STR_INIT("x-amz-date"), STR_INIT("20130524T000000Z") \
	}
#define S3_EMPTY                                                  \
	{                                                         \
		STR_INIT("x-amz-content-sha256"), STR_INIT(EMPTY) \
	}

struct vector {
	const char *name, *method, *path, *query, *hash;
	struct sigv4_header headers[8]; /* ends with an empty name */
	const char *signed_names, *signature;
};

static const struct vector suite[] = {
	{ "get-vanilla", "GET", "/", "", EMPTY, { SUITE_HOST, SUITE_DATE }, "host;x-amz-date",
	    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-vanilla-empty-query-key", "GET", "/", "Param1=value1", EMPTY,
	    { SUITE_HOST, SUITE_DATE }, "host;x-amz-date",
	    "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
	{ "get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", EMPTY,
	    { SUITE_HOST, SUITE_DATE }, "host;x-amz-date",
	    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-vanilla-query-order-key", "GET", "/", "Param1=value2&Param1=Value1", EMPTY,
	    { SUITE_HOST, SUITE_DATE }, "host;x-amz-date",
	    "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1" },
	{ "get-vanilla-query-order-value", "GET", "/", "Param1=value2&Param1=value1", EMPTY,
	    { SUITE_HOST, SUITE_DATE }, "host;x-amz-date",
	    "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694" },
	{ "get-unreserved", "GET",
	    "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", EMPTY,
	    { SUITE_HOST, SUITE_DATE }, "host;x-amz-date",
	    "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "get-utf8", "GET", "/%E1%88%B4", "", EMPTY, { SUITE_HOST, SUITE_DATE }, "host;x-amz-date",
	    "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "get-header-value-trim", "GET", "/", "", EMPTY,
	    { SUITE_HOST, { STR_INIT("My-Header1"), STR_INIT(" value1") },
		{ STR_INIT("My-Header2"), STR_INIT(" \"a   b   c\"") }, SUITE_DATE },
	    "host;my-header1;my-header2;x-amz-date",
	    "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "get-header-key-duplicate", "GET", "/", "", EMPTY,
	    { SUITE_HOST, { STR_INIT("My-Header1"), STR_INIT("value2") },
		{ STR_INIT("My-Header1"), STR_INIT("value2") },
		{ STR_INIT("My-Header1"), STR_INIT("value1") }, SUITE_DATE },
	    "host;my-header1;x-amz-date",
	    "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "get-header-value-order", "GET", "/", "", EMPTY,
	    { { STR_INIT("My-Header1"), STR_INIT("value4") }, SUITE_DATE,
		{ STR_INIT("My-Header1"), STR_INIT("value1") },
		{ STR_INIT("My-Header1"), STR_INIT("value3") }, SUITE_HOST,
		{ STR_INIT("My-Header1"), STR_INIT("value2") } },
	    "host;my-header1;x-amz-date",
	    "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01" },
	{ "post-vanilla", "POST", "/", "", EMPTY, { SUITE_HOST, SUITE_DATE }, "host;x-amz-date",
	    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-x-www-form-urlencoded", "POST", "/", "", FORM,
	    { { STR_INIT("Content-Type"), STR_INIT("application/x-www-form-urlencoded") },
		SUITE_HOST, SUITE_DATE },
	    "content-type;host;x-amz-date",
	    "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
};

static const struct vector s3_examples[] = {
	{ "GET Object", "GET", "/test.txt", "", EMPTY,
	    { S3_HOST, { STR_INIT("Range"), STR_INIT("bytes=0-9") }, S3_EMPTY, S3_DATE },
	    "host;range;x-amz-content-sha256;x-amz-date",
	    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ "PUT Object", "PUT", "/test%24file.text", "", WELCOME,
	    { { STR_INIT("Date"), STR_INIT("Fri, 24 May 2013 00:00:00 GMT") }, S3_HOST,
		{ STR_INIT("x-amz-content-sha256"), STR_INIT(WELCOME) }, S3_DATE,
		{ STR_INIT("x-amz-storage-class"), STR_INIT("REDUCED_REDUNDANCY") } },
	    "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ "GET Bucket Lifecycle", "GET", "/", "lifecycle", EMPTY, { S3_HOST, S3_EMPTY, S3_DATE },
	    "host;x-amz-content-sha256;x-amz-date",
	    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ "Get Bucket (List Objects)", "GET", "/", "prefix=J&max-keys=2", EMPTY,
	    { S3_HOST, S3_EMPTY, S3_DATE }, "host;x-amz-content-sha256;x-amz-date",
	    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static struct sigv4_request
request_of(const struct vector *v)
{
	struct sigv4_request r = { .method = str_of(v->method),
		.path = str_of(v->path),
		.query = str_of(v->query),
		.headers = v->headers,
		.payload_hash = str_of(v->hash) };

	while (r.n_headers < ARRAY_LEN(v->headers) && v->headers[r.n_headers].name.n)
		r.n_headers++;
	return r;
}

static void
check_vector(const struct vector *v, const struct sigv4_keys *k, const char *date)
{
	struct sigv4_request r = request_of(v);
	struct buf expected, got;

	buf_init(&expected, 0);
	buf_init(&got, 0);
	buf_printf(&expected,
	    "AWS4-HMAC-SHA256 Credential=%.*s/%.8s/%.*s/%.*s/aws4_request, SignedHeaders=%s, "
	    "Signature=%s",
	    STR_ARG(k->id), date, STR_ARG(k->region), STR_ARG(k->service), v->signed_names,
	    v->signature);
	print_message("  %s\n", v->name);
	assert_int_equal(sigv4_sign(&r, k, date, &got), 0);
	assert_string_equal(buf_cstr(&got), buf_cstr(&expected));
	buf_fini(&expected);
	buf_fini(&got);
}

static const struct sigv4_keys suite_keys = { .id = STR_INIT("AKIDEXAMPLE"),
	.secret = STR_INIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
	.region = STR_INIT("us-east-1"),
	.service = STR_INIT("service") };

static void
test_suite(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suite); i++)
		check_vector(&suite[i], &suite_keys, "20150830T123600Z");
}

static void
test_s3_examples(void **state)
{
	const struct sigv4_keys k = { .id = STR_INIT("AKIAIOSFODNN7EXAMPLE"),
		.secret = STR_INIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
		.region = STR_INIT("us-east-1"),
		.service = STR_INIT("s3") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(s3_examples); i++)
		check_vector(&s3_examples[i], &k, "20130524T000000Z");
}

/* As the suite's get-vanilla-query-order-key-case.creq. */
static void
test_canonical(void **state)
{
	struct sigv4_request r = request_of(&suite[2]);
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_int_equal(sigv4_canonical(&r, &b), 0);
	assert_string_equal(buf_cstr(&b),
	    "GET\n/\nParam1=value1&Param2=value2\nhost:example.amazonaws.com\n"
	    "x-amz-date:20150830T123600Z\n\nhost;x-amz-date\n" EMPTY);
	buf_fini(&b);
}

/* "a" before "a-b", although '-' sorts before '='; a lone "&" adds nothing. */
static void
test_query_order(void **state)
{
	struct sigv4_request r = { .method = STR_INIT("GET"),
		.path = STR_INIT("/"),
		.query = STR_INIT("a-b=1&&a=2&a=&b"),
		.payload_hash = STR_INIT("UNSIGNED-PAYLOAD") };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_int_equal(sigv4_canonical(&r, &b), 0);
	assert_string_equal(buf_cstr(&b), "GET\n/\na=&a=2&a-b=1&b=\n\n\nUNSIGNED-PAYLOAD");
	buf_fini(&b);
}

static void
test_limits(void **state)
{
	struct sigv4_header many[33];
	struct sigv4_request r = { .headers = many, .n_headers = 33 };
	struct sigv4_keys k = suite_keys;
	char secret[300];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct sigv4_header){ STR("a"), STR("b") };
	buf_init(&b, 0);
	assert_int_equal(sigv4_sign(&r, &k, "20150830T123600Z", &b), ERR_TOO_LARGE);
	r.n_headers = 32;
	assert_int_equal(sigv4_sign(&r, &k, "20150830T123600Z", &b), 0);
	assert_int_equal(sigv4_sign(&r, &k, "20150830", &b), ERR_BAD);
	memset(secret, 's', sizeof(secret));
	k.secret = str_make(secret, sizeof(secret));
	assert_int_equal(sigv4_sign(&r, &k, "20150830T123600Z", &b), ERR_TOO_LARGE);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suite),
		cmocka_unit_test(test_s3_examples),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_query_order),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
