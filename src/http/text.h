/*
 * Texts with variables in a configuration, as `return` takes them: "https://$host$request_uri".
 * Private to http/.
 */
#ifndef SLUICE_HTTP_TEXT_H
#define SLUICE_HTTP_TEXT_H

#include "conf/conf.h"

struct http_request;

/* A piece: literal text, or the variable that get returns. */
struct http_text_part {
	struct str literal;
	struct str (*get)(struct http_request *r); /* NULL: literal */
};

struct http_text {
	struct http_text_part *parts;
	unsigned n;
};

/* Takes text apart; an unknown variable is an error at node. */
int http_text_compile(
    struct conf *c, const struct conf_node *node, struct str text, struct http_text *out);
/* The text for this request, in its arena; {NULL, 0} if that is full. */
struct str http_text_expand(const struct http_text *t, struct http_request *r);

#endif
