/*
 * Which server, which location: nginx's order; and what the configuration refuses. Locations are
 * told apart by their name.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/conf_priv.h"
#include "unit/unit.h"

static int
answer(struct http_request *r, void *arg)
{
	(void)r;
	(void)arg;
	return 0;
}

static int
set_handler(struct conf *c, const struct conf_node *n, struct conf_scope *s, void *into)
{
	(void)into;
	return http_set_handler(c, n, s, answer, NULL, NULL);
}

static int
set_taker(struct conf *c, const struct conf_node *n, struct conf_scope *s, void *into)
{
	(void)into;
	http_default_body_size(s, 64 << 20);
	return http_set_handler(c, n, s, answer, NULL, "PUT");
}

static const struct conf_row rows[] = {
	{ "handler", CONF_LOCATION, 0, 0, 0, set_handler, 0, NULL, "", "", NULL },
	{ "taker", CONF_LOCATION, 0, 0, 0, set_taker, 0, NULL, "", "", NULL },
	{ .name = NULL },
};
static struct conf_module module = { .name = "test", .rows = rows };

static struct conf *
load(const char *text)
{
	struct conf *c = conf_new();

	if (conf_parse_text(c, "t", str_of(text)) == 0 && conf_check(c) == 0)
		conf_apply(c);
	return c;
}

static struct conf *
load_good(const char *text)
{
	struct conf *c = load(text);

	if (conf_errors(c))
		fail_msg("%.*s", STR_ARG(conf_messages(c)));
	return c;
}

static void
route_is(struct conf *c, const char *host, const char *path, const char *name)
{
	const struct http_location *l = http_route(http_listens(c), str_of(host), str_of(path));

	const char *got = l ? l->name.p : "none"; /* arguments end in a zero byte */

	if (strcmp(got, name ? name : "none") != 0)
		fail_msg("%s went to %s, not %s", path, got, name ? name : "none");
}

static void
locations_in_order(void **state)
{
	struct conf *c = load_good("http { server { listen 8080;"
				   "location = / { } location / { } location /documents/ { }"
				   "location ^~ /images/ { } location ~* \\.(gif|jpg|jpeg)$ { }"
				   "location ~ ^/documents/.*\\.txt$ { } location =/usage { }"
				   "location /usage { } location /images/deep/ { } } }");

	(void)state;
	route_is(c, "", "/", "/");
	assert_int_equal(http_route(http_listens(c), STR(""), STR("/"))->match, HTTP_MATCH_EXACT);
	route_is(c, "", "/index.html", "/");
	route_is(c, "", "/documents/document.html", "/documents/");
	route_is(c, "", "/images/1.gif", "/images/");
	route_is(c, "", "/documents/1.jpg", "\\.(gif|jpg|jpeg)$");
	route_is(c, "", "/documents/1.JPG", "\\.(gif|jpg|jpeg)$");
	route_is(c, "", "/documents/a.txt", "^/documents/.*\\.txt$");
	route_is(c, "", "/documents/a.TXT", "/documents/");
	/* The longer prefix is the one found; it does not say ^~. */
	route_is(c, "", "/images/deep/1.gif", "\\.(gif|jpg|jpeg)$");
	route_is(c, "", "/usage", "/usage");
	assert_int_equal(
	    http_route(http_listens(c), STR(""), STR("/usage"))->match, HTTP_MATCH_EXACT);
	route_is(c, "", "/usage/x", "/usage");
	conf_free(c);
}

static void
first_expression_wins(void **state)
{
	struct conf *c = load_good("http { server { listen 8080; location ~ a { } location ~ b { }"
				   "location /ab { } } }");

	(void)state;
	route_is(c, "", "/ab", "a");
	route_is(c, "", "/b", "b");
	route_is(c, "", "/c", NULL);
	conf_free(c);
}

/* As nginx does: nested ones within the longest prefix first, its exact and expressions final; a
 * nested prefix still gives way to an expression further out. */
