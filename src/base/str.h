/*
 * A string with a length, borrowed: it owns nothing and need not end in a zero byte.
 */
#ifndef SLUICE_BASE_STR_H
#define SLUICE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* STR("literal") as an expression; STR_INIT for static initialisers. For printf: "%.*s",
 * STR_ARG(s). */
#define STR_INIT(lit)                   \
	{                               \
		"" lit, sizeof(lit) - 1 \
	}
#define STR(lit) ((struct str)STR_INIT(lit))
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str
str_of(const char *cstr)
{
	return (struct str){ cstr, cstr ? strlen(cstr) : 0 };
}

static inline struct str
str_make(const void *p, size_t n)
{
	return (struct str){ p, n };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
str_is(struct str a, const char *cstr)
{
	return str_eq(a, str_of(cstr));
}

/* ASCII only, as protocols want it; never the locale. */
bool str_ieq(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* memcmp order, shorter first. */
int str_cmp(struct str a, struct str b);
/* Index of the first byte c, or -1. */
ptrdiff_t str_find(struct str s, char c);
ptrdiff_t str_rfind(struct str s, char c);
/* From byte i (clamped) to the end. */
struct str str_from(struct str s, size_t i);
struct str str_sub(struct str s, size_t i, size_t n);
/* Without spaces and tabs at both ends. */
struct str str_trim(struct str s);
/* Cuts s at the first c: returns what is before it and leaves what is after in *s; all of it if
 * there is no c (then s->p becomes NULL). */
struct str str_split(struct str *s, char c);

/* Decimal only, no sign, no spaces, the whole string: 0 or ERR_BAD (also on overflow). */
int str_to_u64(struct str s, uint64_t *out);
/* v in decimal at `to`, at most U64_DIGITS bytes, without a zero byte: where it ends. */
#define U64_DIGITS 20
char *str_put_u64(char *to, uint64_t v);
/* Copies at most cap - 1 bytes and ends with a zero byte. True if all of it fit and it held no zero
 * byte. */
bool str_copyz(char *dst, size_t cap, struct str s);

#endif
