/*
 * See api.h: the tables, routing, authority, the forms of answers.
 */
#include "admin/api.h"

#include <stdio.h>

#include "admin/forward.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/url.h"
#include "gate/auth.h"
#include "http/conf.h"

#define TABLES_MAX 16
#define ANSWER_MAX ((size_t)64 << 20)
#define ERROR_MAX 512
#define RETRY_AFTER "2"
/* Returned by api_fail: the status is in the answer. */
#define FAILED 1

static struct table {
	const struct api_endpoint *rows;
	bool shippers; /* they work in the shipper */
} tables[TABLES_MAX];
static unsigned n_tables;
static bool in_shipper;

/* A call and its answer. */
struct answer {
	struct api_call call;
	struct json_writer json;
	struct buf body;
	int failed; /* api_fail's status; 0: none */
	char error[ERROR_MAX];
};

static void
add(const struct api_endpoint *rows, bool shippers)
{
	for (unsigned i = 0; i < n_tables; i++)
		if (tables[i].rows == rows)
			return;
	assert(n_tables < TABLES_MAX);
	tables[n_tables++] = (struct table){ rows, shippers };
}

void
api_add(const struct api_endpoint *table)
{
	add(table, false);
}

void
api_add_shippers(const struct api_endpoint *table)
{
	add(table, true);
}

void
api_be_shipper(void)
{
	in_shipper = true;
}

/* ---- for endpoints ---- */

int
api_fail(struct api_call *call, int status, const char *fmt, ...)
{
	struct answer *a = CONTAINER_OF(call, struct answer, call);
	va_list args;

	a->failed = status;
	va_start(args, fmt);
	vsnprintf(a->error, sizeof(a->error), fmt, args);
	va_end(args);
	return FAILED;
}

struct str
api_query(struct api_call *call, const char *name)
{
	struct str raw = http_query_get(call->request->query, name);
	char *room;
	struct buf decoded;

	if (raw.p == NULL || (room = arena_alloc(&call->request->arena, raw.n + 1)) == NULL)
		return str_make(NULL, 0);
	buf_init_fixed(&decoded, room, raw.n + 1);
	return url_decode(raw, &decoded, true) == 0 ? buf_str(&decoded) : str_make(NULL, 0);
}

struct str
api_operator(struct api_call *call, struct str said)
{
	struct str key = call->operator;
	char *both;

	if (said.n == 0 || str_eq(said, key))
		return key;
	if (!call->has_key)
		return said;
	both = arena_printf(&call->request->arena, "%.*s (%.*s)", STR_ARG(key), STR_ARG(said));
	return both != NULL ? str_of(both) : key;
}

int
api_query_number(struct api_call *call, const char *name, uint64_t absent, uint64_t min,
    uint64_t max, uint64_t *out)
{
	struct str raw = http_query_get(call->request->query, name);

	*out = absent;
	if (raw.p == NULL || (str_to_u64(raw, out) == 0 && *out >= min && *out <= max))
		return 0;
	return api_fail(call, 400, "%s: a number from %llu to %llu is allowed", name,
	    (unsigned long long)min, (unsigned long long)max);
}

int
api_body(struct api_call *call, size_t max, struct str *out)
{
	uint64_t bad;
	int err = http_body_gather(call->request, max, out);

	if (err != 0)
		return err;
	if (out->n == 0)
		*out = STR("{}");
	if (json_check_text(*out, &bad) == 0)
		return 0;
	return api_fail(
	    call, 400, "the body is not JSON: unexpected byte at %llu", (unsigned long long)bad);
}

/* ---- routing ---- */

/* Does path fit the row's? *id: what {id} stands for, as sent. */
static bool
fits(const char *row, struct str path, struct str *id)
{
	const char *brace = strchr(row, '{');
	size_t fixed = brace ? (size_t)(brace - row) : strlen(row);

	*id = str_make(NULL, 0);
	if (brace == NULL)
		return str_is(path, row);
	if (path.n <= fixed || memcmp(path.p, row, fixed) != 0)
		return false;
	*id = str_from(path, fixed);
	return str_find(*id, '/') < 0;
}

static bool
same_method(const struct api_endpoint *row, struct str method)
{
	return str_is(method, row->method) ||
	       (str_is(method, "HEAD") && strcmp(row->method, "GET") == 0);
}

