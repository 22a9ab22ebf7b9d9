/* sink/smtp as a whole against a scripted peer: what one attempt says, connections kept, lost and missing, records from files, and the line of the
 * configuration. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "http/conf.h"
#include "sink/smtp.h"
#include "sink/stream.h"
#include "task/loop.h"
#include "unit/tmp.h"
#include "unit/unit.h"

/* ---- the peer: one connection after the other; to each line, and to each message, the script's next answer ---- */

#define CLOSE "close" /* the line is read, then the connection closed */
#define HANG "hang"   /* nothing comes back until the client goes */
#define DROP "drop"   /* closed before the next line is read */

#define SCRIPT_MAX 64

struct mail_peer {
	int listener, stop[2];
	unsigned port;
	pthread_t thread;
	const char *script[SCRIPT_MAX];
	unsigned n, at, connections;
	char said[256 * 1024]; /* all that came, each connection's behind a "|" */
	size_t said_n;
};

static struct mail_peer *peer;

static bool
wait_for(int fd)
{
	struct pollfd set[2] = { { .fd = fd, .events = POLLIN },
		{ .fd = peer->stop[0], .events = POLLIN } };

	return poll(set, 2, -1) > 0 && !set[1].revents;
}

/* Reads up to and including end. */
static bool
hear(int fd, const char *end)
{
	size_t from = peer->said_n, n = strlen(end);

	while (peer->said_n - from < n || memcmp(peer->said + peer->said_n - n, end, n) != 0) {
		if (peer->said_n + 1 == sizeof(peer->said) || !wait_for(fd) ||
		    recv(fd, peer->said + peer->said_n, 1, 0) != 1)
			return false;
		peer->said_n++;
	}
	return true;
}

static const char *
next_answer(void)
{
	return peer->at < peer->n ? peer->script[peer->at++] : CLOSE;
}

static void
talk(int fd)
{
	const char *answer = next_answer();

	for (;;) {
		const char *end = strncmp(answer, "354", 3) == 0 ? "\r\n.\r\n" : "\r\n";

		if (strcmp(answer, CLOSE) == 0)
			return;
		if (strcmp(answer, HANG) != 0 && send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
			return;
		if (peer->at < peer->n && strcmp(peer->script[peer->at], DROP) == 0) {
			peer->at++;
			return;
		}
		if (!hear(fd, end))
			return;
		answer = memcmp(peer->said + peer->said_n - 6, "QUIT\r\n", 6) == 0 ? "221 bye\r\n"
										   : next_answer();
	}
}

static void *
serve(void *arg)
{
	(void)arg;
	while (wait_for(peer->listener)) {
		int fd = accept(peer->listener, NULL, NULL);

		if (peer->connections++ > 0)
			peer->said[peer->said_n++] = '|';
		talk(fd);
		close(fd);
	}
	return NULL;
}

static void
peer_open(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	peer = calloc(1, sizeof(*peer));
	peer->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(peer->listener, 16), 0);
	assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(pipe(peer->stop), 0);
	peer->port = ntohs(at.sin_port);
}

static void
say(const char *answer)
{
	assert_true(peer->n < SCRIPT_MAX);
	peer->script[peer->n++] = answer;
}

static void
say_hello(void)
{
	say("220 hi\r\n");
	say("250-mx\r\n250 8BITMIME\r\n");
}

static void
say_taken(void)
{
	say("250 ok\r\n");
	say("250 ok\r\n");
	say("354 go\r\n");
	say("250 queued\r\n");
}

/* ---- attempts ---- */

#define ATTEMPTS 8

static struct tmp tmp;
static struct conf *conf;
static struct sink *sink;
static struct sink_message message;
static struct sink_result results[ATTEMPTS];
static int64_t patience, pause_between;
static struct task_handle sender;
static unsigned wanted, running;

static void
run_task(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < wanted; i++) {
		if (i > 0 && pause_between > 0)
			task_sleep_until(clock_mono() + pause_between);
		sink->ops->send(sink, &message, clock_mono() + patience, &results[i]);
	}
	sink->ops->close(sink);
}

