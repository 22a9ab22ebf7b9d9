/*
 * Fuzzes the head parsers and what is taken out of heads. The last byte chooses where the text is
 * cut in two: cut or whole, the verdict is the same; all output lies inside the input; what is
 * accepted holds no control characters.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "http/head.h"

static struct http_head head, again;

static void
inside(struct str s, const char *p, size_t n)
{
	require(!s.p || (s.p >= p && s.p + s.n <= p + n));
	for (size_t i = 0; i < s.n; i++)
		require((unsigned char)s.p[i] >= ' ' || s.p[i] == '\t');
}

static void
check_head(const char *p, int n)
{
	require(n >= 4 && memcmp(p + n - 4, "\r\n\r\n", 4) == 0);
	require(!(head.chunked && head.content_length >= 0));
	inside(head.method, p, (size_t)n);
	inside(head.target, p, (size_t)n);
	inside(head.host, p, (size_t)n);
	inside(head.reason, p, (size_t)n);
	for (unsigned i = 0; i < head.n_headers; i++) {
		inside(head.headers[i].name, p, (size_t)n);
		inside(head.headers[i].value, p, (size_t)n);
		require(http_is_token(head.headers[i].name));
		require(str_eq(head.headers[i].value, str_trim(head.headers[i].value)));
	}
}

static void
check_target(void)
{
	char *out = malloc(head.target.n + 2);
	struct str path, query;

	if (http_normalise_path(head.target, out, &path, &query) == 0) {
		require(path.n > 0 && path.p[0] == '/');
		require(!memmem(path.p, path.n, "/../", 4) && !memmem(path.p, path.n, "//", 2));
		require(!memchr(path.p, 0, path.n));
		http_query_get(query, "uri");
	}
	free(out);
}

static void
request(const char *p, size_t n, size_t cut)
{
	size_t scanned = 0, scanned_cut = 0;
	int r = http_parse_request(&head, p, n, &scanned);
	int cut_r = http_parse_request(&again, p, cut, &scanned_cut);

	if (cut_r == ERR_NEED_MORE)
		cut_r = http_parse_request(&again, p, n, &scanned_cut);
	/* A shorter text may be seen to be bad, or complete, before the rest is there. */
	require(cut_r == r || (cut_r > 0 && (size_t)cut_r <= cut));
	if (r > 0) {
		check_head(p, r);
		check_target();
	}
}

static void
response(const char *p, size_t n, size_t cut)
{
	size_t scanned = 0, scanned_cut = 0;
	int r = http_parse_response(&head, p, n, &scanned, cut & 1);
	int cut_r = http_parse_response(&again, p, cut, &scanned_cut, cut & 1);

	if (cut_r == ERR_NEED_MORE)
		cut_r = http_parse_response(&again, p, n, &scanned_cut, cut & 1);
	require(cut_r == r || (cut_r > 0 && (size_t)cut_r <= cut));
	if (r > 0) {
		require(head.status >= 100 && head.status <= 999);
		check_head(p, r);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size ? size - 1 : 0, cut = n ? data[n] % (n + 1) : 0;
	char *p = malloc(n ? n : 1); /* of its own, so that an over-read is seen */

	memcpy(p, data, n);
	request(p, n, cut);
	response(p, n, cut);
	free(p);
	return 0;
}
