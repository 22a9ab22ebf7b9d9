/*
 * UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, nothing beyond U+10FFFF.
 */
#ifndef SLUICE_BASE_UTF8_H
#define SLUICE_BASE_UTF8_H

#include "base/base.h"

/* Length (1 to 4) of the well-formed sequence at p, or 0 if there is none within n bytes. */
size_t utf8_len(const void *p, size_t n);
/* Writes cp (a scalar value) to out and returns its length. */
size_t utf8_encode(uint32_t cp, char out[4]);
bool utf8_valid(struct str s);

#endif