static void
one_of_many(void *arg)
{
	sink->ops->send(sink, &message, clock_mono() + patience, arg);
	if (--running == 0)
		sink->ops->close(sink);
}

static void
cancel_task(void *arg)
{
	(void)arg;
	task_sleep_until(clock_mono() + 20 * NS_PER_MS);
	task_cancel(sender);
}

static int
load(const char *line)
{
	struct buf text;
	int err;

	conf_free(conf);
	conf = conf_new();
	buf_init(&text, 0);
	buf_printf(&text, "http { stream mails { sink smtp %s; } }", line);
	err = conf_parse_text(conf, "test.conf", buf_str(&text));
	if (!err)
		err = conf_check(conf);
	if (!err)
		err = conf_apply(conf);
	buf_fini(&text);
	return err;
}

static void
configure(const char *options)
{
	const struct sink_conf *s;
	char line[400], why[200] = "";

	snprintf(line, sizeof(line),
	    "smtp://127.0.0.1:%u starttls=off helo=me.example from=me@x.example "
	    "to=$json.to \"subject=to $json.to\" %s",
	    peer->port, options);
	if (load(line))
		fail_msg("%.*s", STR_ARG(conf_messages(conf)));
	s = stream_first(conf)->sink;
	if (s->ops->open(s, &sink, why, sizeof(why)))
		fail_msg("%s", why);
}

static void
start_all(void)
{
	assert_int_equal(pthread_create(&peer->thread, NULL, serve, NULL), 0);
	assert_int_equal(loop_init(NULL), 0);
	if (!sink)
		configure("");
}

static void
finish_all(void)
{
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
	assert_int_equal(write(peer->stop[1], "x", 1), 1);
	pthread_join(peer->thread, NULL);
	peer->said[peer->said_n] = '\0';
	sink = NULL;
}

static enum sink_outcome
send_messages(unsigned n)
{
	wanted = n;
	start_all();
	assert_int_equal(task_go("send", run_task, NULL, &sender), 0);
	finish_all();
	return results[0].outcome;
}

static int
setup(void **state)
{
	(void)state;
	tmp_init(&tmp);
	peer_open();
	memset(results, 0, sizeof(results));
	patience = 20 * NS_PER_S;
	pause_between = 0;
	message = (struct sink_message){ .id = "0123456789abcdef0123456789abcdef",
		.stream = STR("mails"),
		.method = STR("POST"),
		.received = INT64_C(1795309323) * NS_PER_S,
		.attempt = 1,
		.body = STR("{\"to\":\"a@x.example\"}") };
	message.length = message.body.n;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(peer->listener);
	close(peer->stop[0]);
	close(peer->stop[1]);
	free(peer);
	conf_free(conf);
	conf = NULL;
	tmp_fini(&tmp);
	return 0;
}

#define HELLO "EHLO me.example\r\n"
#define HEAD "MAIL FROM:<me@x.example>\r\nRCPT TO:<a@x.example>\r\nDATA\r\n"
#define MAIL(body)                                                         \
	"Date: Sun, 22 Nov 2026 01:02:03 +0000\r\nFrom: me@x.example\r\n"  \
	"To: a@x.example\r\nSubject: to a@x.example\r\n"                   \
	"Message-ID: <0123456789abcdef0123456789abcdef@x.example>\r\n"     \
	"Auto-Submitted: auto-generated\r\nX-Sluice-Stream: mails\r\n"     \
	"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
	"Content-Transfer-Encoding: 7bit\r\n\r\n" body ".\r\n"
#define USUAL HEAD MAIL("{\"to\":\"a@x.example\"}\r\n")

/* ---- what goes over the wire ---- */

