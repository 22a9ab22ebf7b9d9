/*
 * The `ssl_*` directives: certificates are read when the configuration is, while the process may
 * still read keys.
 */
#include "http/conf_priv.h"

#define SESSION_BYTES 100 /* about what one takes, for builtin:count */
#define DEFAULT_SESSIONS 1024

int
http_set_protocols(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	bool v12 = false;

	(void)scope;
	(void)into;
	for (unsigned i = 0; i < node->n_args; i++) {
		v12 |= str_is(node->args[i], "TLSv1.2");
		if (!str_is(node->args[i], "TLSv1.2"))
			conf_warn(c, node,
			    "ssl_protocols: TLS 1.2 is what is spoken, \"%.*s\" is not",
			    STR_ARG(node->args[i]));
	}
	if (v12)
		return 0;
	conf_error(c, node, "ssl_protocols leaves out TLSv1.2, the version that BearSSL has");
	return ERR_CONFIG;
}

static int
bad_cache(struct conf *c, const struct conf_node *node)
{
	conf_error(
	    c, node, "ssl_session_cache takes off, none, builtin[:sessions] or shared:name:size");
	return ERR_CONFIG;
}

int
http_set_session_cache(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;
	struct str rest, kind, name;
	uint64_t n;

	(void)scope;
	s->ssl_session_cache = 0;
	for (unsigned i = 0; i < node->n_args; i++) {
		rest = node->args[i];
		kind = str_split(&rest, ':');
		n = DEFAULT_SESSIONS;
		if (str_is(kind, "off") || str_is(kind, "none"))
			continue;
		if (str_is(kind, "builtin")) {
			if (rest.p && str_to_u64(rest, &n) < 0)
				return bad_cache(c, node);
			n *= SESSION_BYTES;
		} else if (str_is(kind, "shared") && rest.p) {
			name = str_split(&rest, ':');
			if (name.n == 0 || conf_parse_size(rest, &n) < 0)
				return bad_cache(c, node);
		} else {
			return bad_cache(c, node);
		}
		s->ssl_session_cache = MAX(s->ssl_session_cache, n);
	}
	return 0;
}

/* ssl at one listen of an address holds for all servers there. */
static bool
wants_tls(const struct http_site *site, const struct http_server_conf *s)
{
	for (const struct http_listen *l = site->listens; l; l = l->next)
		for (const struct http_bind *b = s->binds; l->tls && b; b = b->next)
			if (addr_eq(&b->addr, &l->addr))
				return true;
	return false;
}

static void
release(void *arg)
{
	tls_server_free(arg);
}

static int
load(struct conf *c, struct http_server_conf *s)
{
	const struct http_scope *scope = s->scope;
	char why[256] = "";

	if (!scope->ssl_certificate.n && !scope->ssl_certificate_key.n)
		return 0; /* an error only where a default server needs it */
	if (!scope->ssl_certificate.n || !scope->ssl_certificate_key.n) {
		conf_error(c, s->node, "ssl_certificate and ssl_certificate_key go together");
		return ERR_CONFIG;
	}
	if (tls_server_new(scope->ssl_certificate.p, scope->ssl_certificate_key.p,
		(size_t)scope->ssl_session_cache, &s->tls, why, sizeof(why)) == 0)
		return conf_on_free(c, release, s->tls);
	conf_error(c, s->node, "%s", why);
	return ERR_CONFIG;
}

int
http_load_certificates(struct conf *c, struct http_site *site)
{
	int err = 0;

	for (struct http_server_conf *s = site->servers; s; s = s->next)
		if (wants_tls(site, s) && load(c, s) < 0)
			err = ERR_CONFIG;
	for (struct http_listen *l = site->listens; l && err == 0; l = l->next) {
		if (!l->tls || l->servers->tls)
			continue;
		conf_error(c, l->servers->node,
		    "no \"ssl_certificate\" is defined for the default server of a listen with "
		    "ssl");
		err = ERR_CONFIG;
	}
	return err;
}
