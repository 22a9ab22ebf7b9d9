/*
 * Files: include, patterns, circles, bounds; synthesised nodes; -p.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/conf/conf_test.h"

static char dir[] = "/tmp/conf-test-XXXXXX";
static char path_text[4096];

static const char *
path(const char *name)
{
	snprintf(path_text, sizeof(path_text), "%s/%s", dir, name);
	return path_text;
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static struct conf *
parsed_file(const char *name)
{
	struct conf *c = conf_new();

	conf_parse_file(c, path(name));
	return c;
}

/* The messages with the folder's name as "@". */
static void
assert_file_says(struct conf *c, const char *expected)
{
	struct str m = conf_messages(c);
	char *text = strndup(m.p, m.n), *to = text, *from = text;

	while (*from) {
		if (strncmp(from, dir, strlen(dir)) == 0) {
			*to++ = '@';
			from += strlen(dir);
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	assert_string_equal(text, expected);
	free(text);
	conf_free(c);
}

static void
includes(void **state)
{
	struct conf *c;

	(void)state;
	mkdir(path("sub"), 0755);
	write_file(
	    "main.conf", "a;\nhttp {\n include sub/x.conf;\n b;\n}\ninclude none/*.conf;\nz;");
	/* relative to the first file's folder, not to the including one's */
	write_file("sub/x.conf", "x1;\ninclude sub/*.inc;\nx2 {\n}\n");
	write_file("sub/b.inc", "bb;");
	write_file("sub/a.inc", "aa;\n");
	c = parsed_file("main.conf");
	assert_messages(c, "");
	assert_tree(c, "a;http{x1;aa;bb;x2{}b;}z;");
	assert_string_equal(conf_tree(c)->next->children->next->file, path("sub/a.inc"));
	assert_int_equal(conf_tree(c)->next->children->next->next->next->line, 3);
	conf_free(c);
}

static void
names_missing_files(void **state)
{
	(void)state;
	assert_file_says(parsed_file("nothing.conf"),
	    "[emerg] @/nothing.conf: cannot read the configuration: No such file or directory\n");
	write_file("main.conf", "a;\ninclude gone.conf;\nb 'c");
	assert_file_says(parsed_file("main.conf"),
	    "[emerg] @/main.conf:2: cannot open \"@/gone.conf\": No such file or directory\n"
	    "[emerg] @/main.conf:3: unexpected end of file, expecting \";\" or \"}\"; the ' of "
	    "line 3 "
	    "is not closed\n");
	write_file("main.conf", "include sub;");
	assert_file_says(parsed_file("main.conf"),
	    "[emerg] @/main.conf:1: cannot include \"@/sub\": not a regular file\n");
	write_file("main.conf", "include a b;\ninclude;\n");
	assert_file_says(parsed_file("main.conf"),
	    "[emerg] @/main.conf:1: invalid number of arguments in \"include\" directive, it takes "
	    "one file or pattern\n"
	    "[emerg] @/main.conf:2: invalid number of arguments in \"include\" directive, it takes "
	    "one file or pattern\n");
	write_file("main.conf", "include x {\n}");
	assert_file_says(parsed_file("main.conf"),
	    "[emerg] @/main.conf:1: directive \"include\" is not terminated by \";\"\n");
}

static void
includes_whole_blocks_only(void **state)
{
	(void)state;
	write_file("main.conf", "http {\n include half.conf;\n}");
	write_file("half.conf", "a;\n}\n");
	assert_file_says(parsed_file("main.conf"), "[emerg] @/half.conf:2: unexpected \"}\"\n");
	write_file("half.conf", "a;\nb {\n");
	assert_file_says(parsed_file("main.conf"),
	    "[emerg] @/half.conf:3: unexpected end of file, expecting \"}\" for the \"b\" block of "
	    "line 2\n");
}

static void
names_circles(void **state)
{
	(void)state;
	write_file("main.conf", "include one.conf;");
	write_file("one.conf", "a;\ninclude two.conf;");
	write_file("two.conf", "include one.conf;");
	assert_file_says(parsed_file("main.conf"),
	    "[emerg] @/two.conf:1: \"include\" goes in a circle: @/one.conf -> @/two.conf -> "
	    "@/one.conf\n");
	write_file("main.conf", "include ma*.conf;");
	assert_file_says(parsed_file("main.conf"),
	    "[emerg] @/main.conf:1: \"include\" goes in a circle: @/main.conf -> @/main.conf\n");
}

static void
bounds_includes(void **state)
{
	char name[32], text[64];
	struct conf *c;

	(void)state;
	for (int i = 0; i < 17; i++) {
		snprintf(name, sizeof(name), "deep%d", i);
		snprintf(text, sizeof(text), "include deep%d;", i + 1);
		write_file(name, text);
	}
	assert_file_says(parsed_file("deep0"),
	    "[emerg] @/deep15:1: \"include\" is nested too deeply, at most 16 files inside one "
	    "another\n");
	/* each includes the next twice: 2^15 files without a bound on their number */
	for (int i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "wide%d", i);
		snprintf(text, sizeof(text), "include wide%d;include wide%d;", i + 1, i + 1);
		write_file(name, text);
	}
	write_file("wide15", "a;");
	c = parsed_file("wide0");
	assert_true(conf_errors(c) > 0);
	assert_non_null(strstr(conf_messages(c).p, "too many files, at most 4096 are read"));
	conf_free(c);
}

static void
counts_depth_over_files(void **state)
{
	char text[256] = "";

	(void)state;
	for (int i = 0; i < 20; i++)
		strcat(text, "a{");
	strcat(text, "include deeper.conf;");
	for (int i = 0; i < 20; i++)
		strcat(text, "}");
	write_file("main.conf", text);
	text[40] = '\0'; /* the openings */
	write_file("deeper.conf", text);
	assert_file_says(parsed_file("main.conf"), "[emerg] @/deeper.conf:1: blocks are nested too "
						   "deeply, at most 32 inside one another\n");
}

static void
adds_nodes(void **state)
{
	struct conf *c = conf_new();
	struct conf_node *http = conf_node_add(c, NULL, "http", 0);

	(void)state;
	http->file = "f";
	http->line = 3;
	conf_node_add(c, http, "a", 3, "b", "c d", "");
	assert_int_equal(conf_node_add(c, http, "e", 0)->line, 3);
	assert_tree(c, "http{a(b)<c d><>;e;}");
	conf_parse_text(c, "-g", STR("daemon off;"));
	assert_tree(c, "http{a(b)<c d><>;e;}daemon(off);");
	conf_free(c);
}

static void
overrides_the_port(void **state)
{
	static const char *const cases[][2] = {
		{ "http{server{listen 80;}}", "http{server{listen(7000);}}" },
		{ "http{server{listen *:80 ssl;listen 81;}}",
		    "http{server{listen(*:7000)(ssl);listen(81);}}" },
		{ "http{server{listen unix:/x;listen [::1]:80;}}",
		    "http{server{listen(unix:/x);listen([::1]:7000);}}" },
		{ "http{server{listen [::];}}", "http{server{listen([::]:7000);}}" },
		{ "http{server{listen 127.0.0.1;}}", "http{server{listen(127.0.0.1:7000);}}" },
		{ "http{server{}server{listen localhost:1;}}",
		    "http{server{}server{listen(localhost:7000);}}" },
		{ "http{server{a;}server{}}", "http{server{a;listen(7000);}server{}}" },
		{ "http{}", "http{}" },
		{ "events{}", "events{}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *c = conf_new();

		conf_set_port(c, 7000);
		assert_int_equal(conf_parse_text(c, "t", str_of(cases[i][0])), 0);
		assert_tree(c, cases[i][1]);
		conf_free(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(includes),
		cmocka_unit_test(names_missing_files),
		cmocka_unit_test(includes_whole_blocks_only),
		cmocka_unit_test(names_circles),
		cmocka_unit_test(bounds_includes),
		cmocka_unit_test(counts_depth_over_files),
		cmocka_unit_test(adds_nodes),
		cmocka_unit_test(overrides_the_port),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
