/*
 * Files of web pages that are part of the program: HTML, CSS, JavaScript, SVG. They stand as real files in src/LAYER/web; the build makes
 * of each such folder a table `LAYER_web` (ci/embed), which the layer's private header declares.
 *
 * A page may load scripts, styles and images and fetch data from its own origin and nowhere else, and carries no script or style of its
 * own: the Content-Security-Policy of http_asset_page says so, and everything here is sent with the types as they are (nosniff).
 */
#ifndef SLUICE_HTTP_ASSET_H
#define SLUICE_HTTP_ASSET_H

#include "http/server.h"

struct http_asset {
	const char *name; /* of the file; NULL ends the table */
	const char *type; /* Content-Type */
	const char *etag; /* with its quotes */
	const unsigned char *p;
	size_t n;
};

/* NULL: there is none of that name. */
const struct http_asset *http_asset_find(const struct http_asset *table, struct str name);
/* Answers with the file, or 304 where the client has it. Parks. */
int http_asset_reply(struct http_request *r, const struct http_asset *a);
/* Answers with an HTML page in which each "@BASE@" becomes base: the way from the page to where its files are, "../" say. Parks. */
int http_asset_page(struct http_request *r, const struct http_asset *page, struct str base);
/* The relative way from the page at path (decoded, as http_request.path) to the folder at its first n bytes, percent-encoded, with a slash
 * at its end; works behind proxies that move the path. In the request's arena; {NULL, 0} if that is full. */
struct str http_asset_base(struct http_request *r, struct str path, size_t n);

#endif
