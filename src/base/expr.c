/*
 * See expr.h. An expression is parsed into a tree, the tree is written out as steps (Thompson's
 * construction), and a text is matched by walking all places in the steps at once that its bytes so
 * far may lead to.
 */
#include "base/expr.h"

#include <stdlib.h>

enum { DEPTH_MAX = 64, REPEAT_MAX = 255, NODES_MAX = 4096 };

/* ---- the tree ---- */

struct set {
	uint64_t bits[4];
};

enum kind { EMPTY, SET, BEGIN, END, CAT, ALT, REPEAT };

struct node {
	enum kind kind;
	struct set set;
	int min, max; /* REPEAT; max -1: any number */
	struct node *left, *right;
};

struct parser {
	struct str in;
	size_t at;
	bool icase;
	int depth;
	struct node *nodes; /* NODES_MAX of them */
	unsigned n_nodes;
	const char *why; /* the first thing that is wrong */
	int err;
};

static struct node *
fail(struct parser *p, int err, const char *why)
{
	if (!p->err) {
		p->err = err;
		p->why = why;
	}
	return NULL;
}

static struct node *
make(struct parser *p, enum kind kind, struct node *left, struct node *right)
{
	struct node *n;

	if (p->err)
		return NULL;
	if (p->n_nodes == NODES_MAX)
		return fail(p, ERR_TOO_LARGE, "too long");
	n = &p->nodes[p->n_nodes++];
	*n = (struct node){ .kind = kind, .left = left, .right = right };
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
add(struct set *s, unsigned char c)
{
	s->bits[c / 64] |= UINT64_C(1) << c % 64;
}

static bool
holds(const struct set *s, unsigned char c)
{
	return s->bits[c / 64] >> c % 64 & 1;
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
fold(struct set *s)
{
	for (unsigned c = 'a'; c <= 'z'; c++)
		if (holds(s, (unsigned char)c) || holds(s, (unsigned char)(c & ~0x20u))) {
			add(s, (unsigned char)c);
			add(s, (unsigned char)(c & ~0x20u));
		}
}

static struct node *
set_node(struct parser *p, struct set s, bool negate)
{
	struct node *n = make(p, SET, NULL, NULL);

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
take_class(struct parser *p, struct set *s)
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
take_range(struct parser *p, struct set *s)
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
static struct node *
parse_bracket(struct parser *p)
{
	struct set s = { { 0 } };
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

static struct node *parse_alternatives(struct parser *p);

static struct node *
literal(struct parser *p, char c)
{
	struct set s = { { 0 } };

	add(&s, (unsigned char)c);
	return set_node(p, s, false);
}

static struct node *
parse_group(struct parser *p)
{
	struct node *n;

	if (++p->depth > DEPTH_MAX)
		return fail(p, ERR_TOO_LARGE, "groups are nested too deeply");
	n = parse_alternatives(p);
	p->depth--;
	return take(p, ')') ? n : fail(p, ERR_BAD, "( is not closed");
}

static struct node *
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

static struct node *
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
		return set_node(p, (struct set){ { 0 } }, true);
	case '^':
		return make(p, BEGIN, NULL, NULL);
	case '$':
		return make(p, END, NULL, NULL);
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

static struct node *
parse_piece(struct parser *p)
{
	struct node *n = parse_atom(p);
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
		n = make(p, REPEAT, n, NULL);
		if (!n)
			return NULL;
		n->min = min;
		n->max = max;
	}
	return n;
}

static struct node *
parse_branch(struct parser *p)
{
	struct node *all = make(p, EMPTY, NULL, NULL);

	while (more(p) && peek(p) != '|' && (peek(p) != ')' || p->depth == 0))
		all = make(p, CAT, all, parse_piece(p));
	return all;
}

static struct node *
parse_alternatives(struct parser *p)
{
	struct node *n = parse_branch(p);

	while (take(p, '|'))
		n = make(p, ALT, n, parse_branch(p));
	return n;
}

/* ---- steps ---- */

enum op { OP_SET, OP_BEGIN, OP_END, OP_FORK, OP_JUMP, OP_MATCH };

struct step {
	enum op op;
	unsigned x, y; /* FORK: both; JUMP: x. The others go on to the next one. */
	struct set set;
};

/* A set of step numbers: members in order of joining, and each one's place among them. */
struct places {
	unsigned n, *members, *index;
};

struct expr {
	struct step *steps;
	unsigned n;
	bool too_large;
	struct places now, next;
	unsigned *todo; /* of follow() */
	unsigned memory[];
};

static unsigned
emit(struct expr *e, enum op op)
{
	if (e->n == EXPR_SIZE_MAX) {
		e->too_large = true;
		return 0;
	}
	e->steps[e->n] = (struct step){ .op = op };
	return e->n++;
}

static void write_node(struct expr *e, const struct node *n);

/* Once, or not at all. */
static void
write_optional(struct expr *e, const struct node *n)
{
	unsigned fork = emit(e, OP_FORK);

	e->steps[fork].x = e->n;
	write_node(e, n);
	e->steps[fork].y = e->n;
}

static void
write_repeat(struct expr *e, const struct node *n)
{
	unsigned fork, jump;

	for (int i = 0; i < n->min && !e->too_large; i++)
		write_node(e, n->left);
	for (int i = n->min; i < n->max && !e->too_large; i++)
		write_optional(e, n->left);
	if (n->max >= 0)
		return;
	fork = emit(e, OP_FORK);
	e->steps[fork].x = e->n;
	write_node(e, n->left);
	jump = emit(e, OP_JUMP);
	e->steps[jump].x = fork;
	e->steps[fork].y = e->n;
}

static void
write_alternatives(struct expr *e, const struct node *n)
{
	unsigned fork = emit(e, OP_FORK), jump;

	e->steps[fork].x = e->n;
	write_node(e, n->left);
	jump = emit(e, OP_JUMP);
	e->steps[fork].y = e->n;
	write_node(e, n->right);
	e->steps[jump].x = e->n;
}

static void
write_node(struct expr *e, const struct node *n)
{
	if (e->too_large)
		return;
	switch (n->kind) {
	case EMPTY:
		break;
	case SET:
		e->steps[emit(e, OP_SET)].set = n->set;
		break;
	case BEGIN:
		emit(e, OP_BEGIN);
		break;
	case END:
		emit(e, OP_END);
		break;
	case CAT:
		write_node(e, n->left);
		write_node(e, n->right);
		break;
	case ALT:
		write_alternatives(e, n);
		break;
	case REPEAT:
		write_repeat(e, n);
		break;
	}
}

static struct expr *
write_steps(const struct node *tree)
{
	struct expr *e = calloc(1, sizeof(*e) + 5 * ((size_t)EXPR_SIZE_MAX + 1) * sizeof(unsigned));
	unsigned *memory;

	if (!e || !(e->steps = calloc(EXPR_SIZE_MAX + 1, sizeof(*e->steps)))) {
		free(e);
		return NULL;
	}
	write_node(e, tree);
	e->steps[e->n++].op = OP_MATCH; /* there is room for this one */
	memory = e->memory;
	e->now.members = memory;
	e->now.index = memory + e->n;
	e->next.members = memory + 2 * e->n;
	e->next.index = memory + 3 * e->n;
	e->todo = memory + 4 * e->n;
	return e;
}

static void
trim_memory(struct expr *e)
{
	struct step *smaller = realloc(e->steps, e->n * sizeof(*e->steps));

	if (smaller)
		e->steps = smaller;
}

int
expr_new(struct str pattern, bool icase, struct expr **out, const char **why)
{
	struct parser p = { .in = pattern, .icase = icase };
	struct node *tree;

	p.nodes = calloc(NODES_MAX, sizeof(*p.nodes));
	*out = NULL;
	*why = "out of memory";
	if (!p.nodes)
		return ERR_NOMEM;
	tree = parse_alternatives(&p);
	if (tree && !p.err)
		*out = write_steps(tree);
	free(p.nodes);
	if (p.err) {
		*why = p.why;
		return p.err;
	}
	if (*out && (*out)->too_large) {
		expr_free(*out);
		*out = NULL;
		*why = "too long";
		return ERR_TOO_LARGE;
	}
	if (!*out)
		return ERR_NOMEM;
	trim_memory(*out);
	return 0;
}

void
expr_free(struct expr *e)
{
	if (e)
		free(e->steps);
	free(e);
}

/* ---- matching ---- */

static bool
has_place(const struct places *s, unsigned step)
{
	return s->index[step] < s->n && s->members[s->index[step]] == step;
}

static bool
join(struct places *s, unsigned step)
{
	if (has_place(s, step))
		return false;
	s->index[step] = s->n;
	s->members[s->n++] = step;
	return true;
}

/* Adds the step, and all that is reached from it without a byte. True: that is the end. */
static bool
follow(struct expr *e, struct places *into, unsigned step, bool begin, bool end)
{
	unsigned n = 0;

	if (join(into, step))
		e->todo[n++] = step;
	while (n) {
		unsigned at = e->todo[--n];
		const struct step *s = &e->steps[at];

		if (s->op == OP_MATCH)
			return true;
		if (s->op == OP_FORK && join(into, s->y))
			e->todo[n++] = s->y;
		if ((s->op == OP_FORK || s->op == OP_JUMP) && join(into, s->x))
			e->todo[n++] = s->x;
		if (((s->op == OP_BEGIN && begin) || (s->op == OP_END && end)) &&
		    join(into, at + 1))
			e->todo[n++] = at + 1;
	}
	return false;
}

bool
expr_match(struct expr *e, struct str text)
{
	struct places *now = &e->now, *next = &e->next, *other;

	now->n = 0;
	for (size_t i = 0; i <= text.n; i++) {
		/* A match may begin anywhere. */
		if (follow(e, now, 0, i == 0, i == text.n))
			return true;
		if (i == text.n)
			break;
		next->n = 0;
		for (unsigned k = 0; k < now->n; k++) {
			const struct step *s = &e->steps[now->members[k]];

			if (s->op == OP_SET && holds(&s->set, (unsigned char)text.p[i]) &&
			    follow(e, next, now->members[k] + 1, false, i + 1 == text.n))
				return true;
		}
		other = now;
		now = next;
		next = other;
	}
	return false;
}
