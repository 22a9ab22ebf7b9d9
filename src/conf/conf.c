/*
 * A configuration's life: its arena, its tree, and the messages about it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf_priv.h"

static void
list_start(struct conf_messages_list *l)
{
	l->last = &l->first;
}

struct conf *
conf_new(void)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	arena_init(&c->arena, CONF_MAX_ARENA);
	c->root.block = true;
	c->folder = "";
	list_start(&c->errors);
	list_start(&c->warnings);
	return c;
}

void
conf_free(struct conf *c)
{
	if (!c)
		return;
	for (const struct conf_release *r = c->releases; r; r = r->next)
		r->fn(r->arg);
	arena_fini(&c->arena);
	free(c);
}

int
conf_on_free(struct conf *c, void (*fn)(void *arg), void *arg)
{
	struct conf_release *r = arena_alloc(&c->arena, sizeof(*r));

	if (!r)
		return ERR_NOMEM;
	*r = (struct conf_release){ c->releases, fn, arg };
	c->releases = r;
	return 0;
}

struct arena *
conf_arena(struct conf *c)
{
	return &c->arena;
}

struct conf_node *
conf_tree(struct conf *c)
{
	return c->root.children;
}

struct conf_scope *
conf_main(struct conf *c)
{
	return c->main;
}

void
conf_set_port(struct conf *c, unsigned port)
{
	c->port = port;
}

struct conf_node **
conf_tail(struct conf_node *parent)
{
	struct conf_node **tail = &parent->children;

	while (*tail)
		tail = &(*tail)->next;
	return tail;
}

/* Words that would not survive unquoted. */
static bool
needs_quotes(struct str s)
{
	return s.n == 0 || strpbrk(s.p, " \t\r\n;{}\"'\\#") != NULL;
}

struct conf_node *
conf_node_add(struct conf *c, struct conf_node *parent, const char *name, unsigned n_args, ...)
{
	struct conf_node *node = arena_alloc(&c->arena, sizeof(*node));
	va_list ap;

	if (!node)
		return NULL;
	node->name = arena_str(&c->arena, str_of(name));
	node->args = arena_alloc(&c->arena, (n_args + 1) * sizeof(*node->args));
	node->quoted = arena_alloc(&c->arena, (n_args + 1) * sizeof(*node->quoted));
	if (!node->name.p || !node->args || !node->quoted)
		return NULL;
	node->n_args = n_args;
	va_start(ap, n_args);
	for (unsigned i = 0; i < n_args; i++) {
		node->args[i] = arena_str(&c->arena, str_of(va_arg(ap, const char *)));
		node->quoted[i] = node->args[i].p && needs_quotes(node->args[i]);
	}
	va_end(ap);
	if (!parent)
		parent = &c->root;
	node->file = parent->file;
	node->line = parent->line;
	parent->block = true;
	*conf_tail(parent) = node;
	return c->arena.failed ? NULL : node;
}

/* Keeps one message. Without memory it is counted all the same. */
static void
keep(struct conf *c, struct conf_messages_list *l, const char *file, unsigned line, const char *fmt,
    va_list ap)
{
	struct conf_message *m;
	char text[1024];

	if (l->n++ >= CONF_MAX_MESSAGES)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?'; /* one message is one line, whatever is quoted in it */
	m = arena_alloc(&c->arena, sizeof(*m));
	if (!m)
		return;
	m->text = !file  ? arena_printf(&c->arena, "%s", text)
		  : line ? arena_printf(&c->arena, "%s:%u: %s", file, line, text)
			 : arena_printf(&c->arena, "%s: %s", file, text);
	if (!m->text)
		return;
	*l->last = m;
	l->last = &m->next;
}

void
conf_error(struct conf *c, const struct conf_node *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep(c, &c->errors, at ? at->file : NULL, at ? at->line : 0, fmt, ap);
	va_end(ap);
}

void
conf_error_at(struct conf *c, const char *file, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep(c, &c->errors, file, line, fmt, ap);
	va_end(ap);
}

void
conf_warn(struct conf *c, const struct conf_node *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep(c, &c->warnings, at ? at->file : NULL, at ? at->line : 0, fmt, ap);
	va_end(ap);
}

unsigned
conf_errors(const struct conf *c)
{
	return c->errors.n + (c->arena.failed ? 1 : 0);
}

static void
put_messages(struct buf *out, const struct conf_messages_list *l, const char *mark)
{
	for (const struct conf_message *m = l->first; m; m = m->next)
		buf_printf(out, "[%s] %s\n", mark, m->text);
	if (l->n > CONF_MAX_MESSAGES)
		buf_printf(out, "[%s] and %u more\n", mark, l->n - CONF_MAX_MESSAGES);
}

struct str
conf_messages(struct conf *c)
{
	struct str text = STR("[emerg] the configuration does not fit into memory\n");
	struct buf out;

	if (c->arena.failed)
		return text;
	buf_init(&out, 0);
	put_messages(&out, &c->errors, "emerg");
	put_messages(&out, &c->warnings, "warn");
	if (out.n == 0)
		text = STR("");
	else if (!out.err)
		text = arena_str(&c->arena, str_make(out.p, out.n));
	buf_fini(&out);
	return text.p ? text : STR("[emerg] the configuration does not fit into memory\n");
}
