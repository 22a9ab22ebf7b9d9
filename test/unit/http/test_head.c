/*
 * Message heads: what they mean, what is refused, at every split point, against an unreadable page.
 */
#include "http/head.h"
#include "unit/guard.h"
#include "unit/unit.h"

static struct guard guard;

static int
parse(struct http_head *h, struct str s)
{
	size_t scanned = 0;
	struct str t = guard_tail(&guard, s);

	return http_parse_request(h, t.p, t.n, &scanned);
}

/* The verdict on the whole, after checking that byte by byte gives the same. */
static int
parse_text(struct http_head *h, const char *text)
{
	struct str s = str_of(text);
	size_t scanned = 0;
	int whole = parse(h, s), r = ERR_NEED_MORE;

	for (size_t n = 0; n <= s.n && r == ERR_NEED_MORE; n++) {
		struct str part = guard_tail(&guard, str_make(s.p, n));

		r = http_parse_request(h, part.p, part.n, &scanned);
		assert_true(scanned <= n);
	}
	assert_int_equal(r, whole);
	/* The same in two parts, wherever they meet. */
	for (size_t cut = 0; cut < s.n && whole > 0; cut++) {
		scanned = 0;
		r = http_parse_request(h, s.p, cut, &scanned);
		if (r == ERR_NEED_MORE)
			r = http_parse_request(h, s.p, s.n, &scanned);
		assert_int_equal(r, whole);
	}
	parse(h, s);
	return whole;
}

static void
request_in_full(void **state)
{
	static const char text[] =
	    "PUT /usage?a=b HTTP/1.1\r\nHost: example.org:8080\r\nUSER_TOKEN:u1\r\n"
	    "X-Long: \t a value longer than eight bytes \t\r\nEmpty:\r\n"
	    "Content-Length: 12\r\nExpect: 100-Continue\r\n\r\nbody of 12..";
	static struct http_head h;

	(void)state;
	assert_int_equal(parse_text(&h, text), sizeof(text) - 1 - 12);
	assert_true(str_is(h.method, "PUT"));
	assert_true(str_is(h.target, "/usage?a=b"));
	assert_int_equal(h.minor, 1);
	assert_true(str_is(h.host, "example.org:8080"));
	assert_int_equal(h.n_headers, 6);
	assert_true(str_is(http_header_get(&h, "user_token"), "u1"));
	assert_true(str_is(http_header_get(&h, "x-long"), "a value longer than eight bytes"));
	assert_non_null(http_header_get(&h, "EMPTY").p);
	assert_int_equal(http_header_get(&h, "Empty").n, 0);
	assert_null(http_header_get(&h, "Absent").p);
	assert_int_equal(h.content_length, 12);
	assert_false(h.chunked);
	assert_true(h.keep_alive);
	assert_true(h.expect_continue);
	assert_false(h.expect_unknown);
}

static void
keep_alive_by_version_and_connection(void **state)
{
	static const struct {
		const char *text;
		bool keep;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", true },
		{ "GET / HTTP/1.9\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
		{ "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nConnection: foo , CLOSE\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", true },
	};
	static struct http_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse_text(&h, cases[i].text), strlen(cases[i].text));
		assert_int_equal(h.keep_alive, cases[i].keep);
	}
}

static void
absolute_target_names_the_host(void **state)
{
	static struct http_head h;

	(void)state;
	assert_true(
	    parse_text(&h, "GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n") > 0);
	assert_true(str_is(h.host, "a.example"));
	assert_true(parse_text(&h, "GET https://a.example HTTP/1.1\r\nHost: b\r\n\r\n") > 0);
	assert_true(str_is(h.host, "a.example"));
	assert_int_equal(parse_text(&h, "GET http:///x HTTP/1.1\r\nHost: b\r\n\r\n"), ERR_BAD);
	assert_int_equal(parse_text(&h, "GET http://u@h/x HTTP/1.1\r\nHost: b\r\n\r\n"), ERR_BAD);
}

