/*
 * Regular expressions, POSIX extended, in time that is bounded: no more than the length of the text
 * times the size of the expression, whatever either holds, and no stack. So they may run where
 * regexec(3) may not: on tasks, for every request. They say whether a text matches; they do not
 * capture. Bytes are characters, as in the C locale.
 *
 * Left out: back-references, [[.x.]] and [[=x=]].
 */
#ifndef SLUICE_BASE_EXPR_H
#define SLUICE_BASE_EXPR_H

#include "base/base.h"

struct expr;

#define EXPR_SIZE_MAX 1024 /* steps of one expression; {m,n} writes its piece out n times */

/* Compiles pattern (it may run deep in the stack: at configuration time). why: what is wrong, for
 * people. 0, ERR_BAD, ERR_TOO_LARGE or ERR_NOMEM. */
int expr_new(struct str pattern, bool icase, struct expr **out, const char **why);
void expr_free(struct expr *e); /* NULL is fine */
/* Does it match anywhere in text (^ and $ are its ends)? Uses memory of e: not for several threads. */
bool expr_match(struct expr *e, struct str text);

#endif
