/*
 * A store in the process that uses it: credentials, trust anchors, connections. Called by store
 * users (sink/s3.c) and by the requests (call.c, request.c).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/conf.h"
#include "s3/store_priv.h"

enum { IDLE_MAX = 32 };
#define IDLE_TIME (15 * NS_PER_S) /* AWS closes idle connections after about 20 s */
#define CONNECT_TIME (10 * NS_PER_S)

int
store_open(struct store *s, char *why, size_t cap)
{
	int err;

	if (s->users++ > 0)
		return 0;
	err = creds_load(&s->set.source, &s->creds, why, cap);
	if (!err && s->url.https)
		err = tls_client_new(s->set.ca_file, &s->tls, why, cap);
	if (!err)
		return 0;
	creds_wipe(&s->creds);
	s->users--;
	return err;
}

static void
free_origin(struct store_origin *o)
{
	if (o->client)
		http_client_free(o->client);
	free(o->host);
	free(o->field);
	free(o);
}

void
store_close(struct store *s)
{
	assert(s->users > 0);
	if (--s->users > 0)
		return;
	while (s->origins) {
		struct store_origin *o = s->origins;

		s->origins = o->next;
		free_origin(o);
	}
	if (s->tls)
		tls_client_free(s->tls);
	s->tls = NULL;
	creds_wipe(&s->creds);
}

/* A certificate's wildcard stands for one label, so over TLS a bucket with dots goes into the
 * path whatever is configured. */
bool
store_path_style(const struct store *s, struct str bucket)
{
	if (s->set.style == STORE_STYLE_PATH)
		return true;
	if (s->set.style == STORE_STYLE_AUTO && s->set.endpoint.n > 0)
		return true;
	return s->url.https && str_find(bucket, '.') >= 0;
}

/* The host's text, which for IPv6 goes into brackets with a port or without. */
static char *
host_field(const struct store *s, const char *host)
{
	size_t cap = strlen(host) + 16;
	bool v6 = strchr(host, ':') != NULL;
	char *field = malloc(cap);
	int n;

	if (!field)
		return NULL;
	n = snprintf(field, cap, v6 ? "[%s]" : "%s", host);
	if (s->url.port != (s->url.https ? 443 : 80))
		snprintf(field + n, cap - (size_t)n, ":%u", s->url.port);
	return field;
}

/* bucket empty: the endpoint itself. */
static char *
host_name(const struct store *s, struct str bucket)
{
	size_t cap = bucket.n + s->url.host.n + 2;
	char *host = malloc(cap);

	if (host)
		snprintf(host, cap, "%.*s%s%.*s", STR_ARG(bucket), bucket.n ? "." : "",
		    STR_ARG(s->url.host));
	return host;
}

static struct store_origin *
make_origin(struct store *s, char *host)
{
	struct store_origin *o = calloc(1, sizeof(*o));
	struct dial_target target = { .host = str_of(host),
		.port = s->url.port,
		.tls = s->tls,
		.resolver = http_scope_resolver(s->scope),
		.connect_timeout = MIN(s->set.timeout, CONNECT_TIME) };

	if (!o) {
		free(host);
		return NULL;
	}
	o->host = host;
	o->field = host_field(s, host);
	o->client = o->field ? http_client_new(&target, IDLE_MAX, IDLE_TIME) : NULL;
	if (!o->client) {
		free_origin(o);
		return NULL;
	}
	o->next = s->origins;
	s->origins = o;
	return o;
}

struct store_origin *
store_origin_for(struct store *s, struct str bucket)
{
	struct store_origin *o;
	char *host = host_name(s, store_path_style(s, bucket) ? STR("") : bucket);

	if (!host)
		return NULL;
	for (o = s->origins; o; o = o->next)
		if (strcmp(o->host, host) == 0) {
			free(host);
			return o;
		}
	return make_origin(s, host);
}

/* ---- credentials that change */

struct renewal {
	const struct creds_source *source;
	struct creds creds;
	char why[256];
};

static int
load_again(void *arg)
{
	struct renewal *r = arg;

	return creds_load(r->source, &r->creds, r->why, sizeof(r->why));
}

bool
store_renew_creds(struct store *s, unsigned gen)
{
	struct renewal *r;
	int err;

	if (s->creds_gen != gen)
		return true; /* another request has done it meanwhile */
	if (s->set.source.kind != CREDS_FILE)
		return false;
	if (!(r = calloc(1, sizeof(*r))))
		return false;
	r->source = &s->set.source;
	snprintf(r->why, sizeof(r->why), "out of memory");
	err = offload(OFFLOAD_MISC, load_again, r);
	if (err) {
		log_event(LOG_WARN, "s3", "credentials could not be read again",
		    LOG_STR("store", s->name), LOG_S("error", r->why), LOG_END);
	} else if (s->creds_gen == gen && !creds_eq(&s->creds, &r->creds)) {
		s->creds = r->creds;
		s->creds_gen++;
		log_event(
		    LOG_INFO, "s3", "new credentials read", LOG_STR("store", s->name), LOG_END);
	}
	creds_wipe(&r->creds);
	free(r);
	return s->creds_gen != gen;
}
