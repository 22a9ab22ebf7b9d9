/*
 * HTTP/1.x message heads (RFC 9112): a parser that does no I/O and allocates nothing; its output
 * points into the input. Strict against smuggling: bare CR or LF, obs-fold, space before the colon,
 * control characters, repeated or odd Content-Length, Content-Length together with
 * Transfer-Encoding, "chunked" twice or not last, Transfer-Encoding in HTTP/1.0, several or odd
 * Host fields: ERR_BAD.
 */
#ifndef SLUICE_HTTP_HEAD_H
#define SLUICE_HTTP_HEAD_H

#include "base/base.h"

#define HTTP_MAX_HEADERS 100

struct http_header {
	struct str name, value; /* as sent; value without the spaces around it */
};

struct http_head {
	/* request */
	struct str method, target;
	/* response */
	int status;
	struct str reason;
	/* both */
	int minor; /* HTTP/1.<minor>: 0 or 1 */
	unsigned n_headers;
	struct http_header headers[HTTP_MAX_HEADERS];
	int64_t content_length; /* -1: none */
	bool chunked;
	bool keep_alive;      /* by version and Connection */
	bool expect_continue; /* request: Expect: 100-continue, HTTP/1.1 */
	bool expect_unknown;  /* request: another expectation: 417 */
	struct str host;      /* request: Host (or of an absolute target); {NULL, 0}: none */
};

/* A head with nothing in it. */
void http_head_init(struct http_head *h);
/* scanned: how far earlier calls on a shorter prefix got (start with 0), so that a head that
 * trickles in is not scanned again from its start. Returns bytes of the head with its empty line (>
 * 0), ERR_NEED_MORE, ERR_BAD, ERR_UNSUPPORTED (version not 1.x: minor is -1, 505; a transfer coding
 * we lack: 501), ERR_HEADER_TOO_LARGE (more than HTTP_MAX_HEADERS). Empty lines before a request
 * line are skipped (at most one CRLF). */
int http_parse_request(struct http_head *h, const char *p, size_t n, size_t *scanned);
/* no_body: the answer to HEAD. 1xx are returned like others; the caller skips them. */
int http_parse_response(
    struct http_head *h, const char *p, size_t n, size_t *scanned, bool no_body);
/* Case-insensitive; the first of that name or {NULL, 0}. */
struct str http_header_get(const struct http_head *h, const char *name);
/* True if the comma-separated list in value has this token, case-insensitive. */
bool http_list_has(struct str value, const char *token);
/* Token of RFC 9110, 5.6.2. */
bool http_is_token(struct str s);
/* May stand as it is behind a field's colon (5.5), or as a request's target in origin form (RFC 9112, 3.2.1). */
bool http_is_value(struct str s);
bool http_is_target(struct str s);

/* Path of a request target: splits off the query, decodes percent escapes, merges slashes and
 * resolves . and .. ; ERR_BAD if it leaves the root, decodes to a zero byte, has a malformed
 * escape, or is no path ("*"). out has room for target.n + 2 bytes; *path points there, or into
 * target where nothing had to change. */
int http_normalise_path(struct str target, char *out, struct str *path, struct str *query);
/* The raw (still encoded) value of a query parameter; {NULL, 0} if it is not there. */
struct str http_query_get(struct str query, const char *name);
const char *http_reason(int status); /* "No Content"; "Unknown" beyond the table */

#endif
