/*
 * Borrowed strings: comparing, searching, cutting, numbers. Called from every parser; never looks
 * at the locale.
 */
#include "base/base.h"

static unsigned char
lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

/* Eight characters at a time: a byte from 'A' to 'Z' carries into its top bit from the first sum, but not from the second. */
static uint64_t
lower8(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t low = w & ones * 0x7f;
	uint64_t upper = (low + ones * (0x80 - 'A')) & ~(low + ones * (0x7f - 'Z'));

	return w | (upper & ~w & ones * 0x80) >> 2;
}

static bool
same8(const char *a, const char *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x == y || lower8(x) == lower8(y);
}

bool
str_ieq(struct str a, struct str b)
{
	size_t i = 0;

	if (a.n != b.n)
		return false;
	for (; i + 8 <= a.n; i += 8)
		if (!same8(a.p + i, b.p + i))
			return false;
	if (i < a.n && a.n > 8)
		return same8(a.p + a.n - 8, b.p + a.n - 8);
	for (; i < a.n; i++)
		if (lower((unsigned char)a.p[i]) != lower((unsigned char)b.p[i]))
			return false;
	return true;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_make(s.p, prefix.n), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = MIN(a.n, b.n);
	int d = n ? memcmp(a.p, b.p, n) : 0;

	if (d)
		return d;
	return (a.n > b.n) - (a.n < b.n);
}

ptrdiff_t
str_find(struct str s, char c)
{
	const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

	return hit ? hit - s.p : -1;
}

ptrdiff_t
str_rfind(struct str s, char c)
{
	for (size_t i = s.n; i > 0; i--) {
		if (s.p[i - 1] == c)
			return (ptrdiff_t)(i - 1);
	}
	return -1;
}

struct str
str_from(struct str s, size_t i)
{
	if (i == 0)
		return s;
	i = MIN(i, s.n);
	return str_make(s.n ? s.p + i : s.p, s.n - i);
}

struct str
str_sub(struct str s, size_t i, size_t n)
{
	s = str_from(s, i);
	s.n = MIN(s.n, n);
	return s;
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

struct str
str_split(struct str *s, char c)
{
	struct str before = *s;
	ptrdiff_t at = str_find(*s, c);

	if (at < 0) {
		*s = str_make(NULL, 0);
		return before;
	}
	before.n = (size_t)at;
	*s = str_from(*s, before.n + 1);
	return before;
}

int
str_to_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return ERR_BAD;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return ERR_BAD;
	}
	*out = v;
	return 0;
}

/* Two digits at a time: half the divisions. */
static const char pairs[] = "0001020304050607080910111213141516171819"
			    "2021222324252627282930313233343536373839"
			    "4041424344454647484950515253545556575859"
			    "6061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

char *
str_put_u64(char *to, uint64_t v)
{
	char digits[U64_DIGITS];
	size_t at = sizeof(digits);

	for (; v >= 100; v /= 100) {
		at -= 2;
		memcpy(&digits[at], &pairs[v % 100 * 2], 2);
	}
	if (v >= 10) {
		at -= 2;
		memcpy(&digits[at], &pairs[v * 2], 2);
	} else {
		digits[--at] = (char)('0' + v);
	}
	memcpy(to, &digits[at], sizeof(digits) - at);
	return to + sizeof(digits) - at;
}

bool
str_copyz(char *dst, size_t cap, struct str s)
{
	size_t n = MIN(s.n, cap - 1);

	if (n)
		memcpy(dst, s.p, n);
	dst[n] = '\0';
	return n == s.n && str_find(s, '\0') < 0;
}
