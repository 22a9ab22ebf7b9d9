/*
 * See pieces.h.
 */
#include "status/pieces.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "status/prom_priv.h"

static const char hex[] = "0123456789abcdef";

void
pieces_init(struct pieces *o, pieces_write_fn *write, void *arg)
{
	*o = (struct pieces){ .write = write, .arg = arg, .p = malloc(PIECES_MAX) };
	o->at = o->p;
	o->end = o->p ? o->p + PIECES_MAX : NULL;
	o->err = o->p ? 0 : ERR_NOMEM;
}

static void
hand_on(struct pieces *o)
{
	if (o->err == 0 && o->at > o->p) {
		o->err = o->write(o->arg, o->p, (size_t)(o->at - o->p));
		if (o->err == 0)
			o->err = prom_breathe();
	}
	o->at = o->p;
}

int
pieces_fini(struct pieces *o)
{
	hand_on(o);
	free(o->p);
	o->p = o->at = o->end = NULL;
	return o->err;
}

char *
pieces_room(struct pieces *o, size_t n)
{
	assert(n <= PIECES_MAX);
	if (o->err == 0 && n > (size_t)(o->end - o->at))
		hand_on(o);
	return o->err == 0 ? o->at : NULL;
}

void
pieces_put(struct pieces *o, struct str s)
{
	while (s.n > 0) {
		size_t n = MIN(s.n, PIECES_MAX);
		char *to = pieces_room(o, n);

		if (!to)
			return;
		pieces_took(o, prom_copy(to, str_make(s.p, n)));
		s = str_from(s, n);
	}
}

/* How many bytes of a JSON string the character at the start of s needs as it stands; 0: it needs another form. */
static size_t
plain_length(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];

	if (c < ' ' || c == 0x7f || c == '"' || c == '\\')
		return 0;
	return c < 0x80 ? 1 : utf8_len(s.p, s.n);
}

/* A byte in another form. */
static char *
put_escaped(char *to, unsigned char c)
{
	*to++ = '\\';
	if (c == '"' || c == '\\') {
		*to++ = (char)c;
		return to;
	}
	to = prom_copy(to, c < 0x80 ? STR("u00") : STR("\\x"));
	*to++ = hex[c >> 4];
	*to++ = hex[c & 15];
	return to;
}

char *
pieces_name(char *to, struct str name)
{
	*to++ = '"';
	while (name.n > 0) {
		size_t n = plain_length(name);

		if (n > 0) {
			to = prom_copy(to, str_make(name.p, n));
		} else {
			to = put_escaped(to, (unsigned char)name.p[0]);
			n = 1;
		}
		name = str_from(name, n);
	}
	*to++ = '"';
	return to;
}
