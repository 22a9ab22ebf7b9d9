/*
 * The one table of errors. A function that can fail returns 0 (or a count >= 0) or one of these,
 * all negative. The table carries for each: its name, its label (logs, metrics), class (what a
 * retry would do), the HTTP status a client gets, and a text for people.
 */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

enum err_class {
	ERR_CLASS_TRANSIENT, /* the same again may work */
	ERR_CLASS_HELD,      /* wrong set-up, not wrong data: wait for the operator */
	ERR_CLASS_PERMANENT, /* the same again fails again */
	ERR_CLASS_LOCAL      /* ours: memory, disk, a bug */
};

/* name, label, value, class, HTTP status, text */
#define ERR_TABLE(X)                                                                             \
	X(NOMEM, "no_memory", -1, LOCAL, 503, "out of memory")                                   \
	X(IO, "io", -2, LOCAL, 500, "input/output error")                                        \
	X(NOSPACE, "no_space", -3, LOCAL, 503, "no space")                                       \
	X(TIMEOUT, "timeout", -4, TRANSIENT, 504, "timed out")                                   \
	X(CANCELLED, "cancelled", -5, LOCAL, 499, "cancelled")                                   \
	X(CLOSED, "closed", -6, TRANSIENT, 400, "closed by peer")                                \
	X(REFUSED, "refused", -7, TRANSIENT, 502, "connection refused")                          \
	X(UNREACHABLE, "unreachable", -8, TRANSIENT, 502, "unreachable")                         \
	X(DNS, "dns", -9, TRANSIENT, 502, "host name not resolved")                              \
	X(TLS, "tls", -10, HELD, 502, "TLS error")                                               \
	X(PROTOCOL, "protocol", -11, TRANSIENT, 502, "protocol error")                           \
	X(BAD, "bad", -12, PERMANENT, 400, "malformed")                                          \
	X(TOO_LARGE, "too_large", -13, PERMANENT, 413, "too large")                              \
	X(HEADER_TOO_LARGE, "header_too_large", -14, PERMANENT, 431, "request header too large") \
	X(URI_TOO_LONG, "uri_too_long", -15, PERMANENT, 414, "request URI too long")             \
	X(NOT_FOUND, "not_found", -16, PERMANENT, 404, "not found")                              \
	X(EXISTS, "exists", -17, PERMANENT, 409, "exists already")                               \
	X(DENIED, "denied", -18, HELD, 403, "denied")                                            \
	X(UNAUTHORIZED, "unauthorized", -19, HELD, 401, "not authorised")                        \
	X(CORRUPT, "corrupt", -20, LOCAL, 500, "corrupt data")                                   \
	X(LOCKED, "locked", -21, LOCAL, 500, "locked by another process")                        \
	X(CONFIG, "config", -22, HELD, 500, "configuration error")                               \
	X(UNSUPPORTED, "unsupported", -23, PERMANENT, 501, "not supported")                      \
	X(BUSY, "busy", -24, TRANSIENT, 503, "busy")                                             \
	X(AGAIN, "again", -25, TRANSIENT, 503, "try again")                                      \
	X(CONFLICT, "conflict", -26, TRANSIENT, 409, "conflict")                                 \
	X(STOPPING, "stopping", -27, TRANSIENT, 503, "shutting down")                            \
	X(NEED_MORE, "need_more", -28, LOCAL, 500, "needs more input")                           \
	X(EOF, "eof", -29, LOCAL, 500, "end of input")

enum err {
	OK = 0,
#define ERR_ENUM(name, label, value, class, status, text) ERR_##name = value,
	ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

/* "timeout", "no_space", …: lower case, for logs and labels. "ok" for 0 and more, "unknown" beyond
 * the table. */
const char *err_name(int err);
/* The text for people. Never NULL. */
const char *err_text(int err);
enum err_class err_class(int err);
/* The status a client gets for it: 200 for 0 and more, 500 beyond the table. */
int err_http_status(int err);
/* The error that stands for an errno value; ERR_IO where nothing fits better. */
int err_from_errno(int errnum);

#endif
