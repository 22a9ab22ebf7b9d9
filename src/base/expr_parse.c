/*
 * Reads a regular expression, POSIX extended, into a tree. Pure; see expr_priv.h.
 */
#include "base/expr_priv.h"

enum { DEPTH_MAX = 64, REPEAT_MAX = 255 };

struct parser {
	struct str in;
	size_t at;
	bool icase;
	int depth;
	struct expr_node *nodes; /* EXPR_NODES_MAX of them */
	unsigned n_nodes;
	const char *why; /* the first thing that is wrong */
	int err;
};

static struct expr_node *
fail(struct parser *p, int err, const char *why)
{
	if (!p->err) {
		p->err = err;
		p->why = why;
	}
	return NULL;
}

static struct expr_node *
make(struct parser *p, enum expr_kind kind, struct expr_node *left, struct expr_node *right)
{
	struct expr_node *n;

	if (p->err)
		return NULL;
	if (p->n_nodes == EXPR_NODES_MAX)
		return fail(p, ERR_TOO_LARGE, "too long");
	n = &p->nodes[p->n_nodes++];
	*n = (struct expr_node){ .kind = kind, .left = left, .right = right };
	return n;
}

static bool
more(const struct parser *p)
{
	return p->at < p->in.n && !p->err;
}

static char
peek(const struct parser *p)
{
	return p->in.p[p->at];
}

static bool
take(struct parser *p, char c)
{
	if (!more(p) || peek(p) != c)
		return false;
	p->at++;
	return true;
}

static void
add(struct expr_set *s, unsigned char c)
{
	s->bits[c / 64] |= UINT64_C(1) << c % 64;
}

