/*
 * Variables: what "$name" stands for in texts of the configuration (http/text.h), in logs and keys. Modules add theirs by table before
 * the first parse; a configuration may define more of its own (map, set_by_filter).
 */
#ifndef SLUICE_HTTP_VARIABLE_H
#define SLUICE_HTTP_VARIABLE_H

#include "conf/conf.h"

struct http_request;

/* The value for this request: borrowed from the request, its arena or static; {NULL, 0}: not found (logs show "-", texts nothing). name
 * is the whole name as configured, without "$". Must not park. */
typedef struct str http_variable_fn(struct http_request *r, struct str name, void *arg);

struct http_variable {
	const char *
	    name; /* without "$"; one that ends in '_' is a family: "http_" stands for $http_user_agent, … */
	http_variable_fn *get;
	void *arg;
};

/* The table, borrowed for ever, ends with a NULL name. A second time does nothing. */
void http_variable_add(const struct http_variable *table);
/* One that exists in this configuration only. An error (after conf_error) if a module has it already. */
int http_variable_define(struct conf *c, const struct conf_node *node, struct str name,
    http_variable_fn *get, void *arg);
/* By name, for a configuration; false: unknown. */
bool http_variable_find(struct conf *c, struct str name, struct http_variable *out);

#endif
