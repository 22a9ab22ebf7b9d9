/*
 * Regular expressions in a configuration are POSIX extended. What only Perl's have is refused by
 * name, rather than silently matched as something else. Called when location, server_name and map
 * are read.
 */
#include "http/conf_priv.h"

static const struct {
	const char *perl, *posix;
} differences[] = {
	{ "\\d", "[0-9]" },
	{ "\\D", "[^0-9]" },
	{ "\\w", "[A-Za-z0-9_]" },
	{ "\\W", "[^A-Za-z0-9_]" },
	{ "\\s", "[[:space:]]" },
	{ "\\S", "[^[:space:]]" },
	{ "\\b", "(^|[^A-Za-z0-9_]) or ($|[^A-Za-z0-9_])" },
	{ "\\B", "[A-Za-z0-9_] on both sides" },
	{ "\\A", "^" },
	{ "\\z", "$" },
	{ "\\Z", "$" },
	{ "(?:", "(" },
	{ "(?i)", "location ~*" },
	{ "(?<", "( without a name" },
	{ "(?P", "( without a name" },
	{ "(?", "( without options" },
	{ "*?", "* before what cannot be repeated" },
	{ "+?", "+ before what cannot be repeated" },
	{ "??", "?" },
	{ "}?", "{m,n} without ?" },
};

/* Index behind the bracket expression that begins at i. */
static size_t
skip_bracket(struct str p, size_t i)
{
	i += i + 1 < p.n && p.p[i + 1] == '^' ? 2 : 1;
	if (i < p.n && p.p[i] == ']')
		i++;
	while (i < p.n && p.p[i] != ']') {
		/* [:class:] */
		if (p.p[i] == '[' && i + 1 < p.n && p.p[i + 1] == ':')
			while (i + 1 < p.n && !(p.p[i] == ':' && p.p[i + 1] == ']'))
				i++;
		i++;
	}
	return i + 1;
}

/* Row of differences for what stands at the start of p, or -1. */
static int
find_difference(struct str p)
{
	for (size_t i = 0; i < ARRAY_LEN(differences); i++)
		if (str_starts(p, str_of(differences[i].perl)))
			return (int)i;
	return -1;
}

/* How deep groups may nest: some libraries compile them by recursion without a bound. */
#define MAX_DEPTH 100

int
http_check_pattern(struct conf *c, const struct conf_node *node, struct str pattern)
{
	size_t i = 0;
	int row, depth = 0;

	while (i < pattern.n) {
		if (pattern.p[i] == '[') {
			i = skip_bracket(pattern, i);
			continue;
		}
		depth += (pattern.p[i] == '(') - (pattern.p[i] == ')');
		if (depth > MAX_DEPTH) {
			conf_error(c, node, "groups in an expression nest too deeply, at most %d",
			    MAX_DEPTH);
			return ERR_CONFIG;
		}
		row = find_difference(str_from(pattern, i));
		if (row >= 0) {
			conf_error(c, node,
			    "\"%s\" in \"%.*s\" is Perl's: expressions are POSIX extended, write "
			    "%s",
			    differences[row].perl, STR_ARG(pattern), differences[row].posix);
			return ERR_CONFIG;
		}
		i += pattern.p[i] == '\\' ? 2 : 1;
	}
	return 0;
}

static void
release(void *arg)
{
	regfree(arg);
}

int
http_compile_pattern(
    struct conf *c, const struct conf_node *node, struct str pattern, bool icase, regex_t *out)
{
	char *text = arena_strz(conf_arena(c), pattern), why[128];
	int r;

	if (!text)
		return ERR_NOMEM;
	if (http_check_pattern(c, node, pattern) < 0)
		return ERR_CONFIG;
	r = regcomp(out, text, REG_EXTENDED | REG_NOSUB | (icase ? REG_ICASE : 0));
	if (r == 0)
		return conf_on_free(c, release, out);
	regerror(r, out, why, sizeof(why));
	conf_error(c, node, "bad expression \"%s\": %s", text, why);
	return ERR_CONFIG;
}