static bool
is_upper(unsigned c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_lower(unsigned c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_digit(unsigned c)
{
	return c >= '0' && c <= '9';
}

static void
fold(struct expr_set *s)
{
	for (unsigned c = 'a'; c <= 'z'; c++)
		if (expr_holds(s, (unsigned char)c) || expr_holds(s, (unsigned char)(c & ~0x20u))) {
			add(s, (unsigned char)c);
			add(s, (unsigned char)(c & ~0x20u));
		}
}

static struct expr_node *
set_node(struct parser *p, struct expr_set s, bool negate)
{
	struct expr_node *n = make(p, EXPR_SET, NULL, NULL);

	if (!n)
		return NULL;
	if (p->icase)
		fold(&s);
	for (size_t i = 0; negate && i < ARRAY_LEN(s.bits); i++)
		s.bits[i] = ~s.bits[i];
	n->set = s;
	return n;
}

/* ---- [ ] ---- */

static bool
in_class(struct str name, unsigned c)
{
	bool alpha = is_upper(c) || is_lower(c), graph = c > ' ' && c < 0x7f;

	if (str_is(name, "alpha"))
		return alpha;
	if (str_is(name, "digit"))
		return is_digit(c);
	if (str_is(name, "alnum"))
		return alpha || is_digit(c);
	if (str_is(name, "upper"))
		return is_upper(c);
	if (str_is(name, "lower"))
		return is_lower(c);
	if (str_is(name, "space"))
		return c == ' ' || (c >= '\t' && c <= '\r');
	if (str_is(name, "blank"))
		return c == ' ' || c == '\t';
	if (str_is(name, "punct"))
		return graph && !alpha && !is_digit(c);
	if (str_is(name, "print"))
		return graph || c == ' ';
	if (str_is(name, "graph"))
		return graph;
	if (str_is(name, "cntrl"))
		return c < ' ' || c == 0x7f;
	if (str_is(name, "xdigit"))
		return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
	return false;
}

/* [:name:], behind its "[:". */
static bool
take_class(struct parser *p, struct expr_set *s)
{
	size_t start = p->at;
	struct str name;
	bool any = false;

	while (more(p) && peek(p) != ':')
		p->at++;
	name = str_sub(p->in, start, p->at - start);
	if (!take(p, ':') || !take(p, ']'))
		return fail(p, ERR_BAD, "[: is not closed by :]");
	for (unsigned c = 0; c < 256; c++)
		if (in_class(name, c)) {
			add(s, (unsigned char)c);
			any = true;
		}
	return any || fail(p, ERR_BAD, "unknown [:class:]");
}

static void
take_range(struct parser *p, struct expr_set *s)
{
	unsigned char first = (unsigned char)peek(p), last = first;

	p->at++;
	if (p->at + 1 < p->in.n && peek(p) == '-' && p->in.p[p->at + 1] != ']') {
		last = (unsigned char)p->in.p[p->at + 1];
		p->at += 2;
		if (last == '[' && p->at < p->in.n && strchr(".=:", peek(p)))
			fail(p, ERR_BAD, "a range ends in a character");
	}
	if (last < first)
		fail(p, ERR_BAD, "a range ends before it begins");
	for (unsigned c = first; c <= last; c++)
		add(s, (unsigned char)c);
}

/* Behind its "[". A ] that comes first is a member. */
static struct expr_node *
parse_bracket(struct parser *p)
{
	struct expr_set s = { { 0 } };
	bool negate = take(p, '^');
	size_t first = p->at;

	while (more(p) && (peek(p) != ']' || p->at == first)) {
		char next = p->at + 1 < p->in.n ? p->in.p[p->at + 1] : 0;

		if (peek(p) == '[' && (next == '.' || next == '='))
			return fail(p, ERR_BAD, "[. and [= are not known here");
		if (peek(p) == '[' && next == ':') {
			p->at += 2;
			take_class(p, &s);
		} else {
			take_range(p, &s);
		}
	}
	if (!take(p, ']'))
		return fail(p, ERR_BAD, "[ is not closed");
	return set_node(p, s, negate);
}

/* ---- the rest of the grammar ---- */

static struct expr_node *parse_alternatives(struct parser *p);

static struct expr_node *
literal(struct parser *p, char c)
{
	struct expr_set s = { { 0 } };

	add(&s, (unsigned char)c);
	return set_node(p, s, false);
}

static struct expr_node *
parse_group(struct parser *p)
{
	struct expr_node *n;

	if (++p->depth > DEPTH_MAX)
		return fail(p, ERR_TOO_LARGE, "groups are nested too deeply");
	n = parse_alternatives(p);
	p->depth--;
	return take(p, ')') ? n : fail(p, ERR_BAD, "( is not closed");
}

static struct expr_node *
parse_escape(struct parser *p)
{
	char c;

	if (!more(p))
		return fail(p, ERR_BAD, "\\ at the end");
	c = peek(p);
	p->at++;
	if (is_digit((unsigned char)c))
		return fail(p, ERR_BAD, "back-references are not known here");
	if (is_upper((unsigned char)c) || is_lower((unsigned char)c))
		return fail(p, ERR_BAD, "\\ before a letter is Perl's");
	return literal(p, c);
}

static struct expr_node *
parse_atom(struct parser *p)
{
	char c = peek(p);

	p->at++;
	switch (c) {
	case '(':
		return parse_group(p);
	case '[':
		return parse_bracket(p);
	case '.':
		return set_node(p, (struct expr_set){ { 0 } }, true);
	case '^':
		return make(p, EXPR_BEGIN, NULL, NULL);
	case '$':
		return make(p, EXPR_END, NULL, NULL);
	case '\\':
		return parse_escape(p);
	case '*':
	case '+':
	case '?':
	case '{':
		return fail(p, ERR_BAD, "nothing to repeat");
	default:
		return literal(p, c);
	}
}

static int
parse_number(struct parser *p)
{
	int n = -1;

	while (more(p) && is_digit((unsigned char)peek(p)) && n <= REPEAT_MAX) {
		n = MAX(n, 0) * 10 + (peek(p) - '0');
		p->at++;
	}
	return n;
}

/* Behind its "{". */
static void
parse_bounds(struct parser *p, int *min, int *max)
{
	*min = *max = parse_number(p);
	if (take(p, ','))
		*max = parse_number(p);
	if (!take(p, '}') || *min < 0)
		fail(p, ERR_BAD, "malformed {m,n}");
	else if (*min > REPEAT_MAX || *max > REPEAT_MAX)
		fail(p, ERR_TOO_LARGE, "{m,n} goes up to 255");
	else if (*max >= 0 && *max < *min)
		fail(p, ERR_BAD, "{m,n} with n below m");
}

static struct expr_node *
parse_piece(struct parser *p)
{
	struct expr_node *n = parse_atom(p);
	int min, max;

	while (more(p)) {
		min = 0;
		max = -1;
		if (take(p, '+'))
			min = 1;
		else if (take(p, '?'))
			max = 1;
		else if (take(p, '{'))
			parse_bounds(p, &min, &max);
		else if (!take(p, '*'))
			break;
		n = make(p, EXPR_REPEAT, n, NULL);
		if (!n)
			return NULL;
		n->min = min;
		n->max = max;
	}
	return n;
}

static struct expr_node *
parse_branch(struct parser *p)
{
	struct expr_node *all = make(p, EXPR_EMPTY, NULL, NULL);

	while (more(p) && peek(p) != '|' && (peek(p) != ')' || p->depth == 0))
		all = make(p, EXPR_CAT, all, parse_piece(p));
	return all;
}

static struct expr_node *
parse_alternatives(struct parser *p)
{
	struct expr_node *n = parse_branch(p);

	while (take(p, '|'))
		n = make(p, EXPR_ALT, n, parse_branch(p));
	return n;
}

struct expr_node *
expr_parse(struct str pattern, bool icase, struct expr_node *nodes, int *err, const char **why)
{
	struct parser p = { .in = pattern, .icase = icase, .nodes = nodes };
	struct expr_node *tree = parse_alternatives(&p);

	*err = p.err;
	*why = p.why;
	return p.err ? NULL : tree;
}