static void
test_one(void **state)
{
	(void)state;
	say_hello();
	say_taken();
	assert_int_equal(send_messages(1), SINK_CONFIRMED);
	assert_string_equal(results[0].why, "250 queued");
	assert_int_equal(results[0].status, 250);
	assert_string_equal(peer->said, HELLO USUAL "QUIT\r\n");
}

static void
test_connection_is_kept(void **state)
{
	(void)state;
	say_hello();
	say_taken();
	say("250 ok\r\n");
	say("550 5.1.1 no such user\r\n");
	say("250 reset\r\n");
	say_taken();
	assert_int_equal(send_messages(3), SINK_CONFIRMED);
	assert_int_equal(results[1].outcome, SINK_PERMANENT);
	assert_string_equal(results[1].why, "550 5.1.1 no such user (RCPT a@x.example)");
	assert_int_equal(results[1].status, 550);
	assert_int_equal(results[2].outcome, SINK_CONFIRMED);
	assert_int_equal(peer->connections, 1);
	assert_string_equal(peer->said, HELLO USUAL
	    "MAIL FROM:<me@x.example>\r\nRCPT TO:<a@x.example>\r\nRSET\r\n" USUAL "QUIT\r\n");
}

static void
test_connection_is_not_kept(void **state)
{
	(void)state;
	configure("keepalive_timeout=0");
	for (unsigned i = 0; i < 2; i++) {
		say_hello();
		say_taken();
	}
	assert_int_equal(send_messages(2), SINK_CONFIRMED);
	assert_int_equal(results[1].outcome, SINK_CONFIRMED);
	assert_string_equal(peer->said, HELLO USUAL "QUIT\r\n|" HELLO USUAL "QUIT\r\n");
}

static void
test_idle_ends(void **state)
{
	(void)state;
	configure("keepalive_timeout=20ms");
	pause_between = 300 * NS_PER_MS;
	for (unsigned i = 0; i < 2; i++) {
		say_hello();
		say_taken();
	}
	assert_int_equal(send_messages(2), SINK_CONFIRMED);
	assert_string_equal(peer->said, HELLO USUAL "QUIT\r\n|" HELLO USUAL "QUIT\r\n");
}

/* ---- records ---- */

static void
put_file(const void *p, size_t n)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/record", tmp.dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite("before", 1, 6, f), 6);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fwrite("behind", 1, 6, f), 6);
	fclose(f);
	message.body = str_make(NULL, 0);
	message.path = strdup(path);
	message.offset = 6;
	message.length = n;
}

static void
test_file(void **state)
{
	(void)state;
	put_file("{\"to\":\"a@x.example\"}", 20);
	say_hello();
	say_taken();
	assert_int_equal(send_messages(1), SINK_CONFIRMED);
	assert_string_equal(peer->said, HELLO USUAL "QUIT\r\n");
	free((void *)(uintptr_t)message.path);
}

static void
test_file_is_short(void **state)
{
	(void)state;
	put_file("{}", 2);
	message.length = 100;
	assert_int_equal(send_messages(1), SINK_AGAIN);
	assert_string_equal(results[0].why, "the record's file is shorter than it should be");
	assert_int_equal(peer->connections, 0);
	free((void *)(uintptr_t)message.path);
}

static size_t
gzip(const char *text, size_t n, unsigned char *out, size_t cap)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)text;
	z.avail_in = (unsigned)n;
	z.next_out = out;
	z.avail_out = (unsigned)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return cap - z.avail_out;
}

/* Two members, of which the client made one record. */
static void
test_gzip(void **state)
{
	unsigned char packed[400];
	size_t n = gzip("{\"to\":\"a@x", 10, packed, 200);

	(void)state;
	n += gzip(".example\"}", 10, packed + n, 200);
	message.body = str_make(packed, n);
	message.content_encoding = STR("gzip");
	say_hello();
	say_taken();
	assert_int_equal(send_messages(1), SINK_CONFIRMED);
	assert_string_equal(peer->said, HELLO USUAL "QUIT\r\n");
}

