/*
 * Requests to the server: one task on a loop that runs until it is done, so that a command reads like any blocking program. The server's
 * own HTTP client does the work, over the unix socket, TCP or TLS.
 */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "http/client.h"
#include "task/loop.h"

#define PATIENCE (40 * NS_PER_S) /* longer than a worker's with the shipper */
#define REPLY_MAX ((size_t)256 << 20)

struct request {
	struct http_client *client;
	struct http_exchange x;
	int err;
};

static void
exchange(void *arg)
{
	struct request *r = arg;

	r->x.deadline = clock_mono() + PATIENCE;
	r->err = http_exchange(r->client, &r->x);
}

/* Where to connect, and the URL's path without a slash at its end. */
static int
find_target(struct ctl *ctl, struct dial_target *t, struct buf *host, struct str *prefix)
{
	struct http_url url;
	char why[256] = "";

	if (ctl->url == NULL) {
		buf_printf(host, "unix:%s", ctl->socket);
		t->host = str_of(buf_cstr(host));
		return CTL_DONE;
	}
	if (http_url_parse(str_of(ctl->url), &url) != 0)
		return ctl_complain(
		    CTL_USAGE, "-u %s: http://host:port or https://… is needed", ctl->url);
	t->host = url.host;
	t->port = url.port;
	buf_printf(host, str_find(url.host, ':') < 0 ? "%.*s:%u" : "[%.*s]:%u", STR_ARG(url.host),
	    url.port);
	*prefix = url.path;
	while (prefix->n > 0 && prefix->p[prefix->n - 1] == '/')
		prefix->n--;
	if (url.https && tls_client_new(ctl->ca_file, &t->tls, why, sizeof(why)) != 0)
		return ctl_complain(CTL_USAGE, "%s", why);
	return CTL_DONE;
}

static int
run(struct request *r)
{
	int err = loop_init(NULL);

	if (err == 0)
		err = task_go("request", exchange, r, NULL);
	if (err == 0)
		err = loop_run_until_idle();
	return err ? err : r->err;
}

/* The answer's body becomes the caller's. */
static int
conclude(struct request *r, int err, struct ctl_reply *out)
{
	if (err != 0)
		return ctl_complain(CTL_UNREACHABLE, "server not reachable: %s",
		    r->x.why[0] ? r->x.why : err_text(err));
	if (r->x.reply.n >= REPLY_MAX)
		return ctl_complain(CTL_REFUSED, "the answer is longer than %zu bytes", REPLY_MAX);
	out->status = r->x.head.status;
	out->body = r->x.reply;
	buf_init(&r->x.reply, 0);
	return CTL_DONE;
}

static unsigned
add_headers(struct ctl *ctl, struct http_header headers[2], struct buf *authorization)
{
	unsigned n = 0;

	headers[n++] = (struct http_header){ STR("Accept"), STR("application/json") };
	if (ctl->key.n > 0 && ctl->url != NULL) {
		buf_puts(authorization, "Bearer ");
		buf_put_str(authorization, buf_str(&ctl->key));
		headers[n++] = (struct http_header){ STR("Authorization"), buf_str(authorization) };
	}
	return n;
}

int
ctl_request(
    struct ctl *ctl, const char *method, const char *target, struct str body, struct ctl_reply *out)
{
	struct request *r = calloc(1, sizeof(*r));
	struct dial_target t = { 0 };
	struct http_header headers[2];
	struct buf host, authorization, path;
	struct str prefix = { NULL, 0 };
	int status;

