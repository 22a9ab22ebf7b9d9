/*
 * Formats of access logs: nginx's `log_format`, and those that are there without it.
 */
#ifndef SLUICE_GATE_LOG_FORMAT_H
#define SLUICE_GATE_LOG_FORMAT_H

#include "gate/log_escape.h"
#include "http/text.h"

struct log_format {
	struct log_format *next;
	const struct conf_node *node; /* NULL: built in */
	struct str name;
	enum log_escape escape;
	struct http_text text;
	size_t literals;    /* bytes that are the same in every line */
	struct str *values; /* room for those of one line */
};

/* log_format NAME [escape=default|json|logfmt|none] string …; 0 or an error after conf_error(). */
int log_format_parse(struct conf *c, const struct conf_node *node, struct log_format *out);
/* One of those that are always there: combined, json, logfmt. 0, ERR_NOT_FOUND, or another error. */
int log_format_built_in(struct conf *c, struct str name, struct log_format *out);

/* A line in two steps: gathers the values of this request and returns the room that the line may
 * need, its newline included; then writes it there and returns its length. */
size_t log_format_measure(struct log_format *f, struct http_request *r);
size_t log_format_write(const struct log_format *f, char *out);

#endif
