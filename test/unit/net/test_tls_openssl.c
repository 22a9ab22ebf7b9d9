/*
 * TLS against another implementation: openssl s_client talks to our server, our client to openssl s_server.
 */
#include "unit/net/net_test.h"

#include <sys/wait.h>

#include "net/dial.h"
#include "unit/net/test_certs.h"

static struct tmp tmp;
static struct tls_server *good, *rsa;
static struct tls_client *client;

static int
setup(void **state)
{
	char error[256];

	(void)state;
	certs_make(&tmp);
	if (tls_server_new(tmp_path(&tmp, "good.pem"), tmp_path(&tmp, "good.key"), 8192, &good,
		error, sizeof(error)) != 0 ||
	    tls_server_new(tmp_path(&tmp, "rsa.pem"), tmp_path(&tmp, "rsa.key"), 8192, &rsa, error,
		sizeof(error)) != 0)
		return -1;
	return tls_client_new(tmp_path(&tmp, "ca.pem"), &client, error, sizeof(error));
}

static int
teardown(void **state)
{
	(void)state;
	tls_server_free(good);
	tls_server_free(rsa);
	tls_client_free(client);
	tmp_fini(&tmp);
	return 0;
}

/* A shell command in the folder of the certificates, run by a helper thread. */
struct command {
	char line[512];
	char out[65536];
	int status;
};

static int
run_command(void *arg)
{
	struct command *c = arg;
	FILE *f = popen(c->line, "r");

	if (f == NULL)
		return ERR_IO;
	c->out[fread(c->out, 1, sizeof(c->out) - 1, f)] = '\0';
	c->status = pclose(f);
	return 0;
}

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

/* ---- s_client to our server ---- */

struct visit {
	struct tls_server *server;
	const char *arguments;
	unsigned connections;
	int listen_fd;
	uint16_t port;
	int result; /* of the last handshake */
	char text[128];
	struct command *command;
};

/* Reads one line, answers it, closes. */
static void
serve(void *arg)
{
	struct visit *v = arg;

	for (unsigned i = 0; i < v->connections; i++) {
		struct conn c;
		char buf[256];
		ssize_t n;

		accept_conn(v->listen_fd, &c);
		v->result = tls_accept(&c, v->server, NULL, NULL, LATE);
		snprintf(v->text, sizeof(v->text), "%s", tls_error_text(&c));
		if (v->result == 0) {
			n = conn_read(&c, buf, sizeof(buf), LATE);
			if (n > 0) {
				assert_int_equal(conn_write(&c, "you said: ", 10, 0, LATE), 0);
				assert_int_equal(conn_write(&c, buf, (size_t)n, 0, LATE), 0);
			}
		}
		conn_close(&c);
	}
}

static void
visit_task(void *arg)
{
	struct visit *v = arg;

	snprintf(v->command->line, sizeof(v->command->line),
	    "cd %s && echo ping | openssl s_client -connect 127.0.0.1:%u -CAfile ca.pem "
	    "-verify_return_error %s 2>&1",
	    tmp.dir, v->port, v->arguments);
	assert_int_equal(offload(OFFLOAD_MISC, run_command, v->command), 0);
}

/* The caller frees v.command. */
static struct visit
visit(struct tls_server *server, const char *arguments, unsigned connections)
{
	struct visit v = { .server = server,
		.arguments = arguments,
		.connections = connections,
		.command = calloc(1, sizeof(*v.command)) };

	assert_non_null(v.command);
	v.listen_fd = listen_free(&v.port);
	start(serve, &v);
	start(visit_task, &v);
	run_all();
	close(v.listen_fd);
	return v;
}

static void
assert_served(struct tls_server *server, const char *arguments, const char *also)
{
	struct visit v = visit(server, arguments, 1);

	if (v.result != 0 || strstr(v.command->out, "you said: ping") == NULL ||
	    strstr(v.command->out, also) == NULL)
		fail_msg("%s: %s: %s", arguments, v.text, v.command->out);
	free(v.command);
}

