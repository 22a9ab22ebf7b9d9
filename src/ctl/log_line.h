/*
 * One line of a log, taken apart: the server's own (logfmt or JSON), an access log in nginx's combined form (with name=value behind it, if
 * any), or in logfmt or JSON with whatever names are usual. Pure; any bytes are fine, a line that is none of these is told so.
 */
#ifndef SLUICE_CTL_LOG_LINE_H
#define SLUICE_CTL_LOG_LINE_H

#include "base/buf.h"

#define LOG_LINE_MAX ((size_t)16 * 1024) /* longer ones are to be cut before */

/* Texts are decoded and lie in the line or in room, until the next call with either. Absent: empty. */
struct log_line {
	struct str time, level, area, message;
	struct str method, uri, client, request_id;
	int status;      /* 0: none */
	int64_t latency; /* microseconds; -1: none */
	char room[LOG_LINE_MAX + 1];
};

/* False: not a line of a form we know, or torn. */
bool log_line_parse(struct str line, struct log_line *out);
/* Level error, or a status from 400 on. */
bool log_line_is_error(const struct log_line *l);

#endif
