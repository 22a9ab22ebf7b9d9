/*
 * The scanner: splits text into directives exactly as nginx does. White space separates words; ";"
 * and "{" end a directive; "#" where a word could begin starts a comment. A word may be in ' or ",
 * which must be followed by white space, ";", "{" or ")". A backslash takes the next character out
 * of play; \" \' and \\ lose their backslash, \t \r \n become control characters, any other keeps
 * it. "${" does not open a block. "}" ends a block only where a word could begin.
 *
 * In directives that nginx does not have, and that say so (CONF_QUOTED_VALUES), the value of a word name="value" may be in quotes, too.
 *
 * Called by parse.c for files and by apply.c for defaults.
 */
#include <stdlib.h>

#include "conf/conf_priv.h"

struct conf_lex_word {
	struct str text;
	bool quoted;
	unsigned line;
};

void
conf_lex_init(struct conf_lex *l, struct conf *c, const char *file, struct str text)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";

	if (str_starts(text, str_of(byte_order_mark)))
		text = str_from(text, 3);
	*l = (struct conf_lex){ .c = c, .file = file, .line = 1 };
	l->p = text.n ? text.p : "";
	l->end = l->p + text.n;
}

void
conf_lex_fini(struct conf_lex *l)
{
	free(l->words);
	l->words = NULL;
}

static bool
is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static void
skip_blank(struct conf_lex *l)
{
	bool comment = false;

	for (; l->p < l->end && (comment || is_blank(*l->p) || *l->p == '#'); l->p++) {
		if (*l->p == '#')
			comment = true;
		if (*l->p == '\n') {
			comment = false;
			l->line++;
		}
	}
}

/* What ends a word: its closing quote, or for a bare one (quote 0) what follows it. NULL: the text
 * ends first. */
static const char *
word_end(struct conf_lex *l, const char *p, char quote)
{
	bool variable = false;

	for (; p < l->end; p++) {
		bool after_dollar = variable;

		if (quote ? *p == quote : is_blank(*p) || *p == ';')
			return p;
		if (*p == '{' && !quote && !after_dollar)
			return p;
		variable = *p == '$' || (*p == '{' && after_dollar);
		if (*p == '\\' && ++p == l->end)
			break;
		if (*p == '\n')
			l->line++;
	}
	return NULL;
}

/* The text from p to end with its backslashes worked in, behind a prefix that has none. */
static struct str
unescape(struct arena *a, struct str prefix, const char *p, const char *end)
{
	char *text = arena_alloc(a, prefix.n + (size_t)(end - p) + 1), *to = text;

	if (!text)
		return (struct str){ NULL, 0 };
	if (prefix.n)
		memcpy(text, prefix.p, prefix.n);
	to += prefix.n;
	for (; p < end; p++) {
		if (*p != '\\' || p + 1 == end) {
			*to++ = *p;
			continue;
		}
		p++;
		switch (*p) {
		case 't':
			*to++ = '\t';
			break;
		case 'r':
			*to++ = '\r';
			break;
		case 'n':
			*to++ = '\n';
			break;
		case '"':
		case '\'':
		case '\\':
			*to++ = *p;
			break;
		default:
			*to++ = '\\';
			*to++ = *p;
		}
	}
	return str_make(text, (size_t)(to - text));
}

static int
add_word(struct conf_lex *l, struct conf_lex_word word)
{
	if (l->n_words == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct conf_lex_word *words = realloc(l->words, cap * sizeof(*words));

		if (!words)
			return ERR_NOMEM;
		l->words = words;
		l->cap = cap;
	}
	if (!word.text.p)
		return ERR_NOMEM;
	l->words[l->n_words++] = word;
	return 0;
}

static int
unexpected(struct conf_lex *l, char ch)
{
	conf_error_at(l->c, l->file, l->line, "unexpected \"%c\"", ch);
	return ERR_CONFIG;
}

