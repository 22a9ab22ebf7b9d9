/*
 * What names a request in logs and answers: X-Request-Id (the client's, if it is harmless, or a
 * fresh one) and the trace context (W3C Trace Context, 3.2). Called by request.c.
 */
#include "http/http_priv.h"

static bool
is_id(struct str s)
{
	if (s.n == 0 || s.n > HTTP_REQUEST_ID_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    !(c && strchr("._~:/+=-", c)))
			return false;
	}
	return true;
}

/* n lower-case hexadecimal digits at s[at], not all of them zero if `some`. */
static bool
is_hex(struct str s, size_t at, size_t n, bool some)
{
	bool zero = true;

	for (size_t i = at; i < at + n; i++) {
		char c = s.p[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		zero &= c == '0';
	}
	return !some || !zero;
}

/* version "-" trace-id "-" parent-id "-" flags; later versions may append. */
static bool
is_traceparent(struct str s)
{
	if (s.n < 55 || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
		return false;
	if (!is_hex(s, 0, 2, false) || !is_hex(s, 3, 32, true) || !is_hex(s, 36, 16, true) ||
	    !is_hex(s, 53, 2, false) || memcmp(s.p, "ff", 2) == 0)
		return false;
	return s.n == 55 || (memcmp(s.p, "00", 2) != 0 && s.p[55] == '-');
}

void
http_identify(struct http_work *w)
{
	struct http_request *r = &w->req;

	for (unsigned i = 0; i < w->head.n_headers; i++) {
		const struct http_header *h = &w->head.headers[i];

		if (h->name.n == 12 && !r->id.p && str_ieq(h->name, STR("X-Request-Id")) &&
		    is_id(h->value))
			r->id = h->value;
		else if (h->name.n == 11 && !r->traceparent.p &&
			 str_ieq(h->name, STR("traceparent")) && is_traceparent(h->value))
			r->traceparent = h->value;
	}
	if (r->id.p)
		return;
	id_text(id_new(), w->id);
	r->id = str_make(w->id, 2 * ID_LEN);
}
