/*
 * The admin API over the wire: routing, authority, the forms of answers and errors; and who may say `trusted`.
 */
#include "admin/api.h"

#include "base/file.h"
#include "gate/auth.h"
#include "unit/http/http_test.h"
#include "unit/tmp.h"

static struct tmp tmp;
static char admin[KEYS_SECRET_LEN + 1], service[KEYS_SECRET_LEN + 1];

/* ---- endpoints to try ---- */

static int
show(struct api_call *call)
{
	json_open(call->json, NULL, '{');
	json_put_str(call->json, "id", call->id);
	json_put_str(call->json, "operator", call->operator);
	json_put_str(call->json, "q", api_query(call, "q"));
	json_close(call->json);
	return 200;
}

static int
count(struct api_call *call)
{
	uint64_t n;
	int err = api_query_number(call, "n", 5, 1, 10, &n);

	if (err != 0)
		return err;
	json_put_u64(call->json, NULL, n);
	return 202;
}

static int
body(struct api_call *call)
{
	struct str text;
	int err = api_body(call, 16, &text);

	if (err != 0)
		return err;
	json_put_raw(call->json, NULL, text);
	return 200;
}

static int
fail_half_way(struct api_call *call)
{
	json_open(call->json, NULL, '{');
	return api_fail(call, 409, "no \"%s\"", "such");
}

static int
fail_by_table(struct api_call *call)
{
	(void)call;
	return ERR_NOT_FOUND;
}

static const struct api_endpoint table[] = {
	{ "GET", "/api/t/things/{id}", ROLE_SERVICE, show, "one thing" },
	{ "GET", "/api/t/count", ROLE_ADMIN, count, "a number" },
	{ "POST", "/api/t/count", ROLE_ADMIN, body, "a body" },
	{ "DELETE", "/api/t/count", ROLE_ADMIN, fail_half_way, "fails" },
	{ "GET", "/api/t/missing", ROLE_ADMIN, fail_by_table, "fails" },
	{ .path = NULL },
};

/* ---- asking ---- */

static struct reply answer;

static int
call(const char *method, const char *path, const char *key, const char *rest)
{
	char text[1024];

	reply_fini(&answer);
	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: t\r\n%s%s%s%s", method, path,
	    key ? "X-API-Key: " : "", key ? key : "", key ? "\r\n" : "", rest ? rest : "\r\n");
	return ask(text, &answer);
}

static void
assert_answer(int status, int expected, const char *text)
{
	assert_int_equal(status, expected);
	assert_string_equal(buf_cstr(&answer.body), text);
}

static void
routes(void)
{
	assert_answer(call("GET", "/api/t/things/a%20b?q=x%2By", service, NULL), 200,
	    "{\"id\":\"a b\",\"operator\":\"s\",\"q\":\"x+y\"}\n");
	assert_true(str_is(http_header_get(&answer.head, "Cache-Control"), "no-store"));
	assert_true(str_is(http_header_get(&answer.head, "X-Content-Type-Options"), "nosniff"));
	assert_answer(call("GET", "/api/t/things/1?q=%zz", admin, NULL), 200,
	    "{\"id\":\"1\",\"operator\":\"a\",\"q\":\"\"}\n");
	assert_answer(call("HEAD", "/api/t/things/1", admin, NULL), 200, "");
	assert_answer(
	    call("GET", "/api/t/things/", admin, NULL), 404, "{\"error\":\"Not Found\"}\n");
	assert_answer(
	    call("GET", "/api/t/things/1/2", admin, NULL), 404, "{\"error\":\"Not Found\"}\n");
	assert_answer(call("GET", "/api/nothing", admin, NULL), 404, "{\"error\":\"Not Found\"}\n");
	assert_answer(
	    call("PUT", "/api/t/count", admin, NULL), 405, "{\"error\":\"Method Not Allowed\"}\n");
	assert_true(str_is(http_header_get(&answer.head, "Allow"), "GET, HEAD, POST, DELETE"));
	/* Mounted deeper. */
	assert_answer(call("GET", "/deep/api/t/things/1", admin, NULL), 200,
	    "{\"id\":\"1\",\"operator\":\"a\",\"q\":\"\"}\n");
	assert_int_equal(call("GET", "/api/", admin, NULL), 200);
	assert_non_null(strstr(buf_cstr(&answer.body),
	    "{\"method\":\"GET\",\"path\":\"/api/t/things/{id}\",\"role\":\"service\","
	    "\"help\":\"one thing\"}"));
}

static void
answers(void)
{
	assert_answer(call("GET", "/api/t/count", admin, NULL), 202, "5\n");
	assert_answer(call("GET", "/api/t/count?n=10", admin, NULL), 202, "10\n");
	assert_answer(call("GET", "/api/t/count?n=11", admin, NULL), 400,
	    "{\"error\":\"n: a number from 1 to 10 is allowed\"}\n");
	assert_answer(call("GET", "/api/t/count?n=-1", admin, NULL), 400,
	    "{\"error\":\"n: a number from 1 to 10 is allowed\"}\n");
	assert_answer(
	    call("POST", "/api/t/count", admin, "Content-Length: 3\r\n\r\n[1]"), 200, "[1]\n");
	assert_answer(call("POST", "/api/t/count", admin, NULL), 200, "{}\n");
	assert_answer(call("POST", "/api/t/count", admin, "Content-Length: 3\r\n\r\n[1}"), 400,
	    "{\"error\":\"the body is not JSON: unexpected byte at 2\"}\n");
	assert_answer(
	    call("POST", "/api/t/count", admin, "Content-Length: 17\r\n\r\n[1,2,3,4,5,6,7,8]"), 413,
	    "{\"error\":\"too large\"}\n");
	assert_answer(
	    call("DELETE", "/api/t/count", admin, NULL), 409, "{\"error\":\"no \\\"such\\\"\"}\n");
	assert_answer(
	    call("GET", "/api/t/missing", admin, NULL), 404, "{\"error\":\"not found\"}\n");
}

