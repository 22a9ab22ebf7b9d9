/* Is a decimal number prime? */
#ifndef PRIME_H
#define PRIME_H

#include <stddef.h>

#define PRIME_DIGITS_MAX 255 /* the longest check, of a prime of this length, takes some tenths of a second */

enum prime_answer { PRIME_NO, PRIME_YES, PRIME_INVALID };

/* digits: n of them, 0 to 9, leading zeros allowed. Anything else, none, or too many: PRIME_INVALID. PRIME_YES is wrong with a probability below 2^-120, and never
 * below 66049. */
enum prime_answer prime_check(const char *digits, size_t n);

#endif
