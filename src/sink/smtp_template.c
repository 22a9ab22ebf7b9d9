/*
 * See smtp_template.h. Compiled by smtp_conf.c, expanded by smtp_letter.c.
 */
#include "sink/smtp_template.h"

#include "base/json.h"

static const struct {
	const char *name;
	enum smtp_value value;
} names[] = {
	{ "body", SMTP_BODY },
	{ "id", SMTP_ID },
	{ "user", SMTP_USER },
	{ "stream", SMTP_STREAM },
	{ "trace_id", SMTP_TRACE },
};

/* ---- compiling ---- */

static bool
is_name_char(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* Of a name without braces; a dot belongs to it where a name goes on behind it. */
static size_t
bare_length(struct str s)
{
	size_t n = 0;

	while (n < s.n && (is_name_char(s.p[n]) ||
			      (s.p[n] == '.' && n > 0 && n + 1 < s.n && is_name_char(s.p[n + 1]))))
		n++;
	return n;
}

/* The variable that text begins with, its dollar included: what it takes of text, or 0. */
static size_t
cut_variable(struct str text, struct str *name)
{
	ptrdiff_t close = str_find(text, '}');

	if (text.n > 1 && text.p[1] == '{') {
		if (close < 3)
			return 0;
		*name = str_sub(text, 2, (size_t)close - 2);
		return (size_t)close + 1;
	}
	*name = str_sub(text, 1, bare_length(str_from(text, 1)));
	return name->n ? name->n + 1 : 0;
}

static bool
is_path(struct str s)
{
	while (s.p != NULL)
		if (str_split(&s, '.').n == 0)
			return false;
	return true;
}

/* False: nobody knows it. "$id.x" is the id and ".x". */
static bool
name_part(struct str *name, struct smtp_part *part)
{
	struct str word = *name;

	if (str_starts(*name, STR("json."))) {
		part->value = SMTP_JSON;
		part->text = str_from(*name, 5);
		return is_path(part->text);
	}
	word = str_split(&word, '.');
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!str_is(word, names[i].name))
			continue;
		*part = (struct smtp_part){ .value = names[i].value };
		name->n = word.n;
		return true;
	}
	return false;
}

/* text begins with a dollar: what it takes of it, or 0. */
static size_t
take_dollar(struct str text, struct smtp_part *part)
{
	struct str name;
	bool braces = text.n > 1 && text.p[1] == '{';
	size_t n, whole;

	if (text.n > 1 && text.p[1] == '$') {
		*part = (struct smtp_part){ SMTP_LITERAL, str_sub(text, 0, 1) };
		return 2;
	}
	n = cut_variable(text, &name);
	whole = name.n;
	if (n == 0 || !name_part(&name, part) || (braces && name.n < whole))
		return 0;
	return n - (whole - name.n);
}

int
smtp_template_compile(
    struct arena *arena, struct str text, struct smtp_template *out, struct str *bad)
{
	size_t most = 1;

	for (size_t i = 0; i < text.n; i++)
		most += text.p[i] == '$' ? 2 : 0;
	*out = (struct smtp_template){ .fixed = true };
	out->parts = arena_alloc(arena, most * sizeof(*out->parts));
	if (out->parts == NULL)
		return ERR_NOMEM;
	while (text.n > 0) {
		struct smtp_part *part = &out->parts[out->n];
		ptrdiff_t dollar = str_find(text, '$');
		size_t n = dollar < 0 ? text.n : (size_t)dollar;

		*part = (struct smtp_part){ SMTP_LITERAL, str_sub(text, 0, n) };
		if (n == 0 && (n = take_dollar(text, part)) == 0) {
			*bad = text;
			return ERR_BAD;
		}
		out->has_json |= part->value == SMTP_JSON;
		out->fixed &= part->value == SMTP_LITERAL;
		out->n++;
		text = str_from(text, n);
	}
	return 0;
}

/* ---- expanding ---- */

/* Does the raw name (with its quotes) say `wanted`? */
static bool
is_named(struct str raw, struct str wanted)
{
	struct buf plain;
	bool same;

	if (str_find(raw, '\\') < 0)
		return raw.n == wanted.n + 2 && memcmp(raw.p + 1, wanted.p, wanted.n) == 0;
	buf_init(&plain, 0);
	same = json_unquote(raw, &plain) == 0 && str_eq(buf_str(&plain), wanted);
	buf_fini(&plain);
	return same;
}

/* The member of an object (the last of equal names), or the element of an array. */
static bool
find_member(struct str container, struct str wanted, struct str *value)
{
	bool array = container.n > 0 && container.p[0] == '[', found = false;
	struct str name, each;
	uint64_t index = 0, n = 0;
	size_t at = 0;

	if (array && str_to_u64(wanted, &index))
		return false;
	while (json_next(container, &at, &name, &each) == 1) {
		if (array ? n++ == index : is_named(name, wanted)) {
			*value = each;
			found = true;
		}
	}
	return found;
}

static struct str
skip_blank(struct str s)
{
	while (s.n > 0 && s.p[0] != '\0' && strchr(" \t\r\n", s.p[0]))
		s = str_from(s, 1);
	return s;
}

static int
put_member(struct str record, struct str path, struct buf *out)
{
	struct str value = skip_blank(record);

	if (value.n == 0 || value.p[0] != '{')
		return ERR_BAD;
	while (path.p != NULL)
		if (!find_member(value, str_split(&path, '.'), &value))
			return ERR_NOT_FOUND;
	if (str_is(value, "null"))
		return ERR_NOT_FOUND;
	if (value.p[0] == '"')
		return json_unquote(value, out);
	buf_put_str(out, value);
	return 0;
}

static struct str
plain_value(enum smtp_value value, const struct smtp_values *v)
{
	switch (value) {
	case SMTP_BODY:
		return v->body;
	case SMTP_ID:
		return v->id;
	case SMTP_USER:
		return v->user;
	case SMTP_STREAM:
		return v->stream;
	default:
		return v->trace_id;
	}
}

int
smtp_template_expand(const struct smtp_template *t, const struct smtp_values *v, struct buf *out,
    struct str *missing)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct smtp_part *part = &t->parts[i];
		int err = 0;

		if (part->value == SMTP_LITERAL)
			buf_put_str(out, part->text);
		else if (part->value == SMTP_JSON)
			err = put_member(v->body, part->text, out);
		else
			buf_put_str(out, plain_value(part->value, v));
		if (err) {
			*missing = part->text;
			return err;
		}
	}
	return buf_failed(out);
}