static void
authority(void)
{
	/* Who may not come in is not told what there is. */
	static const char *const paths[] = { "/api/t/things/1", "/api/nothing", "/api/" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_answer(call("GET", paths[i], NULL, NULL), 401,
		    "{\"error\":\"Missing X-API-Key header or Authorization header\"}\n");
		assert_true(str_is(http_header_get(&answer.head, "WWW-Authenticate"), "Bearer"));
		assert_answer(call("GET", paths[i], "sk_wrong", NULL), 401,
		    "{\"error\":\"Invalid API key\"}\n");
	}
	assert_answer(call("GET", "/api/t/count", service, NULL), 403,
	    "{\"error\":\"this key may not do that: its role is too low\"}\n");
	/* The method does not matter where the path is not one's own. */
	assert_int_equal(call("DELETE", "/api/t/count", service, NULL), 403);
	/* A location inside does not inherit that the API asks by itself. */
	assert_int_equal(call("GET", "/api/inner", NULL, NULL), 401);
	assert_non_null(strstr(buf_cstr(&answer.body), "USER_TOKEN"));
}

static void
everything(void)
{
	buf_init(&answer.all, 0);
	buf_init(&answer.body, 0);
	routes();
	answers();
	authority();
	reply_fini(&answer);
}

static void
serves(void **state)
{
	char text[1024];
	const char *path = tmp_path(&tmp, "keys");
	struct buf errors;

	(void)state;
	buf_init(&errors, 0);
	assert_int_equal(keys_add(path, STR("a"), ROLE_ADMIN, 0, admin, &errors), 0);
	assert_int_equal(keys_add(path, STR("s"), ROLE_SERVICE, 0, service, &errors), 0);
	snprintf(text, sizeof(text),
	    "auth_keys %s; auth user_token; location /api/ { admin_api; location /api/inner { "
	    "return 200; } } location /deep/api/ { admin_api; }",
	    path);
	with_site(text, everything);
	buf_fini(&errors);
}

/* ---- configuration ---- */

static void
assert_conf(const char *text, const char *message)
{
	struct conf *c = conf_new();
	struct str said;

	(void)(conf_parse_text(c, "t", str_of(text)) || conf_check(c) || conf_apply(c));
	said = conf_messages(c);
	if (message == NULL && said.n > 0)
		fail_msg("%.*s", STR_ARG(said));
	else if (message != NULL && memmem(said.p, said.n, message, strlen(message)) == NULL)
		fail_msg("not \"%s\": %.*s", message, STR_ARG(said));
	conf_free(c);
}

static void
trusts_only_unix_sockets(void **state)
{
	static const char refusal[] = "t:1: admin_api trusted asks nobody for a key";

	(void)state;
	assert_conf(
	    "http { server { listen unix:/tmp/x; location /api/ { admin_api trusted; } } }", NULL);
	assert_conf("http { server { listen unix:/tmp/x; location / { location /api/ { admin_api "
		    "trusted; } } } }",
	    NULL);
	assert_conf("http { server { listen unix:/tmp/x; listen 127.0.0.1:1; location /api/ { "
		    "admin_api trusted; } } }",
	    refusal);
	assert_conf("http { server { location /api/ { admin_api trusted; } } }", refusal);
	assert_conf("http { server { listen unix:/tmp/x; location /api/ { admin_api all; } } }",
	    "invalid parameter \"all\" of \"admin_api\"");
}

static void
checks_auth(void **state)
{
	char text[512];

	(void)state;
	assert_conf("http { server { listen 1; auth api_key; } }",
	    "t:1: auth asks for keys, and no auth_keys is here or in a block around it");
	assert_conf("http { auth none user_token; }", "auth: \"none\" stands last, or alone");
	assert_conf("http { auth bearer bearer; }", "auth: \"bearer\" is there twice");
	assert_conf("http { auth password; }", "invalid value \"password\" in \"auth\"");
	assert_conf("http { auth_keys /nonexistent/keys; }",
	    "t:1: auth_keys: /nonexistent/keys: No such file or directory");
	assert_int_equal(file_replace(tmp_path(&tmp, "bad"), "x\ny\n", 4), 0);
	snprintf(text, sizeof(text), "http { auth_keys %s/bad; }", tmp.dir);
	assert_conf(text, "/bad:1: too few fields");
	assert_conf(text, "/bad:2: too few fields");
	/* auth_keys may stand behind auth. */
	snprintf(text, sizeof(text),
	    "http { auth api_key; server { listen 1; auth bearer none; } auth_keys %s/keys; }",
	    tmp.dir);
	assert_conf(text, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves),
		cmocka_unit_test(trusts_only_unix_sockets),
		cmocka_unit_test(checks_auth),
	};
	int failed;

	http_conf_register();
	auth_register();
	api_conf_register();
	api_add(table);
	tmp_init(&tmp);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tmp_fini(&tmp);
	return failed;
}