static int
unexpected_end(struct conf_lex *l, char quote, unsigned line)
{
	if (quote)
		conf_error_at(l->c, l->file, l->line,
		    "unexpected end of file, expecting \";\" or \"}\"; the %c of line %u is not "
		    "closed",
		    quote, line);
	else
		conf_error_at(
		    l->c, l->file, l->line, "unexpected end of file, expecting \";\" or \"}\"");
	return ERR_CONFIG;
}

static bool
is_quote(char ch)
{
	return ch == '"' || ch == '\'';
}

/* The "name=" here, if a quoted value may follow and does; else empty. */
static struct str
cut_name(const struct conf_lex *l)
{
	const struct conf_row *row = NULL;
	const char *p = l->p;

	while (p < l->end && ((*p >= 'a' && *p <= 'z') || *p == '_'))
		p++;
	if (p == l->p || l->end - p < 2 || *p != '=' || !is_quote(p[1]))
		return str_make(l->p, 0);
	if (l->n_words > 0)
		row = conf_find_row(l->words[0].text, ~0u);
	return str_make(
	    l->p, row && (row->flags & CONF_QUOTED_VALUES) ? (size_t)(p + 1 - l->p) : 0);
}

static int
take_word(struct conf_lex *l)
{
	struct str name = cut_name(l);
	char first = l->p[name.n], quote = is_quote(first) ? first : 0;
	const char *start = l->p + name.n + (quote ? 1 : 0), *end;
	unsigned line = l->line;
	int err;

	end = word_end(l, start, quote);
	if (!end)
		return unexpected_end(l, quote, line);
	err = add_word(l, (struct conf_lex_word){ .text = unescape(&l->c->arena, name, start, end),
			      .quoted = quote != 0,
			      .line = line });
	if (err) {
		conf_error_at(l->c, l->file, l->line, "out of memory");
		return err;
	}
	l->p = quote ? end + 1 : end;
	if (quote && l->p < l->end && !is_blank(*l->p) && !strchr(";{)", *l->p))
		return unexpected(l, *l->p);
	return 0;
}

/* The words read so far as a node. */
static struct conf_node *
make_node(struct conf_lex *l)
{
	struct arena *a = &l->c->arena;
	struct conf_node *node = arena_alloc(a, sizeof(*node));
	size_t n = l->n_words - 1;

	if (!node)
		return NULL;
	node->name = l->words[0].text;
	node->file = l->file;
	node->line = l->words[0].line;
	node->n_args = (unsigned)n;
	node->args = arena_alloc(a, (n + 1) * sizeof(*node->args));
	node->quoted = arena_alloc(a, (n + 1) * sizeof(*node->quoted));
	if (!node->args || !node->quoted)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		node->args[i] = l->words[i + 1].text;
		node->quoted[i] = l->words[i + 1].quoted;
	}
	return node;
}

static int
end_directive(struct conf_lex *l, struct conf_node **out)
{
	char ch = *l->p++;

	*out = make_node(l);
	if (!*out) {
		conf_error_at(l->c, l->file, l->line, "out of memory");
		return ERR_NOMEM;
	}
	(*out)->block = ch == '{';
	return ch == '{' ? CONF_LEX_BLOCK : CONF_LEX_DIRECTIVE;
}

int
conf_lex_next(struct conf_lex *l, struct conf_node **out)
{
	l->n_words = 0;
	for (;;) {
		char ch;
		int err;

		skip_blank(l);
		if (l->p == l->end)
			return l->n_words ? unexpected_end(l, 0, 0) : CONF_LEX_EOF;
		ch = *l->p;
		if (ch == ';' || ch == '{')
			return l->n_words ? end_directive(l, out) : unexpected(l, ch);
		if (ch == '}') {
			if (l->n_words)
				return unexpected(l, ch);
			l->p++;
			return CONF_LEX_END_BLOCK;
		}
		err = take_word(l);
		if (err)
			return err;
	}
}
