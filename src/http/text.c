/*
 * Texts with variables. Compiled when the configuration is read, expanded once a request.
 */
#include "http/text.h"

#include "http/http_priv.h"

static struct str
get_host(struct http_request *r)
{
	return str_of(r->conn->work->host); /* lower case, without the port, since routing */
}

static struct str
get_request_uri(struct http_request *r)
{
	return r->head->target;
}

static struct str
get_uri(struct http_request *r)
{
	return r->path;
}

static struct str
get_args(struct http_request *r)
{
	return r->query;
}

static struct str
get_is_args(struct http_request *r)
{
	return r->query.n ? STR("?") : STR("");
}

static struct str
get_scheme(struct http_request *r)
{
	return r->conn->listen->tls ? STR("https") : STR("http");
}

static struct str
get_method(struct http_request *r)
{
	return r->head->method;
}

static struct str
get_request_id(struct http_request *r)
{
	return r->id;
}

static struct str
get_remote_addr(struct http_request *r)
{
	return http_client_address(r);
}

static const struct {
	const char *name;
	struct str (*get)(struct http_request *r);
} variables[] = {
	{ "args", get_args },
	{ "host", get_host },
	{ "is_args", get_is_args },
	{ "query_string", get_args },
	{ "remote_addr", get_remote_addr },
	{ "request_id", get_request_id },
	{ "request_method", get_method },
	{ "request_uri", get_request_uri },
	{ "scheme", get_scheme },
	{ "uri", get_uri },
};

/* The variable that text begins with, behind its dollar: "$name" or "${name}". Its length in text,
 * or 0. */
static size_t
take_variable(struct str text, struct http_text_part *part)
{
	bool braces = text.n > 1 && text.p[1] == '{';
	size_t at = braces ? 2 : 1, n = 0;

	while (at + n < text.n &&
	       (text.p[at + n] == '_' || (text.p[at + n] >= 'a' && text.p[at + n] <= 'z')))
		n++;
	if (braces && (at + n == text.n || text.p[at + n] != '}'))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		if (str_is(str_sub(text, at, n), variables[i].name)) {
			part->get = variables[i].get;
			return at + n + braces;
		}
	return 0;
}

static int
unknown(struct conf *c, const struct conf_node *node, struct str text)
{
	conf_error(c, node,
	    "unknown variable in \"%.*s\"; there are $args, $host, $is_args, $query_string, "
	    "$remote_addr, $request_id, $request_method, $request_uri, $scheme, $uri",
	    STR_ARG(text));
	return ERR_CONFIG;
}

int
http_text_compile(
    struct conf *c, const struct conf_node *node, struct str text, struct http_text *out)
{
	unsigned dollars = 0;
	struct http_text_part *part;
	size_t n;

	for (size_t i = 0; i < text.n; i++)
		dollars += text.p[i] == '$';
	out->n = 0;
	out->parts = arena_alloc(conf_arena(c), (2 * dollars + 1) * sizeof(*out->parts));
	if (!out->parts)
		return ERR_NOMEM;
	do {
		part = &out->parts[out->n++];
		if (text.n && text.p[0] == '$') {
			n = take_variable(text, part);
			if (n == 0)
				return unknown(c, node, text);
		} else {
			n = str_find(text, '$') < 0 ? text.n : (size_t)str_find(text, '$');
			part->literal = str_sub(text, 0, n);
		}
		text = str_from(text, n);
	} while (text.n);
	return 0;
}

struct str
http_text_expand(const struct http_text *t, struct http_request *r)
{
	size_t n = 0;
	char *out, *to;
	struct str s;

	for (unsigned i = 0; i < t->n; i++)
		n += t->parts[i].get ? t->parts[i].get(r).n : t->parts[i].literal.n;
	out = to = arena_alloc(&r->arena, n + 1);
	if (!out)
		return str_make(NULL, 0);
	for (unsigned i = 0; i < t->n; i++) {
		s = t->parts[i].get ? t->parts[i].get(r) : t->parts[i].literal;
		if (s.n)
			memcpy(to, s.p, s.n);
		to += s.n;
	}
	return str_make(out, n);
}
