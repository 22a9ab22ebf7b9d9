/*
 * sink/s3 and s3/store against a scripted peer: step 11 of the durability protocol, mark by
 * mark, what goes over the wire, and the second attempts for clock skew and expired tokens.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/url.h"
#include "http/conf.h"
#include "sink/s3.h"
#include "sink/stream.h"
#include "task/loop.h"
#include "unit/sink/peer.h"
#include "unit/tmp.h"
#include "unit/unit.h"

static struct tmp tmp;
static struct peer peer;
static struct conf *conf;
static struct sink *sink;

/* ---- one delivery */

struct delivery {
	struct sink_item item;
	struct sink_result result;
	bool verify, probe, conditional /* after the probe */;
	int64_t wait; /* ns until the deadline */
	int probed;
	unsigned times; /* deliveries one after the other */
};

static const char body_text[] = "the body of an object\n";
static char path[300], id[2 * ID_LEN + 1];
static struct delivery d;

static void
run_task(void *arg)
{
	struct delivery *x = arg;

	if (x->probe)
		x->probed = sink->ops->probe(
		    sink, clock_mono() + x->wait, x->result.why, sizeof(x->result.why));
	x->conditional = sink->conditional;
	if (!x->probe)
		for (unsigned i = 0; i < x->times; i++)
			sink->ops->put(
			    sink, &x->item, x->verify, clock_mono() + x->wait, &x->result);
	sink->ops->close(sink);
}

/* http { store …; stream … } with the peer as endpoint; credentials as given. */
static void
configure(const char *credentials, const char *arguments)
{
	const struct stream_conf *s;
	struct buf text;
	char why[200] = "";

	conf_free(conf);
	conf = conf_new();
	buf_init(&text, 0);
	buf_printf(&text,
	    "http { store st { endpoint http://127.0.0.1:%u; region eu-test-1; credentials %s; "
	    "timeout 2s; } "
	    "stream a { sink s3 st bucket=bkt %s; } }",
	    peer.port, credentials, arguments);
	if (conf_parse_text(conf, "test.conf", buf_str(&text)) || conf_check(conf) ||
	    conf_apply(conf))
		fail_msg("%.*s", STR_ARG(conf_messages(conf)));
	buf_fini(&text);
	s = stream_first(conf);
	assert_non_null(s);
	if (s->sink->ops->open(s->sink, &sink, why, sizeof(why)))
		fail_msg("%s", why);
}

