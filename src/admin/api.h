/*
 * The admin API: endpoints are rows of tables, which route, document (`GET /api/`) and answer 404 and 405. Answers are JSON; errors
 * are {"error":"…"}.
 *
 * Who may: over the admin socket (`admin_api trusted;`) whoever could open it; elsewhere whoever has an API key of at least the row's role
 * (gate/auth.h): 401 without a valid key, 403 with one of a lesser role. `auth` does not hold in the location: the API asks by itself.
 */
#ifndef SLUICE_ADMIN_API_H
#define SLUICE_ADMIN_API_H

#include "base/json_write.h"
#include "conf/conf.h"
#include "gate/keys.h"
#include "http/server.h"

/* One call under way. */
struct api_call {
	struct http_request *request;
	struct str path;          /* "/api/…", decoded, wherever the API is mounted */
	struct str id;            /* what stands for {id} in the row's path, decoded */
	struct str operator;      /* who calls: the key's name; "local" over the admin socket */
	bool has_key;             /* it is a key's name */
	struct json_writer *json; /* the answer: one document */
};

/* Writes the answer's document to call->json and returns its status (200, 202, …), or a negative error of the table, which is answered
 * as such, or api_fail(), or API_ANSWERED. Runs on the request's task; may park. */
typedef int api_fn(struct api_call *call);
/* Returned by an endpoint that has answered by itself, with the functions of http/server.h. */
#define API_ANSWERED 0

struct api_endpoint {
	const char *method; /* "GET", which brings HEAD; "POST", "DELETE" */
	const char
	    *path; /* "/api/status"; "/api/dlq/messages/{id}": {id} is one segment, and the last */
	enum key_role role; /* at least */
	api_fn *fn;
	const char *help; /* one line */
};

/* The table, borrowed for ever, ends with a NULL path. Before serving; a second time does nothing. */
void api_add(const struct api_endpoint *table);
/* The same for endpoints that work in the shipper: workers ask who may, and pass the request on (admin/forward.h). */
void api_add_shippers(const struct api_endpoint *table);
/* This process is the shipper: from now on it answers what is the shipper's, and nothing else. Before serving. */
void api_be_shipper(void);

/* Answers status with this text in place of what was written. Returns what the endpoint is to return. */
int api_fail(struct api_call *call, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The whole of an answer outside of an endpoint: {"error":text}; 503 with Retry-After. The second takes status and text from the table
 * of errors. As http_reply. */
int api_refuse(struct http_request *r, int status, const char *text);
int api_refuse_error(struct http_request *r, int err);
/* On whose record a decision goes: the call's operator; over the admin socket who the body says it is; over TCP "key (who)" where that is
 * another name. Lives as long as the request. */
struct str api_operator(struct api_call *call, struct str said);
/* A parameter of the query, decoded; {NULL, 0}: it is not there, or malformed. Lives as long as the request. */
struct str api_query(struct api_call *call, const char *name);
/* The same as a number within [min, max], or absent where there is none. 0, or what api_fail() returned: the endpoint returns it. */
int api_query_number(struct api_call *call, const char *name, uint64_t absent, uint64_t min,
    uint64_t max, uint64_t *out);
/* The request's body, valid JSON of at most max bytes; an empty body is "{}". 0, or what the endpoint is to return. Parks. */
int api_body(struct api_call *call, size_t max, struct str *out);

/* Answers the request as `admin_api` does, to whoever has a key of the row's role; path: "/api/…". For handlers that have the API beneath
 * them. Parks. */
int api_serve(struct http_request *r, struct str path);

/* `admin_api`: the row, and the API's own endpoints. */
extern struct conf_module api_module;
void api_conf_register(void);

#endif
