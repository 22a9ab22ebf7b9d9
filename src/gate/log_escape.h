/*
 * Values as they stand in lines of an access log, so that none can end a line, close a quote or drive
 * a terminal. Pure.
 *
 *	default  as nginx: " \ control characters and all beyond ASCII as \xHH
 *	json     within a JSON string; invalid UTF-8 becomes U+FFFD
 *	logfmt   as in the server's own log: in quotes where they are needed
 *	none     as it is
 */
#ifndef SLUICE_GATE_LOG_ESCAPE_H
#define SLUICE_GATE_LOG_ESCAPE_H

#include "base/base.h"

enum log_escape { LOG_ESCAPE_DEFAULT, LOG_ESCAPE_JSON, LOG_ESCAPE_LOGFMT, LOG_ESCAPE_NONE };

/* What n bytes may become at most. */
#define LOG_ESCAPE_ROOM(n) (6 * (n) + 2)

/* Writes value to out (room for LOG_ESCAPE_ROOM(value.n)); returns the length. */
size_t log_escape(enum log_escape how, struct str value, char *out);
/* What stands for a variable that was not found: "-" or nothing. */
struct str log_escape_absent(enum log_escape how);

#endif