static void
nested_locations(void **state)
{
	struct conf *c =
	    load_good("http { server { listen 8080;"
		      "location /a { location /a/b { } location = /a/x { } location ~ \\.in$ { } }"
		      "location ^~ /s { location /s/t { } location ~ \\.in$ { } }"
		      "location ~ \\.(out|in|x)$ { location ~ deep { } } } }");

	(void)state;
	route_is(c, "", "/a/q", "/a");
	route_is(c, "", "/a/b/c", "/a/b");
	route_is(c, "", "/a/x", "/a/x");
	route_is(c, "", "/a/1.in", "\\.in$");
	route_is(c, "", "/a/b/1.in", "\\.in$");
	route_is(c, "", "/a/b/1.out", "\\.(out|in|x)$");
	route_is(c, "", "/s/t/1.out", "/s/t");
	route_is(c, "", "/s/1.in", "\\.in$");
	route_is(c, "", "/deep.out", "deep");
	route_is(c, "", "/q.out", "\\.(out|in|x)$");
	conf_free(c);
}

static void
needs_helper_only_for_expressions(void **state)
{
	struct conf *c =
	    load_good("http { server { listen 8080; location = /e { } location ^~ /s { }"
		      "location /p { } location ~ x { } } }");
	struct http_route r;

	(void)state;
	assert_int_equal(http_route_find(http_listens(c), STR(""), STR("/e"), false, &r), 0);
	assert_int_equal(http_route_find(http_listens(c), STR(""), STR("/s/x"), false, &r), 0);
	assert_int_equal(
	    http_route_find(http_listens(c), STR(""), STR("/p/x"), false, &r), ERR_AGAIN);
	assert_int_equal(
	    http_route_find(http_listens(c), STR(""), STR("/q"), false, &r), ERR_AGAIN);
	conf_free(c);
}

