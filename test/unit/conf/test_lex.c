/*
 * The scanner, against what nginx makes of the same text.
 */
#include "unit/conf/conf_test.h"

static const struct {
	const char *text, *tree;
} good[] = {
	{ "", "" },
	{ " \t\r\n# only a comment", "" },
	{ "\xef\xbb\xbf"
	  "a;",
	    "a;" },
	{ "a;b;", "a;b;" },
	{ "a b  c\td\ne;", "a(b)(c)(d)(e);" },
	{ "a # x ; {\n b;", "a(b);" },
	{ "a b#c;", "a(b#c);" },
	{ "a b;#c", "a(b);" },
	{ "a{}b{c;}", "a{}b{c;}" },
	{ "a b{c d;}e;", "a(b){c(d);}e;" },
	{ "a b}c;", "a(b}c);" },
	{ "a 'x y' \"p;q{}\";", "a<x y><p;q{}>;" },
	{ "a '' \"\";", "a<><>;" },
	{ "a b'c' d\"e;", "a(b'c')(d\"e);" },
	{ "a 'it\"s' \"it's\";", "a<it\"s><it's>;" },
	{ "a 'it\\'s' \"say \\\"x\\\"\";", "a<it's><say \"x\">;" },
	{ "a \\'b \\\"c;", "a('b)(\"c);" },
	{ "a b\\ c;", "a(b\\ c);" },
	{ "a b\\;c;", "a(b\\;c);" },
	{ "a b\\{c;", "a(b\\{c);" },
	{ "a \\#b;", "a(\\#b);" },
	{ "a b\\\\c d\\te f\\ng h\\ri;", "a(b\\c)(d\te)(f\ng)(h\ri);" },
	{ "a ^/x\\.y$;", "a(^/x\\.y$);" },
	{ "a \"^\\d+\\.x$\";", "a<^\\d+\\.x$>;" },
	{ "a ${b} $c ${d}e$f;", "a(${b})($c)(${d}e$f);" },
	{ "a ${{b;", "a(${{b);" },
	{ "a $b{c;}", "a($b){c;}" },
	{ "a \"$\" '${';", "a<$><${>;" },
	{ "a 'x\ny';b;", "a<x\ny>;b;" },
	{ "if (\"$a\" = \"b\") {}", "if((\"$a\")(=)<b>()){}" },
	{ "a \"b\"{c;}", "a<b>{c;}" },
	{ "\"a\" b;", "a(b);" },
	{ "a\r\n{\r\nb\r\n;\r\n}\r\n", "a{b;}" },
};

#define END "unexpected end of file, expecting \";\" or \"}\""

/* A directive of ours, and the same without leave. */
static const struct conf_row rows[] = {
	{ .name = "ours", .contexts = CONF_HTTP, .flags = CONF_QUOTED_VALUES | CONF_BLOCK },
	{ .name = "theirs", .contexts = CONF_HTTP },
	{ .name = NULL },
};
static struct conf_module module = { .name = "lex", .rows = rows };

static const struct {
	const char *text, *tree;
} values[] = {
	{ "ours b='{\"x\": ; $y}' c=\"d e\";", "ours<b={\"x\": ; $y}><c=d e>;" },
	{ "ours b_c='it\\'s'{d;}", "ours<b_c=it's>{d;}" },
	{ "ours b='' c=d 'e=f';", "ours<b=>(c=d)<e=f>;" },
	{ "ours b='x\ny';b;", "ours<b=x\ny>;b;" },
	{ "ours b'c' =\"d\" B='e';", "ours(b'c')(=\"d\")(B='e');" },
	{ "theirs b='c' d=\"e f\";", "theirs(b='c')(d=\"e)(f\");" },
	{ "b='c';", "b='c';" },
};

static void
values_of_our_own_may_be_quoted(void **state)
{
	(void)state;
	conf_register(&module);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct conf *c = parsed(values[i].text);

		assert_messages(c, "");
		assert_tree(c, values[i].tree);
		conf_free(c);
	}
	for (size_t n = 0; n <= strlen(values[0].text); n++) {
		char *copy = malloc(n + 1);
		struct conf *c = conf_new();

		memcpy(copy, values[0].text, n);
		(void)conf_parse_text(c, "t", str_make(copy, n));
		free(copy);
		conf_free(c);
	}
	assert_says(parsed("ours b='c;"), "[emerg] t:1: " END "; the ' of line 1 is not closed\n");
	assert_says(parsed("ours b='c'd;"), "[emerg] t:1: unexpected \"d\"\n");
}

