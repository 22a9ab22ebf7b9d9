/*
 * Texts with variables in a configuration, as `return`, `add_header`, `log_format` or a key of
 * `limit_req_zone` take them: "https://$host$request_uri". Compiled when the configuration is read,
 * expanded for a request.
 */
#ifndef SLUICE_HTTP_TEXT_H
#define SLUICE_HTTP_TEXT_H

#include "conf/conf.h"
#include "http/variable.h"

struct http_request;

/* A piece: literal text, or a variable. */
struct http_text_part {
	struct str literal;
	struct http_variable_use var; /* name.n == 0: literal */
};

struct http_text {
	struct http_text_part *parts;
	unsigned n;
};

/* Takes text apart, into the configuration's arena; a malformed variable is an error at node (one
 * nobody knows, too, when the tree is applied). Until then it must not be expanded. */
int http_text_compile(
    struct conf *c, const struct conf_node *node, struct str text, struct http_text *out);
/* The text for this request, borrowed or in its arena; {NULL, 0} if that is full. What is not found
 * is left out. Must not park. */
struct str http_text_expand(const struct http_text *t, struct http_request *r);
/* No variable in it: expanding it gives the same for all. */
bool http_text_is_constant(const struct http_text *t);

/* Values for getters. Room for n bytes that lasts as long as the request (little of it costs
 * nothing); NULL: its arena is full. The others are {NULL, 0} then. */
char *http_text_room(struct http_request *r, size_t n);
struct str http_text_copy(struct http_request *r, struct str s);
struct str http_text_u64(struct http_request *r, uint64_t v);
/* "1.204": nanoseconds as seconds with three decimals, as nginx writes times. */
struct str http_text_seconds(struct http_request *r, int64_t ns);

static inline struct str
http_text_part_value(const struct http_text_part *p, struct http_request *r)
{
	return p->var.name.n ? p->var.get(r, p->var.name, p->var.arg) : p->literal;
}

#endif
