/*
 * PEM by BearSSL's decoder, one block after the other.
 */
#include "net/pem.h"

#include <bearssl.h>

#include "base/buf.h"
#include "base/hash.h"

#define MAX_BLOCK (1024 * 1024)

struct reader {
	br_pem_decoder_context decoder;
	struct buf der;
	bool open; /* within a block */
	pem_each_fn *each;
	void *arg;
};

static void
append(void *arg, const void *p, size_t n)
{
	buf_put(arg, p, n);
}

/* The decoder leaves the closing dashes on where the line ends in CR LF. */
static const char *
label(br_pem_decoder_context *d)
{
	char *name = (char *)(uintptr_t)br_pem_decoder_name(d);
	char *dashes = strstr(name, "-----");

	if (dashes != NULL)
		*dashes = '\0';
	return name;
}

static int
on_event(struct reader *r)
{
	switch (br_pem_decoder_event(&r->decoder)) {
	case BR_PEM_BEGIN_OBJ:
		buf_reset(&r->der);
		br_pem_decoder_setdest(&r->decoder, append, &r->der);
		r->open = true;
		return 0;
	case BR_PEM_END_OBJ:
		r->open = false;
		if (buf_failed(&r->der))
			return buf_failed(&r->der) == ERR_NOMEM ? ERR_NOMEM : ERR_BAD;
		return r->each(
		    r->arg, label(&r->decoder), (const unsigned char *)r->der.p, r->der.n);
	case BR_PEM_ERROR:
		return ERR_BAD;
	default:
		return 0;
	}
}

static int
push(struct reader *r, struct str text)
{
	int err = 0;

	while (text.n > 0 && err == 0) {
		text = str_from(text, br_pem_decoder_push(&r->decoder, text.p, text.n));
		err = on_event(r);
	}
	return err;
}

int
pem_each(struct str text, pem_each_fn *each, void *arg)
{
	struct reader r = { .each = each, .arg = arg };
	int err;

	br_pem_decoder_init(&r.decoder);
	/* One allocation for all, so that growing leaves no copies of a key behind. */
	buf_init(&r.der, MAX_BLOCK);
	err = buf_reserve(&r.der, MIN(text.n, MAX_BLOCK)) != NULL ? push(&r, text) : ERR_NOMEM;
	/* The decoder sees the last line only once it has ended. */
	if (err == 0)
		err = push(&r, STR("\n"));
	if (err == 0 && r.open)
		err = ERR_BAD;
	if (r.der.p != NULL)
		wipe(r.der.p, r.der.cap);
	buf_fini(&r.der);
	wipe(&r.decoder, sizeof(r.decoder));
	return err;
}
