/*
 * Texts with values of a record in them: "Hello ${json.user.name}, $id". Compiled when the configuration is read, expanded for each message. Pure.
 *
 *	$json.NAME   a member of the record, which must be a JSON object; $json.A.B and ${json.A.B}: of a member of it, or with a number of an
 *	             array. In braces a name may hold any character but "." and "}". A string stands as its text, anything else as its JSON
 *	$body        the whole record
 *	$id $user $stream $trace_id
 *	$$           a dollar
 */
#ifndef SLUICE_SINK_SMTP_TEMPLATE_H
#define SLUICE_SINK_SMTP_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"

enum smtp_value { SMTP_LITERAL, SMTP_JSON, SMTP_BODY, SMTP_ID, SMTP_USER, SMTP_STREAM, SMTP_TRACE };

struct smtp_part {
	enum smtp_value value;
	struct str text; /* the literal, or the path: "a.b" */
};

struct smtp_template {
	struct smtp_part *parts;
	unsigned n;
	bool has_json;
	bool fixed; /* no variable in it */
};

/* What a template may say of a message. */
struct smtp_values {
	struct str id, user, stream, trace_id;
	struct str body; /* where has_json: valid JSON */
};

/* Parts lie in the arena and point into text. 0, ERR_NOMEM, or ERR_BAD: *bad is the place in text. */
int smtp_template_compile(
    struct arena *arena, struct str text, struct smtp_template *out, struct str *bad);
/* Appends to out. 0; ERR_NOT_FOUND: *missing is the path of a member that is not there, or null; ERR_BAD: the record is no object;
 * or out's failure. */
int smtp_template_expand(const struct smtp_template *t, const struct smtp_values *v,
    struct buf *out, struct str *missing);

#endif
