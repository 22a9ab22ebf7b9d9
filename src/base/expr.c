/*
 * See expr.h. An expression is read into a tree (expr_parse.c), the tree is written out as steps (Thompson's
 * construction), and a text is matched by walking all places in the steps at once that its bytes so
 * far may lead to.
 */
#include "base/expr_priv.h"

#include <stdlib.h>

/* ---- steps ---- */

enum op { OP_SET, OP_BEGIN, OP_END, OP_FORK, OP_JUMP, OP_MATCH };

struct step {
	enum op op;
	unsigned x, y; /* FORK: both; JUMP: x. The others go on to the next one. */
	struct expr_set set;
};

/* A set of step numbers: members in order of joining, and each one's place among them. */
struct places {
	unsigned n, *members, *index;
};

/* What a match needs to know while it is under way. */
struct walk {
	const struct step *steps;
	struct places now, next;
	unsigned *todo;   /* of follow() */
	unsigned *memory; /* all of these */
};

struct expr {
	struct step *steps;
	unsigned n;
	bool too_large;
	struct walk walk; /* of expr_match() */
};

struct expr_look {
	struct walk walk;
	struct str text;
	size_t at, piece; /* bytes: how far we are, and how many at a time */
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

static void write_node(struct expr *e, const struct expr_node *n);

/* Once, or not at all. */
static void
write_optional(struct expr *e, const struct expr_node *n)
{
	unsigned fork = emit(e, OP_FORK);

	e->steps[fork].x = e->n;
	write_node(e, n);
	e->steps[fork].y = e->n;
}

static void
write_repeat(struct expr *e, const struct expr_node *n)
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
write_alternatives(struct expr *e, const struct expr_node *n)
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
write_node(struct expr *e, const struct expr_node *n)
{
	if (e->too_large)
		return;
	switch (n->kind) {
	case EXPR_EMPTY:
		break;
	case EXPR_SET:
		e->steps[emit(e, OP_SET)].set = n->set;
		break;
	case EXPR_BEGIN:
		emit(e, OP_BEGIN);
		break;
	case EXPR_END:
		emit(e, OP_END);
		break;
	case EXPR_CAT:
		write_node(e, n->left);
		write_node(e, n->right);
		break;
	case EXPR_ALT:
		write_alternatives(e, n);
		break;
	case EXPR_REPEAT:
		write_repeat(e, n);
		break;
	}
}

/* Room for a match: no more than these steps need. */
static bool
walk_init(struct walk *w, const struct expr *e)
{
	unsigned *memory = calloc(5 * (size_t)e->n, sizeof(*memory));

	w->steps = e->steps;
	w->memory = w->now.members = memory;
	if (!memory)
		return false;
	w->now.index = memory + e->n;
	w->next.members = memory + 2 * e->n;
	w->next.index = memory + 3 * e->n;
	w->todo = memory + 4 * e->n;
	return true;
}

static int
write_steps(struct expr *e, const struct expr_node *tree)
{
	struct step *smaller;

	e->steps = calloc(EXPR_SIZE_MAX + 1, sizeof(*e->steps));
	if (!e->steps)
		return ERR_NOMEM;
	write_node(e, tree);
	if (e->too_large)
		return ERR_TOO_LARGE;
	e->steps[e->n++].op = OP_MATCH; /* there is room for this one */
	smaller = realloc(e->steps, e->n * sizeof(*e->steps));
	if (smaller)
		e->steps = smaller;
	return walk_init(&e->walk, e) ? 0 : ERR_NOMEM;
}

int
expr_new(struct str pattern, bool icase, struct expr **out, const char **why)
{
	struct expr_node *nodes = calloc(EXPR_NODES_MAX, sizeof(*nodes)), *tree;
	struct expr *e = calloc(1, sizeof(*e));
	int err = ERR_NOMEM;

	*out = NULL;
	*why = "out of memory";
	if (!nodes || !e)
		goto out;
	tree = expr_parse(pattern, icase, nodes, &err, why);
	if (tree)
		err = write_steps(e, tree);
	if (tree && err == ERR_TOO_LARGE)
		*why = "too long";
	if (err == 0) {
		*out = e;
		e = NULL;
	}
out:
	expr_free(e);
	free(nodes);
	return err;
}

void
expr_free(struct expr *e)
{
	if (e) {
		free(e->walk.memory);
		free(e->steps);
	}
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
follow(struct walk *w, struct places *into, unsigned step, bool begin, bool end)
{
	unsigned n = 0;

	if (join(into, step))
		w->todo[n++] = step;
	while (n) {
		unsigned at = w->todo[--n];
		const struct step *s = &w->steps[at];

		if (s->op == OP_MATCH)
			return true;
		if (s->op == OP_FORK && join(into, s->y))
			w->todo[n++] = s->y;
		if ((s->op == OP_FORK || s->op == OP_JUMP) && join(into, s->x))
			w->todo[n++] = s->x;
		if (((s->op == OP_BEGIN && begin) || (s->op == OP_END && end)) &&
		    join(into, at + 1))
			w->todo[n++] = at + 1;
	}
	return false;
}

enum { NOT_YET = -1 };

/* On from byte from to byte to of the text, or its end: whether it matches, or NOT_YET. */
static int
walk(struct walk *w, struct str text, size_t from, size_t to)
{
	struct places *now = &w->now, *next = &w->next, other;

	for (size_t i = from; i <= text.n; i++) {
		if (i == to)
			return NOT_YET;
		/* A match may begin anywhere. */
		if (follow(w, now, 0, i == 0, i == text.n))
			return true;
		if (i == text.n)
			break;
		next->n = 0;
		for (unsigned k = 0; k < now->n; k++) {
			const struct step *s = &w->steps[now->members[k]];

			if (s->op == OP_SET && expr_holds(&s->set, (unsigned char)text.p[i]) &&
			    follow(w, next, now->members[k] + 1, false, i + 1 == text.n))
				return true;
		}
		other = *now;
		*now = *next;
		*next = other;
	}
	return false;
}

bool
expr_match(struct expr *e, struct str text)
{
	e->walk.now.n = 0;
	return walk(&e->walk, text, 0, SIZE_MAX);
}

/* ---- matching in pieces ---- */

#define PIECE_STEPS 16384

uint64_t
expr_cost(const struct expr *e, struct str text)
{
	return (uint64_t)e->n * (text.n + 1);
}

struct expr_look *
expr_look_new(const struct expr *e, struct str text)
{
	struct expr_look *l = calloc(1, sizeof(*l));

	if (l == NULL || !walk_init(&l->walk, e)) {
		free(l);
		return NULL;
	}
	l->text = text;
	l->piece = MAX(PIECE_STEPS / e->n, 1);
	return l;
}

bool
expr_look_on(struct expr_look *l, bool *matches)
{
	int got = walk(&l->walk, l->text, l->at, l->at + l->piece);

	l->at += l->piece;
	*matches = got == true;
	return got != NOT_YET;
}

void
expr_look_free(struct expr_look *l)
{
	if (l)
		free(l->walk.memory);
	free(l);
}
