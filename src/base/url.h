/*
 * Percent-encoding, the way back (the way there is buf_put_percent).
 */
#ifndef SLUICE_BASE_URL_H
#define SLUICE_BASE_URL_H

#include "base/buf.h"

/*
 * Appends in with %XX decoded, and with plus_is_space (queries and forms) '+' as a space. Decoded
 * bytes may be anything, zero and slashes too: the caller judges. 0, ERR_BAD for a % without two
 * hexadecimal digits (what came before it was appended), or out's failure.
 */
int url_decode(struct str in, struct buf *out, bool plus_is_space);

#endif