static void
test_bad_gzip(void **state)
{
	static const struct {
		const char *coding;
		size_t length, cut;
		enum sink_outcome outcome;
		const char *why;
	} table[] = {
		{ "gzip", 500, 3, SINK_POISON, "the record says that it is gzip, and is not" },
		{ "gzip", 500, 9, SINK_POISON, "the record says that it is gzip, and is not" },
		{ "br", 500, 0, SINK_POISON, "the record's Content-Encoding is \"br\", not gzip" },
		{ "gzip", 1025, 0, SINK_PERMANENT, "the record is larger than max_size=1024" },
		{ "gzip", 5000, 0, SINK_PERMANENT, "the record is larger than max_size=1024" },
		{ "gzip", 1024, 0, SINK_POISON, "the record is not JSON (at byte 0)" },
	};
	static char text[5000];
	unsigned char packed[400];

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		size_t n = gzip(text, table[i].length, packed, sizeof(packed));

		teardown(NULL);
		setup(NULL);
		message.body = str_make(packed, n - table[i].cut);
		message.content_encoding = str_of(table[i].coding);
		configure("max_size=1k");
		send_messages(1);
		assert_string_equal(results[0].why, table[i].why);
		assert_int_equal(results[0].outcome, table[i].outcome);
		assert_int_equal(peer->connections, 0);
	}
}

static void
test_unfit(void **state)
{
	(void)state;
	message.body = STR("{\"to\":\"nobody\"}");
	assert_int_equal(send_messages(1), SINK_PERMANENT);
	assert_string_equal(results[0].why, "to: \"nobody\" is no mail address");
	assert_int_equal(peer->connections, 0);
}

/* Large: written by a helper, in many pieces, and back-pressure of the socket. */
static void
test_large(void **state)
{
	struct buf body;

	(void)state;
	buf_init(&body, 0);
	buf_puts(&body, "{\"to\":\"a@x.example\",\"lines\":[1");
	for (unsigned i = 0; i < 12000; i++)
		buf_puts(&body, "\n,\"x\"");
	buf_puts(&body, "]}");
	message.body = buf_str(&body);
	say_hello();
	say_taken();
	assert_int_equal(send_messages(1), SINK_CONFIRMED);
	assert_true(peer->said_n > 12000 * 6);
	assert_non_null(strstr(peer->said, ",\"x\"]}\r\n.\r\nQUIT\r\n"));
	buf_fini(&body);
}

/* ---- connections that fail ---- */

/* The server closed it while nobody looked, or just when it was used again. */
static void
test_kept_connection_is_gone(void **state)
{
	(void)state;
	say_hello();
	say_taken();
	say(DROP);
	pause_between = 50 * NS_PER_MS;
	say_hello();
	say_taken();
	say(CLOSE); /* upon MAIL: not until then does it show */
	say_hello();
	say_taken();
	say("421 4.4.2 idle for too long\r\n");
	say(DROP);
	say_hello();
	say_taken();
	assert_int_equal(send_messages(4), SINK_CONFIRMED);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(results[i].outcome, SINK_CONFIRMED);
	assert_int_equal(peer->connections, 4);
}

/* Behind the text nobody knows: it is not sent twice in one attempt. */
static void
test_lost_answer(void **state)
{
	(void)state;
	say_hello();
	say_taken();
	say("250 ok\r\n");
	say("250 ok\r\n");
	say("354 go\r\n");
	say(CLOSE);
	assert_int_equal(send_messages(2), SINK_CONFIRMED);
	assert_int_equal(results[1].outcome, SINK_AGAIN);
	assert_string_equal(results[1].why, "closed by peer (message)");
	assert_int_equal(peer->connections, 1);
}

static void
test_refused_connection(void **state)
{
	char expected[100];

	(void)state;
	configure("");
	close(peer->listener);
	peer->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(listen(peer->listener, 1), 0);
	snprintf(
	    expected, sizeof(expected), "connect to 127.0.0.1:%u: connection refused", peer->port);
	assert_int_equal(send_messages(1), SINK_AGAIN);
	assert_string_equal(results[0].why, expected);
	assert_int_equal(results[0].status, 0);
}