static void
servers_by_name(void **state)
{
	struct conf *c = load_good(
	    "http { server { listen 8080; server_name _; location / { location /default { } } }"
	    "server { listen 8080; server_name Example.org .sub.example; location /exact { } }"
	    "server { listen 8080; server_name *.example.org; location /suffix { } }"
	    "server { listen 8080; server_name *.b.example.org; location /longer { } }"
	    "server { listen 8080; server_name mail.*; location /prefix { } }"
	    "server { listen 8080; server_name mail.x.*; location /prefix2 { } }"
	    "server { listen 8080; server_name ~^www[0-9]+\\.; location /regex { } }"
	    "server { listen 8080; server_name \"\"; location /empty { } } }");
	static const struct {
		const char *host, *path, *name;
	} cases[] = {
		{ "example.org", "/exact", "/exact" },
		{ "EXAMPLE.ORG:8080", "/exact", "/exact" },
		{ "example.org.", "/exact", "/exact" },
		{ "sub.example", "/exact", "/exact" },
		{ "a.sub.example", "/exact", "/exact" },
		{ "a.example.org", "/suffix", "/suffix" },
		{ "x.a.example.org", "/suffix", "/suffix" },
		{ "x.b.example.org", "/longer", "/longer" },
		{ "b.example.org", "/suffix", "/suffix" },
		{ "mail.net", "/prefix", "/prefix" },
		{ "mail.x.net", "/prefix2", "/prefix2" },
		{ "mail.xx.net", "/prefix", "/prefix" },
		{ "mail.", "/default", "/default" },
		{ "mail.example.org", "/suffix", "/suffix" },
		{ "www12.net", "/regex", "/regex" },
		{ "WWW3.net", "/regex", "/regex" },
		{ "www.net", "/default", "/default" },
		{ ".example.org", "/default", "/default" },
		{ "[::1]:80", "/default", "/default" },
		{ "", "/empty", "/empty" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		route_is(c, cases[i].host, cases[i].path, cases[i].name);
	conf_free(c);
}

/* Each of many servers by names of each kind; the second of two of the same name is told. */
static void
many_servers(void **state)
{
	enum { MANY = 10000 };
	struct str messages;
	struct buf text;
	struct conf *c;
	char host[64], path[32];

	(void)state;
	buf_init(&text, 0);
	buf_puts(&text, "http {");
	for (int i = 0; i < MANY; i++)
		buf_printf(&text,
		    "server { listen 8080; server_name h%d.example *.s%d.example p%d.* twice%d; "
		    "location /%d { } }\n",
		    i, i, i, i / 2, i);
	buf_puts(&text, "}");
	buf_putc(&text, '\0');
	assert_false(buf_failed(&text));
	c = load_good(text.p);
	for (int i = 0; i < MANY; i += 97) {
		static const char *const forms[] = { "h%d.example", "a.b.s%d.example", "p%d.c.d" };

		snprintf(path, sizeof(path), "/%d", i);
		for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
			snprintf(host, sizeof(host), forms[k], i);
			route_is(c, host, path, path);
		}
	}
	messages = conf_messages(c);
	assert_non_null(
	    memmem(messages.p, messages.n, "t:2: conflicting server name \"twice0\"", 36));
	conf_free(c);
	buf_fini(&text);
}

static void
first_names(void **state)
{
	static const char *const names[] = { "example.org", "*.example.org", "sub.example",
		"~^WWW[0-9]+\\.", "", "" };
	struct conf *c = load_good("http { server { server_name Example.ORG other; }"
				   "server { server_name *.Example.org; }"
				   "server { server_name .sub.example; server_name later; }"
				   "server { server_name ~^WWW[0-9]+\\.; }"
				   "server { server_name \"\" late; } server { listen 8080; } }");
	struct http_scope *s = conf_of(conf_main(c), &http_module);
	unsigned n = 0;

	(void)state;
	for (const struct http_server_conf *o = s->site->servers; o; o = o->next, n++) {
		assert_int_equal(http_server_index(o), n);
		assert_true(str_is(http_server_name(o), names[n]));
	}
	assert_int_equal(n, ARRAY_LEN(names));
	conf_free(c);
}

static void
listens(void **state)
{
	struct conf *c = load_good(
	    "http { server { listen 127.0.0.1:8080; listen [::]:81 ipv6only=off; location /one { } "
	    "}"
	    "server { listen *:8080 backlog=7 reuseport; listen 127.0.0.1:8080 default_server;"
	    " listen unix:/tmp/x; location /two { } }"
	    "server { listen 127.0.0.2:8080 bind; location /three { } } }");
	struct http_listen *l = http_listens(c);
	char text[ADDR_TEXT_MAX];

	(void)state;
	/* 127.0.0.1:8080 has options of its own nowhere: the wildcard takes it in. */
	addr_text(&l->addr, true, text);
	assert_string_equal(text, "[::]:81");
	assert_false(l->opt.ipv6only);
	l = l->next;
	addr_text(&l->addr, true, text);
	assert_string_equal(text, "0.0.0.0:8080");
	assert_int_equal(l->opt.backlog, 7);
	assert_true(l->opt.reuseport);
	assert_non_null(l->specific);
	assert_null(l->specific->next);
	assert_true(str_is(http_route(l->specific, STR(""), STR("/two"))->name, "/two"));
	assert_null(http_route(l->specific, STR(""), STR("/one")));
	l = l->next;
	addr_text(&l->addr, true, text);
	assert_string_equal(text, "unix:/tmp/x");
	l = l->next;
	addr_text(&l->addr, true, text);
	assert_string_equal(text, "127.0.0.2:8080");
	assert_null(l->next);
	conf_free(c);
}

static void
inheritance(void **state)
{
	struct conf *c = load_good(
	    "http { keepalive_timeout 10s 8s; server { listen 8080; location /a { taker; } "
	    "location /b { client_max_body_size 3k; taker; location /b/c { taker; } } }"
	    "send_timeout 7s; large_client_header_buffers 2 1k; }");
	const struct http_scope *a =
	    http_location_scope(http_route(http_listens(c), STR(""), STR("/a")));
	const struct http_scope *b =
	    http_location_scope(http_route(http_listens(c), STR(""), STR("/b")));
	const struct http_scope *bc =
	    http_location_scope(http_route(http_listens(c), STR(""), STR("/b/c")));

	(void)state;
	assert_int_equal(a->client_max_body_size, 64 << 20);
	assert_int_equal(b->client_max_body_size, 3 << 10);
	assert_int_equal(bc->client_max_body_size, 3 << 10);
	assert_int_equal(http_listens(c)->servers->scope->client_max_body_size, 1 << 20);
	assert_true(a->keepalive_timeout == 10 * NS_PER_S && a->keepalive_header == 8 * NS_PER_S);
	assert_true(a->send_timeout == 7 * NS_PER_S);
	assert_int_equal(a->large_client_header_buffers_n, 2);
	assert_true(a->underscores_in_headers && a->merge_slashes && a->tcp_nodelay);
	conf_free(c);
}

static const struct {
	const char *server, *message;
} refused[] = {
	{ "location @named { }", "named locations" },
	{ "location x /y { }", "invalid location modifier \"x\"" },
	{ "location /a { } location /a { }", "duplicate location \"/a\", first at line 1" },
	{ "location ^~ /a { } location /a { }", "duplicate location" },
	{ "location /a { location /b { } }", "is outside location \"/a\"" },
	{ "location ~ a { location /b { } }", "is outside location \"a\"" },
	{ "location = /a { location /a/b { } }", "cannot be inside the exact location" },
	{ "location ~ \\d+ { }", "write [0-9]" },
	{ "location ~ \\w { }", "write [A-Za-z0-9_]" },
	{ "location ~ a\\s { }", "write [[:space:]]" },
	{ "location ~ \\bx { }", "is Perl's" },
	{ "location ~ (?:a) { }", "write (" },
	{ "location ~ a.*?b { }", "\"*?\"" },
	{ "location ~ a+?b { }", "\"+?\"" },
	{ "location ~ \"a{2}?\" { }", "\"}?\"" },
	{ "location ~ (a { }", "bad expression" },
	{ "server_name a*b;", "invalid server name" },
	{ "server_name *.*;", "invalid server name" },
	{ "listen 127.0.0.1:99999;", "invalid address" },
	{ "listen 8080 colour=red;", "invalid parameter \"colour=red\"" },
	{ "listen 8080 http2;", "not implemented" },
	{ "listen 8443 ssl;", "no \"ssl_certificate\"" },
	{ "ssl_protocols TLSv1.3;", "leaves out TLSv1.2" },
	{ "ssl_certificate x; listen 1 ssl;", "go together" },
	{ "return 99;", "invalid return code" },
	{ "return 200 $nonsense;", "unknown variable" },
	{ "large_client_header_buffers 0 8k;", "takes a number" },
	{ "resolver name.example;", "takes addresses" },
	{ "location /a { handler; taker; }", "has a handler already" },
	{ "location / { root /var/www; }", "static files are not served" },
	{ "location / { try_files $uri; }", "static files are not served" },
};

static void
refuses(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct conf *c;
		struct str m;

		snprintf(text, sizeof(text), "http { server { %s } }", refused[i].server);
		c = load(text);
		m = conf_messages(c);
		if (!conf_errors(c) ||
		    !memmem(m.p, m.n, refused[i].message, strlen(refused[i].message)))
			fail_msg("%s: %.*s", refused[i].server, STR_ARG(m));
		conf_free(c);
	}
}

