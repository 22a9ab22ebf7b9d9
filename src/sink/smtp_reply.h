/*
 * Replies of a mail server (RFC 5321, 4.2): one or more lines "550-text", the last "550 text". Bytes in, a code and its text out; no I/O. Whatever a
 * server sends, memory is the struct and nothing else, and an end is reached: lines and their number are bounded.
 */
#ifndef SLUICE_SINK_SMTP_REPLY_H
#define SLUICE_SINK_SMTP_REPLY_H

#include "base/base.h"

#define SMTP_LINE_MAX 2048 /* RFC 5321 allows 512 */
#define SMTP_LINES_MAX 128 /* of one reply */

struct smtp_reply {
	int code; /* 200 to 599; 0: not complete yet */
	/* The text of all lines, a blank between; an enhanced status code (RFC 2034) once, at its start. Any bytes but CR and LF; cut to fit. */
	char text[240];
	size_t text_n;
	/* private */
	char line[SMTP_LINE_MAX];
	size_t line_n;
	unsigned lines;
	int first_code;
};

/* Called for each line with its text, which lasts until it returns. */
typedef void smtp_line_fn(void *arg, unsigned number, struct str text);

void smtp_reply_init(struct smtp_reply *r);
/* Takes bytes up to the end of a reply: how many were used. Where r->code is set then, the reply is complete, and the next call begins another. each may be NULL.
 * ERR_PROTOCOL: that is no reply; ERR_TOO_LARGE: it does not end; after both nothing more can be read. */
ssize_t smtp_reply_take(struct smtp_reply *r, struct str in, smtp_line_fn *each, void *arg);
/* The enhanced status code that text begins with, "5.1.1"; or {NULL, 0}. */
struct str smtp_enhanced(struct str text);

#endif
