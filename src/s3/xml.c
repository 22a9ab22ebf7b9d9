/*
 * XML in the small: see xml.h. Its input comes from the network and may be anything, an HTML
 * page of a proxy included; what is not well-formed is ERR_BAD and the caller goes by the HTTP
 * status alone. Called by s3/request.c.
 */
#include "s3/xml.h"

#include "base/utf8.h"

void
xml_init(struct xml *x, struct str doc)
{
	*x = (struct xml){ .p = doc.p, .n = doc.n };
	if (doc.n >= 3 && memcmp(doc.p, "\xef\xbb\xbf", 3) == 0)
		x->at = 3;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
	       (unsigned char)c >= 0x80;
}

static bool
is_name(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static void
skip_space(struct xml *x)
{
	while (x->at < x->n && is_space(x->p[x->at]))
		x->at++;
}

static bool
looking_at(const struct xml *x, const char *text)
{
	return str_starts(str_make(x->p + x->at, x->n - x->at), str_of(text));
}

static bool
take_char(struct xml *x, char c)
{
	if (x->at >= x->n || x->p[x->at] != c)
		return false;
	x->at++;
	return true;
}

static int
take_name(struct xml *x, struct str *name)
{
	size_t start = x->at;

	if (x->at >= x->n || !is_name_start(x->p[x->at]))
		return ERR_BAD;
	while (x->at < x->n && is_name(x->p[x->at]))
		x->at++;
	*name = str_make(x->p + start, x->at - start);
	return 0;
}

/* Up to and with the text end; what was before it goes to *inside. */
static int
take_until(struct xml *x, const char *end, struct str *inside)
{
	size_t start = x->at, len = strlen(end);

	for (; x->at + len <= x->n; x->at++) {
		if (memcmp(x->p + x->at, end, len) != 0)
			continue;
		*inside = str_make(x->p + start, x->at - start);
		x->at += len;
		return 0;
	}
	return ERR_BAD;
}

/* name = "value", without '<' inside. */
static int
take_attribute(struct xml *x)
{
	struct str name, value;
	char quote;

	if (take_name(x, &name))
		return ERR_BAD;
	skip_space(x);
	if (!take_char(x, '='))
		return ERR_BAD;
	skip_space(x);
	if (x->at >= x->n || (x->p[x->at] != '"' && x->p[x->at] != '\''))
		return ERR_BAD;
	quote = x->p[x->at++];
	if (take_until(x, quote == '"' ? "\"" : "'", &value))
		return ERR_BAD;
	return str_find(value, '<') < 0 ? 0 : ERR_BAD;
}

/* Behind '<'. */
static int
take_open(struct xml *x)
{
	if (x->depth == XML_MAX_DEPTH || (x->depth == 0 && x->rooted))
		return ERR_BAD;
	if (take_name(x, &x->name))
		return ERR_BAD;
	for (;;) {
		size_t before = x->at;

		skip_space(x);
		if (x->at >= x->n)
			return ERR_BAD;
		if (x->p[x->at] == '>' || x->p[x->at] == '/')
			break;
		if (x->at == before || take_attribute(x))
			return ERR_BAD;
	}
	x->close_next = take_char(x, '/');
	if (!take_char(x, '>'))
		return ERR_BAD;
	x->open[x->depth++] = x->name;
	x->rooted = true;
	return XML_OPEN;
}

/* Behind "</". */
static int
take_close(struct xml *x)
{
	if (take_name(x, &x->name))
		return ERR_BAD;
	skip_space(x);
	if (!take_char(x, '>'))
		return ERR_BAD;
	if (x->depth == 0 || !str_eq(x->open[x->depth - 1], x->name))
		return ERR_BAD;
	x->depth--;
	return XML_CLOSE;
}

/* Comments and processing instructions: 1 skipped one, 0 there is none, or ERR_BAD. */
static int
skip_misc(struct xml *x)
{
	struct str inside;

	if (looking_at(x, "<!--")) {
		x->at += 4;
		return take_until(x, "-->", &inside) ? ERR_BAD : 1;
	}
	if (looking_at(x, "<?")) {
		x->at += 2;
		return take_until(x, "?>", &inside) ? ERR_BAD : 1;
	}
	return 0;
}

static int
take_text(struct xml *x)
{
	size_t start = x->at;

	x->cdata = looking_at(x, "<![CDATA[");
	if (x->cdata) {
		x->at += 9;
		return take_until(x, "]]>", &x->text) ? ERR_BAD : XML_TEXT;
	}
	while (x->at < x->n && x->p[x->at] != '<')
		x->at++;
	x->text = str_make(x->p + start, x->at - start);
	return XML_TEXT;
}

/* Before and behind the root element. */
static int
next_outside(struct xml *x)
{
	int skipped;

	do {
		skip_space(x);
		if ((skipped = skip_misc(x)) < 0)
			return ERR_BAD;
	} while (skipped);
	if (x->at == x->n)
		return x->rooted ? XML_END : ERR_BAD;
	return take_char(x, '<') ? take_open(x) : ERR_BAD;
}

int
xml_next(struct xml *x)
{
	int skipped;

	if (x->close_next) {
		x->close_next = false;
		x->name = x->open[--x->depth];
		return XML_CLOSE;
	}
	if (x->depth == 0)
		return next_outside(x);
	while ((skipped = skip_misc(x)))
		if (skipped < 0)
			return ERR_BAD;
	if (x->at == x->n)
		return ERR_BAD;
	if (x->p[x->at] != '<' || looking_at(x, "<![CDATA["))
		return take_text(x);
	x->at++;
	return take_char(x, '/') ? take_close(x) : take_open(x);
}

/* The number of "&#N;" or "&#xN;", without its marks. */
static int
parse_reference(struct str digits, uint32_t *out)
{
	bool hex = digits.n > 0 && digits.p[0] == 'x';
	uint32_t v = 0;
	size_t i = hex;

	if (digits.n == i || digits.n > i + 7)
		return ERR_BAD;
	for (; i < digits.n; i++) {
		char c = digits.p[i];

		if (c >= '0' && c <= '9')
			v = v * (hex ? 16 : 10) + (uint32_t)(c - '0');
		else if (hex && c >= 'a' && c <= 'f')
			v = v * 16 + (uint32_t)(c - 'a') + 10;
		else if (hex && c >= 'A' && c <= 'F')
			v = v * 16 + (uint32_t)(c - 'A') + 10;
		else
			return ERR_BAD;
	}
	*out = v;
	return v == 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? ERR_BAD : 0;
}

/* entity: between '&' and ';'. */
static int
put_entity(struct str entity, struct buf *out)
{
	static const struct {
		const char *name;
		char c;
	} known[] = { { "lt", '<' }, { "gt", '>' }, { "amp", '&' }, { "quot", '"' },
		{ "apos", '\'' } };
	char utf8[4];
	uint32_t c;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_is(entity, known[i].name)) {
			buf_putc(out, known[i].c);
			return 0;
		}
	if (entity.n < 2 || entity.p[0] != '#' || parse_reference(str_from(entity, 1), &c))
		return ERR_BAD;
	buf_put(out, utf8, utf8_encode(c, utf8));
	return 0;
}

