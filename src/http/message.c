/*
 * What an error says: JSON for programs, a small page for people whose Accept field prefers one.
 * Called by reply.c.
 */
#include "http/http_priv.h"

/* A media range's weight in thousandths: "text/html;q=0.8". */
static int
weight(struct str params)
{
	struct str p;

	while (params.p) {
		p = str_trim(str_split(&params, ';'));
		if (p.n < 3 || (p.p[0] | 0x20) != 'q' || p.p[1] != '=')
			continue;
		if (p.p[2] != '0')
			return 1000;
		return p.n < 5 ? 0 : (p.p[4] - '0') * 100;
	}
	return 1000;
}

/* What the Accept list gives to type: by the range that names it most closely. */
static int
preference(struct str accept, const char *type, const char *group)
{
	int best = 0, closeness = 0, c;
	struct str range, name;

	while (accept.p) {
		range = str_trim(str_split(&accept, ','));
		name = str_trim(str_split(&range, ';'));
		c = str_ieq(name, str_of(type))    ? 3
		    : str_ieq(name, str_of(group)) ? 2
		    : str_is(name, "*/*")          ? 1
						   : 0;
		if (c <= closeness)
			continue;
		closeness = c;
		best = weight(range);
	}
	return best;
}

static void
put_html(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '<':
			buf_puts(out, "&lt;");
			break;
		case '>':
			buf_puts(out, "&gt;");
			break;
		case '&':
			buf_puts(out, "&amp;");
			break;
		default:
			buf_putc(out, s.p[i]);
		}
	}
}

const char *
http_message_text(const struct http_head *h, int status, const char *text, struct buf *out)
{
	struct str accept = http_header_get(h, "Accept");

	if (preference(accept, "text/html", "text/*") >
	    preference(accept, "application/json", "application/*")) {
		buf_printf(out, "<!DOCTYPE html>\n<title>%d %s</title>\n<h1>%d %s</h1>\n<p>",
		    status, http_reason(status), status, http_reason(status));
		put_html(out, str_of(text));
		buf_puts(out, "</p>\n");
		return "text/html; charset=utf-8";
	}
	buf_puts(out, "{\"message\":");
	buf_put_json(out, str_of(text));
	buf_puts(out, "}\n");
	return "application/json";
}
