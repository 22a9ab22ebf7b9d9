/*
 * Which byte may stand where in a message head: one table, one bit a class. Private to http/.
 */
#ifndef SLUICE_HTTP_HEAD_CLASS_H
#define SLUICE_HTTP_HEAD_CLASS_H

#include "base/base.h"

enum {
	HTTP_CLASS_TOKEN = 1,  /* tchar: methods, field names */
	HTTP_CLASS_VALUE = 2,  /* field values: visible, space, tab, obs-text */
	HTTP_CLASS_TARGET = 4, /* request targets: visible but '#', obs-text */
	HTTP_CLASS_HOST = 8    /* reg-name, address literal, port (RFC 3986, 3.2) */
};

extern const uint8_t http_class[256];

static inline bool
http_is_class(char c, unsigned class)
{
	return http_class[(unsigned char)c] & class;
}

/* All of s is of this class. */
static inline bool
http_all_class(struct str s, unsigned class)
{
	for (size_t i = 0; i < s.n; i++)
		if (!http_is_class(s.p[i], class))
			return false;
	return true;
}

#endif