int
xml_put_text(const struct xml *x, struct buf *out)
{
	struct str rest = x->text;

	if (x->cdata) {
		buf_put_str(out, rest);
		return 0;
	}
	while (rest.n > 0) {
		ptrdiff_t amp = str_find(rest, '&'), end;

		if (amp < 0)
			break;
		buf_put(out, rest.p, (size_t)amp);
		rest = str_from(rest, (size_t)amp + 1);
		end = str_find(rest, ';');
		if (end < 0 || put_entity(str_make(rest.p, (size_t)end), out))
			return ERR_BAD;
		rest = str_from(rest, (size_t)end + 1);
	}
	buf_put_str(out, rest);
	return 0;
}

/* The field of out that an element fills, and its size. */
static char *
s3_field(struct xml_s3_error *out, struct str name, size_t *cap)
{
	if (str_is(name, "Code"))
		return *cap = sizeof(out->code), out->code;
	if (str_is(name, "Message"))
		return *cap = sizeof(out->message), out->message;
	if (str_is(name, "Region"))
		return *cap = sizeof(out->region), out->region;
	if (str_is(name, "RequestId"))
		return *cap = sizeof(out->request_id), out->request_id;
	return NULL;
}

/* Appends the text at hand to the field, cut to cap. */
static int
add_text(const struct xml *x, char *field, size_t cap)
{
	size_t used = strlen(field);
	struct buf text;
	int err;

	buf_init(&text, 0);
	err = xml_put_text(x, &text);
	if (!err)
		err = buf_failed(&text);
	if (!err && text.n > 0)
		str_copyz(field + used, cap - used, buf_str(&text));
	buf_fini(&text);
	return err;
}

int
xml_parse_s3_error(struct str doc, struct xml_s3_error *out)
{
	char *field = NULL;
	size_t cap = 0;
	struct xml x;
	int event, err;

	memset(out, 0, sizeof(*out));
	xml_init(&x, doc);
	while ((event = xml_next(&x)) != XML_END) {
		if (event < 0)
			return event;
		if (event == XML_TEXT) {
			if (field && x.depth == 2 && (err = add_text(&x, field, cap)))
				return err;
			continue;
		}
		if (event == XML_OPEN && x.depth == 1 && !str_is(x.name, "Error"))
			return ERR_BAD;
		field = event == XML_OPEN && x.depth == 2 ? s3_field(out, x.name, &cap) : NULL;
		if (field && *field)
			field = NULL; /* said twice: the first counts */
	}
	return 0;
}