static void
test_slow_server(void **state)
{
	(void)state;
	say(HANG);
	patience = 300 * NS_PER_MS;
	assert_int_equal(send_messages(1), SINK_AGAIN);
	assert_string_equal(results[0].why, "timed out (greeting)");
	teardown(NULL), setup(NULL);
	configure("timeout=500ms");
	say_hello();
	say(HANG);
	assert_int_equal(send_messages(1), SINK_AGAIN);
	assert_string_equal(results[0].why, "timed out (MAIL)");
}

static void
test_cancel(void **state)
{
	(void)state;
	say_hello();
	say(HANG);
	wanted = 1;
	start_all();
	assert_int_equal(task_go("send", run_task, NULL, &sender), 0);
	assert_int_equal(task_go("cancel", cancel_task, NULL, NULL), 0);
	finish_all();
	assert_int_equal(results[0].outcome, SINK_AGAIN);
	assert_non_null(strstr(results[0].why, "cancelled"));
}

/* Each attempt has a connection of its own; the peer serves one after the other. */
static void
test_side_by_side(void **state)
{
	(void)state;
	configure("keepalive_timeout=0");
	for (unsigned i = 0; i < 3; i++) {
		say_hello();
		say_taken();
	}
	start_all();
	for (running = 0; running < 3; running++)
		assert_int_equal(task_go("send", one_of_many, &results[running], NULL), 0);
	finish_all();
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(results[i].outcome, SINK_CONFIRMED);
	assert_int_equal(peer->connections, 3);
}

