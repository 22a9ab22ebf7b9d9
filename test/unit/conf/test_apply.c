/*
 * conf_apply(): inheritance, defaults, setters, finish.
 */
#include "unit/conf/conf_test.h"

static struct conf_scope *seen_in_finish;
static int finish_result;

static int
check_whole(struct conf *c)
{
	seen_in_finish = conf_main(c);
	return finish_result;
}

/* A second module, with a struct of its own in the same scopes. */
static struct conf_scope *http_scope;

static int
note_http(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)c;
	(void)node;
	*(int *)into += 1;
	http_scope = scope;
	return 0;
}

static int
fail_quietly(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)c;
	(void)node;
	(void)scope;
	(void)into;
	return ERR_UNSUPPORTED;
}

static const struct conf_row other_rows[] = {
	{ .name = "note", .contexts = CONF_HTTP, .flags = CONF_REPEAT, .set = note_http },
	{ .name = "quiet", .contexts = CONF_HTTP, .set = fail_quietly },
	{ .name = NULL },
};
static struct conf_module other = {
	.name = "other",
	.rows = other_rows,
	.size = sizeof(int),
	.finish = check_whole,
};
static struct conf_module empty = { .name = "empty" };

static int
setup(void **state)
{
	conf_register(&empty);
	demo_setup(state);
	conf_register(&other);
	conf_register(&demo_module); /* a second time: nothing */
	return other.index == 2 && demo_module.index == 1 ? 0 : -1;
}

static struct demo *
demo(const struct conf_scope *s)
{
	return conf_of(s, &demo_module);
}

static void
inherits(void **state)
{
	/* what stands behind a block counts in it as well */
	struct conf *c =
	    applied("http { note;\n"
		    "  server { count 3; location / { size 2k; mode object; } wait 7s; }\n"
		    "  server { sync on; }\n"
		    "  sync off; count 2; label outer; note; }");
	struct demo *http, *server, *location;

	(void)state;
	assert_messages(c, "");
	http = demo(http_scope);
	server = demo(http->first_server);
	location = demo(server->first_location);
	assert_int_equal(http_scope->context, CONF_HTTP);
	assert_ptr_equal(http_scope->parent, conf_main(c));
	assert_ptr_equal(http->first_server->parent, http_scope);
	assert_int_equal(http->n_servers, 2);
	assert_false(http->sync);
	assert_false(server->sync);
	assert_false(location->sync);
	assert_int_equal(http->count, 2);
	assert_int_equal(server->count, 3);
	assert_int_equal(location->count, 3);
	assert_true(location->wait == INT64_C(7000000000));
	assert_true(http->wait == INT64_C(5000000000));
	assert_int_equal(location->size, 2048);
	assert_int_equal(server->size, 65536);
	assert_int_equal(location->mode, MODE_OBJECT);
	assert_int_equal(server->mode, MODE_BUNDLE);
	assert_true(str_is(location->label, "outer"));
	assert_int_equal(*(int *)conf_of(http_scope, &other), 2);
	assert_int_equal(*(int *)conf_of(http->first_server, &other), 2);
	conf_free(c);
}

/* Defaults run once, where a directive may stand outermost. */
static void
runs_defaults(void **state)
{
	struct conf *c = applied("http { note; stream s { } server { } size 3k; }");

	(void)state;
	assert_messages(c, "");
	assert_true(str_is(demo(conf_main(c))->label, "/var/lib/demo"));
	assert_int_equal(demo(conf_main(c))->size, 0);
	assert_true(demo(http_scope)->sync);
	assert_int_equal(demo(demo(http_scope)->first_server)->size, 3072);
	conf_free(c);
}

static void
applies_an_empty_text(void **state)
{
	struct conf *c = applied("");

	(void)state;
	assert_messages(c, "");
	assert_ptr_equal(seen_in_finish, conf_main(c));
	assert_int_equal(conf_main(c)->context, CONF_MAIN);
	assert_null(conf_main(c)->parent);
	conf_free(c);
}

static void
collects_errors_of_setters(void **state)
{
	seen_in_finish = NULL;
	(void)state;
	assert_says(applied("http { quiet;\n sync maybe;\n server { wait x; } }"),
	    "[emerg] t:1: \"quiet\" directive: not supported\n"
	    "[emerg] t:2: invalid value \"maybe\" in \"sync\" directive, allowed: on, off\n"
	    "[emerg] t:3: invalid value \"x\" in \"wait\" directive, allowed: a time such as 30, "
	    "500ms, 10m, 1h30m, 7d\n");
	assert_null(seen_in_finish); /* only a sound tree is cross-checked */
}