static void
test_s_client(void **state)
{
	static const char *const ciphers[] = { "ECDHE-ECDSA-AES128-GCM-SHA256",
		"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
		"ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA" };
	char arguments[256];

	(void)state;
	assert_served(good, "-ign_eof -verify_hostname good.example", "Verify return code: 0 (ok)");
	assert_served(good, "-ign_eof -verify_ip 127.0.0.1", "Verify return code: 0 (ok)");
	/* The intermediate is sent along. */
	assert_served(rsa, "-ign_eof -verify_hostname rsa.example", "Verify return code: 0 (ok)");
	assert_served(rsa, "-ign_eof -cipher AES128-GCM-SHA256", "AES128-GCM-SHA256");
	for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
		snprintf(arguments, sizeof(arguments), "-ign_eof -cipher %s", ciphers[i]);
		assert_served(good, arguments, ciphers[i]);
	}
}

static void
assert_turned_away(const char *arguments, const char *text)
{
	struct visit v = visit(good, arguments, 1);

	if (v.result != ERR_TLS || strcmp(v.text, text) != 0 || v.command->status == 0)
		fail_msg("%s: %d, %s", arguments, v.result, v.text);
	free(v.command);
}

static void
test_s_client_turned_away(void **state)
{
	(void)state;
	/* TLS 1.3 says 1.2 in its hello, but brings suites of its own. */
	assert_turned_away("-tls1_3", "no version, cipher suite or key in common");
	assert_turned_away("-tls1_1 -cipher ALL:@SECLEVEL=0", "protocol version not offered");
	/* RSA only, to a server with an EC key. */
	assert_turned_away("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
	    "no version, cipher suite or key in common");
	assert_turned_away("-tls1_2 -cipher ECDHE-ECDSA-CAMELLIA128-SHA256:@SECLEVEL=0",
	    "no version, cipher suite or key in common");
	assert_turned_away("-CAfile other-ca.pem", "peer's alert: unknown CA");
}

static void
test_older_versions(void **state)
{
	(void)state;
	tls_server_set_oldest(good, TLS_V1_0);
	assert_served(good, "-ign_eof -tls1_1 -cipher ALL:@SECLEVEL=0", "TLSv1.1");
	assert_served(good, "-ign_eof -tls1 -cipher ALL:@SECLEVEL=0", "TLSv1");
	assert_served(good, "-ign_eof", "TLSv1.2");
	tls_server_set_oldest(good, TLS_V1_2);
}

static void
test_s_client_resumes(void **state)
{
	struct visit v = visit(good, "-tls1_2 -reconnect", 6);

	(void)state;
	assert_int_equal(v.result, 0);
	assert_int_equal(count(v.command->out, "New, TLSv1.2"), 1);
	assert_int_equal(count(v.command->out, "Reused, TLSv1.2"), 5);
	free(v.command);
}

/* ---- our client to s_server ---- */

struct call {
	const char *arguments; /* of s_server */
	const char *host;
	void (*client_does)(struct conn *c);
	uint16_t port;
	int result;
	char text[128];
	struct command *command;
};

static void
s_server_task(void *arg)
{
	struct call *call = arg;

	snprintf(call->command->line, sizeof(call->command->line),
	    "cd %s && openssl s_server -accept 127.0.0.1:%u -naccept 1 %s 2>&1", tmp.dir,
	    call->port, call->arguments);
	assert_int_equal(offload(OFFLOAD_MISC, run_command, call->command), 0);
}

static void
call_task(void *arg)
{
	struct call *call = arg;
	struct dial_target plain = { .host = STR("127.0.0.1"), .port = call->port };
	struct conn c;
	char why[128];

	/* It listens once it has started. */
	while ((call->result = dial(&c, &plain, LATE, why, sizeof(why))) == ERR_REFUSED)
		assert_int_equal(task_sleep_until(clock_mono() + 10 * MS), 0);
	assert_int_equal(call->result, 0);
	call->result = tls_connect(&c, client, str_of(call->host), LATE);
	snprintf(call->text, sizeof(call->text), "%s", tls_error_text(&c));
	if (call->result == 0)
		call->client_does(&c);
	conn_close(&c);
}

