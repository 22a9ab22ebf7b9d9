/*
 * Expressions: what they are refused for, and matching held against regexec(3).
 */
#include "base/expr.h"

#include <regex.h>
#include <stdlib.h>

#include "unit/guard.h"
#include "unit/unit.h"

static const struct {
	const char *pattern;
	bool icase;
	const char *text;
	bool match;
} cases[] = {
	{ "", false, "", true },
	{ "", false, "x", true },
	{ "abc", false, "xabcx", true },
	{ "abc", false, "xabx", false },
	{ "^abc$", false, "abc", true },
	{ "^abc$", false, "abcd", false },
	{ "^$", false, "", true },
	{ "^$", false, "x", false },
	{ "^[23]", false, "204", true },
	{ "^[23]", false, "404", false },
	{ "ABC", true, "xabc", true },
	{ "[^a]", true, "A", false },
	{ "[^a]", true, "b", true },
	{ "a|b|^c$", false, "c", true },
	{ "(a|b)*c", false, "ababc", true },
	{ "^(a|b)*c$", false, "abdc", false },
	{ "^a{2,3}$", false, "aa", true },
	{ "^a{2,3}$", false, "aaaa", false },
	{ "^a{2}$", false, "aa", true },
	{ "^a{2,}$", false, "aaaaa", true },
	{ "^a{0}$", false, "", true },
	{ "\\.(png|jpg)$", false, "/x.png", true },
	{ "\\.(png|jpg)$", false, "/xpng", false },
	{ "[]a]", false, "]", true },
	{ "[a-c-]", false, "-", true },
	{ "[[:digit:]]+", false, "ab1", true },
	{ "^[[:alpha:]_][[:alnum:]_]*$", false, "a_1", true },
	{ "[[:space:]]", false, "a\tb", true },
	{ "^(a*)*$", false, "aaaa", true },
	{ "(^a|b)c", false, "xac", false },
	{ "a$b", false, "a$b", false },
	{ "a.c", false, "a\nc", true },
	{ "x)", false, "x)", true },
};

static bool
looked(const struct expr *e, struct str text)
{
	struct expr_look *l = expr_look_new(e, text);
	bool matches;

	assert_non_null(l);
	while (!expr_look_on(l, &matches))
		;
	expr_look_free(l);
	return matches;
}

static void
matches(void **state)
{
	struct guard g;

	(void)state;
	guard_init(&g, 4096);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct expr *e;
		const char *why;

		if (expr_new(str_of(cases[i].pattern), cases[i].icase, &e, &why) != 0)
			fail_msg("%s: %s", cases[i].pattern, why);
		if (expr_match(e, guard_tail(&g, str_of(cases[i].text))) != cases[i].match)
			fail_msg("%s on %s", cases[i].pattern, cases[i].text);
		if (looked(e, guard_tail(&g, str_of(cases[i].text))) != cases[i].match)
			fail_msg("%s on %s, in pieces", cases[i].pattern, cases[i].text);
		expr_free(e);
	}
	guard_fini(&g);
}

/* Two at a time, taking turns in many pieces: neither is the other's. */
static void
long_texts_in_pieces(void **state)
{
	static char text[65536];
	struct expr_look *yes, *no;
	bool matches, other;
	unsigned n = 0;
	const char *why;
	struct expr *e;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = 'b';
	assert_int_equal(expr_new(STR("^(a?){250}a*b$"), false, &e, &why), 0);
	yes = expr_look_new(e, str_make(text, sizeof(text)));
	no = expr_look_new(e, str_make(text, sizeof(text) - 1));
	assert_non_null(yes);
	assert_non_null(no);
	while (!expr_look_on(yes, &matches)) {
		assert_false(matches);
		if (expr_look_on(no, &other))
			assert_false(other);
		n++;
	}
	assert_true(matches);
	assert_true(n > 100); /* so each of them was short */
	while (!expr_look_on(no, &other))
		;
	assert_false(other);
	assert_true(expr_cost(e, str_make(text, sizeof(text))) > 250 * sizeof(text));
	expr_look_free(yes);
	expr_look_free(no);
	expr_free(e);
}

