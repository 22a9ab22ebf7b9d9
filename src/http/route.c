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
find_exact(const struct http_names *names, struct str host)
{
	unsigned low = 0, high = names->n_exact;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = str_cmp(host, names->exact[middle]->text);

		if (order == 0)
			return names->exact[middle]->server;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static const struct http_server_conf *
find_wildcard(const struct http_names *names, struct str host)
{
	for (unsigned i = 0; i < names->n_suffix; i++)
		if (host.n > names->suffix[i]->text.n && str_ends(host, names->suffix[i]->text))
			return names->suffix[i]->server;
	for (unsigned i = 0; i < names->n_prefix; i++)
		if (host.n > names->prefix[i]->text.n && str_starts(host, names->prefix[i]->text))
			return names->prefix[i]->server;
	return NULL;
}

static const struct http_server_conf *
find_plain(const struct http_listen *l, struct str host)
{
	const struct http_server_conf *s = find_exact(l->names, host);

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
	const struct http_names *names = l->names;

	*out = find_plain(l, host);
	if (*out)
		return 0;
	*out = l->servers;
	/* An absent name is no text for an expression. */
	if (names->n_regex == 0 || host.n == 0)
		return 0;
	if (!regex)
		return ERR_AGAIN;
	for (unsigned i = 0; i < names->n_regex; i++)
		if (regexec(&names->regex[i]->regex, host.p, 0, NULL, 0) == 0) {
			*out = names->regex[i]->server;
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