static void
one_empty_line_may_come_first(void **state)
{
	static struct http_head h;

	(void)state;
	assert_int_equal(parse_text(&h, "\r\nGET / HTTP/1.1\r\n\r\n"), 20);
	assert_int_equal(parse_text(&h, "\r\n\r\nGET / HTTP/1.1\r\n\r\n"), ERR_BAD);
	assert_int_equal(parse_text(&h, "\nGET / HTTP/1.1\r\n\r\n"), ERR_BAD);
	assert_int_equal(parse_text(&h, "\rGET / HTTP/1.1\r\n\r\n"), ERR_BAD);
}

static const struct {
	const char *text;
	int err;
} refused[] = {
	/* request line */
	{ "GET  / HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "GET /  HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1 \r\n\r\n", ERR_BAD },
	{ " GET / HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "GET\t/ HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "GET /\r\n\r\n", ERR_BAD },
	{ "GET / \r\n\r\n", ERR_BAD },
	{ "GET /a b HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "GET /a#b HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "GET /\x01 HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "GET /\x7f HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "G@T / HTTP/1.1\r\n\r\n", ERR_BAD },
	{ "GET / http/1.1\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.10\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/11.1\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/2.0\r\n\r\n", ERR_UNSUPPORTED },
	{ "GET / HTTP/0.9\r\n\r\n", ERR_UNSUPPORTED },
	{ "\x16\x03\x01\x02", ERR_BAD },
	/* lines */
	{ "GET / HTTP/1.1\nHost: a\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA: b\r\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\n A: b\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA : b\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA\t: b\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\n: b\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA: x\x01y\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA: x\x7f\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA: much longer than a word \x02 of eight\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA: much longer than a word \x7f of eight\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nA\xc3: b\r\n\r\n", ERR_BAD },
	/* framing */
	{ "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: 1 2\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	    ERR_BAD },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: \x0b"
	  "chunked\r\n\r\n",
	    ERR_BAD },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_BAD },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", ERR_UNSUPPORTED },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", ERR_UNSUPPORTED },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", ERR_BAD },
	{ "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", ERR_BAD },
};

static void
refuses_what_could_be_read_two_ways(void **state)
{
	static struct http_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (parse_text(&h, refused[i].text) != refused[i].err)
			fail_msg("not refused as it should be: %s", refused[i].text);
	/* A zero byte, which no C string shows. */
	assert_int_equal(parse(&h, STR("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n")), ERR_BAD);
	assert_int_equal(parse(&h, STR("GET /\0 HTTP/1.1\r\n\r\n")), ERR_BAD);
	/* The version is told from the coding by minor. */
	assert_int_equal(parse(&h, STR("GET / HTTP/3.0\r\n\r\n")), ERR_UNSUPPORTED);
	assert_int_equal(h.minor, -1);
	assert_int_equal(
	    parse(&h, STR("GET / HTTP/1.1\r\nTransfer-Encoding: br\r\n\r\n")), ERR_UNSUPPORTED);
	assert_int_equal(h.minor, 1);
}

static void
chunked_and_lengths(void **state)
{
	static struct http_head h;

	(void)state;
	assert_true(parse_text(&h, "PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n") > 0);
	assert_true(h.chunked);
	assert_int_equal(h.content_length, -1);
	assert_true(
	    parse_text(&h, "PUT / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n") > 0);
	assert_true(h.content_length == INT64_MAX);
	assert_true(parse_text(&h, "PUT / HTTP/1.1\r\nContent-Length: 007\r\n\r\n") > 0);
	assert_int_equal(h.content_length, 7);
	assert_true(parse_text(&h, "PUT / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n") > 0);
	assert_true(h.expect_unknown && !h.expect_continue);
	assert_true(parse_text(&h, "PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n") > 0);
	assert_true(!h.expect_unknown && !h.expect_continue);
}

static void
a_hundred_headers_and_no_more(void **state)
{
	static char text[4096] = "GET / HTTP/1.1\r\n";
	static struct http_head h;

	(void)state;
	for (int i = 0; i < HTTP_MAX_HEADERS; i++)
		strcat(text, "A: b\r\n");
	strcat(text, "\r\n");
	assert_int_equal(parse_text(&h, text), strlen(text));
	assert_int_equal(h.n_headers, HTTP_MAX_HEADERS);
	strcpy(text + strlen(text) - 2, "A: b\r\n\r\n");
	assert_int_equal(parse_text(&h, text), ERR_HEADER_TOO_LARGE);
}

