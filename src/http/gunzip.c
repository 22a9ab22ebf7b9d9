/*
 * Decoding of gzip request bodies (RFC 1952) by zlib, in slices that let other tasks run. What the
 * body may become is limited by the caller, so a bomb costs at most that much work. Called by
 * body.c.
 */
#include <stdlib.h>
#include <zlib.h>

#include "http/http_priv.h"

#define WINDOW_GZIP (15 + 16) /* zlib: largest window, gzip wrapper only */

struct http_gunzip {
	z_stream z;
	bool member_ended; /* another may follow */
	bool began;        /* a byte of the current member was seen */
};

bool
http_gunzip_wanted(const struct http_head *h)
{
	struct str coding = http_header_get(h, "Content-Encoding");

	return str_ieq(coding, STR("gzip")) || str_ieq(coding, STR("x-gzip"));
}

struct http_gunzip *
http_gunzip_new(void)
{
	struct http_gunzip *g = calloc(1, sizeof(*g));

	if (g && inflateInit2(&g->z, WINDOW_GZIP) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

void
http_gunzip_free(struct http_gunzip *g)
{
	if (!g)
		return;
	inflateEnd(&g->z);
	free(g);
}

/* More input: 1, 0 at the end of the body, or an error. */
static int
refill(struct http_work *w, struct http_gunzip *g)
{
	ssize_t n = http_body_window(w);

	if (n <= 0)
		return (int)n;
	g->z.next_in = (unsigned char *)(uintptr_t)w->body.window.p;
	g->z.avail_in = (unsigned)n;
	w->body.window = str_make(NULL, 0);
	return 1;
}

/* Several members make one content, as `cat a.gz b.gz` does. */
static int
inflate_some(struct http_gunzip *g)
{
	int r;

	if (g->member_ended && inflateReset(&g->z) != Z_OK)
		return ERR_BAD;
	g->member_ended = false;
	r = inflate(&g->z, Z_NO_FLUSH);
	if (r == Z_STREAM_END)
		g->member_ended = true;
	else if (r == Z_MEM_ERROR)
		return ERR_NOMEM;
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return ERR_BAD;
	return 0;
}

ssize_t
http_gunzip_read(struct http_work *w, void *p, size_t n)
{
	struct http_gunzip *g = w->body.gunzip;
	bool flushed = false; /* zlib has no output left for the input it took */
	int err;

	n = MIN(n, (size_t)64 * 1024);
	g->z.next_out = p;
	g->z.avail_out = (unsigned)n;
	while (g->z.avail_out == n) {
		if (g->z.avail_in == 0 && (g->member_ended || flushed || !g->began)) {
			err = refill(w, g);
			if (err == 0)
				return g->member_ended || !g->began ? 0 : ERR_BAD;
			if (err < 0)
				return err;
			g->began = true;
		}
		err = inflate_some(g);
		if (err == 0)
			err = task_breathe();
		if (err < 0)
			return err;
		flushed = g->z.avail_in == 0;
	}
	return (ssize_t)(n - g->z.avail_out);
}
