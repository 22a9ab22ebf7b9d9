/*
 * The tree as text (-T): parses back to the same tree, except that secrets are shown as "***".
 */
#include "conf/conf_priv.h"

/* Where arguments are secret: from argument `from` on (1: the first), if the directive has this
 * name and, unless NULL, this first argument. */
static const struct {
	const char *name, *first;
	unsigned from;
} secrets[] = {
	{ "credentials", "keys", 3 },
	{ "proxy_set_header", "Authorization", 2 },
	{ "proxy_set_header", "Cookie", 2 },
	{ "proxy_set_header", "X-API-Key", 2 },
};

static bool
is_secret(const struct conf_node *node, unsigned i)
{
	for (size_t k = 0; k < ARRAY_LEN(secrets); k++)
		if (i + 1 >= secrets[k].from && str_is(node->name, secrets[k].name) &&
		    (!secrets[k].first || str_ieq(node->args[0], str_of(secrets[k].first))))
			return true;
	return false;
}

/* A word in double quotes. */
static void
put_quoted(struct buf *out, struct str s)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '"':
		case '\\':
			buf_putc(out, '\\');
			buf_putc(out, s.p[i]);
			break;
		case '\t':
			buf_puts(out, "\\t");
			break;
		case '\r':
			buf_puts(out, "\\r");
			break;
		case '\n':
			buf_puts(out, "\\n");
			break;
		default:
			buf_putc(out, s.p[i]);
		}
	}
	buf_putc(out, '"');
}

/* A word that stood bare. Blanks, ";" and "{" are in it only behind a backslash that stays ("{"
 * also behind "$"), a quote at its start only because a backslash was dropped. */
static void
put_bare(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : 'x';

		if (ch == '\t' || ch == '\r' || ch == '\n') {
			buf_puts(out, ch == '\t' ? "\\t" : ch == '\r' ? "\\r" : "\\n");
		} else if (ch == '\\' && strchr(" ;{}#", next)) {
			buf_putc(out, ch);
			buf_putc(out, next);
			i++;
		} else {
			if (ch == '\\' || ch == '"' || ch == '\'')
				buf_putc(out, '\\');
			buf_putc(out, ch);
		}
	}
}

/* A name may have been in quotes, which are not kept; so any that needs them gets them. */
static void
put_name(struct buf *out, struct str name)
{
	if (name.n == 0 || strpbrk(name.p, " \t\r\n;{}\"'\\#"))
		put_quoted(out, name);
	else
		buf_put_str(out, name);
}

/* "user:password@" behind "://" without the password. */
static bool
url_password(struct str s, size_t *from, size_t *to)
{
	const char *start = strstr(s.p, "://"), *end, *colon;

	if (!start)
		return false;
	start += 3;
	end = start + strcspn(start, "/?#");
	colon = memchr(start, ':', (size_t)(end - start));
	for (*to = (size_t)(end - s.p); end > start && end[-1] != '@'; end--)
		;
	if (!colon || end == start || colon >= end - 1)
		return false;
	*from = (size_t)(colon + 1 - s.p);
	*to = (size_t)(end - 1 - s.p);
	return true;
}

/* What stands behind "header=NAME: " of a sink: all of it may be a token. */
static bool
header_value(const struct conf_node *node, struct str s, size_t *from, size_t *to)
{
	ptrdiff_t colon = str_find(s, ':');

	if (!str_is(node->name, "sink") || !str_starts(s, STR("header=")) || colon < 0)
		return false;
	*from = (size_t)colon + 1;
	while (*from < s.n && s.p[*from] == ' ')
		++*from;
	*to = s.n;
	return true;
}

static void
put_arg(struct buf *out, const struct conf_node *node, unsigned i)
{
	void (*put)(struct buf *, struct str) = node->quoted[i] ? put_quoted : put_bare;
	struct str arg = node->args[i];
	struct buf masked;
	size_t from, to;

	if (is_secret(node, i)) {
		put(out, STR("***"));
		return;
	}
	if (!header_value(node, arg, &from, &to) && !url_password(arg, &from, &to)) {
		put(out, arg);
		return;
	}
	buf_init(&masked, 0);
	buf_put_str(&masked, str_sub(arg, 0, from));
	buf_puts(&masked, "***");
	buf_put_str(&masked, str_from(arg, to));
	put(out, str_make(masked.p, masked.n));
	buf_fini(&masked);
}

static void
put_nodes(struct buf *out, const struct conf_node *first, unsigned depth)
{
	for (const struct conf_node *node = first; node; node = node->next) {
		if (node->hidden)
			continue;
		for (unsigned i = 0; i < depth; i++)
			buf_putc(out, '\t');
		put_name(out, node->name);
		for (unsigned i = 0; i < node->n_args; i++) {
			buf_putc(out, ' ');
			put_arg(out, node, i);
		}
		if (!node->block) {
			buf_puts(out, ";\n");
			continue;
		}
		buf_puts(out, " {\n");
		put_nodes(out, node->children, depth + 1);
		for (unsigned i = 0; i < depth; i++)
			buf_putc(out, '\t');
		buf_puts(out, "}\n");
	}
}

void
conf_dump(struct conf *c, struct buf *out)
{
	put_nodes(out, c->root.children, 0);
}
