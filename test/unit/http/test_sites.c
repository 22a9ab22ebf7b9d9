/*
 * Servers with names, expressions and certificates, over the wire: TLS with SNI both ways,
 * expressions run on helpers, unix sockets, one socket for several addresses.
 */
#include "unit/http/http_test.h"
#include "unit/net/test_certs.h"

static struct tmp tmp;

static struct http_exchange *
exchange(const char *method, const char *host, const char *target)
{
	struct http_exchange *x = calloc(1, sizeof(*x));

	x->method = str_of(method);
	x->host = str_of(host);
	x->target = str_of(target);
	x->body_fd = -1;
	x->reply_max = 1 << 20;
	x->deadline = LATE;
	return x;
}

static void
expect_reply(struct http_client *c, const char *host, const char *target, const char *body)
{
	struct http_exchange *x = exchange("GET", host, target);
	int err = http_exchange(c, x);

	if (err < 0)
		fail_msg("%s: %s", err_text(err), x->why);
	assert_string_equal(buf_cstr(&x->reply), body);
	http_exchange_fini(x);
	free(x);
}

static struct http_client *
client(const char *host, struct tls_client *tls)
{
	struct dial_target t = { .host = str_of(host), .port = site.port, .tls = tls };

	return http_client_new(&t, 4, 10 * NS_PER_S);
}

/* The configuration's text may name the port as PORT and the folder as DIR. */
static void
with_text(const char *text, void (*fn)(void))
{
	char all[4096], port[16];
	const char *from = text;
	size_t n = 0;

	site.port = free_port();
	snprintf(port, sizeof(port), "%u", site.port);
	while (*from && n < sizeof(all) - 128) {
		const char *word = strncmp(from, "PORT", 4) == 0  ? port
				   : strncmp(from, "DIR", 3) == 0 ? tmp.dir
								  : NULL;

		if (word) {
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s", word);
			from += *from == 'P' ? 4 : 3;
		} else {
			all[n++] = *from++;
		}
	}
	all[n] = 0;
	site_start(all);
	site_run(fn);
}

static void
tls_and_names(void)
{
	struct tls_client *trust;
	struct http_client *c, *other;
	char why[256] = "";

	if (tls_client_new(tmp_path(&tmp, "ca.pem"), &trust, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	/* The certificate fits the name asked for, or the client would not speak. */
	c = client("127.0.0.1", trust);
	for (int i = 0; i < 3; i++) {
		expect_reply(c, "127.0.0.1", "/", "default https");
		expect_reply(c, "other", "/scheme", "default https");
	}
	assert_int_equal(http_connections(), 1);
	other = client("localhost", trust);
	expect_reply(other, "localhost", "/", "by name");
	/* Long enough idle to have given its buffers back. */
	task_sleep_until(clock_mono() + 20 * MS);
	assert_int_equal(http_active(), 0);
	expect_reply(c, "127.0.0.1", "/", "default https");
	expect_reply(other, "localhost", "/", "by name");
	assert_int_equal(http_connections(), 2);
	http_client_free(c);
	http_client_free(other);
	tls_client_free(trust);
}

/* What is not TLS is not answered, and holds nobody up. */
static void
plain_text_to_tls(void)
{
	struct peer p;

	peer_open(&p);
	peer_say(&p, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
	while (peer_fill(&p))
		continue;
	assert_null(memmem(p.in.p, p.in.n, "HTTP/", 5));
	peer_close(&p);
}

static void
expressions(void)
{
	struct http_client *c = client("127.0.0.1", NULL);
	char *deep = malloc(8000);

	expect_reply(c, "www7.example:99", "/", "numbered /");
	expect_reply(c, "WWW7.EXAMPLE", "/x%2Egif", "picture");
	expect_reply(c, "www7.example", "/a/../b//c.GIF", "picture");
	expect_reply(c, "www7.example", "/p/q.gif", "no pictures here");
	expect_reply(c, "nobody", "/x.gif", "default");
	/* What would take a matcher that recurses far down its stack. */
	memset(deep, 'a', 7000);
	memcpy(deep, "/", 1);
	strcpy(deep + 7000, ".gif");
	expect_reply(c, "www7.example", deep, "picture");
	free(deep);
	http_client_free(c);
}

static void
unix_socket(void)
{
	struct dial_target t = { .host = STR("") };
	struct http_client *c;
	char path[128];

	snprintf(path, sizeof(path), "unix:%s/sock", tmp.dir);
	t.host = str_of(path);
	c = http_client_new(&t, 1, NS_PER_S);
	expect_reply(c, "x", "/", "from unix:");
	expect_reply(c, "x", "/", "from unix:");
	assert_int_equal(http_connections(), 1);
	http_client_free(c);
}

/* Both addresses come in on the wildcard's socket, and are told apart. */
static void
one_socket(void)
{
	struct http_client *a = client("127.0.0.1", NULL), *b = client("127.0.0.2", NULL);

	assert_null(site.listen->next);
	expect_reply(a, "t", "/", "any");
	expect_reply(b, "t", "/", "second");
	http_client_free(a);
	http_client_free(b);
}

static void
test_tls_and_names(void **state)
{
	(void)state;
	with_text("http { ssl_session_cache builtin; ssl_certificate DIR/good.pem;"
		  "ssl_certificate_key DIR/good.key;"
		  "server { listen 127.0.0.1:PORT ssl; return 200 \"default $scheme\"; }"
		  "server { listen 127.0.0.1:PORT; server_name localhost;"
		  "ssl_certificate DIR/local.pem; ssl_certificate_key DIR/good.key;"
		  "return 200 \"by name\"; } }",
	    tls_and_names);
}

static void
test_plain_text_to_tls(void **state)
{
	(void)state;
	with_text("http { ssl_certificate DIR/good.pem; ssl_certificate_key DIR/good.key;"
		  "server { listen 127.0.0.1:PORT ssl; return 204; } }",
	    plain_text_to_tls);
}

static void
test_expressions(void **state)
{
	(void)state;
	with_text("http { server { listen 127.0.0.1:PORT; return 200 default; }"
		  "server { listen 127.0.0.1:PORT; server_name ~^www[0-9]\\.example$;"
		  "location / { return 200 \"numbered $uri\"; }"
		  "location ~* ^/(.*)+\\.gif$ { return 200 picture; }"
		  "location ^~ /p/ { return 200 \"no pictures here\"; } } }",
	    expressions);
}

static void
test_unix_socket(void **state)
{
	(void)state;
	with_text("http { server { listen unix:DIR/sock; return 200 \"from $remote_addr\"; } }",
	    unix_socket);
}

static void
test_one_socket(void **state)
{
	(void)state;
	with_text("http { server { listen 127.0.0.2:PORT; return 200 second; }"
		  "server { listen *:PORT; return 200 any; } }",
	    one_socket);
}

static int
setup(void **state)
{
	char command[512];

	(void)state;
	certs_make(&tmp);
	snprintf(command, sizeof(command),
	    "cd %s && openssl req -new -key good.key -subj /CN=x -addext "
	    "subjectAltName=DNS:localhost -out y.csr 2>>openssl.log && openssl x509 -req -in y.csr "
	    "-CA ca.pem -CAkey ca.key -days 3650 -copy_extensions copy -out local.pem "
	    "2>>openssl.log",
	    tmp.dir);
	return system(command);
}

static int
teardown(void **state)
{
	(void)state;
	tmp_fini(&tmp);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_and_names),
		cmocka_unit_test(test_plain_text_to_tls),
		cmocka_unit_test(test_expressions),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_one_socket),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
