/*
 * Lookups in the one table of errors, and the errno values that stand for its rows. Called from
 * everywhere.
 */
#include "base/err.h"

#include <errno.h>
#include <stddef.h>

struct row {
	const char *label;
	const char *text;
	enum err_class class;
	int status;
};

/* Indexed by -value; row 0 is OK. */
static const struct row rows[] = { [0] = { "ok", "ok", ERR_CLASS_LOCAL, 200 },
#define ROW(name, label, value, class, status, text) \
	[-(value)] = { label, text, ERR_CLASS_##class, status },
	ERR_TABLE(ROW)
#undef ROW
};

static const struct row beyond = { "unknown", "unknown error", ERR_CLASS_LOCAL, 500 };

static const struct row *
find(int err)
{
	if (err >= 0)
		return &rows[0];
	if (err <= -(int)(sizeof(rows) / sizeof(rows[0])))
		return &beyond;
	return &rows[-err];
}

const char *
err_name(int err)
{
	return find(err)->label;
}

const char *
err_text(int err)
{
	return find(err)->text;
}

enum err_class
err_class(int err)
{
	return find(err)->class;
}

int
err_http_status(int err)
{
	return find(err)->status;
}

/* EAGAIN and EWOULDBLOCK may be one value, as may EOPNOTSUPP and ENOTSUP: a table, where a switch
 * would not compile. */
static const struct {
	int errnum;
	int err;
} from_errno[] = {
	{ 0, OK },
	{ EAGAIN, ERR_AGAIN },
	{ EWOULDBLOCK, ERR_AGAIN },
	{ ENOENT, ERR_NOT_FOUND },
	{ ENOTDIR, ERR_NOT_FOUND },
	{ EEXIST, ERR_EXISTS },
	{ ENOTEMPTY, ERR_EXISTS },
	{ ENOMEM, ERR_NOMEM },
	{ ENOBUFS, ERR_NOMEM },
	{ ENOSPC, ERR_NOSPACE },
	{ EDQUOT, ERR_NOSPACE },
	{ EFBIG, ERR_NOSPACE },
	{ EACCES, ERR_DENIED },
	{ EPERM, ERR_DENIED },
	{ EROFS, ERR_DENIED },
	{ ETIMEDOUT, ERR_TIMEOUT },
	{ ECANCELED, ERR_CANCELLED },
	{ EPIPE, ERR_CLOSED },
	{ ECONNRESET, ERR_CLOSED },
	{ ECONNABORTED, ERR_CLOSED },
	{ ENOTCONN, ERR_CLOSED },
	{ ECONNREFUSED, ERR_REFUSED },
	{ EHOSTUNREACH, ERR_UNREACHABLE },
	{ ENETUNREACH, ERR_UNREACHABLE },
	{ ENETDOWN, ERR_UNREACHABLE },
	{ EADDRNOTAVAIL, ERR_UNREACHABLE },
	{ EPROTO, ERR_PROTOCOL },
	{ EBUSY, ERR_BUSY },
	{ EMFILE, ERR_BUSY },
	{ ENFILE, ERR_BUSY },
	{ EADDRINUSE, ERR_BUSY },
	{ ENOSYS, ERR_UNSUPPORTED },
	{ ENOTSUP, ERR_UNSUPPORTED },
	{ EOPNOTSUPP, ERR_UNSUPPORTED },
	{ EAFNOSUPPORT, ERR_UNSUPPORTED },
};

int
err_from_errno(int errnum)
{
	for (size_t i = 0; i < sizeof(from_errno) / sizeof(from_errno[0]); i++) {
		if (from_errno[i].errnum == errnum)
			return from_errno[i].err;
	}
	return ERR_IO;
}
