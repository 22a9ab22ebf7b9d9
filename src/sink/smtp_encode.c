/*
 * See smtp_encode.h. Called by smtp_letter.c.
 */
#include "sink/smtp_encode.h"

#include "base/utf8.h"

enum {
	COLUMN_MAX = 76, /* of a line with encoded words, or of quoted-printable */
	FOLD_AT = 78,
	WORD_EXTRA = 12 /* "=?UTF-8?B?" and "?=" */
};

/* ---- headers ---- */

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* Printable ASCII, blanks, control characters (which become blanks), and nothing that a reader would decode. */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80 ||
		    (s.p[i] == '=' && i + 1 < s.n && s.p[i + 1] == '?'))
			return false;
	return true;
}

static void
fold(struct buf *out, size_t *column)
{
	buf_puts(out, "\r\n ");
	*column = 1;
}

/* As many whole characters of s as one encoded word of `room` columns holds; at least one. */
static size_t
fitting(struct str s, size_t room)
{
	size_t max = room > WORD_EXTRA ? (room - WORD_EXTRA) / 4 * 3 : 0, n = 0;

	while (n < s.n) {
		size_t len = MAX(utf8_len(s.p + n, s.n - n), (size_t)1);

		if (n > 0 && n + len > max)
			break;
		n += len;
	}
	return n;
}

static void
put_word(struct buf *out, struct str s)
{
	char clean[COLUMN_MAX];

	assert(s.n <= sizeof(clean));
	for (size_t i = 0; i < s.n; i++)
		clean[i] = is_control(s.p[i]) ? ' ' : s.p[i];
	buf_puts(out, "=?UTF-8?B?");
	buf_put_base64(out, clean, s.n);
	buf_puts(out, "?=");
}

/* The blank between two encoded words is not part of the text. */
static void
put_words(struct buf *out, struct str s, size_t *column)
{
	bool first = true;

	while (s.n > 0) {
		size_t n;

		if (!first || *column + WORD_EXTRA + 8 > COLUMN_MAX)
			fold(out, column);
		n = fitting(s, COLUMN_MAX - *column);
		put_word(out, str_sub(s, 0, n));
		*column += WORD_EXTRA + (n + 2) / 3 * 4;
		s = str_from(s, n);
		first = false;
	}
}

/* Folded before blanks; unfolding gives the same text. A line of nothing but blanks would be no header: there it is not folded. */
static void
put_plain(struct buf *out, struct str s, size_t *column)
{
	size_t word;

	for (size_t at = 0; at < s.n; at = word) {
		word = at;
		while (word < s.n && (s.p[word] == ' ' || is_control(s.p[word])))
			word++;
		if (at > 0 && word > at && word < s.n) {
			size_t end = word;

			while (end < s.n && s.p[end] != ' ' && !is_control(s.p[end]))
				end++;
			if (*column + (end - at) > FOLD_AT) {
				buf_puts(out, "\r\n");
				*column = 0;
			}
		}
		for (size_t i = at; i < word; i++)
			buf_putc(out, ' ');
		*column += word - at;
		for (; word < s.n && s.p[word] != ' ' && !is_control(s.p[word]); word++) {
			buf_putc(out, s.p[word]);
			++*column;
		}
	}
}

/* Words, or runs of blanks, that could not be folded into lines of 998 bytes. */
static bool
is_foldable(struct str s)
{
	size_t run = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool blank = s.p[i] == ' ' || is_control(s.p[i]);
		bool before = i > 0 && (s.p[i - 1] == ' ' || is_control(s.p[i - 1]));

		run = i > 0 && blank == before ? run + 1 : 1;
		if (run > 400)
			return false;
	}
	return true;
}

static struct str
trimmed(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || is_control(s.p[0])))
		s = str_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || is_control(s.p[s.n - 1])))
		s.n--;
	return s;
}

void
smtp_put_header(struct buf *out, const char *name, struct str text)
{
	size_t column = strlen(name) + 2;

	buf_puts(out, name);
	buf_puts(out, ": ");
	text = trimmed(text);
	if (is_plain(text) && is_foldable(text))
		put_plain(out, text, &column);
	else
		put_words(out, text, &column);
	buf_puts(out, "\r\n");
}

void
smtp_put_phrase(struct buf *out, struct str name, size_t *column)
{
	size_t before = out->n;

	if (!is_plain(name)) {
		put_words(out, name, column);
		return;
	}
	buf_putc(out, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, is_control(name.p[i]) ? ' ' : name.p[i]);
	}
	buf_putc(out, '"');
	*column += out->n - before;
}

/* ---- bodies ---- */

/* Cuts the first line off, without its end; *ended: it had one. */
static struct str
cut_line(struct str *body, bool *ended)
{
	struct str line = str_split(body, '\n');

	*ended = body->p != NULL;
	if (*ended && line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

enum smtp_transfer
smtp_transfer_of(struct str body, bool eight_bit)
{
	bool high = false, ended;

	while (body.p != NULL && body.n > 0) {
		struct str line = cut_line(&body, &ended);

		if (line.n > SMTP_TEXT_LINE_MAX)
			return SMTP_QUOTED;
		for (size_t i = 0; i < line.n; i++) {
			if (is_control(line.p[i]) && line.p[i] != '\t')
				return SMTP_QUOTED;
			high |= (unsigned char)line.p[i] >= 0x80;
		}
	}
	if (!high)
		return SMTP_7BIT;
	return eight_bit ? SMTP_8BIT : SMTP_QUOTED;
}

static void
put_stuffed(struct buf *out, struct str line)
{
	if (line.n > 0 && line.p[0] == '.')
		buf_putc(out, '.');
	buf_put_str(out, line);
	buf_puts(out, "\r\n");
}

/* At the end of a line a blank would be lost. */
static bool
is_literal(struct str line, size_t i)
{
	char c = line.p[i];

	if (c == ' ' || c == '\t')
		return i + 1 < line.n;
	return c > ' ' && c < 0x7f && c != '=';
}

static void
put_quoted(struct buf *out, struct str line)
{
	size_t column = 0;

	for (size_t i = 0; i < line.n; i++) {
		bool literal = is_literal(line, i);
		size_t width = literal ? 1 : 3;

		if (column + width > COLUMN_MAX - 1) { /* one is for the "=" */
			buf_puts(out, "=\r\n");
			column = 0;
		}
		if (column == 0 && line.p[i] == '.')
			buf_putc(out, '.');
		if (literal)
			buf_putc(out, line.p[i]);
		else
			buf_printf(out, "=%02X", (unsigned char)line.p[i]);
		column += width;
	}
	buf_puts(out, "\r\n");
}

void
smtp_put_body(struct buf *out, struct str body, enum smtp_transfer how)
{
	bool ended;

	while (body.p != NULL && body.n > 0) {
		struct str line = cut_line(&body, &ended);

		if (how == SMTP_QUOTED)
			put_quoted(out, line);
		else
			put_stuffed(out, line);
	}
}
