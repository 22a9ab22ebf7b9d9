/*
 * The rules by status, and the text that goes with a failure. See classify.h.
 */
#include "sink/classify.h"

#include "base/utf8.h"

/* Of these the first that fits holds. README has them as a table. */
static const struct classify_rule http_rules[] = {
	{ .from = 200, .to = 299, .outcome = SINK_CONFIRMED },
	{ .from = 300, .to = 399, .outcome = SINK_HELD }, /* redirects are not followed */
	{ .from = 401, .to = 401, .outcome = SINK_HELD },
	{ .from = 403, .to = 404, .outcome = SINK_HELD },
	{ .from = 407, .to = 407, .outcome = SINK_HELD },
	{ .from = 408, .to = 409, .outcome = SINK_AGAIN },
	{ .from = 425, .to = 425, .outcome = SINK_AGAIN },
	{ .from = 429, .to = 429, .outcome = SINK_AGAIN },
	{ .from = 400, .to = 499, .outcome = SINK_PERMANENT },
};

static const struct classify_rule smtp_rules[] = {
	{ .from = 200, .to = 299, .outcome = SINK_CONFIRMED },
	{ .from = 530, .to = 530, .outcome = SINK_HELD }, /* log in first; or: TLS first */
	{ .from = 534, .to = 535, .outcome = SINK_HELD }, /* how, or with what, we log in */
	{ .from = 538, .to = 538, .outcome = SINK_HELD },
	{ .from = 500, .to = 599, .outcome = SINK_PERMANENT },
};

static const struct {
	const struct classify_rule *rules;
	size_t n;
} tables[] = {
	[CLASSIFY_HTTP] = { http_rules, ARRAY_LEN(http_rules) },
	[CLASSIFY_SMTP] = { smtp_rules, ARRAY_LEN(smtp_rules) },
};

static bool
fits(const struct classify_rule *rule, int status)
{
	return status >= rule->from && status <= rule->to;
}

enum sink_outcome
classify_status(enum classify_protocol protocol, const struct classify_rule *own, int status)
{
	for (; own; own = own->next)
		if (fits(own, status))
			return own->outcome;
	for (size_t i = 0; i < tables[protocol].n; i++)
		if (fits(&tables[protocol].rules[i], status))
			return tables[protocol].rules[i].outcome;
	return SINK_AGAIN;
}

enum sink_outcome
classify_error(int err)
{
	return err_class(err) == ERR_CLASS_HELD ? SINK_HELD : SINK_AGAIN;
}

/* ---- the text */

static bool
is_break(char c)
{
	return c == '\n' || c == '\r';
}

static struct str
first_line(struct str text)
{
	size_t n = 0;

	while (text.n && (is_break(text.p[0]) || text.p[0] == ' ' || text.p[0] == '\t'))
		text = str_from(text, 1);
	while (n < text.n && !is_break(text.p[n]))
		n++;
	return str_trim(str_sub(text, 0, n));
}

/* As much of s as fits, each character whole, and then nothing more. */
static void
put_safe(struct buf *out, struct str s)
{
	while (s.n > 0) {
		size_t len = utf8_len(s.p, s.n);
		bool plain = len > 0 && (unsigned char)s.p[0] >= 0x20 && s.p[0] != 0x7f;

		if (out->n + (plain ? len : 4) >= out->cap) {
			out->err = ERR_TOO_LARGE;
			return;
		}
		if (plain)
			buf_put(out, s.p, len);
		else
			buf_printf(out, "\\x%02x", (unsigned char)s.p[0]);
		s = str_from(s, plain ? len : 1);
	}
}

void
classify_why(char *out, size_t cap, int status, struct str reason, struct str text)
{
	struct buf b;

	buf_init_fixed(&b, out, cap);
	buf_put_u64(&b, (uint64_t)status);
	if (reason.n > 0) {
		put_safe(&b, STR(" "));
		put_safe(&b, reason);
	}
	text = first_line(text);
	if (text.n > 0) {
		put_safe(&b, STR(": "));
		put_safe(&b, text);
	}
	out[MIN(b.n, cap - 1)] = '\0';
}
