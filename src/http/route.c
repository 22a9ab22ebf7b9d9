/*
 * Which server and which location a request belongs to, in nginx's order.
 *
 * Servers of a listen: exact name, longest "*.suffix", longest "prefix.*", first expression,
 * default server. Locations: an exact one; else the longest prefix, within which nested ones are
 * looked for; unless that prefix says ^~, the first expression of the same block that matches; else
 * the prefix.
 *
 * Pure, and without expressions bounded and cheap: called on tasks. With expressions: called on
 * helpers.
 */
#include <stdlib.h>

#include "http/conf_priv.h"

size_t
http_normalise_host(struct str host, char *out, size_t cap)
{
	ptrdiff_t colon = str_rfind(host, ':'), bracket = str_rfind(host, ']');
	size_t n = 0;

	if (colon > bracket)
		host = str_sub(host, 0, (size_t)colon);
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	for (; n < host.n && n + 1 < cap; n++) {
		char c = host.p[n];

		out[n] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	out[n] = 0;
	return n;
}

static const struct http_server_conf *
find_text(const struct http_names *names, enum http_name_kind kind, struct str text)
{
	const struct http_name_table *t = &names->kinds[kind];
	unsigned low = 0, high = t->n;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = str_cmp(text, t->at[middle]->text);

		if (order == 0)
			return t->at[middle]->server;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* A wildcard's text begins or ends at a dot and is not the whole: so all that may match are looked up, the longest first. */
static const struct http_server_conf *
find_wildcard(const struct http_names *names, struct str host)
{
	const struct http_server_conf *s = NULL;

	if (names->kinds[HTTP_NAME_SUFFIX].n > 0)
		for (size_t i = 1; i < host.n && !s; i++)
			if (host.p[i] == '.')
				s = find_text(names, HTTP_NAME_SUFFIX, str_from(host, i));
	if (names->kinds[HTTP_NAME_PREFIX].n > 0)
		for (size_t n = host.n - (host.n > 0); n > 0 && !s; n--)
			if (host.p[n - 1] == '.')
				s = find_text(names, HTTP_NAME_PREFIX, str_sub(host, 0, n));
	return s;
}

static const struct http_server_conf *
find_plain(const struct http_listen *l, struct str host)
{
	const struct http_server_conf *s = find_text(l->names, HTTP_NAME_EXACT, host);

	return s ? s : find_wildcard(l->names, host);
}

const struct http_server_conf *
http_server_by_name(const struct http_listen *l, struct str host)
{
	const struct http_server_conf *s = find_plain(l, host);

	return s ? s : l->servers;
}

static int
find_server(
    const struct http_listen *l, struct str host, bool regex, const struct http_server_conf **out)
{
	const struct http_name_table *regexes = &l->names->kinds[HTTP_NAME_REGEX];

	*out = find_plain(l, host);
	if (*out)
		return 0;
	*out = l->servers;
	/* An absent name is no text for an expression. */
	if (regexes->n == 0 || host.n == 0)
		return 0;
	if (!regex)
		return ERR_AGAIN;
	for (unsigned i = 0; i < regexes->n; i++)
		if (regexec(&regexes->at[i]->regex, host.p, 0, NULL, 0) == 0) {
			*out = regexes->at[i]->server;
			break;
		}
	return 0;
}

/* What a look at one block found. */
enum found {
	FOUND_NONE,
	FOUND_PREFIX, /* expressions further out may still win */
	FOUND_FINAL,  /* exact, or by expression */
	FOUND_REGEX_NEEDED
};

static enum found find_location(const struct http_locations *in, struct str path, bool regex,
    const struct http_location **best);

static enum found
find_regex(
    const struct http_locations *in, struct str path, bool regex, const struct http_location **best)
{
	if (in->n_regex && !regex)
		return FOUND_REGEX_NEEDED;
	for (unsigned i = 0; i < in->n_regex; i++) {
		const struct http_location *l = in->regex[i];

		if (regexec(&l->regex, path.p, 0, NULL, 0) != 0)
			continue;
		*best = l;
		find_location(&l->inner, path, regex, best);
		return FOUND_FINAL;
	}
	return FOUND_NONE;
}

/* Nesting is as deep as the configuration makes it, which is bounded when it is read. */
static enum found
find_location(
    const struct http_locations *in, struct str path, bool regex, const struct http_location **best)
{
	const struct http_location *prefix = NULL;
	enum found inner = FOUND_NONE, by_regex;

	for (unsigned i = 0; i < in->n_exact; i++)
		if (str_eq(in->exact[i]->name, path)) {
			*best = in->exact[i];
			return FOUND_FINAL;
		}
	for (unsigned i = 0; i < in->n_prefix && !prefix; i++)
		if (str_starts(path, in->prefix[i]->name))
			prefix = in->prefix[i];
	if (prefix) {
		*best = prefix;
		inner = find_location(&prefix->inner, path, regex, best);
		if (inner == FOUND_FINAL || inner == FOUND_REGEX_NEEDED)
			return inner;
	}
	if (!prefix || prefix->match != HTTP_MATCH_STOP) {
		by_regex = find_regex(in, path, regex, best);
		if (by_regex != FOUND_NONE)
			return by_regex;
	}
	return prefix ? FOUND_PREFIX : FOUND_NONE;
}

int
http_route_find(const struct http_listen *l, struct str host, struct str path, bool regex,
    struct http_route *out)
{
	int err = find_server(l, host, regex, &out->server);

	out->location = NULL;
	if (err < 0)
		return err;
	/* A server-wide return comes before any location. */
	if (out->server->ret.status)
		return 0;
	if (find_location(&out->server->locations, path, regex, &out->location) ==
	    FOUND_REGEX_NEEDED)
		return ERR_AGAIN;
	return 0;
}

const struct http_location *
http_route(const struct http_listen *l, struct str host, struct str path)
{
	struct http_route route = { NULL, NULL };
	char name[256], *copy = malloc(path.n + 1);
	size_t n = http_normalise_host(host, name, sizeof(name));

	if (copy) {
		memcpy(copy, path.p, path.n);
		copy[path.n] = 0;
		http_route_find(l, str_make(name, n), str_make(copy, path.n), true, &route);
	}
	free(copy);
	return route.location;
}
