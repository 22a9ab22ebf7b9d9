/*
 * What a request asks for: the path in one normal form, so that routing and access rules cannot be
 * passed by spelling it another way, and the query's parameters. Pure; called once a request.
 */
#include "http/path.h"

#include "http/head.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The path of an absolute target begins behind its authority; "*" and "host:port" have none. */
static int
strip_authority(struct str *target)
{
	size_t i;

	if (target->n && target->p[0] == '/')
		return 0;
	if (target->n > 7 && str_ieq(str_sub(*target, 0, 7), STR("http://")))
		i = 7;
	else if (target->n > 8 && str_ieq(str_sub(*target, 0, 8), STR("https://")))
		i = 8;
	else
		return ERR_BAD;
	while (i < target->n && target->p[i] != '/' && target->p[i] != '?')
		i++;
	*target = str_from(*target, i);
	return 0;
}

/* Nothing to decode, merge or resolve: the usual case, taken without a copy. */
static bool
is_normal(struct str path)
{
	char before = 0;

	if (path.n == 0 || path.p[0] != '/')
		return false;
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] == '%' || (before == '/' && (path.p[i] == '/' || path.p[i] == '.')))
			return false;
		before = path.p[i];
	}
	return true;
}

/* The output so far; the current segment begins at seg, behind a slash. */
struct writer {
	char *start, *seg, *at;
	bool merge;
};

/* At a slash, or the end. Leaves at behind a slash, but behind the name of a last segment. */
static int
end_segment(struct writer *w, bool last)
{
	size_t n = (size_t)(w->at - w->seg);

	if (n == 1 && w->seg[0] == '.') {
		w->at = w->seg;
	} else if (n == 2 && w->seg[0] == '.' && w->seg[1] == '.') {
		if (w->seg == w->start + 1)
			return ERR_BAD;
		for (w->at = w->seg - 1; w->at[-1] != '/';)
			w->at--;
	} else if (!last && (n || !w->merge)) {
		*w->at++ = '/';
	}
	w->seg = w->at;
	return 0;
}

static int
normalise(struct str path, struct writer *w)
{
	int c, high, low;

	for (size_t i = 0; i < path.n; i++) {
		c = (unsigned char)path.p[i];
		if (c == '%') {
			high = i + 2 < path.n ? hex_value(path.p[i + 1]) : -1;
			low = i + 2 < path.n ? hex_value(path.p[i + 2]) : -1;
			if (high < 0 || low < 0 || (high | low) == 0)
				return ERR_BAD;
			c = high << 4 | low;
			i += 2;
		}
		if (c != '/')
			*w->at++ = (char)c;
		else if (end_segment(w, false) < 0)
			return ERR_BAD;
	}
	return end_segment(w, true);
}

int
path_normalise(struct str target, bool merge, char *out, struct str *path, struct str *query)
{
	struct writer w;

	if (strip_authority(&target) < 0)
		return ERR_BAD;
	*query = target;
	*path = str_split(query, '?');
	if (is_normal(*path))
		return 0;
	if (!out)
		return ERR_NEED_MORE;
	w = (struct writer){ out, out + 1, out + 1, merge };
	out[0] = '/';
	if (normalise(str_from(*path, path->n ? 1 : 0), &w) < 0)
		return ERR_BAD;
	*w.at = 0;
	*path = str_make(out, (size_t)(w.at - out));
	return 0;
}

int
http_normalise_path(struct str target, char *out, struct str *path, struct str *query)
{
	return path_normalise(target, true, out, path, query);
}

struct str
http_query_get(struct str query, const char *name)
{
	struct str want = str_of(name), value;

	while (query.p) {
		value = str_split(&query, '&');
		if (str_eq(str_split(&value, '='), want))
			return value.p ? value : str_make("", 0);
	}
	return str_make(NULL, 0);
}
