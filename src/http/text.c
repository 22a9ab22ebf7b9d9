/*
 * See text.h.
 */
#include "http/text.h"

#include "http/http_priv.h"

#define FEW 16 /* parts whose values fit on the stack */

char *
http_text_room(struct http_request *r, size_t n)
{
	struct http_work *w = r->conn->work;
	char *p = w->scratch + w->scratch_n;

	if (n > sizeof(w->scratch) - w->scratch_n)
		return arena_alloc(&r->arena, n + 1); /* never for nothing at all */
	w->scratch_n += n;
	return p;
}

struct str
http_text_copy(struct http_request *r, struct str s)
{
	char *p = http_text_room(r, s.n);

	if (!p)
		return str_make(NULL, 0);
	if (s.n)
		memcpy(p, s.p, s.n);
	return str_make(p, s.n);
}

struct str
http_text_u64(struct http_request *r, uint64_t v)
{
	char digits[U64_DIGITS];

	return http_text_copy(r, str_make(digits, (size_t)(str_put_u64(digits, v) - digits)));
}

struct str
http_text_seconds(struct http_request *r, int64_t ns)
{
	uint64_t ms = (uint64_t)MAX(ns, INT64_C(0)) / (uint64_t)NS_PER_MS;
	char digits[24];
	size_t at = sizeof(digits);

	for (unsigned i = 0; i < 3; i++, ms /= 10)
		digits[--at] = (char)('0' + ms % 10);
	digits[--at] = '.';
	do {
		digits[--at] = (char)('0' + ms % 10);
		ms /= 10;
	} while (ms);
	return http_text_copy(r, str_make(digits + at, sizeof(digits) - at));
}

static bool
is_name_char(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* The variable that text begins with, behind its dollar: "$name" or "${name}". What it takes of
 * text, or 0. */
static size_t
cut_name(struct str text, struct str *name)
{
	bool braces = text.n > 1 && text.p[1] == '{';
	size_t at = braces ? 2 : 1, n = 0;

	while (at + n < text.n && is_name_char(text.p[at + n]))
		n++;
	if (n == 0 || (braces && (at + n == text.n || text.p[at + n] != '}')))
		return 0;
	*name = str_sub(text, at, n);
	return at + n + braces;
}

static int
take_variable(
    struct conf *c, const struct conf_node *node, struct str *text, struct http_text_part *part)
{
	struct str name;
	size_t n = cut_name(*text, &name);

	if (n == 0) {
		conf_error(c, node,
		    "invalid variable name in \"%.*s\"; it is $name or ${name}, and a $ by itself "
		    "cannot be written",
		    STR_ARG(*text));
		return ERR_CONFIG;
	}
	if (name.p[0] >= '0' && name.p[0] <= '9') {
		conf_error(c, node, "\"$%.*s\": expressions do not capture here", STR_ARG(name));
		return ERR_CONFIG;
	}
	*text = str_from(*text, n);
	return http_variable_use(c, node, name, &part->var);
}

int
http_text_compile(
    struct conf *c, const struct conf_node *node, struct str text, struct http_text *out)
{
	unsigned dollars = 0;
	struct http_text_part *part;
	size_t n;
	int err = 0;

	for (size_t i = 0; i < text.n; i++)
		dollars += text.p[i] == '$';
	out->n = 0;
	out->parts = arena_alloc(conf_arena(c), (2 * dollars + 1) * sizeof(*out->parts));
	if (!out->parts)
		return ERR_NOMEM;
	do {
		part = &out->parts[out->n++];
		if (text.n && text.p[0] == '$') {
			err = take_variable(c, node, &text, part);
		} else {
			n = str_find(text, '$') < 0 ? text.n : (size_t)str_find(text, '$');
			part->literal = str_sub(text, 0, n);
			text = str_from(text, n);
		}
	} while (text.n && err == 0);
	return err;
}

bool
http_text_is_constant(const struct http_text *t)
{
	return t->n == 0 || (t->n == 1 && t->parts[0].var.name.n == 0);
}

static struct str
expand_one(const struct http_text_part *part, struct http_request *r)
{
	struct str s = http_text_part_value(part, r);

	return s.p ? s : STR("");
}

/* values: room for as many as there are parts. A value is asked for once: it may cost. */
static struct str
join(const struct http_text *t, struct http_request *r, struct str *values)
{
	size_t n = 0;
	char *out, *to;

	for (unsigned i = 0; i < t->n; i++) {
		values[i] = http_text_part_value(&t->parts[i], r);
		n += values[i].n;
	}
	out = to = http_text_room(r, n);
	if (!out)
		return str_make(NULL, 0);
	for (unsigned i = 0; i < t->n; i++) {
		if (values[i].n)
			memcpy(to, values[i].p, values[i].n);
		to += values[i].n;
	}
	return str_make(out, n);
}

struct str
http_text_expand(const struct http_text *t, struct http_request *r)
{
	struct str few[FEW], *values = few;

	if (t->n == 0)
		return STR("");
	if (t->n == 1)
		return expand_one(&t->parts[0], r);
	if (t->n > FEW)
		values = arena_alloc(&r->arena, t->n * sizeof(*values));
	return values ? join(t, r, values) : str_make(NULL, 0);
}
