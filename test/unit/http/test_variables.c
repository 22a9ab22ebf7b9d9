/*
 * Variables and texts: what each stands for, over a connection; set; add_header; and what is told of
 * names that nobody knows.
 */
#include <time.h>

#include "config.h"
#include "unit/http/http_test.h"

static const char *ask_head; /* a request */
static const char *ask_body; /* the expected body */

static void
converse(void)
{
	struct peer p;

	peer_open(&p);
	peer_say(&p, ask_head);
	expect(&p, 200, ask_body);
	peer_close(&p);
}

static const struct {
	const char *text, *head, *body;
} values[] = {
	{ "$request|$request_method|$request_uri|$server_protocol",
	    "GET /a%20b?x=1 HTTP/1.1\r\nHost: h\r\n\r\n",
	    "GET /a%20b?x=1 HTTP/1.1|GET|/a%20b?x=1|HTTP/1.1" },
	{ "$uri|$document_uri|$args|$query_string|$is_args",
	    "GET /a%20b//c/../d?x=1&y HTTP/1.1\r\nHost: h\r\n\r\n", "/a b/d|/a b/d|x=1&y|x=1&y|?" },
	{ "[$args$is_args]$uri", "GET / HTTP/1.0\r\n\r\n", "[]/" },
	{ "$server_protocol $host", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 first.example" },
	{ "$host|$http_host|$server_name", "GET / HTTP/1.1\r\nHost: WWW.Example:81\r\n\r\n",
	    "www.example|WWW.Example:81|first.example" },
	{ "$arg_a|$arg_A|$arg_b|$arg_c|$arg_d",
	    "GET /?aa=0&a=1&A=2&b=&c HTTP/1.1\r\nHost: h\r\n\r\n", "1|1|||" },
	{ "$http_x_two_words|$http_user_token|$http_none",
	    "GET / HTTP/1.1\r\nHost: h\r\nX-Two-Words: v w\r\nUSER_TOKEN: u\r\n\r\n", "v w|u|" },
	{ "$http_x_a|$http_cookie",
	    "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nCookie: a=1\r\nx-a: 2\r\nX-A:\r\ncookie: "
	    "b=2\r\n\r\n",
	    "1, 2, |a=1; b=2" },
	{ "$cookie_b|$cookie_B|$cookie_c|$cookie_d|$cookie_a",
	    "GET / HTTP/1.1\r\nHost: h\r\nCookie: a=1; b=x=y;B=3\r\nCookie: c=\r\n\r\n",
	    "x=y|x=y|||1" },
	{ "$content_type|$content_length|$http_content_type",
	    "PUT / HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nxy",
	    "a/b|2|a/b" },
	{ "${scheme}s|$https|$ssl_protocol|$ssl_cipher|$ssl_server_name",
	    "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "https||||" },
	{ "$remote_addr|$realip_remote_addr|$server_addr|$connection_requests",
	    "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "127.0.0.1|127.0.0.1|127.0.0.1|1" },
	{ "$request_id|$traceparent|$trace_id|$remote_user|$user",
	    "GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: me-1\r\ntraceparent: "
	    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
	    "me-1|00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01|"
	    "0af7651916cd43dd8448eb211c80319c||" },
	{ "$traceparent|$trace_id", "GET / HTTP/1.1\r\nHost: h\r\ntraceparent: forged\r\n\r\n",
	    "|" },
	{ "$upstream_addr|$upstream_http_x|$proxy_host|$gzip_ratio|$sent_http_x",
	    "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "||||" },
	{ "$HOST|$Request_Method", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "h|GET" },
	{ "$request_length", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "27" },
	{ "$nginx_version", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", SLUICE_VERSION },
	{ "$host$host$host$host$host$host$host$host$host$host$host$host$host$host$host$host$host",
	    "GET / HTTP/1.1\r\nHost: ab\r\n\r\n", "ababababababababababababababababab" },
};

static void
test_values(void **state)
{
	char conf[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		snprintf(conf, sizeof(conf),
		    "server_name .First.Example second; location / { return 200 '%s'; }",
		    values[i].text);
		ask_head = values[i].head;
		ask_body = values[i].body;
		with_site(conf, converse);
	}
}

/* ---- those that have no fixed value ---- */

static struct reply answer;

static void
hear(void)
{
	struct peer p;

	peer_open(&p);
	peer_say(&p, ask_head);
	assert_int_equal(peer_hear(&p, &answer, false), 200);
	peer_close(&p);
}

static const char *
value_of(const char *text)
{
	char conf[256];

	snprintf(conf, sizeof(conf), "location / { return 200 '%s'; }", text);
	ask_head = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";
	with_site(conf, hear);
	return buf_cstr(&answer.body);
}

/* Each letter of form stands for its class: 9 a digit, a a letter, others for themselves. */
static bool
looks_like(const char *text, const char *form)
{
	for (; *form; form++, text++) {
		bool digit = *text >= '0' && *text <= '9';
		bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');

		if (*form == '9' ? !digit : *form == 'a' ? !letter : *form != *text)
			return false;
	}
	return *text == 0;
}

static void
test_forms(void **state)
{
	static const struct {
		const char *text, *form;
	} forms[] = {
		{ "$time_iso8601", "9999-99-99T99:99:99+99:99" },
		{ "$time_local", "99/aaa/9999:99:99:99 +9999" },
		{ "$msec", "9999999999.999" },
		{ "$request_time", "9.999" },
	};
	char expected[32];

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (!looks_like(value_of(forms[i].text), forms[i].form))
			fail_msg("%s: %s", forms[i].text, buf_cstr(&answer.body));
		reply_fini(&answer);
	}
	snprintf(expected, sizeof(expected), "%d", (int)getpid());
	assert_string_equal(value_of("$pid"), expected);
	reply_fini(&answer);
	value_of("$server_port");
	snprintf(expected, sizeof(expected), "%u", site.port);
	assert_string_equal(buf_cstr(&answer.body), expected);
	reply_fini(&answer);
	assert_true(atoi(value_of("$remote_port")) > 0);
	reply_fini(&answer);
	assert_true(atoi(value_of("$connection")) > 0);
	reply_fini(&answer);
	assert_true(strlen(value_of("$hostname")) > 0);
	reply_fini(&answer);
	assert_string_equal(value_of("$binary_remote_addr"), "\x7f");
	assert_int_equal(answer.body.n, 4);
	reply_fini(&answer);
}

/* ---- set ---- */

static void
ask_set(void)
{
	struct peer p;

	peer_open(&p);
	peer_say(&p, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&p, 200, "server GET|inner GET|[]");
	peer_say(&p, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&p, 200, "server GET||[b]");
	peer_say(&p, "GET /b/c HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&p, 200, "server GET||[]");
	peer_close(&p);
}

/* Defined below its use; one of the server's; those of a location hold in it alone. */
static void
test_set(void **state)
{
	(void)state;
	with_site(
	    "location /a { return 200 \"$Outer|$inner|[$other]\"; set $inner 'inner $method'; }"
	    "location /b { set $other b; return 200 \"$outer|$inner|[$other]\";"
	    " location /b/c { return 200 \"$outer|$inner|[$other]\"; } }"
	    "set $method $request_method; set $outer \"server ${METHOD}\";",
	    ask_set);
	with_site("set $x early; set $y $x; set $x late; return 200 $x$y;", hear);
	assert_string_equal(buf_cstr(&answer.body), "lateearly");
	reply_fini(&answer);
}

/* ---- add_header ---- */

static const char *
added(const char *conf, const char *field)
{
	static char value[64];

	ask_head = "GET /x HTTP/1.1\r\nHost: h\r\nX-Evil: a\tb\r\n\r\n";
	with_site(conf, hear);
	if (!http_header_get(&answer.head, field).p)
		return NULL;
	str_copyz(value, sizeof(value), http_header_get(&answer.head, field));
	reply_fini(&answer);
	return value;
}

static void
ask_refused(void)
{
	struct peer p;
	struct reply a;

	peer_open(&p);
	peer_say(&p, "GET /none HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(peer_hear(&p, &a, false), 404);
	assert_null(http_header_get(&a.head, "X-A").p);
	assert_true(str_is(http_header_get(&a.head, "X-B"), "404 always"));
	reply_fini(&a);
	peer_close(&p);
}

static void
test_add_header(void **state)
{
	(void)state;
	assert_string_equal(
	    added("add_header X-A \"$status $uri\"; location / { return 200 x; }", "X-A"),
	    "200 /x");
	assert_string_equal(
	    added("add_header X-A 1; location / { add_header X-B 2; return 200 x; }", "X-B"), "2");
	assert_null(
	    added("add_header X-A 1; location / { add_header X-B 2; return 200 x; }", "X-A"));
	reply_fini(&answer);
	assert_null(added("add_header X-A $arg_none; location / { return 200 x; }", "X-A"));
	reply_fini(&answer);
	with_site("add_header X-A 1; add_header X-B \"$status always\" always;", ask_refused);
}

/* ---- configurations ---- */

static const struct {
	const char *conf, *message; /* NULL: fine */
} confs[] = {
	{ "return 200 $reqest_uri;", "did you mean \"$request_uri\"" },
	{ "return 200 $nonsense_at_all;", "unknown variable \"$nonsense_at_all\"" },
	{ "return 200 '$x'; set $x 1;", NULL },
	{ "return 200 $;", "invalid variable name" },
	{ "return 200 ${host;", "invalid variable name" },
	{ "return 200 $1;", "expressions do not capture" },
	{ "set $host x;", "is the server's own" },
	{ "set $http_mine x; return 200 $http_mine;", NULL },
	{ "set host x;", "takes a variable such as $name" },
	{ "set $a-b x;", "takes a variable such as $name" },
	{ "set $1 x;", "takes a variable such as $name" },
	{ "add_header 'X A' 1;", "no name of a field" },
	{ "add_header Content-Length 1;", "where an answer ends" },
	{ "add_header X 1 sometimes;", "\"always\"" },
	{ "add_header X $hots;", "did you mean \"$host\"" },
};

static void
test_messages(void **state)
{
	char text[256];

	(void)state;
	http_conf_register();
	for (size_t i = 0; i < ARRAY_LEN(confs); i++) {
		struct conf *c = conf_new();
		const char *messages;
		int err;

		snprintf(text, sizeof(text), "http { server { listen 127.0.0.1:1; %s } }",
		    confs[i].conf);
		err = conf_parse_text(c, "t", str_of(text));
		if (err == 0)
			err = conf_check(c);
		if (err == 0)
			err = conf_apply(c);
		messages = arena_strz(conf_arena(c), conf_messages(c));
		if ((err == 0) != !confs[i].message ||
		    (confs[i].message && !strstr(messages, confs[i].message)))
			fail_msg("%s: %d %s", confs[i].conf, err, messages);
		conf_free(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_add_header),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