static const struct {
	const char *pattern;
	int err;
	const char *why;
} refused[] = {
	{ "(a", ERR_BAD, "( is not closed" },
	{ "[a", ERR_BAD, "[ is not closed" },
	{ "[]", ERR_BAD, "[ is not closed" },
	{ "*a", ERR_BAD, "nothing to repeat" },
	{ "a|+", ERR_BAD, "nothing to repeat" },
	{ "(?:a)", ERR_BAD, "nothing to repeat" },
	{ "a{x}", ERR_BAD, "malformed {m,n}" },
	{ "a{1", ERR_BAD, "malformed {m,n}" },
	{ "a{2,1}", ERR_BAD, "n below m" },
	{ "a{256}", ERR_TOO_LARGE, "up to 255" },
	{ "(a{200}){200}", ERR_TOO_LARGE, "too long" },
	{ "[b-a]", ERR_BAD, "ends before it begins" },
	{ "[[:word:]]", ERR_BAD, "unknown [:class:]" },
	{ "[[:digit]", ERR_BAD, "not closed by :]" },
	{ "[[=a=]]", ERR_BAD, "not known here" },
	{ "(a)\\1", ERR_BAD, "back-references" },
	{ "\\d", ERR_BAD, "Perl's" },
	{ "a\\", ERR_BAD, "\\ at the end" },
};

static void
refuses(void **state)
{
	static char deep[2000];
	struct expr *e;
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int err = expr_new(str_of(refused[i].pattern), false, &e, &why);

		assert_null(e);
		if (err != refused[i].err || !strstr(why, refused[i].why))
			fail_msg("%s: %d %s", refused[i].pattern, err, why);
	}
	memset(deep, '(', sizeof(deep));
	assert_int_equal(expr_new(str_make(deep, sizeof(deep)), false, &e, &why), ERR_TOO_LARGE);
	memset(deep, 'a', sizeof(deep));
	assert_int_equal(expr_new(str_make(deep, sizeof(deep)), false, &e, &why), ERR_TOO_LARGE);
}

/* Takes a second with a matcher that tries one way after the other; here it is bounded. */
static void
is_never_slow(void **state)
{
	static char text[1 << 16];
	struct expr *e;
	const char *why;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(expr_new(STR("^(a|a)*(a|aa)+(a*)*b$"), false, &e, &why), 0);
	assert_false(expr_match(e, str_make(text, sizeof(text))));
	text[sizeof(text) - 1] = 'b';
	assert_true(expr_match(e, str_make(text, sizeof(text))));
	expr_free(e);
}

/* ---- against the C library ---- */

#define DEPTH 3

static size_t
random_pattern(char *out, unsigned depth)
{
	static const char *const atoms[] = { "a", "b", "c", ".", "[ab]", "[^a]", "[b-c]", "\\.",
		"[[:alpha:]]", "^", "$" };
	static const char *const repeats[] = { "*", "+", "?", "{2}", "{1,2}", "{0,1}", "", "", "",
		"" };
	size_t n = 0;

	for (int i = rand() % 4; i >= 0; i--) {
		/* Anchors within groups that repeat are not what glibc gets right. */
		size_t choice = ARRAY_LEN(atoms) - (depth < DEPTH ? 2 : 0);
		const char *atom = atoms[(size_t)rand() % choice];
		bool anchor = atom[0] == '^' || atom[0] == '$';

		if (depth && rand() % 4 == 0) {
			out[n++] = '(';
			n += random_pattern(out + n, depth - 1);
			out[n++] = ')';
			anchor = false;
		} else {
			n += (size_t)sprintf(out + n, "%s", atom);
		}
		if (!anchor)
			n += (size_t)sprintf(
			    out + n, "%s", repeats[(size_t)rand() % ARRAY_LEN(repeats)]);
		if (i && rand() % 5 == 0)
			out[n++] = '|';
	}
	out[n] = 0;
	return n;
}

static void
compare(const char *pattern, bool icase)
{
	struct expr *e;
	const char *why;
	regex_t r;

	if (regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB | (icase ? REG_ICASE : 0)) != 0)
		fail_msg("regcomp: %s", pattern);
	if (expr_new(str_of(pattern), icase, &e, &why) != 0)
		fail_msg("%s: %s", pattern, why);
	for (unsigned i = 0; i < 40; i++) {
		char text[12];
		size_t n = (size_t)rand() % 10;

		for (size_t k = 0; k < n; k++)
			text[k] = "abcABC.x"[rand() % 8];
		text[n] = 0;
		if (expr_match(e, str_make(text, n)) != (regexec(&r, text, 0, NULL, 0) == 0))
			fail_msg("%s%s on \"%s\"", pattern, icase ? " (icase)" : "", text);
	}
	regfree(&r);
	expr_free(e);
}

static void
as_the_c_library(void **state)
{
	char pattern[4096];

	(void)state;
	srand(7);
	for (unsigned i = 0; i < 3000; i++) {
		random_pattern(pattern, DEPTH);
		compare(pattern, i & 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(long_texts_in_pieces),
		cmocka_unit_test(refuses),
		cmocka_unit_test(is_never_slow),
		cmocka_unit_test(as_the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
