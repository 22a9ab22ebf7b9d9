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

/* The same in pieces, for long texts on a task, which may do other things between two of them. */
struct expr_look;

/* How many steps a match may take at most; one is a few nanoseconds. */
uint64_t expr_cost(const struct expr *e, struct str text);
/* With memory of its own, so several may be under way; borrows e and text. NULL: no memory. */
struct expr_look *expr_look_new(const struct expr *e, struct str text);
/* Goes on for some 16384 steps. True: it is known whether the text matches, and that is in *matches. */
bool expr_look_on(struct expr_look *l, bool *matches);
void expr_look_free(struct expr_look *l); /* NULL is fine */

#endif