static void
reads_as_nginx(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct conf *c = parsed(good[i].text);

		assert_messages(c, "");
		assert_tree(c, good[i].tree);
		conf_free(c);
	}
}

static const struct {
	const char *text, *message;
} wrong[] = {
	{ ";", "t:1: unexpected \";\"" },
	{ "\n{", "t:2: unexpected \"{\"" },
	{ "a\n}", "t:2: unexpected \"}\"" },
	{ "}", "t:1: unexpected \"}\"" },
	{ "a{}}", "t:1: unexpected \"}\"" },
	{ "a", "t:1: " END },
	{ "a b", "t:1: " END },
	{ "a b\n\n# c", "t:3: " END },
	{ "a 'b", "t:1: " END "; the ' of line 1 is not closed" },
	{ "x;\na \"b;\n\nc;", "t:4: " END "; the \" of line 2 is not closed" },
	{ "a \\", "t:1: " END },
	{ "a 'b\\'", "t:1: " END "; the ' of line 1 is not closed" },
	{ "a 'b'c;", "t:1: unexpected \"c\"" },
	{ "a 'b'#;", "t:1: unexpected \"#\"" },
	{ "a 'b'};", "t:1: unexpected \"}\"" },
	{ "a {\n b;\n",
	    "t:3: unexpected end of file, expecting \"}\" for the \"a\" block of line 1" },
};

static void
names_what_is_wrong(void **state)
{
	char expected[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct conf *c = parsed(wrong[i].text);

		snprintf(expected, sizeof(expected), "[emerg] %s\n", wrong[i].message);
		assert_int_equal(conf_errors(c), 1);
		assert_says(c, expected);
	}
}

static void
refuses_zero_bytes(void **state)
{
	struct conf *c = conf_new();

	(void)state;
	assert_int_equal(conf_parse_text(c, "t", STR("a;\nb\0c;")), ERR_CONFIG);
	assert_says(c, "[emerg] t:2: unexpected zero byte, the file is not text\n");
}

static void
counts_lines(void **state)
{
	struct conf *c = parsed("a;\n\nb # x\n  'c\nd'\ne {\n  f;\n}\ng\\\n; h;");
	struct conf_node *a = conf_tree(c), *b = a->next;

	(void)state;
	/* b's words go on over lines: it is known by the line of its name */
	assert_int_equal(a->line, 1);
	assert_int_equal(b->line, 3);
	assert_true(b->block);
	assert_int_equal(b->children->line, 7);
	assert_int_equal(b->next->line, 9);
	assert_int_equal(b->next->next->line, 10);
	conf_free(c);
}

/* Every prefix of a text either parses or is an error with a message, and never crashes. */
static void
stands_every_cut(void **state)
{
	static const char text[] = "a 'b' \"c\\\"d\" { e ${f}\\ g; # h\n i { j; } }\nk l;";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		struct conf *c = conf_new();
		char *copy = malloc(n + 1); /* so that a sanitizer sees a read behind the end */
		int err;

		memcpy(copy, text, n);
		err = conf_parse_text(c, "t", str_make(copy, n));
		assert_int_equal(err != 0, conf_messages(c).n > 0);
		free(copy);
		conf_free(c);
	}
}

static void
bounds_depth(void **state)
{
	char text[33 * 2 + 1] = "";
	struct conf *c;

	(void)state;
	for (unsigned i = 0; i < 33; i++)
		memcpy(text + 2 * i, "a{", 3);
	c = parsed(text);
	assert_says(
	    c, "[emerg] t:1: blocks are nested too deeply, at most 32 inside one another\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_as_nginx),
		cmocka_unit_test(names_what_is_wrong),
		cmocka_unit_test(refuses_zero_bytes),
		cmocka_unit_test(counts_lines),
		cmocka_unit_test(stands_every_cut),
		cmocka_unit_test(bounds_depth),
		cmocka_unit_test(values_of_our_own_may_be_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
