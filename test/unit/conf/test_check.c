/*
 * conf_check(): what may stand where, and what the messages say. The table of nginx's directives.
 */
#include "conf/conf_priv.h"
#include "unit/conf/conf_test.h"

static void
accepts(void **state)
{
	struct conf *c = checked("events { worker_connections 10; }\n"
				 "http { sync off; store a { region r; } store b { }\n"
				 "  types { text/html htm html; \"odd {name}\"; sync maybe; }\n"
				 "  server { listen 80; listen 81; location / { health; }\n"
				 "    location = /x { sync on; location /y { } } } }");

	(void)state;
	assert_messages(c, "");
	assert_ptr_equal(conf_tree(c)->row, conf_find_row(STR("events"), CONF_MAIN));
	conf_free(c);
}

static const struct {
	const char *text, *messages;
} wrong[] = {
	{ "http { server { lisen 80; } }",
	    "[emerg] t:1: unknown directive \"lisen\", did you mean \"listen\"?\n" },
	{ "http { server { bucket_stile x; } }",
	    "[emerg] t:1: unknown directive \"bucket_stile\", did you mean \"bucket_style\"?\n" },
	{ "http {\n store a { nonsense; } }",
	    "[emerg] t:2: unknown directive \"nonsense\", allowed in store: endpoint, region, "
	    "credentials, bucket_style\n" },
	{ "x;",
	    "[emerg] t:1: unknown directive \"x\", allowed in main: events, state_dir, http\n" },
	{ "http { listen 80; }",
	    "[emerg] t:1: \"listen\" directive is not allowed here (in http), it is allowed in: "
	    "server\n" },
	{ "server { }",
	    "[emerg] t:1: \"server\" directive is not allowed here (in main), it is allowed in: "
	    "http\n" },
	{ "sync on;", "[emerg] t:1: \"sync\" directive is not allowed here (in main), it is "
		      "allowed in: http, "
		      "server, location\n" },
	{ "state_dir;",
	    "[emerg] t:1: invalid number of arguments in \"state_dir\" directive, it takes: 1\n" },
	{ "state_dir a b;",
	    "[emerg] t:1: invalid number of arguments in \"state_dir\" directive, it takes: 1\n" },
	{ "http x { }",
	    "[emerg] t:1: invalid number of arguments in \"http\" directive, it takes: none\n" },
	{ "http { server { listen; location a b c { } } }",
	    "[emerg] t:1: invalid number of arguments in \"listen\" directive, it takes: 1 or "
	    "more\n"
	    "[emerg] t:1: invalid number of arguments in \"location\" directive, it takes: 1 to "
	    "2\n" },
	{ "http;", "[emerg] t:1: directive \"http\" has no opening \"{\"\n" },
	{ "state_dir a { }", "[emerg] t:1: directive \"state_dir\" is not terminated by \";\"\n" },
	{ "http { sync on;\n server { sync on; }\n sync on; }",
	    "[emerg] t:3: \"sync\" directive is duplicate, the first is in t:1\n" },
	{ "http { }\nhttp { }",
	    "[emerg] t:2: \"http\" directive is duplicate, the first is in t:1\n" },
	{ "http { \"a\nb\" c; }",
	    "[emerg] t:1: unknown directive \"a?b\", allowed in http: server, "
	    "store, stream, types, sync, size, wait, count, label, mode, "
	    "add_header\n" },
};

static void
says_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_says(checked(wrong[i].text), wrong[i].messages);
}

static void
finds_all_errors_in_one_run(void **state)
{
	struct conf *c = checked("nope;\nhttp { size 1 2;\n server { health; } }");

	(void)state;
	assert_int_equal(conf_errors(c), 3);
	conf_free(c);
}

static void
bounds_messages(void **state)
{
	struct buf text;
	struct conf *c;

	(void)state;
	buf_init(&text, 0);
	for (int i = 0; i < 5000; i++)
		buf_puts(&text, "zzz;\n");
	buf_putc(&text, '\0');
	c = checked(text.p);
	assert_non_null(strstr(conf_messages(c).p, "[emerg] t:100: "));
	assert_null(strstr(conf_messages(c).p, "[emerg] t:101: "));
	assert_non_null(strstr(conf_messages(c).p, "[emerg] and 1 more\n"));
	conf_free(c);
	buf_fini(&text);
}

static void
knows_nginx(void **state)
{
	(void)state;
	assert_says(checked("load_module modules/ngx_http_vhost_traffic_status_module.so;\n"
			    "events { use epoll; }\n"
			    "http { sendfile on; types { a b; } }"),
	    "[warn] t:1: \"load_module\" directive is accepted and has no effect: modules are "
	    "built "
	    "in\n"
	    "[warn] t:2: \"use\" directive is accepted and has no effect: the event method is "
	    "chosen "
	    "when the server is built\n"
	    "[warn] t:3: \"sendfile\" directive is accepted and has no effect: it tunes how nginx "
	    "works inside\n");
	assert_says(checked("http { server { location / { root /x; fastcgi_pass y; } } }\n"
			    "stream { server { listen 1; } }"),
	    "[emerg] t:1: \"root\" directive of nginx is not supported: static files are not "
	    "served\n"
	    "[emerg] t:1: \"fastcgi_pass\" directive of nginx is not supported: FastCGI is not "
	    "spoken\n"
	    "[emerg] t:2: \"stream\" directive of nginx is not supported: TCP and UDP are not "
	    "proxied\n");
	assert_says(checked("sendfile on;"),
	    "[emerg] t:1: \"sendfile\" directive is not allowed here (in main), it is allowed in: "
	    "http, server, location, if\n");
}

/* Rows of modules win: types of the demo module, stream in http. */
static void
prefers_modules(void **state)
{
	(void)state;
	assert_ptr_not_equal(conf_nginx_find(STR("types"), CONF_HTTP), NULL);
	assert_string_equal(conf_find_row(STR("types"), CONF_HTTP)->name, "types");
	assert_null(conf_find_row(STR("types"), CONF_MAIN));
	assert_string_equal(conf_find_row(STR("stream"), CONF_HTTP)->name, "stream");
	assert_int_equal(conf_find_row(STR("stream"), CONF_MAIN)->flags & CONF_REFUSE, CONF_REFUSE);
	assert_null(conf_find_row(STR("fastcgi"), CONF_HTTP));
	assert_null(conf_find_row(STR("send"), CONF_HTTP));
	assert_null(conf_find_row(STR(""), CONF_HTTP));
}

/* The table itself: each group has a reason and one fate; no name stands in two groups. */
static void
has_a_sound_nginx_table(void **state)
{
	(void)state;
	for (const struct conf_row *row = conf_nginx_rows; row->name; row++) {
		struct str rest = str_of(row->name);
		unsigned fate = row->flags & (CONF_WARN | CONF_REFUSE);

		assert_true(row->help && row->help[0]);
		assert_true(fate == CONF_WARN || fate == CONF_REFUSE);
		while (rest.p) {
			struct str one = str_split(&rest, ' ');

			assert_true(one.n > 0);
			for (unsigned bit = 1; bit <= CONF_TYPES; bit <<= 1)
				if (row->contexts & bit)
					assert_ptr_equal(conf_nginx_find(one, bit), row);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(finds_all_errors_in_one_run),
		cmocka_unit_test(bounds_messages),
		cmocka_unit_test(knows_nginx),
		cmocka_unit_test(prefers_modules),
		cmocka_unit_test(has_a_sound_nginx_table),
	};

	return cmocka_run_group_tests(tests, demo_setup, NULL);
}