static int
parse_answer(struct http_head *h, const char *text, bool no_body)
{
	struct str s = str_of(text);
	size_t scanned = 0;
	int r = ERR_NEED_MORE;

	for (size_t n = 0; n <= s.n && r == ERR_NEED_MORE; n++) {
		struct str part = guard_tail(&guard, str_make(s.p, n));

		r = http_parse_response(h, part.p, part.n, &scanned, no_body);
	}
	if (r > 0) {
		scanned = 0;
		assert_int_equal(http_parse_response(h, s.p, s.n, &scanned, no_body), r);
	}
	return r;
}

static void
responses(void **state)
{
	static struct http_head h;

	(void)state;
	assert_int_equal(
	    parse_answer(&h, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false), 38);
	assert_int_equal(h.status, 200);
	assert_true(str_is(h.reason, "OK"));
	assert_int_equal(h.content_length, 2);
	assert_true(h.keep_alive);
	assert_true(parse_answer(&h, "HTTP/1.1 412 Precondition Failed\r\n\r\n", false) > 0);
	assert_true(str_is(h.reason, "Precondition Failed"));
	assert_false(h.keep_alive); /* its body ends with the connection */
	assert_true(parse_answer(&h, "HTTP/1.1 412 x\r\n\r\n", true) > 0);
	assert_true(h.keep_alive);
	assert_true(parse_answer(&h, "HTTP/1.1 204\r\n\r\n", false) > 0);
	assert_true(h.keep_alive && h.reason.n == 0);
	assert_true(
	    parse_answer(&h, "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", false) > 0);
	assert_true(h.chunked && h.keep_alive);
	assert_true(parse_answer(&h, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false) > 0);
	assert_false(h.keep_alive);
	assert_int_equal(parse_answer(&h, "HTTP/1.1 20 OK\r\n\r\n", false), ERR_BAD);
	assert_int_equal(parse_answer(&h, "HTTP/1.1 2000\r\n\r\n", false), ERR_BAD);
	assert_int_equal(parse_answer(&h, "HTTP/1.1 099 x\r\n\r\n", false), ERR_BAD);
	assert_int_equal(parse_answer(&h, "ICY 200 OK\r\n\r\n", false), ERR_BAD);
	assert_int_equal(parse_answer(&h, "HTTP/2.0 200 OK\r\n\r\n", false), ERR_UNSUPPORTED);
	assert_int_equal(parse_answer(&h, "HTTP/1.1\r\n\r\n", false), ERR_BAD);
	assert_int_equal(
	    parse_answer(&h,
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		false),
	    ERR_BAD);
}

static void
lists_and_tokens(void **state)
{
	(void)state;
	assert_true(http_list_has(STR("a, b ,\tc"), "B"));
	assert_true(http_list_has(STR("a,b,c"), "c"));
	assert_false(http_list_has(STR("ab, c d"), "c"));
	assert_false(http_list_has(str_make(NULL, 0), "a"));
	assert_true(http_is_token(STR("X-Y_z!#")));
	assert_false(http_is_token(STR("")));
	assert_false(http_is_token(STR("a b")));
	assert_string_equal(http_reason(204), "No Content");
	assert_string_equal(http_reason(299), "Unknown");
	assert_string_equal(http_reason(999), "Unknown");
}

static int
setup(void **state)
{
	(void)state;
	guard_init(&guard, 8192);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_in_full),
		cmocka_unit_test(keep_alive_by_version_and_connection),
		cmocka_unit_test(absolute_target_names_the_host),
		cmocka_unit_test(one_empty_line_may_come_first),
		cmocka_unit_test(refuses_what_could_be_read_two_ways),
		cmocka_unit_test(chunked_and_lengths),
		cmocka_unit_test(a_hundred_headers_and_no_more),
		cmocka_unit_test(responses),
		cmocka_unit_test(lists_and_tokens),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
