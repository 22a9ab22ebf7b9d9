/*
 * Fuzzes the chunked decoder. The last byte chooses the size of the pieces: whole or in pieces,
 * payload, end and verdict are the same. What it accepts, written again as one chunk, decodes to
 * the same.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "fuzz.h"
#include "http/chunk.h"

/* Bytes used, or ERR_BAD. */
static ssize_t
decode(struct str text, size_t piece, struct buf *out, bool *done)
{
	struct chunk_decoder d;
	struct str data;
	size_t used = 0;
	ssize_t r = 0;

	chunk_init(&d);
	while (used < text.n && !chunk_done(&d)) {
		struct str part = str_sub(text, used, piece);
		char *copy = malloc(part.n);

		memcpy(copy, part.p, part.n);
		r = chunk_feed(&d, copy, part.n, &data);
		require(r == ERR_BAD || (r > 0 && (size_t)r <= part.n));
		if (r > 0) {
			require(!data.n || (data.p >= copy && data.p + data.n <= copy + r));
			buf_put_str(out, data);
			used += (size_t)r;
		}
		free(copy);
		if (r < 0)
			return r;
	}
	*done = chunk_done(&d);
	return (ssize_t)used;
}

static void
round_trip(struct str payload)
{
	struct buf text, out;
	char line[20];
	bool done = false;

	buf_init(&text, 0);
	buf_init(&out, 0);
	buf_put(&text, line, chunk_size_line(line, payload.n));
	buf_put_str(&text, payload);
	buf_puts(&text, payload.n ? "\r\n0\r\n\r\n" : "\r\n");
	require(decode(buf_str(&text), 7, &out, &done) == (ssize_t)text.n && done);
	require(str_eq(buf_str(&out), payload));
	buf_fini(&text);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size ? size - 1 : 0);
	size_t piece = size ? data[size - 1] % 64 + 1u : 1;
	bool done_whole = false, done_pieces = false;
	struct buf whole, pieces;
	ssize_t r, s;

	buf_init(&whole, 0);
	buf_init(&pieces, 0);
	r = decode(text, text.n + 1, &whole, &done_whole);
	s = decode(text, piece, &pieces, &done_pieces);
	require(r == s && done_whole == done_pieces);
	require(str_eq(buf_str(&whole), buf_str(&pieces)));
	if (done_whole)
		round_trip(buf_str(&whole));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