	*out = (struct ctl_reply){ 0 };
	buf_init(&out->body, 0);
	buf_init(&host, 0);
	buf_init(&authorization, 0);
	buf_init(&path, 0);
	signal(SIGPIPE, SIG_IGN);
	status =
	    r ? find_target(ctl, &t, &host, &prefix) : ctl_complain(CTL_REFUSED, "out of memory");
	if (status != CTL_DONE)
		goto out;
	buf_put_str(&path, prefix);
	buf_puts(&path, target);
	r->x.method = str_of(method);
	r->x.target = str_of(buf_cstr(&path));
	r->x.host = ctl->url ? buf_str(&host) : STR("localhost");
	r->x.headers = headers;
	r->x.n_headers = add_headers(ctl, headers, &authorization);
	r->x.body = body;
	r->x.body_fd = -1;
	r->x.reply_max = REPLY_MAX;
	r->client = http_client_new(&t, 0, 0);
	status = r->client ? conclude(r, run(r), out) : ctl_complain(CTL_REFUSED, "out of memory");
	if (r->client) {
		http_exchange_fini(&r->x);
		http_client_free(r->client);
		loop_fini();
	}
	tls_client_free(t.tls);
out:
	if (authorization.p != NULL)
		wipe(authorization.p, authorization.cap);
	buf_fini(&authorization);
	buf_fini(&host);
	buf_fini(&path);
	free(r);
	return status;
}

int
ctl_refused(const struct ctl_reply *reply)
{
	static const char *const members[] = { "error", "message" };
	struct buf text, visible;
	struct str raw;
	uint64_t bad;

	buf_init(&text, 0);
	buf_init(&visible, 0);
	for (size_t i = 0; i < ARRAY_LEN(members) && text.n == 0; i++)
		if (json_check_text(buf_str(&reply->body), &bad) == 0 &&
		    json_get(buf_str(&reply->body), members[i], &raw) == 0 && raw.n > 1 &&
		    raw.p[0] == '"')
			(void)json_unquote(raw, &text);
	table_put_visible(&visible, buf_str(&text));
	ctl_complain(CTL_REFUSED, "the server answers %d%s%s", reply->status,
	    text.n > 0 ? ": " : "", buf_cstr(&visible));
	buf_fini(&visible);
	buf_fini(&text);
	return CTL_REFUSED;
}

int
ctl_send(
    struct ctl *ctl, const char *method, const char *target, struct str body, struct ctl_reply *out)
{
	int status = ctl_request(ctl, method, target, body, out);
	uint64_t bad;

	if (status != CTL_DONE)
		return status;
	if (out->status >= 400)
		status = ctl_refused(out);
	else if (json_check_text(buf_str(&out->body), &bad) != 0)
		status = ctl_complain(
		    CTL_REFUSED, "the server's answer is not JSON: is this its admin API?");
	if (status != CTL_DONE)
		buf_fini(&out->body);
	return status;
}

int
ctl_get(struct ctl *ctl, const char *method, const char *target, struct ctl_reply *out)
{
	return ctl_send(ctl, method, target, str_make(NULL, 0), out);
}

void
ctl_add_parameter(struct buf *target, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_putc(target, str_find(buf_str(target), '?') < 0 ? '?' : '&');
	buf_puts(target, name);
	buf_putc(target, '=');
	buf_put_percent(target, str_of(value), false);
}

/* Who logged in, also where he works as somebody else now. */
const char *
ctl_operator(const char *given)
{
	static char name[128];
	const struct passwd *user;

	if (given != NULL)
		return given;
	if (getlogin_r(name, sizeof(name)) == 0 && name[0])
		return name;
	user = getpwuid(getuid());
	if (user != NULL && user->pw_name[0])
		snprintf(name, sizeof(name), "%s", user->pw_name);
	else
		snprintf(name, sizeof(name), "uid %ld", (long)getuid());
	return name;
}

int
ctl_show(struct ctl *ctl, const char *target, void (*print)(struct str document))
{
	struct ctl_reply reply;
	int status = ctl_get(ctl, "GET", target, &reply);

	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		fwrite(reply.body.p, 1, reply.body.n, stdout);
	else
		print(buf_str(&reply.body));
	buf_fini(&reply.body);
	return CTL_DONE;
}