static void
run(void)
{
	peer_start(&peer);
	assert_int_equal(loop_init(NULL), 0);
	if (!sink)
		configure("keys AKID SECRET", "");
	assert_int_equal(task_go("deliver", run_task, &d, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
	peer_stop(&peer);
	sink = NULL;
}

static enum sink_outcome
put(void)
{
	run();
	return d.result.outcome;
}

static void
script(const char *answer)
{
	peer.steps[peer.n_steps++].answer = answer;
}

static void
script_act(enum peer_act act, const char *answer)
{
	peer.steps[peer.n_steps].act = act;
	script(answer);
}

static int
setup(void **state)
{
	(void)state;
	tmp_init(&tmp);
	peer_init(&peer);
	peer.id = id;
	snprintf(path, sizeof(path), "%s/object", tmp.dir);
	d = (struct delivery){ .item = { .key = STR("u1/2026/11/22/a b.1.html"),
				   .id = id_new(),
				   .path = path,
				   .length = sizeof(body_text) - 1,
				   .content_type = STR("text/html") },
		.wait = 10 * NS_PER_S,
		.times = 1 };
	id_text(d.item.id, id);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(body_text, f);
	fclose(f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	peer_fini(&peer);
	tmp_fini(&tmp);
	conf_free(conf);
	conf = NULL;
	return 0;
}

/* Value of a header of the nth request, or NULL. */
static const char *
header(unsigned n, const char *name)
{
	static char value[9000];
	char line[100];
	const char *at, *end;

	assert_true(n < peer.n_requests);
	snprintf(line, sizeof(line), "\r\n%s: ", name);
	at = strcasestr(peer.requests[n], line);
	if (!at)
		return NULL;
	at += strlen(line);
	end = strstr(at, "\r\n");
	snprintf(value, sizeof(value), "%.*s", (int)(end - at), at);
	return value;
}

/* The methods of all requests, in order: "PUT HEAD". */
static void
check_methods(const char *expected)
{
	char got[400] = "";

	for (unsigned i = 0; i < peer.n_requests; i++) {
		size_t n = strcspn(peer.requests[i], " ");

		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s", i ? " " : "",
		    (int)n, peer.requests[i]);
	}
	assert_string_equal(got, expected);
}

#define OK_200 "HTTP/1.1 200 OK\n"
#define TAKEN_412                                                                              \
	"HTTP/1.1 412 Precondition Failed\n\n<Error><Code>PreconditionFailed</Code><Message>m" \
	"</Message></Error>"
#define HEAD_OURS "HTTP/1.1 200 OK\nx-amz-meta-bundle: $ID\nContent-Length: 22\n"
#define HEAD_OTHER                                                                               \
	"HTTP/1.1 200 OK\nx-amz-meta-bundle: 0123456789abcdef0123456789abcdef\nContent-Length: " \
	"22\n"
#define HEAD_NONE "HTTP/1.1 200 OK\nContent-Length: 22\n"
#define HEAD_404 "HTTP/1.1 404 Not Found\n"

/* ---- the wire */

static void
test_put(void **state)
{
	(void)state;
	d.item.uri = STR("https://e.com/a b?\xff");
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	check_methods("PUT");
	assert_memory_equal(
	    peer.requests[0], "PUT /bkt/u1/2026/11/22/a%20b.1.html HTTP/1.1\r\n", 46);
	assert_string_equal(header(0, "If-None-Match"), "*");
	assert_string_equal(header(0, "x-amz-meta-bundle"), id);
	assert_string_equal(header(0, "x-amz-meta-uri"), "https://e.com/a%20b?%FF");
	assert_string_equal(header(0, "Content-Type"), "text/html");
	assert_string_equal(header(0, "Content-Length"), "22");
	assert_string_equal(header(0, "x-amz-content-sha256"),
	    "98c82de25ad657699d8ee7ab425531b28ade2389cd7bf9674e9afb0b4242011c");
	assert_null(header(0, "Content-Encoding"));
	assert_null(header(0, "x-amz-security-token"));
	assert_null(header(0, "Expect"));
	assert_memory_equal(header(0, "Authorization"), "AWS4-HMAC-SHA256 Credential=AKID/", 33);
	assert_non_null(strstr(header(0, "Authorization"), "/eu-test-1/s3/aws4_request, "));
	assert_non_null(strstr(header(0, "Authorization"),
	    "SignedHeaders=content-type;host;if-none-match;x-amz-content-sha256;x-amz-date;"
	    "x-amz-meta-bundle;x-amz-meta-uri,"));
	assert_string_equal(strstr(peer.requests[0], "\r\n\r\n") + 4, body_text);
}

static void
test_stretch_of_a_file(void **state)
{
	(void)state;
	d.item.offset = 4;
	d.item.length = 4;
	d.item.content_encoding = STR("gzip");
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	assert_string_equal(strstr(peer.requests[0], "\r\n\r\n") + 4, "body");
	assert_string_equal(header(0, "Content-Encoding"), "gzip");
}

static void
test_empty_object(void **state)
{
	(void)state;
	d.item.length = 0;
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	assert_string_equal(header(0, "Content-Length"), "0");
	assert_string_equal(header(0, "x-amz-content-sha256"),
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* A digest that is known is not taken again. */
static void
test_known_digest(void **state)
{
	unsigned char known[SHA256_LEN];

	(void)state;
	memset(known, 0xab, sizeof(known));
	d.item.sha256 = known;
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	assert_memory_equal(header(0, "x-amz-content-sha256"), "abababab", 8);
}

static void
test_keep_alive(void **state)
{
	(void)state;
	d.times = 5;
	for (unsigned i = 0; i < d.times; i++)
		script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	assert_int_equal(peer.n_requests, 5);
	assert_int_equal(peer.n_connections, 1);
}

/* A big body is offered first: a store that has the object already does not get it again. */
static void
test_big_body_waits_for_100(void **state)
{
	(void)state;
	assert_int_equal(truncate(path, 3 << 20), 0);
	d.item.length = 3 << 20;
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	assert_string_equal(header(0, "Expect"), "100-continue");
	assert_int_equal(peer.bodies[0], 3 << 20);
}

static void
test_refused_before_the_body(void **state)
{
	(void)state;
	assert_int_equal(truncate(path, 3 << 20), 0);
	d.item.length = 3 << 20;
	script_act(PEER_EARLY, TAKEN_412);
	script(HEAD_OURS);
	assert_int_equal(put(), SINK_CONFIRMED);
	assert_int_equal(peer.bodies[0], 0);
}

/* ---- outcomes */

static void
test_412_ours(void **state)
{
	(void)state;
	script(TAKEN_412);
	script(HEAD_OURS);
	assert_int_equal(put(), SINK_CONFIRMED);
	check_methods("PUT HEAD");
	assert_memory_equal(
	    peer.requests[1], "HEAD /bkt/u1/2026/11/22/a%20b.1.html HTTP/1.1\r\n", 47);
}

static void
test_412_another(void **state)
{
	(void)state;
	script(TAKEN_412);
	script(HEAD_OTHER);
	assert_int_equal(put(), SINK_TAKEN);
	assert_non_null(strstr(d.result.why, "0123456789abcdef0123456789abcdef"));
}

static void
test_412_without_id(void **state)
{
	(void)state;
	script(TAKEN_412);
	script(HEAD_NONE);
	assert_int_equal(put(), SINK_TAKEN);
}

/* Neither confirmed nor the next n. */
static void
test_412_then_404(void **state)
{
	(void)state;
	script(TAKEN_412);
	script(HEAD_404);
	assert_int_equal(put(), SINK_AGAIN);
	check_methods("PUT HEAD");
}

static void
head_fails(enum peer_act act, const char *answer, enum sink_outcome expected)
{
	setup(NULL);
	script(TAKEN_412);
	script_act(act, answer);
	script_act(act, answer); /* a kept connection that breaks is replaced once */
	d.wait = 2 * NS_PER_S;
	if (put() != expected)
		fail_msg("HEAD \"%s\": outcome %d, %s", answer ? answer : "", d.result.outcome,
		    d.result.why);
	teardown(NULL);
}

static void
test_412_then_errors(void **state)
{
	(void)state;
	head_fails(PEER_ANSWER, "HTTP/1.1 500 Internal Server Error\n", SINK_AGAIN);
	head_fails(PEER_ANSWER, "HTTP/1.1 503 Slow Down\n", SINK_AGAIN);
	head_fails(PEER_ANSWER, "HTTP/1.1 403 Forbidden\n", SINK_HELD);
	head_fails(PEER_ANSWER, "HTTP/1.1 301 Moved\nx-amz-bucket-region: eu-west-1\n", SINK_HELD);
	head_fails(PEER_ANSWER, "garbage\n", SINK_AGAIN);
	head_fails(PEER_RESET, NULL, SINK_AGAIN);
	head_fails(PEER_HANG, NULL, SINK_AGAIN);
}

static void
one_answer(enum peer_act act, const char *answer, enum sink_outcome expected, const char *why)
{
	setup(NULL);
	script_act(act, answer);
	d.wait = 2 * NS_PER_S;
	if (put() != expected || !strstr(d.result.why, why))
		fail_msg("PUT \"%s\": outcome %d, \"%s\", not \"%s\"", answer ? answer : "",
		    d.result.outcome, d.result.why, why);
	assert_int_equal(peer.n_requests, 1);
	teardown(NULL);
}

#define S3_ERROR(status, code) \
	"HTTP/1.1 " status " X\n\n<?xml version=\"1.0\"?>\n<Error><Code>" code "</Code></Error>"

static void
test_unknown_outcomes(void **state)
{
	(void)state;
	one_answer(PEER_RESET, NULL, SINK_AGAIN, "");
	one_answer(PEER_HANG, NULL, SINK_AGAIN, "timed out");
	one_answer(PEER_CUT, "HTTP/1.1 200 OK\nETag: x\nContent-Length: 0\n", SINK_AGAIN, "");
	one_answer(PEER_ANSWER, "HTTP/1.1 2000 OK\n", SINK_AGAIN, "");
	one_answer(PEER_ANSWER, "HTTP/1.1 202 Accepted\n", SINK_AGAIN, "202");
}

static void
test_busy(void **state)
{
	(void)state;
	one_answer(PEER_ANSWER, S3_ERROR("409", "ConditionalRequestConflict"), SINK_AGAIN,
	    "409 ConditionalRequestConflict");
	one_answer(PEER_ANSWER, S3_ERROR("503", "SlowDown"), SINK_AGAIN, "503 SlowDown");
	one_answer(PEER_ANSWER, S3_ERROR("500", "InternalError"), SINK_AGAIN, "500 InternalError");
	one_answer(PEER_ANSWER, "HTTP/1.1 502 Bad Gateway\n\n<html>no xml", SINK_AGAIN, "502");
	one_answer(PEER_ANSWER, "HTTP/1.1 429 Too Many\n", SINK_AGAIN, "429");
}

static void
test_held(void **state)
{
	(void)state;
	one_answer(PEER_ANSWER,
	    "HTTP/1.1 301 X\nx-amz-bucket-region: "
	    "us-west-2\n\n<Error><Code>PermanentRedirect</Code></Error>",
	    SINK_HELD, "the bucket is in region us-west-2");
	one_answer(PEER_ANSWER, S3_ERROR("400", "ExpiredToken"), SINK_HELD, "ExpiredToken");
	one_answer(PEER_ANSWER, S3_ERROR("401", "Unauthorized"), SINK_HELD, "401");
	one_answer(PEER_ANSWER, S3_ERROR("403", "AccessDenied"), SINK_HELD, "403 AccessDenied");
	one_answer(PEER_ANSWER, S3_ERROR("403", "RequestTimeTooSkewed"), SINK_HELD,
	    "RequestTimeTooSkewed");
	one_answer(PEER_ANSWER, S3_ERROR("404", "NoSuchBucket"), SINK_HELD, "404 NoSuchBucket");
	one_answer(PEER_ANSWER, S3_ERROR("400", "EntityTooLarge"), SINK_HELD, "400 EntityTooLarge");
}

static void
test_retry_after(void **state)
{
	(void)state;
	script("HTTP/1.1 503 Slow Down\nRetry-After: 7\n");
	assert_int_equal(put(), SINK_AGAIN);
	assert_int_equal(d.result.retry_after, 7 * NS_PER_S);
}

static void
test_retry_after_date(void **state)
{
	(void)state;
	script("HTTP/1.1 503 Slow Down\nDate: Sun, 22 Nov 2026 01:00:00 GMT\n"
	       "Retry-After: Sun, 22 Nov 2026 01:00:30 GMT\n");
	assert_int_equal(put(), SINK_AGAIN);
	assert_int_equal(d.result.retry_after, 30 * NS_PER_S);
}

static void
test_nobody_there(void **state)
{
	(void)state;
	assert_int_equal(loop_init(NULL), 0);
	configure("keys AKID SECRET", "");
	close(peer.listener);
	assert_int_equal(task_go("deliver", run_task, &d, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
	sink = NULL;
	peer.listener = open("/dev/null", O_RDONLY);
	assert_int_equal(d.result.outcome, SINK_AGAIN);
	assert_non_null(strstr(d.result.why, "127.0.0.1"));
}

static void
test_source_gone(void **state)
{
	(void)state;
	d.item.length++;
	assert_int_equal(put(), SINK_AGAIN);
	assert_non_null(strstr(d.result.why, "shorter"));
	assert_int_equal(peer.n_requests, 0);
}

/* ---- verify */

static void
verified(const char *answer, enum sink_outcome expected)
{
	setup(NULL);
	d.verify = true;
	script(OK_200);
	script(answer);
	if (put() != expected)
		fail_msg("\"%s\": outcome %d, %s", answer, d.result.outcome, d.result.why);
	check_methods("PUT HEAD");
	teardown(NULL);
}

/* A store that lies about success is not believed. */
static void
test_verify(void **state)
{
	(void)state;
	verified(HEAD_OURS, SINK_CONFIRMED);
	verified(HEAD_404, SINK_AGAIN);
	verified(HEAD_OTHER, SINK_TAKEN);
	verified("HTTP/1.1 200 OK\nx-amz-meta-bundle: $ID\nContent-Length: 21\n", SINK_AGAIN);
	verified("HTTP/1.1 503 X\n", SINK_AGAIN);
	verified("HTTP/1.1 403 X\n", SINK_HELD);
}

static void
test_verify_after_412(void **state)
{
	(void)state;
	d.verify = true;
	script(TAKEN_412);
	script("HTTP/1.1 200 OK\nx-amz-meta-bundle: $ID\nContent-Length: 21\n");
	assert_int_equal(put(), SINK_HELD);
}

/* ---- clock and credentials */

/* The store's clock is a day ahead. */
#define SKEWED_DATE "Date: Thu, 31 Dec 2099 23:00:00 GMT\n"

static void
test_skew(void **state)
{
	(void)state;
	d.times = 2;
	script("HTTP/1.1 403 X\n" SKEWED_DATE "\n<Error><Code>RequestTimeTooSkewed</Code></Error>");
	script(OK_200);
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	check_methods("PUT PUT PUT");
	assert_memory_not_equal(header(0, "x-amz-date"), "20991231T23", 11);
	assert_memory_equal(header(1, "x-amz-date"), "20991231T230", 12);
	assert_memory_equal(header(2, "x-amz-date"), "20991231T230", 12); /* it stays corrected */
	assert_non_null(strstr(header(2, "Authorization"), "/20991231/"));
}

/* Once, not for ever. */
static void
test_skew_not_cured(void **state)
{
	static const char answer[] =
	    "HTTP/1.1 403 X\n" SKEWED_DATE "\n<Error><Code>RequestTimeTooSkewed</Code></Error>";

	(void)state;
	script(answer);
	script(answer);
	assert_int_equal(put(), SINK_HELD);
	check_methods("PUT PUT");
}

/* The answer to HEAD has no body, so no code: the clocks tell. */
static void
test_skew_of_head(void **state)
{
	(void)state;
	script(TAKEN_412);
	script("HTTP/1.1 403 X\n" SKEWED_DATE);
	script(HEAD_OURS);
	assert_int_equal(put(), SINK_CONFIRMED);
	check_methods("PUT HEAD HEAD");
}

static void
write_credentials(const char *key, const char *token)
{
	FILE *f = fopen(tmp_path(&tmp, "creds"), "w");

	assert_non_null(f);
	fprintf(f,
	    "[default]\naws_access_key_id=%s\naws_secret_access_key=s\naws_session_token=%s\n", key,
	    token);
	fclose(f);
}

static void
renew_file(void)
{
	write_credentials("AKID2", "token2");
}

static void
use_file(void)
{
	char text[400];

	write_credentials("AKID1", "token1");
	snprintf(text, sizeof(text), "file %s", tmp_path(&tmp, "creds"));
	configure(text, "");
}

static void
test_expired_token(void **state)
{
	(void)state;
	use_file();
	script(S3_ERROR("400", "ExpiredToken"));
	peer.steps[0].before = renew_file;
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	check_methods("PUT PUT");
	assert_string_equal(header(0, "x-amz-security-token"), "token1");
	assert_non_null(strstr(header(0, "Authorization"), ";x-amz-security-token,"));
	assert_string_equal(header(1, "x-amz-security-token"), "token2");
	assert_memory_equal(header(1, "Authorization"), "AWS4-HMAC-SHA256 Credential=AKID2/", 34);
}

/* The file has nothing new: no second attempt. */
static void
test_expired_token_not_renewed(void **state)
{
	(void)state;
	use_file();
	script(S3_ERROR("400", "ExpiredToken"));
	assert_int_equal(put(), SINK_HELD);
	check_methods("PUT");
}

/* ---- long URIs, stores without conditions */

static void
test_long_uri(void **state)
{
	static char uri[8000], decoded[9000];
	struct buf out;
	const char *said;

	(void)state;
	memset(uri, '/', sizeof(uri));
	memset(uri + 700, 0xe9, sizeof(uri) - 700); /* three bytes each once encoded */
	d.item.uri = str_make(uri, sizeof(uri));
	script(OK_200);
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	check_methods("PUT PUT");
	assert_non_null(strstr(peer.requests[0], id));
	assert_non_null(strstr(peer.requests[0], ".uri HTTP/1.1\r\n"));
	assert_int_equal(peer.bodies[0], sizeof(uri));
	assert_memory_equal(strstr(peer.requests[0], "\r\n\r\n") + 4, uri, sizeof(uri));
	assert_string_equal(header(0, "x-amz-meta-bundle"), id);
	snprintf(decoded, sizeof(decoded), ".%s.uri", id);
	assert_string_equal(header(1, "x-amz-meta-uri-rest"), decoded);
	said = header(1, "x-amz-meta-uri");
	assert_true(strlen(said) <= 1600 && strlen(said) > 1590);
	buf_init(&out, 0);
	assert_int_equal(url_decode(str_of(said), &out, false), 0);
	assert_memory_equal(out.p, uri, out.n);
	buf_fini(&out);
}

static void
test_long_uri_again(void **state)
{
	static char uri[3000];

	(void)state;
	memset(uri, 'u', sizeof(uri));
	d.item.uri = str_make(uri, sizeof(uri));
	script(TAKEN_412); /* the companion is there from an earlier attempt */
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	check_methods("PUT PUT");
}

static void
test_long_uri_companion_fails(void **state)
{
	static char uri[3000];

	(void)state;
	memset(uri, 'u', sizeof(uri));
	d.item.uri = str_make(uri, sizeof(uri));
	script(S3_ERROR("503", "SlowDown"));
	assert_int_equal(put(), SINK_AGAIN);
	check_methods("PUT");
}

static void
unconditional(const char *head, enum sink_outcome expected, const char *methods)
{
	setup(NULL);
	configure("keys AKID SECRET", "");
	sink->conditional = false;
	script(head);
	script(OK_200);
	if (put() != expected)
		fail_msg("\"%s\": outcome %d, %s", head, d.result.outcome, d.result.why);
	check_methods(methods);
	if (peer.n_requests == 2)
		assert_null(header(1, "If-None-Match"));
	teardown(NULL);
}

/* Nothing is overwritten there either: the key is looked at first. */
static void
test_unconditional(void **state)
{
	(void)state;
	unconditional(HEAD_404, SINK_CONFIRMED, "HEAD PUT");
	unconditional(HEAD_OURS, SINK_CONFIRMED, "HEAD");
	unconditional(HEAD_OTHER, SINK_TAKEN, "HEAD");
	unconditional("HTTP/1.1 500 X\n", SINK_AGAIN, "HEAD");
	unconditional("HTTP/1.1 403 X\n", SINK_HELD, "HEAD");
}

static void
test_unconditional_key_with_id(void **state)
{
	char key[100];

	(void)state;
	snprintf(key, sizeof(key), "2026/h.%s.jsonl.gz", id);
	d.item.key = str_of(key);
	configure("keys AKID SECRET", "");
	sink->conditional = false;
	script(OK_200);
	assert_int_equal(put(), SINK_CONFIRMED);
	check_methods("PUT");
}

/* ---- probe */

static void
probed(const char *first, const char *second, int expected, bool conditional)
{
	setup(NULL);
	d.probe = true;
	configure("keys AKID SECRET", "prefix=p/");
	if (expected >= 0)
		sink->conditional = !conditional;
	script(first);
	if (second)
		script(second);
	run();
	assert_int_equal(d.probed, expected);
	assert_int_equal(d.conditional, conditional);
	assert_true(expected >= 0 || d.result.why[0]);
	check_methods(second ? "PUT PUT" : "PUT");
	assert_memory_equal(peer.requests[0], "PUT /bkt/p/.sluice-probe HTTP/1.1\r\n", 35);
	assert_string_equal(header(0, "If-None-Match"), "*");
	teardown(NULL);
}

static void
test_probe(void **state)
{
	(void)state;
	probed(OK_200, TAKEN_412, 1, true);
	probed(TAKEN_412, NULL, 1, true);
	probed(OK_200, OK_200, 0, false);
	probed(S3_ERROR("501", "NotImplemented"), NULL, 0, false);
	probed(S3_ERROR("403", "AccessDenied"), NULL, ERR_DENIED, true);
	probed(S3_ERROR("503", "SlowDown"), NULL, ERR_AGAIN, true);
	probed(OK_200, S3_ERROR("409", "ConditionalRequestConflict"), ERR_AGAIN, true);
}

static int answers[3];

static void
probe_task(void *arg)
{
	char why[100];

	*(int *)arg = sink->ops->probe(sink, clock_mono() + d.wait, why, sizeof(why));
}

/* However many ask at once, and again: the store is asked once. */
static void
test_probe_once(void **state)
{
	(void)state;
	configure("keys AKID SECRET", "");
	script(OK_200);
	script(TAKEN_412);
	peer_start(&peer);
	assert_int_equal(loop_init(NULL), 0);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(answers); i++)
			assert_int_equal(task_go("probe", probe_task, &answers[i], NULL), 0);
		assert_int_equal(loop_run_until_idle(), 0);
		for (size_t i = 0; i < ARRAY_LEN(answers); i++)
			assert_int_equal(answers[i], 1);
	}
	sink->ops->close(sink);
	sink = NULL;
	loop_fini();
	peer_stop(&peer);
	check_methods("PUT PUT");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_put),
		TEST(test_stretch_of_a_file),
		TEST(test_empty_object),
		TEST(test_known_digest),
		TEST(test_keep_alive),
		TEST(test_big_body_waits_for_100),
		TEST(test_refused_before_the_body),
		TEST(test_412_ours),
		TEST(test_412_another),
		TEST(test_412_without_id),
		TEST(test_412_then_404),
		cmocka_unit_test(test_412_then_errors),
		cmocka_unit_test(test_unknown_outcomes),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_held),
		TEST(test_retry_after),
		TEST(test_retry_after_date),
		TEST(test_nobody_there),
		TEST(test_source_gone),
		cmocka_unit_test(test_verify),
		TEST(test_verify_after_412),
		TEST(test_skew),
		TEST(test_skew_not_cured),
		TEST(test_skew_of_head),
		TEST(test_expired_token),
		TEST(test_expired_token_not_renewed),
		TEST(test_long_uri),
		TEST(test_long_uri_again),
		TEST(test_long_uri_companion_fails),
		cmocka_unit_test(test_unconditional),
		TEST(test_unconditional_key_with_id),
		cmocka_unit_test(test_probe),
		TEST(test_probe_once),
	};

	http_conf_register();
	stream_conf_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
