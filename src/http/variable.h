/*
 * Variables: what "$name" stands for in texts of the configuration (http/text.h), in logs and keys.
 * Modules add theirs by table before the first parse; a configuration may define more of its own
 * (set, map, geo, set_by_filter). Names are lower case; the configuration may write them in any.
 *
 * A text may name a variable that is defined further down in the file: names are resolved when the
 * whole tree is applied, and one that nobody knows is an error then.
 */
#ifndef SLUICE_HTTP_VARIABLE_H
#define SLUICE_HTTP_VARIABLE_H

#include "conf/conf.h"

struct http_request;

/* The value for this request: borrowed from the request, its arena or static, and valid until the
 * request is over; {NULL, 0}: not found (logs show "-", texts nothing). name is the whole name as
 * configured, in lower case, without "$". Must not park. A request whose head was refused has
 * neither head nor location. */
typedef struct str http_variable_fn(struct http_request *r, struct str name, void *arg);

struct http_variable {
	/* without "$"; one that ends in '_' is a family: "http_" stands for $http_user_agent, … */
	const char *name;
	http_variable_fn *get;
	void *arg;
};

/* The table, borrowed for ever, ends with a NULL name. A second time does nothing. Of families, the
 * longest that fits counts. */
void http_variable_add(const struct http_variable *table);
/* One that exists in this configuration only; it hides a family's. The same definition twice is
 * none too many. An error (after conf_error) if a module, or another directive, has the name. */
int http_variable_define(struct conf *c, const struct conf_node *node, struct str name,
    http_variable_fn *get, void *arg);
/* By name, for a configuration; false: unknown (so far: see above). out->name is the family's. */
bool http_variable_find(struct conf *c, struct str name, struct http_variable *out);

/* The part of the reference that lists the modules' variables, as mdoc or Markdown. */
void http_variable_reference(struct buf *out, bool mdoc);

/* What a text holds in place of a variable: filled in when the tree is applied. name is in the
 * arena, in lower case. */
struct http_variable_use {
	struct str name;
	http_variable_fn *get;
	void *arg;
};
/* Resolves *use now or, if the name is not known yet, at the end; an unknown one is an error at node
 * then (at once where that end is past: in finish() of a module). *use must stay where it is. 0,
 * ERR_NOMEM or ERR_CONFIG. */
int http_variable_use(
    struct conf *c, const struct conf_node *node, struct str name, struct http_variable_use *use);
/* "$name" alone, as directives that take one variable write it: its name, in lower case
 * and in the arena, or {NULL, 0} after conf_error(). */
struct str http_variable_name(struct conf *c, const struct conf_node *node, struct str arg);

/* The module that resolves; http_conf_register() registers it, before all that use variables. */
extern struct conf_module http_variable_module;

#endif