static void
test_login(void **state)
{
	char options[400];
	FILE *f;

	(void)state;
	snprintf(options, sizeof(options), "%s/password", tmp.dir);
	f = fopen(options, "w");
	assert_non_null(f);
	fputs("secret\nmore\n", f);
	fclose(f);
	snprintf(options, sizeof(options),
	    "user=joe password_file=%s/password insecure_auth=on keepalive_timeout=0", tmp.dir);
	configure(options);
	say("220 hi\r\n");
	say("250-mx\r\n250 AUTH PLAIN\r\n");
	say("235 ok\r\n");
	say_taken();
	say("220 hi\r\n");
	say("250-mx\r\n250 AUTH PLAIN\r\n");
	say("535 5.7.8 wrong\r\n");
	assert_int_equal(send_messages(2), SINK_CONFIRMED);
	assert_non_null(strstr(peer->said, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\nMAIL"));
	assert_int_equal(results[1].outcome, SINK_HELD);
	assert_string_equal(results[1].why, "535 5.7.8 wrong (AUTH)");
}

/* ---- the line ---- */

static void
refused(const char *line, const char *message_part)
{
	struct str said;
	char text[4000];

	if (load(line) == 0)
		fail_msg("accepted: %s", line);
	said = conf_messages(conf);
	snprintf(text, sizeof(text), "%.*s", STR_ARG(said));
	if (!strstr(text, message_part))
		fail_msg("\"%s\" is not in: %s", message_part, text);
	if (strstr(text, "hunter2"))
		fail_msg("the password is in: %s", text);
}

static void
accepted(const char *line, const char *destination)
{
	const struct stream_conf *s;

	if (load(line))
		fail_msg("%.*s", STR_ARG(conf_messages(conf)));
	s = stream_first(conf);
	assert_true(str_is(s->sink->destination, destination));
	assert_int_equal(s->mode, STREAM_MESSAGE);
}

#define REST " from=a@b to=c@d subject=s"

static void
test_configuration(void **state)
{
	(void)state;
	accepted("smtp://mx.example" REST, "smtp:mx.example:25");
	accepted("smtps://mx.example/" REST, "smtp:mx.example:465");
	accepted("smtp+starttls://joe:hunter2@mx.example" REST, "smtp:mx.example:587");
	accepted("smtp://j%40e:hunter%3a2@[::1]:2525" REST, "smtp:::1:2525");
	accepted("smtp://10.0.0.1:2525 'from=\"A, B\" <a@b>' 'to=c@d, <e@f>' subject=s "
		 "body=$json.x starttls=required helo=[10.0.0.2] max_recipients=2 max_size=1m "
		 "timeout=5s keepalive_timeout=1m",
	    "smtp:10.0.0.1:2525");
	accepted(
	    "smtp://mx.example from=\"A B <a@b>\" to='\"C, D\" <c@d>' subject=\"a $json.b; c\" "
	    "body=\"line\\n\"",
	    "smtp:mx.example:25");
	refused("", "needs a URL");
	refused("mx.example" REST, "needs a URL");
	refused("http://mx.example" REST, "needs a URL");
	refused("smtp://" REST, "needs a URL");
	refused("smtp://mx.example:0" REST, "needs a URL");
	refused("smtp://mx.example:x" REST, "needs a URL");
	refused("smtp://mx.example/x" REST, "needs a URL");
	refused("smtp://joe:hunter2@" REST, "needs a URL");
	refused("smtp://joe:hunter2%0a@mx.example" REST, "needs a URL");
	refused("smtp://:hunter2@mx.example" REST, "needs a URL");
	refused("smtp://mx.example to=c@d subject=s", "has no from=");
	refused("smtp://mx.example from=a@b subject=s", "has no to=");
	refused("smtp://mx.example from=a@b to=c@d", "has no subject=");
	refused("smtp://mx.example" REST " colour=red", "invalid argument \"colour=red\"");
	refused("smtp://mx.example from=a to=c@d subject=s", "from of \"sink smtp\": \"a\"");
	refused("smtp://mx.example from=a@b,c@d to=c@d subject=s", "too many addresses");
	refused("smtp://mx.example from=a@b to=c@d,e@f subject=s max_recipients=1", "too many");
	refused(
	    "smtp://mx.example from=a@b to=$json.. subject=s", "invalid variable in \"$json..\"");
	refused("smtp://mx.example" REST " helo=a_b", "invalid helo");
	refused("smtp://mx.example" REST " starttls=maybe", "invalid starttls");
	refused("smtps://mx.example" REST " starttls=on", "goes with smtp://");
	refused("smtp://mx.example" REST " insecure_auth=yes", "invalid insecure_auth");
	refused("smtp://mx.example" REST " max_size=1", "invalid max_size");
	refused("smtp://mx.example" REST " max_recipients=101", "invalid max_recipients");
	refused("smtp://mx.example" REST " timeout=0", "invalid timeout");
	refused("smtp://mx.example" REST " user=joe", "has a user, but no password");
	refused("smtp://mx.example" REST " password_file=/x", "has a password, but no user");
	refused("smtp://joe:hunter2@mx.example" REST " password_file=/x", "one of them");
	refused("smtp://joe:hunter2@mx.example" REST " starttls=off", "without TLS");
	refused("smtp://joe@mx.example" REST " password_file=/no/such/file",
	    "password file /no/such/file");
	refused("smtp://mx.example" REST " ca_file=/no/such/file", "/no/such/file");
	refused("smtp://mx.example" REST "; mode bundle", "smtp");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_one),
		CASE(test_connection_is_kept),
		CASE(test_connection_is_not_kept),
		CASE(test_idle_ends),
		CASE(test_file),
		CASE(test_file_is_short),
		CASE(test_gzip),
		CASE(test_bad_gzip),
		CASE(test_unfit),
		CASE(test_large),
		CASE(test_kept_connection_is_gone),
		CASE(test_lost_answer),
		CASE(test_refused_connection),
		CASE(test_slow_server),
		CASE(test_cancel),
		CASE(test_side_by_side),
		CASE(test_login),
		CASE(test_configuration),
	};

	http_conf_register();
	stream_conf_register();
	return cmocka_run_group_tests_name("smtp", tests, NULL, NULL);
}