/* Where a request leads. */
struct route {
	struct str path;                /* "/api/…" */
	const struct api_endpoint *row; /* NULL: nowhere */
	bool shippers;
	struct str id;     /* what {id} stands for */
	struct buf *allow; /* the methods that the path has, if the request's is not among them */
};

static void
allow(struct buf *out, const struct api_endpoint *row)
{
	buf_printf(out, "%s%s", out->n ? ", " : "", row->method);
	if (strcmp(row->method, "GET") == 0)
		buf_puts(out, ", HEAD");
}

static bool
find_in(const struct table *t, struct str method, struct str path, struct route *out)
{
	for (const struct api_endpoint *row = t->rows; row->path != NULL; row++) {
		if (!fits(row->path, path, &out->id))
			continue;
		if (same_method(row, method)) {
			out->row = row;
			out->shippers = t->shippers;
			return true;
		}
		allow(out->allow, row);
	}
	return false;
}

static void
find(struct str method, struct str path, struct route *out)
{
	for (unsigned t = 0; t < n_tables; t++)
		if ((tables[t].shippers || !in_shipper) && find_in(&tables[t], method, path, out))
			return;
}

/* The API's part of the path: it may be mounted deeper. */
static struct str
api_path(const struct http_request *r)
{
	const char *at = memmem(r->path.p, r->path.n, "/api/", 5);

	return at ? str_from(r->path, (size_t)(at - r->path.p)) : r->path;
}

/* ---- answering ---- */

int
api_refuse(struct http_request *r, int status, const char *text)
{
	struct json_writer w;
	struct buf body;

	buf_init(&body, 0);
	json_init(&w, &body);
	json_open(&w, NULL, '{');
	json_put_cstr(&w, "error", text);
	json_close(&w);
	buf_putc(&body, '\n');
	if (status == 503)
		http_set_header(r, "Retry-After", STR(RETRY_AFTER));
	return http_reply_buf(r, status, "application/json", &body);
}

int
api_refuse_error(struct http_request *r, int err)
{
	if (err == ERR_CANCELLED || err == ERR_CLOSED)
		return http_reply_error(r, err);
	return api_refuse(r, err_http_status(err), err_text(err));
}

static int
refuse_method(struct http_request *r, const struct buf *allow)
{
	http_add_header(r, "Allow", buf_str(allow));
	return api_refuse(r, 405, http_reason(405));
}

/* 0, or answered. */
static int
check_authority(struct http_request *r, const struct api_endpoint *row, bool trusted)
{
	if (trusted)
		return 0;
	if (auth_role(r) == ROLE_NONE) {
		http_add_header(r, "WWW-Authenticate", STR("Bearer"));
		api_refuse(r, 401, auth_finding_text(auth_key_finding(r)));
		return ERR_UNAUTHORIZED;
	}
	if (row != NULL && auth_role(r) < row->role) {
		api_refuse(r, 403, "this key may not do that: its role is too low");
		return ERR_DENIED;
	}
	return 0;
}

static int
reply(struct http_request *r, struct answer *a, int status)
{
	if (r->status != 0)
		return status; /* it has answered, or begun to */
	if (a->failed)
		return api_refuse(r, a->failed, a->error);
	if (status >= 0 && buf_failed(&a->body))
		status = buf_failed(&a->body);
	if (status < 0)
		return api_refuse_error(r, status);
	buf_putc(&a->body, '\n');
	return http_reply(r, status, "application/json", buf_str(&a->body));
}

/* Whose doing it is: of the key that a worker has seen, here or before it passed the request on; else nobody's in particular. */
static struct str
key_name(struct http_request *r, bool trusted)
{
	if (!trusted)
		return auth_key_name(r);
	return in_shipper ? http_header_get(r->head, FORWARD_OPERATOR) : str_make(NULL, 0);
}

static int
run(struct http_request *r, const struct route *to, struct str key)
{
	struct answer a = { .call = { .request = r, .path = to->path, .id = to->id } };
	int err;

	a.call.operator= key.n> 0 ? key : STR("local");
	a.call.has_key = key.n > 0;
	a.call.json = &a.json;
	buf_init(&a.body, ANSWER_MAX);
	json_init(&a.json, &a.body);
	err = reply(r, &a, to->row->fn(&a.call));
	buf_fini(&a.body);
	return err;
}