static void
warns(void **state)
{
	struct conf *c =
	    load_good("http { ssl_protocols TLSv1.2 TLSv1.3;"
		      "ssl_prefer_server_ciphers on; ssl_session_cache shared:SSL:1m builtin:10;"
		      "resolver 127.0.0.1 [::1]:5353 valid=10s ipv6=off; resolver_timeout 3s;"
		      "server { listen 8080; server_name a; location ~ [\\d] { } } server { listen "
		      "8080; server_name A; } }");
	struct str m = conf_messages(c);
	struct http_scope *s = conf_of(conf_main(c), &http_module);

	(void)state;
	assert_non_null(memmem(m.p, m.n, "\"TLSv1.3\" is not", 15));
	assert_non_null(memmem(m.p, m.n, "conflicting server name \"a\"", 26));
	s = (struct http_scope *)(uintptr_t)http_listens(c)->servers->scope;
	assert_int_equal(s->ssl_session_cache, 1 << 20);
	assert_int_equal(s->resolver->n, 2);
	assert_true(s->resolver->valid == 10 * NS_PER_S && !s->resolver->ipv6);
	assert_true(s->resolver_timeout == 3 * NS_PER_S);
	conf_free(c);
}

static void
duplicate_default(void **state)
{
	struct conf *c = load("http { server { listen 80 default_server; }\n"
			      "server { listen *:80 default_server; } }");
	struct str m = conf_messages(c);

	(void)state;
	assert_non_null(memmem(m.p, m.n, "t:2: a duplicate default server for 0.0.0.0:80", 46));
	conf_free(c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(locations_in_order),
		cmocka_unit_test(first_expression_wins),
		cmocka_unit_test(nested_locations),
		cmocka_unit_test(needs_helper_only_for_expressions),
		cmocka_unit_test(servers_by_name),
		cmocka_unit_test(many_servers),
		cmocka_unit_test(first_names),
		cmocka_unit_test(listens),
		cmocka_unit_test(inheritance),
		cmocka_unit_test(refuses),
		cmocka_unit_test(warns),
		cmocka_unit_test(duplicate_default),
	};

	http_conf_register();
	conf_register(&module);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
