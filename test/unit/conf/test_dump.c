/*
 * -T and the reference manual.
 */
#include "unit/conf/conf_test.h"

static void
writes_what_it_read(void **state)
{
	struct conf *c = parsed("a 'b c' d;e{f{}g \"\";}");
	char *text = dumped(c);

	(void)state;
	assert_string_equal(text, "a \"b c\" d;\ne {\n\tf {\n\t}\n\tg \"\";\n}\n");
	free(text);
	conf_free(c);
}

static void
reads_back_the_same(void **state)
{
	static const char *const texts[] = {
		"a b\\ c d\\;e f\\{g h\\}i j\\#k \\#l;",
		"a \\\"b c\"d\" \\'e f'g;",
		"a b\\\\c \\\\ d\\\\\\ e \\\\\\\\;",
		"a b\\tc d\\ne f\\rg;",
		"a ${b} $c ${{d \"$\" '${';",
		"a '\\\\' \"\\\"\" '\\'' 'x\ty\r\nz' \"#;{}\";",
		"types { \"~^a b$\" 1; 'it\\'s' 2; x\\ y 3; \\#z 4; '' 5; }",
		"location ~ \"^/\\d+\\.(gif|jpe?g)$\" { b; }",
		"a \\\\;b \\\\{c;}",
		"a $\\;x;",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct conf *first = parsed(texts[i]), *second;
		char *text = dumped(first), *tree = flattened(first), *again;

		assert_messages(first, "");
		second = parsed(text);
		assert_messages(second, "");
		assert_tree(second, tree);
		again = dumped(second);
		assert_string_equal(again, text);
		free(again);
		free(tree);
		free(text);
		conf_free(first);
		conf_free(second);
	}
}

static void
hides_secrets(void **state)
{
	struct conf *c =
	    parsed("credentials keys ID hunter2;credentials env;credentials file /p keys;"
		   "proxy_set_header authorization 'Bearer x';proxy_set_header Host h;"
		   "sink http http://u:pw@h:80/x@y;sink http http://h:80/a@b;"
		   "sink smtp 'smtp://u:p w@h';sink http http://u@h/;"
		   "sink http http://h 'header=Authorization: Bearer x:y' header=X-Key:z;");
	char *text = dumped(c);

	(void)state;
	assert_string_equal(text,
	    "credentials keys ID ***;\ncredentials env;\ncredentials file /p keys;\n"
	    "proxy_set_header authorization \"***\";\nproxy_set_header Host h;\n"
	    "sink http http://u:***@h:80/x@y;\nsink http http://h:80/a@b;\n"
	    "sink smtp \"smtp://u:***@h\";\nsink http http://u@h/;\n"
	    "sink http http://h \"header=Authorization: ***\" header=X-Key:***;\n");
	free(text);
	conf_free(c);
}

static char *
reference(bool mdoc)
{
	struct buf out;

	buf_init(&out, 0);
	conf_reference(&out, mdoc);
	buf_putc(&out, '\0');
	assert_int_equal(out.err, 0);
	return out.p;
}

static void
has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("missing: %s", part);
}

static void
writes_markdown(void **state)
{
	char *text = reference(false);

	(void)state;
	has(text, "### Module demo\n\n| directive | default | contexts | meaning |\n");
	has(text, "\n| `state_dir` PATH; | /var/lib/demo | main | Where all goes. A change needs a "
		  "restart. |\n");
	has(text, "\n| `sync` on \\| off; | on | http, server, location | Whether to wait. |\n");
	has(text, "\n| `mode` bundle \\| object; | bundle | http, server, location, stream |");
	has(text, "\n| `label` [value]; |  | ");
	has(text, "\n| `listen` value ...; |  | server |  May stand several times.");
	has(text, "\n| `http` { ... } |  | main |  |\n");
	has(text, "\n| load\\_module | No effect: modules are built in |\n");
	has(text, "| Refused: static files are not served |\n");
	assert_null(strstr(text, "add\\_header,")); /* the module has it */
	free(text);
}

static void
writes_mdoc(void **state)
{
	char *text = reference(true);

	(void)state;
	has(text, ".Ss Module demo\n.Bl -tag -width Ds\n.It Ic events { ... }\nContext: main.\n");
	has(text, ".It Ic sync on | off;\nContext: http, server, location.\nDefault: on.\n.br\n"
		  "Whether to wait.\n");
	has(text, ".El\n.Ss Directives of nginx that are not implemented\n.Bl -tag -width Ds\n"
		  ".It load_module\nNo effect: modules are built in.\n");
	assert_string_equal(text + strlen(text) - 4, ".El\n");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_it_read),
		cmocka_unit_test(reads_back_the_same),
		cmocka_unit_test(hides_secrets),
		cmocka_unit_test(writes_markdown),
		cmocka_unit_test(writes_mdoc),
	};

	return cmocka_run_group_tests(tests, demo_setup, NULL);
}
