/*
 * See asset.h.
 */
#include "http/asset.h"

#include "base/buf.h"

#define MARK STR("@BASE@")

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const struct http_asset *
http_asset_find(const struct http_asset *table, struct str name)
{
	for (; table->name; table++)
		if (str_is(name, table->name))
			return table;
	return NULL;
}

int
http_asset_reply(struct http_request *r, const struct http_asset *a)
{
	struct str held = http_header_get(r->head, "If-None-Match");

	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "Cache-Control", STR("no-cache"));
	http_add_header(r, "ETag", str_of(a->etag));
	if (str_is(held, "*") || http_list_has(held, a->etag))
		return http_reply(r, 304, NULL, STR(""));
	return http_reply(r, 200, a->type, str_make(a->p, a->n));
}

static void
put_filled(struct buf *out, struct str text, struct str base)
{
	const char *at;

	while ((at = memmem(text.p, text.n, MARK.p, MARK.n)) != NULL) {
		buf_put(out, text.p, (size_t)(at - text.p));
		buf_put_str(out, base);
		text = str_from(text, (size_t)(at - text.p) + MARK.n);
	}
	buf_put_str(out, text);
}

int
http_asset_page(struct http_request *r, const struct http_asset *page, struct str base)
{
	struct buf body;

	buf_init(&body, 0);
	put_filled(&body, str_make(page->p, page->n), base);
	http_add_header(r, "Content-Security-Policy", str_of(policy));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "X-Frame-Options", STR("DENY"));
	http_add_header(r, "Referrer-Policy", STR("no-referrer"));
	http_add_header(r, "Cache-Control", STR("no-store"));
	if (!base.p)
		body.err = ERR_NOMEM;
	return http_reply_buf(r, 200, page->type, &body);
}

struct str
http_asset_base(struct http_request *r, struct str path, size_t n)
{
	struct str below = str_from(path, n);
	struct buf way;
	struct str last, base;

	buf_init(&way, 0);
	if (str_find(below, '/') < 0 && n > 0 && path.p[n - 1] != '/') {
		/* The page is the folder itself, without a slash: /status. */
		last = str_from(path, (size_t)(str_rfind(path, '/') + 1));
		buf_puts(&way, "./");
		buf_put_percent(&way, last, false);
		buf_putc(&way, '/');
	} else {
		if (below.n > 0 && below.p[0] == '/')
			below = str_from(below, 1);
		buf_puts(&way, "./");
		for (size_t i = 0; i < below.n; i++)
			if (below.p[i] == '/')
				buf_puts(&way, "../");
	}
	base = buf_failed(&way) ? str_make(NULL, 0) : arena_str(&r->arena, buf_str(&way));
	buf_fini(&way);
	return base;
}
