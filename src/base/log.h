/*
 * The server's own log: one line an event, logfmt or JSON, to stderr or a file.
 *
 *	log_event(LOG_INFO, "ingest", "stored", LOG_S("stream", name), LOG_I("bytes", n), LOG_END);
 *	2026-11-22T01:02:03.456Z info ingest: stored stream=usage bytes=512
 *
 * A line is built in a bounded buffer (8 KiB; a value of more than 2 KiB is cut and marked) and
 * written by one write(2), so that lines of several processes do not mix. Values are escaped:
 * control characters, quotes and invalid UTF-8 cannot forge a line. Never parks; safe on task
 * stacks and helper threads; keeps errno.
 *
 * Buffered mode, for processes with a loop: debug and info lines gather, and leave in whole lines
 * with log_flush(), when 64 KiB are full, or ahead of the next warn or error, which never waits.
 */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_style { LOG_LOGFMT, LOG_JSON };

struct log_field {
	const char *name; /* NULL ends the list */
	enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_MS, LOG_FIELD_BOOL, LOG_FIELD_ERR } kind;
	struct str s;
	int64_t i;
};

#define LOG_S(name, cstr) ((struct log_field){ (name), LOG_FIELD_STR, str_of(cstr), 0 })
#define LOG_STR(name, str) ((struct log_field){ (name), LOG_FIELD_STR, (str), 0 })
#define LOG_I(name, v) ((struct log_field){ (name), LOG_FIELD_INT, { NULL, 0 }, (int64_t)(v) })
/* Nanoseconds, printed as milliseconds with three decimals. */
#define LOG_MS(name, ns) ((struct log_field){ (name), LOG_FIELD_MS, { NULL, 0 }, (int64_t)(ns) })
#define LOG_B(name, v) ((struct log_field){ (name), LOG_FIELD_BOOL, { NULL, 0 }, (v) })
/* The error of our table, by name and text; nothing where there was none. */
#define LOG_ERR(err) ((struct log_field){ "error", LOG_FIELD_ERR, { NULL, 0 }, (err) })
/* strerror of an errno value the caller saved. */
#define LOG_ERRNO(errnum) LOG_S("errno", log_errno_text(errnum))
#define LOG_END ((struct log_field){ NULL, LOG_FIELD_STR, { NULL, 0 }, 0 })

#define log_event(level, area, message, ...)                            \
	do {                                                            \
		if ((level) >= log_threshold)                           \
			log_write((level), (area), (message),           \
			    (const struct log_field[]){ __VA_ARGS__ }); \
	} while (0)

extern enum log_level log_threshold; /* LOG_INFO at start */

void log_write(
    enum log_level level, const char *area, const char *message, const struct log_field *fields);
/* The same with the fields counted instead of ended by LOG_END; for lists made at run time. */
void log_writev(enum log_level level, const char *area, const char *message,
    const struct log_field *fields, size_t n);
void log_set_style(enum log_style style);
/* Off at start. Turn it on after the last fork: what is gathered would be written by both. Turning
 * it off flushes. */
void log_set_buffered(bool on);
/* Writes what has gathered; called once each turn of the loop and before exit. Returns at once if
 * another thread is writing just now (then what is left goes with the next turn). */
void log_flush(void);
/* Appends to path from now on (0640); NULL: stderr. Keeps what was open on failure: 0 or an
 * error. */
int log_open(const char *path);
/* Opens the same path again (USR1). */
int log_reopen(void);
/* Thread-safe text of an errno value; never NULL. */
const char *log_errno_text(int errnum);

#endif