/* Nobody waits any more for what the worker has answered meanwhile. */
static bool
is_late(const struct http_request *r)
{
	uint64_t until;

	return in_shipper && str_to_u64(http_header_get(r->head, FORWARD_UNTIL), &until) == 0 &&
	       until < (uint64_t)clock_mono();
}

static int
serve(struct http_request *r, const struct route *to, bool trusted)
{
	struct str key = key_name(r, trusted);

	if (is_late(r))
		return api_refuse(r, 503, "too late");
	if (to->shippers && !in_shipper)
		return forward_request(r, to->path, key);
	return run(r, to, key);
}

/* Who may not come in is not told what there is. */
static int
answer(struct http_request *r, struct str path, bool trusted)
{
	struct buf methods;
	struct route to = { .path = path, .allow = &methods };
	char room[64];
	int err;

	r->uncounted = true; /* who looks is not what is looked at */
	buf_init_fixed(&methods, room, sizeof(room));
	find(r->head->method, path, &to);
	http_add_header(r, "Cache-Control", STR("no-store"));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	err = check_authority(r, to.row, trusted);
	if (err != 0)
		return err;
	if (to.row != NULL)
		return serve(r, &to, trusted);
	return methods.n > 0 ? refuse_method(r, &methods) : api_refuse(r, 404, http_reason(404));
}

int
api_serve(struct http_request *r, struct str path)
{
	return answer(r, path, false);
}

static int
handle(struct http_request *r, void *arg)
{
	return answer(r, api_path(r), arg != NULL);
}

/* ---- GET /api/ ---- */

static int
list_endpoints(struct api_call *call)
{
	struct json_writer *w = call->json;

	json_open(w, NULL, '{');
	json_open(w, "endpoints", '[');
	for (unsigned t = 0; t < n_tables; t++)
		for (const struct api_endpoint *row = tables[t].rows; row->path != NULL; row++) {
			json_open(w, NULL, '{');
			json_put_cstr(w, "method", row->method);
			json_put_cstr(w, "path", row->path);
			json_put_cstr(w, "role", keys_role_name(row->role));
			json_put_cstr(w, "help", row->help);
			json_close(w);
		}
	json_close(w);
	json_close(w);
	return 200;
}

static const struct api_endpoint endpoints[] = {
	{ "GET", "/api/", ROLE_ADMIN, list_endpoints, "what there is" },
	{ .path = NULL },
};

/* ---- configuration ---- */

/* Is each listen of the server around scope a unix socket? */
static bool
is_unix_server(const struct conf_scope *scope)
{
	bool any = false;

	while (scope != NULL && scope->context != CONF_SERVER)
		scope = scope->parent;
	for (const struct conf_node *n = scope ? scope->node->children : NULL; n; n = n->next) {
		if (!str_is(n->name, "listen"))
			continue;
		if (!str_starts(n->args[0], STR("unix:")))
			return false;
		any = true;
	}
	return any;
}

static int
set_admin_api(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	bool trusted = node->n_args == 1;

	(void)into;
	if (trusted && !str_is(node->args[0], "trusted")) {
		conf_error(c, node,
		    "invalid parameter \"%.*s\" of \"admin_api\": trusted is allowed",
		    STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	if (trusted && !is_unix_server(scope)) {
		conf_error(c, node,
		    "admin_api trusted asks nobody for a key: it may stand only in a server whose "
		    "every listen is a unix socket");
		return ERR_CONFIG;
	}
	auth_leave_to_handler(scope);
	return http_set_handler(c, node, scope, handle, trusted ? &api_module : NULL, NULL);
}

static const struct conf_row rows[] = {
	{ .name = "admin_api",
	    .contexts = CONF_LOCATION,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = set_admin_api,
	    .unit = "trusted",
	    .help = "the admin API, below a path that ends in /api/; asks for an API key of the "
		    "role admin (auth_keys). trusted: for whoever can open the server's unix "
		    "socket" },
	{ .name = NULL },
};

struct conf_module api_module = { .name = "admin", .rows = rows };

void
api_conf_register(void)
{
	conf_register(&api_module);
	api_add(endpoints);
}
