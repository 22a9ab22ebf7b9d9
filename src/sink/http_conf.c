/*
 * The line `sink http URL [option=…];`. Called by stream.c through http_ops.
 */
#include "net/addr.h"
#include "net/tls.h"
#include "sink/http_priv.h"

static const char form[] =
    "sink http URL [method=as_received|METHOD] [user_header=NAME] [header=\"NAME: VALUE\"] "
    "[ca_file=PATH] [keepalive_timeout=TIME];";

static const struct str unix_scheme = STR_INIT("http://unix:");

/* http://unix:/path.sock[:/uri], as nginx's proxy_pass has it. */
static bool
parse_unix(struct str url, struct http_sink_conf *h)
{
	struct str uri = str_from(url, unix_scheme.n), path = str_split(&uri, ':');
	struct addr unused;

	h->host = str_sub(url, sizeof("http://") - 1, sizeof("unix:") - 1 + path.n);
	h->target = uri.p ? uri : STR("/");
	h->field = STR("localhost");
	return path.n > 0 && path.p[0] == '/' && http_is_target(h->target) &&
	       addr_parse(h->host, 0, &unused) == 0;
}

static bool
parse_tcp(struct str url, struct http_sink_conf *h)
{
	struct http_url parts;
	size_t scheme;

	if (http_url_parse(url, &parts))
		return false;
	h->https = parts.https;
	h->host = parts.host;
	h->port = parts.port;
	h->target = parts.path;
	scheme = h->https ? sizeof("https://") - 1 : sizeof("http://") - 1;
	h->field = str_from(url, scheme);
	for (h->field.n = 0; scheme + h->field.n < url.n && url.p[scheme + h->field.n] != '/';)
		h->field.n++;
	return true;
}

static int
parse_url(struct conf *c, const struct conf_node *node, struct http_sink_conf *h)
{
	struct str url;

	if (node->n_args < 2 || node->args[1].n == 0) {
		conf_error(c, node, "\"sink http\" names no URL: %s", form);
		return ERR_CONFIG;
	}
	url = node->args[1];
	if (str_starts(url, unix_scheme) ? parse_unix(url, h) : parse_tcp(url, h))
		return 0;
	conf_error(c, node,
	    "invalid URL \"%.*s\" of \"sink http\", allowed: http://HOST[:PORT][/PATH][?QUERY], "
	    "https://…, http://unix:/SOCKET[:/PATH]",
	    STR_ARG(url));
	return ERR_CONFIG;
}

/* ---- options */

static bool
parse_method(struct str v, struct http_sink_conf *h)
{
	h->method = str_is(v, "as_received") ? STR("") : v;
	return http_is_token(v) && !str_is(v, "CONNECT") && !str_is(v, "HEAD");
}

/* Fields that are the message's own, or decide where a request ends. */
static bool
is_ours(struct str name)
{
	static const char *const ours[] = { "Host", "Connection", "Content-Length", "Expect",
		"Transfer-Encoding", "Content-Type", "Content-Encoding", "Idempotency-Key",
		"traceparent", "X-Sluice-Stream", "X-Sluice-Attempt", "X-Sluice-Received" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_ieq(name, str_of(ours[i])))
			return true;
	return false;
}

static bool
parse_user_header(struct str v, struct http_sink_conf *h)
{
	h->user_header = v;
	return http_is_token(v) && !is_ours(v);
}

static bool
parse_header(struct str v, struct http_sink_conf *h)
{
	struct str name = str_split(&v, ':'), value = v.p ? str_trim(v) : v;

	if (h->n_extra == HTTP_EXTRA_MAX || !http_is_token(name) || is_ours(name) || !value.n ||
	    !http_is_value(value))
		return false;
	h->extra[h->n_extra++] = (struct http_header){ name, value };
	return true;
}

static bool
parse_option(const struct conf_node *node, unsigned i, struct http_sink_conf *h)
{
	struct str v;

	if (conf_arg_kv(node, i, "method", &v))
		return parse_method(v, h);
	if (conf_arg_kv(node, i, "user_header", &v))
		return parse_user_header(v, h);
	if (conf_arg_kv(node, i, "header", &v))
		return parse_header(v, h);
	if (conf_arg_kv(node, i, "keepalive_timeout", &v))
		return conf_parse_time(v, &h->keepalive) == 0;
	if (conf_arg_kv(node, i, "ca_file", &v)) {
		h->ca_file = v.p;
		return v.n > 0;
	}
	return false;
}

/* The URL without its query, in which there may be a secret. */
static struct str
destination_of(struct conf *c, const struct conf_node *node)
{
	struct str url = node->args[1], shown = str_split(&url, '?');

	return str_of(arena_strz(conf_arena(c), shown));
}

int
http_sink_parse(struct conf *c, const struct conf_node *node, struct sink_conf *out)
{
	struct http_sink_conf *h = arena_alloc(conf_arena(c), sizeof(*h));
	int err;

	if (!h)
		return ERR_NOMEM;
	h->user_header = STR("X-Sluice-User");
	h->keepalive = 60 * NS_PER_S;
	if ((err = parse_url(c, node, h)))
		return err;
	for (unsigned i = 2; i < node->n_args; i++)
		if (!parse_option(node, i, h)) {
			conf_error(c, node,
			    "invalid argument \"%.*s\" of \"sink http\", allowed: %s",
			    STR_ARG(node->args[i]), form);
			return ERR_CONFIG;
		}
	out->arg = h;
	out->destination = destination_of(c, node);
	return out->destination.p ? 0 : ERR_NOMEM;
}

/* The authorities are read here once for the sake of the message. */
int
http_sink_check(struct conf *c, const struct conf_node *node, const struct sink_conf *conf)
{
	const struct http_sink_conf *h = conf->arg;
	struct tls_client *tls;
	char why[256] = "";

	if (!h->https && h->ca_file)
		conf_warn(c, node, "\"sink http\" has a ca_file, but its URL is not https");
	if (!h->https)
		return 0;
	if (tls_client_new(h->ca_file, &tls, why, sizeof(why))) {
		conf_error(c, node, "\"sink http\": %s", why);
		return ERR_CONFIG;
	}
	tls_client_free(tls);
	return 0;
}
