/*
 * Fuzzes the JSON checker and reader. The first and the last byte choose where the text is cut in
 * two; whole, cut, byte by byte and as a line the verdict must be the same, a line must still be
 * JSON without line breaks, and reading must stay inside.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "fuzz.h"

static int
check_cut(struct str text, size_t cut, uint64_t *bad_at)
{
	struct json_check c;
	int err;

	json_check_init(&c);
	err = json_check_feed(&c, text.p, cut);
	if (!err)
		err = json_check_feed(&c, text.p + cut, text.n - cut);
	if (!err)
		err = json_check_end(&c);
	*bad_at = c.offset;
	return err;
}

static int
check_bytes(struct str text, uint64_t *bad_at)
{
	struct json_check c;
	int err = 0;

	json_check_init(&c);
	for (size_t i = 0; i < text.n && !err; i++)
		err = json_check_feed(&c, text.p + i, 1);
	if (!err)
		err = json_check_end(&c);
	*bad_at = c.offset;
	return err;
}

/* The line copy of a good text, made in place in two pieces. */
static void
check_line(struct str text, size_t cut)
{
	char *line = malloc(text.n);
	struct json_check c;
	uint64_t bad_at;
	size_t a, b;

	require(line);
	memcpy(line, text.p, text.n);
	json_check_init(&c);
	require(json_check_feed_line(&c, line, cut, line, &a) == 0);
	require(json_check_feed_line(&c, line + cut, text.n - cut, line + cut, &b) == 0);
	require(json_check_end(&c) == 0);
	memmove(line + a, line + cut, b);
	require(str_find(str_make(line, a + b), '\n') < 0);
	require(str_find(str_make(line, a + b), '\r') < 0);
	require(json_check_text(str_make(line, a + b), &bad_at) == 0);
	free(line);
}

/* Walks one level and unescapes its strings; what comes out of a good text is UTF-8 and goes back
 * in. */
static void
walk(struct str text, bool good)
{
	struct str name, value;
	size_t at = 0;
	uint64_t bad_at;

	while (json_next(text, &at, &name, &value) == 1) {
		struct buf plain, again;

		require(value.p >= text.p && value.p + value.n <= text.p + text.n);
		buf_init(&plain, 0);
		buf_init(&again, 0);
		if (json_unquote(value, &plain) == 0) {
			require(utf8_valid(buf_str(&plain)));
			buf_put_json(&again, buf_str(&plain));
			require(json_check_text(buf_str(&again), &bad_at) == 0);
		} else {
			require(!good || value.p[0] != '"');
		}
		buf_fini(&plain);
		buf_fini(&again);
	}
	if (json_get(text, "a", &value) == 0)
		require(json_check_text(value, &bad_at) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	uint64_t whole_at = size, cut_at, bytes_at;
	size_t cut = size ? (data[0] + 256u * data[size - 1]) % (size + 1) : 0;
	int whole = json_check_text(text, &whole_at);

	require(check_cut(text, cut, &cut_at) == whole);
	require(check_bytes(text, &bytes_at) == whole);
	require(cut_at == whole_at && bytes_at == whole_at);
	if (whole == 0)
		check_line(text, cut);
	walk(text, whole == 0);
	return 0;
}