static void
asks_modules_at_the_end(void **state)
{
	(void)state;
	finish_result = ERR_CONFIG;
	assert_says(applied(""), "[emerg] module \"other\" refuses the configuration\n");
	finish_result = 0;
}

static const struct {
	const char *text, *message;
} values[] = {
	{ "sync ON;", "" },
	{ "sync 1;", "invalid value \"1\" in \"sync\" directive, allowed: on, off" },
	{ "size 1k;", "" },
	{ "size 1m;", "" },
	{ "size 1023;", "value \"1023\" in \"size\" directive is out of range, allowed: 1k to 1m" },
	{ "size 2m;", "value \"2m\" in \"size\" directive is out of range, allowed: 1k to 1m" },
	{ "size big;",
	    "invalid value \"big\" in \"size\" directive, allowed: a size such as 512, 8k, "
	    "10m, 2g" },
	{ "wait 1h;", "" },
	{ "wait 999ms;",
	    "value \"999ms\" in \"wait\" directive is out of range, allowed: 1s to 1h" },
	{ "wait '1h 1s';",
	    "value \"1h 1s\" in \"wait\" directive is out of range, allowed: 1s to 1h" },
	{ "count 9;", "" },
	{ "count 0;", "value \"0\" in \"count\" directive is out of range, allowed: 1 to 9" },
	{ "count 1k;", "invalid value \"1k\" in \"count\" directive, allowed: a whole number" },
	{ "count -1;", "invalid value \"-1\" in \"count\" directive, allowed: a whole number" },
	{ "label;", "" },
	{ "label 'a b';", "" },
	{ "mode object;", "" },
	{ "mode x;", "invalid value \"x\" in \"mode\" directive, allowed: bundle, object" },
};

static void
checks_values(void **state)
{
	char text[128], expected[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		snprintf(text, sizeof(text), "http { %s }", values[i].text);
		snprintf(expected, sizeof(expected), "[emerg] t:1: %s\n", values[i].message);
		assert_says(applied(text), values[i].message[0] ? expected : "");
	}
}

static void
knows_the_first_of_a_name(void **state)
{
	struct conf *c = applied("http { note; add_header a b; sync on; add_header c d; }");
	const struct conf_node *n = conf_tree(c)->children->next;

	(void)state;
	assert_true(conf_first_here(c, http_scope, n));
	assert_true(conf_first_here(c, http_scope, n->next));
	assert_false(conf_first_here(c, http_scope, n->next->next));
	assert_true(conf_first_here(c, conf_main(c), conf_tree(c)));
	conf_free(c);
}

/* On reload: only what lacks CONF_RELOAD and differs. */
static void
says_what_needs_a_restart(void **state)
{
	struct conf *now = checked("state_dir /a;\nhttp { sync on; size 2k; server { listen 80;"
				   " size 3k; } }");
	struct conf *same = checked("http { server { size 3k; listen 80; } size 2k; sync off; }"
				    "state_dir /a;");
	struct conf *next =
	    checked("state_dir /b;\nhttp { sync off;\n server { listen 80; listen 81;"
		    " size 3k; } }");

	(void)state;
	conf_warn_restart(same, now);
	assert_messages(same, "");
	conf_warn_restart(next, now);
	assert_messages(next,
	    "[warn] t:1: \"state_dir\" was changed, which takes effect only with a restart\n"
	    "[warn] t:2: \"size\" is gone, which takes effect only with a restart\n"
	    "[warn] t:3: \"listen\" was changed, which takes effect only with a restart\n");
	assert_int_equal(conf_errors(next), 0);
	conf_free(now);
	conf_free(same);
	conf_free(next);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inherits),
		cmocka_unit_test(runs_defaults),
		cmocka_unit_test(applies_an_empty_text),
		cmocka_unit_test(collects_errors_of_setters),
		cmocka_unit_test(asks_modules_at_the_end),
		cmocka_unit_test(checks_values),
		cmocka_unit_test(knows_the_first_of_a_name),
		cmocka_unit_test(says_what_needs_a_restart),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
