/*
 * The scanner of config.yml: "key: value" lines in at most two levels, comments, blank lines,
 * plain and quoted scalars. What else YAML has (lists, deeper levels, flow style, block scalars,
 * anchors) is refused with its line, never misread. Called by yml.c.
 */
#include "conf/conf_priv.h"

static int
bad(const struct conf_yml_scan *s, const char *what)
{
	conf_error_at(s->c, s->file, s->line, "%s", what);
	return ERR_CONFIG;
}

/* Takes the next line that says something, without its line end. False at the end. */
static bool
take_line(struct conf_yml_scan *s, struct str *line)
{
	while (s->rest.n) {
		struct str text;

		*line = str_split(&s->rest, '\n');
		s->line++;
		if (line->n && line->p[line->n - 1] == '\r')
			line->n--;
		text = str_trim(*line);
		if (str_is(text, "..."))
			break;
		if (text.n && text.p[0] != '#' && !str_is(text, "---"))
			return true;
	}
	return false;
}

static int
take_indent(struct conf_yml_scan *s, struct str *line, bool *nested)
{
	size_t n = 0;

	while (n < line->n && line->p[n] == ' ')
		n++;
	*line = str_from(*line, n);
	*nested = n > 0;
	if (line->p[0] == '\t')
		return bad(s, "a tab in the indentation, allowed: spaces");
	if (n == 0)
		return 0;
	if (!s->in_section)
		return bad(s, "unexpected indentation, allowed: below a line of the form \"key:\"");
	if (s->indent == 0)
		s->indent = n;
	if (n > s->indent)
		return bad(s, "nested too deeply, allowed: two levels");
	if (n < s->indent)
		return bad(s, "the indentation differs from that of the lines before");
	return 0;
}

static bool
is_key_char(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
	       ch == '_' || ch == '-' || ch == '.';
}

/* "key:" off the start of *line. */
static int
take_key(struct conf_yml_scan *s, struct str *line, struct str *key)
{
	size_t n = 0;

	if (line->p[0] == '-' && (line->n == 1 || line->p[1] == ' '))
		return bad(s, "lists are not supported, allowed: \"key: value\"");
	while (n < line->n && is_key_char(line->p[n]))
		n++;
	*key = str_sub(*line, 0, n);
	*line = str_trim(str_from(*line, n));
	if (n == 0 || line->n == 0 || line->p[0] != ':')
		return bad(s, "expected \"key: value\"");
	*line = str_from(*line, 1);
	if (line->n && line->p[0] != ' ' && line->p[0] != '\t')
		return bad(s, "expected a space behind \":\"");
	*line = str_trim(*line);
	return 0;
}

static int
hex_value(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 0x20;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* The n hexadecimal digits of a \x or \u escape as UTF-8. False for zero, surrogates and what is
 * not hexadecimal. */
static bool
put_code(char **to, const char *digits, size_t n)
{
	unsigned code = 0;

	for (size_t i = 0; i < n; i++) {
		int v = hex_value(digits[i]);

		if (v < 0)
			return false;
		code = code << 4 | (unsigned)v;
	}
	if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
		return false;
	if (code < 0x80) {
		*(*to)++ = (char)code;
	} else if (code < 0x800) {
		*(*to)++ = (char)(0xc0 | code >> 6);
		*(*to)++ = (char)(0x80 | (code & 0x3f));
	} else {
		*(*to)++ = (char)(0xe0 | code >> 12);
		*(*to)++ = (char)(0x80 | (code >> 6 & 0x3f));
		*(*to)++ = (char)(0x80 | (code & 0x3f));
	}
	return true;
}

/* One escape of a double-quoted scalar, p behind its backslash: how many bytes it has, 0 if there
 * is no such escape. Writes no more than it reads, counting the backslash. */
static size_t
put_escape(char **to, const char *p, const char *end)
{
	static const char letters[] = "nrt\"\\/", values[] = "\n\r\t\"\\/";
	const char *letter = p < end ? strchr(letters, *p) : NULL;
	size_t n;

	if (p == end || *p == '\0')
		return 0;
	if (letter) {
		*(*to)++ = values[letter - letters];
		return 1;
	}
	n = *p == 'x' ? 2 : *p == 'u' ? 4 : 0;
	if (n == 0 || (size_t)(end - p) < n + 1 || !put_code(to, p + 1, n))
		return 0;
	return n + 1;
}

/* Unquotes what starts with a quote; *text is left behind the closing one. */
static int
take_quoted(struct conf_yml_scan *s, struct str *text, struct str *out)
{
	char quote = text->p[0], *to = arena_alloc(&s->c->arena, text->n + 1);
	const char *p = text->p + 1, *end = text->p + text->n;

	if (!to)
		return ERR_CONFIG;
	out->p = to;
	for (; p < end; p++) {
		if (*p == quote && quote == '\'' && p + 1 < end && p[1] == quote) {
			*to++ = *p++; /* '' stands for ' */
		} else if (*p == quote) {
			out->n = (size_t)(to - out->p);
			*text = str_make(p + 1, (size_t)(end - p - 1));
			return 0;
		} else if (*p == '\\' && quote == '"') {
			size_t n = put_escape(&to, p + 1, end);

			if (n == 0)
				return bad(s, "unknown escape, allowed: \\n \\r \\t \\\" \\\\ \\/ "
					      "\\xNN \\uNNNN");
			p += n;
		} else {
			*to++ = *p;
		}
	}
	return bad(s, "the quoted value is not closed on its line");
}

static int
take_plain(struct conf_yml_scan *s, struct str text, struct str *out)
{
	size_t n = 0;

	for (; n < text.n; n++) {
		if (text.p[n] == '#' && (text.p[n - 1] == ' ' || text.p[n - 1] == '\t'))
			break;
		if (text.p[n] == ':' && (n + 1 == text.n || text.p[n + 1] == ' '))
			return bad(s, "unexpected \":\" in a value, put the value in quotes");
	}
	text = str_trim(str_sub(text, 0, n));
	if (str_is(text, "~") || str_ieq(text, STR("null")))
		text.n = 0;
	*out = arena_str(&s->c->arena, text);
	return out->p ? 0 : ERR_CONFIG;
}

static int
take_value(struct conf_yml_scan *s, struct str text, struct str *out)
{
	int err;

	if (strchr("[]{}|>&*!%@`,?", text.p[0]))
		return bad(s, "unexpected character, allowed: a plain or quoted value on one line");
	if (text.p[0] == '-' && (text.n == 1 || text.p[1] == ' '))
		return bad(s, "lists are not supported, allowed: \"key: value\"");
	if (text.p[0] != '"' && text.p[0] != '\'')
		return take_plain(s, text, out);
	err = take_quoted(s, &text, out);
	if (err)
		return err;
	if (text.n && text.p[0] != ' ' && text.p[0] != '\t')
		return bad(s, "unexpected text behind a quoted value");
	text = str_trim(text);
	if (text.n && text.p[0] != '#')
		return bad(s, "unexpected text behind a quoted value");
	return 0;
}

int
conf_yml_next(struct conf_yml_scan *s, struct conf_yml_line *out)
{
	struct str line;
	int err;

	if (!take_line(s, &line))
		return 0;
	*out = (struct conf_yml_line){ .line = s->line };
	err = take_indent(s, &line, &out->nested);
	if (!err)
		err = take_key(s, &line, &out->key);
	if (err)
		return err;
	out->section = line.n == 0 || line.p[0] == '#';
	if (!out->nested) {
		s->in_section = out->section;
		s->indent = 0;
	}
	if (!out->section)
		err = take_value(s, line, &out->value);
	return err ? err : 1;
}
