/*
 * See smtp_reply.h. Called by smtp_dialogue.c.
 */
#include "sink/smtp_reply.h"

void
smtp_reply_init(struct smtp_reply *r)
{
	r->code = r->first_code = 0;
	r->text_n = r->line_n = 0;
	r->lines = 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "5.1.1": class, then two numbers of at most three digits. */
struct str
smtp_enhanced(struct str text)
{
	size_t at = 1;

	if (text.n < 5 || !strchr("245", text.p[0]) || text.p[0] == '\0')
		return str_make(NULL, 0);
	for (unsigned part = 0; part < 2; part++) {
		size_t digits = 0;

		if (at == text.n || text.p[at] != '.')
			return str_make(NULL, 0);
		for (at++; at < text.n && is_digit(text.p[at]); at++)
			digits++;
		if (digits == 0 || digits > 3)
			return str_make(NULL, 0);
	}
	if (at < text.n && text.p[at] != ' ')
		return str_make(NULL, 0);
	return str_sub(text, 0, at);
}

/* The code of a line, or 0. */
static int
code_of(struct str line)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !is_digit(line.p[1]) ||
	    !is_digit(line.p[2]))
		return 0;
	if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return 0;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
}

static void
keep_text(struct smtp_reply *r, struct str text)
{
	struct str known = smtp_enhanced(str_make(r->text, r->text_n));
	size_t n;

	text = str_trim(text);
	if (r->text_n > 0 && known.n > 0 && str_eq(smtp_enhanced(text), known))
		text = str_trim(str_from(text, known.n));
	if (r->text_n > 0 && text.n > 0 && r->text_n < sizeof(r->text))
		r->text[r->text_n++] = ' ';
	n = MIN(text.n, sizeof(r->text) - r->text_n);
	if (n > 0)
		memcpy(r->text + r->text_n, text.p, n);
	r->text_n += n;
}

/* A whole line is in r->line. 0, or an error. */
static int
take_line(struct smtp_reply *r, smtp_line_fn *each, void *arg)
{
	struct str line = str_make(r->line, r->line_n), text;
	int code;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	code = code_of(line);
	if (code == 0 || (r->lines > 0 && code != r->first_code) || str_find(line, '\r') >= 0)
		return ERR_PROTOCOL;
	if (r->lines == SMTP_LINES_MAX)
		return ERR_TOO_LARGE;
	text = str_from(line, 4);
	keep_text(r, text);
	if (each != NULL)
		each(arg, r->lines, text);
	r->first_code = code;
	r->lines++;
	r->line_n = 0;
	if (line.n == 3 || line.p[3] == ' ')
		r->code = code;
	return 0;
}

ssize_t
smtp_reply_take(struct smtp_reply *r, struct str in, smtp_line_fn *each, void *arg)
{
	size_t at = 0;

	if (r->code != 0)
		smtp_reply_init(r);
	while (at < in.n && r->code == 0) {
		char c = in.p[at++];
		int err;

		if (c == '\n') {
			if ((err = take_line(r, each, arg)))
				return err;
		} else if (r->line_n == sizeof(r->line)) {
			return ERR_TOO_LARGE;
		} else {
			r->line[r->line_n++] = c;
		}
	}
	return (ssize_t)at;
}