static struct call
call_s_server(const char *arguments, const char *host, void (*client_does)(struct conn *))
{
	struct call call = { .arguments = arguments,
		.host = host,
		.client_does = client_does,
		.command = calloc(1, sizeof(*call.command)) };

	assert_non_null(call.command);
	close(listen_free(&call.port));
	start(s_server_task, &call);
	start(call_task, &call);
	run_all();
	free(call.command);
	call.command = NULL;
	return call;
}

static void
assert_called(const char *arguments, const char *host, void (*client_does)(struct conn *))
{
	struct call call = call_s_server(arguments, host, client_does);

	if (call.result != 0)
		fail_msg("%s: %d, %s", arguments, call.result, call.text);
}

static void
reversed(struct conn *c)
{
	char buf[64];
	size_t n = 0;

	assert_int_equal(conn_write(c, "abc\n", 4, 0, LATE), 0);
	while (n < 4) {
		ssize_t r = conn_read(c, buf + n, sizeof(buf) - n, LATE);

		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_memory_equal(buf, "cba\n", 4);
}

static void
test_s_server(void **state)
{
	(void)state;
	assert_called("-cert good.pem -key good.key -rev -quiet", "good.example", reversed);
	assert_called("-cert good.pem -key good.key -rev -quiet", "127.0.0.1", reversed);
	assert_called("-cert leaf.pem -cert_chain middle.pem -key rsa.key -rev -quiet",
	    "rsa.example", reversed);
	assert_called("-cert good.pem -key good.key -rev -quiet -cipher "
		      "ECDHE-ECDSA-CHACHA20-POLY1305",
	    "good.example", reversed);
	assert_called("-cert leaf.pem -cert_chain middle.pem -key rsa.key -rev -quiet -cipher "
		      "AES256-SHA256",
	    "rsa.example", reversed);
	/* It would like a certificate of ours; we have none. */
	assert_called(
	    "-cert good.pem -key good.key -rev -quiet -verify 1", "good.example", reversed);
}

static void
test_s_server_refused(void **state)
{
	struct call call = call_s_server(
	    "-cert good.pem -key good.key -rev -quiet -tls1_3", "good.example", reversed);

	(void)state;
	assert_int_equal(call.result, ERR_TLS);
	assert_string_equal(call.text, "peer's alert: protocol version");
	/* Without the intermediate the chain ends nowhere. */
	call = call_s_server("-cert leaf.pem -key rsa.key -rev -quiet", "rsa.example", reversed);
	assert_int_equal(call.result, ERR_TLS);
	assert_string_equal(call.text, "certificate of an unknown issuer");
}

#define LARGE (2 * 1024 * 1024 + 1)

static void
fetch(struct conn *c)
{
	static const char request[] = "GET /large HTTP/1.0\r\n\r\n";
	static const char end[] = "\r\n\r\n";
	size_t matched = 0;
	char byte;

	assert_int_equal(conn_write(c, request, sizeof(request) - 1, 0, LATE), 0);
	while (matched < 4) {
		assert_int_equal(conn_read(c, &byte, 1, LATE), 1);
		matched = byte == end[matched] ? matched + 1 : byte == '\r';
	}
	read_pattern(c, LARGE, 3001);
}

static void
test_large_file(void **state)
{
	FILE *f = fopen(tmp_path(&tmp, "large"), "w");
	unsigned char *p = malloc(LARGE);

	(void)state;
	assert_non_null(f);
	assert_non_null(p);
	fill_pattern(p, LARGE, 0);
	assert_int_equal(fwrite(p, 1, LARGE, f), LARGE);
	assert_int_equal(fclose(f), 0);
	free(p);
	assert_called("-cert good.pem -key good.key -WWW -quiet", "good.example", fetch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_s_client),
		NET_TEST(test_s_client_turned_away),
		NET_TEST(test_older_versions),
		NET_TEST(test_s_client_resumes),
		NET_TEST(test_s_server),
		NET_TEST(test_s_server_refused),
		NET_TEST(test_large_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
