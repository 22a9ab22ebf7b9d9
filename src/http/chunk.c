/*
 * The chunked coding, a byte at a time for lines and a stretch at a time for data. Called by
 * http/body.c and http/client.c.
 *
 *	size [";" extension] CRLF data CRLF … "0" [";" extension] CRLF *( trailer CRLF ) CRLF
 */
#include "http/chunk.h"

#include "http/head_class.h"

enum state {
	SIZE_FIRST, /* first digit of a size */
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* first byte of a trailer line, or the CR of the empty one */
	TRAILER_NAME,
	TRAILER, /* behind its colon */
	TRAILER_LF,
	END_LF,
	DONE,
	FAILED
};

enum { MAX_LINES = 8192, MAX_SIZE_SHIFT = 58, MAX_SIZE_DIGITS = 16 };

void
chunk_init(struct chunk_decoder *d)
{
	*d = (struct chunk_decoder){ .state = SIZE_FIRST };
}

bool
chunk_done(const struct chunk_decoder *d)
{
	return d->state == DONE;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum state
size_digit(struct chunk_decoder *d, char c)
{
	int v = hex_value(c);

	if (v < 0 || d->left >> MAX_SIZE_SHIFT || ++d->digits > MAX_SIZE_DIGITS)
		return FAILED;
	d->left = d->left << 4 | (unsigned)v;
	return SIZE;
}

/* A byte of an extension or trailer: bounded in number over the whole body. */
static enum state
text_byte(struct chunk_decoder *d, char c, enum state same)
{
	if (++d->line > MAX_LINES || !http_is_class(c, HTTP_CLASS_VALUE))
		return FAILED;
	return same;
}

/* The state after c, a byte that is not data. */
static enum state
step(struct chunk_decoder *d, char c)
{
	switch ((enum state)d->state) {
	case SIZE_FIRST:
		d->left = 0;
		d->digits = 0;
		return size_digit(d, c);
	case SIZE:
		if (c == '\r')
			return SIZE_LF;
		return c == ';' ? text_byte(d, c, EXTENSION) : size_digit(d, c);
	case EXTENSION:
		return c == '\r' ? SIZE_LF : text_byte(d, c, EXTENSION);
	case SIZE_LF:
		if (c != '\n')
			return FAILED;
		return d->left ? DATA : TRAILER_FIRST;
	case DATA_CR:
		return c == '\r' ? DATA_LF : FAILED;
	case DATA_LF:
		return c == '\n' ? SIZE_FIRST : FAILED;
	case TRAILER_FIRST:
		if (c == '\r')
			return END_LF;
		return http_is_class(c, HTTP_CLASS_TOKEN) ? text_byte(d, c, TRAILER_NAME) : FAILED;
	case TRAILER_NAME:
		if (c == ':')
			return text_byte(d, c, TRAILER);
		return http_is_class(c, HTTP_CLASS_TOKEN) ? text_byte(d, c, TRAILER_NAME) : FAILED;
	case TRAILER:
		return c == '\r' ? TRAILER_LF : text_byte(d, c, TRAILER);
	case TRAILER_LF:
		return c == '\n' ? TRAILER_FIRST : FAILED;
	case END_LF:
		return c == '\n' ? DONE : FAILED;
	default:
		return FAILED;
	}
}

ssize_t
chunk_feed(struct chunk_decoder *d, const char *p, size_t n, struct str *data)
{
	size_t i = 0;

	*data = str_make(NULL, 0);
	while (i < n && d->state < DONE) {
		if (d->state == DATA) {
			*data = str_make(p + i, (size_t)MIN((uint64_t)(n - i), d->left));
			d->left -= data->n;
			if (d->left == 0)
				d->state = DATA_CR;
			return (ssize_t)(i + data->n);
		}
		d->state = (uint8_t)step(d, p[i++]);
	}
	return d->state == FAILED ? ERR_BAD : (ssize_t)i;
}

size_t
chunk_size_line(char out[20], size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;
	int shift = 0;

	while (shift < 60 && n >> shift >> 4)
		shift += 4;
	for (; shift >= 0; shift -= 4)
		out[at++] = digits[n >> shift & 15];
	out[at++] = '\r';
	out[at++] = '\n';
	return at;
}
