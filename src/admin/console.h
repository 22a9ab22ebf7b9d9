/*
 * The console: a small application in the browser for those who operate the server, made of the files in admin/web. `console;` in a location
 * serves the page there, its files below, and the admin API (api.h) under api/ below, so that the page needs no other origin and no cookie:
 * each call carries the API key that the person typed in. Where the location is named /dlq/dashboard, the page opens on the dead letters.
 *
 *	location /console/ { auth_keys /etc/sluice/keys; console; }
 *
 * Page and files are the same for everybody and tell nothing of the server; who may see that, the API asks.
 */
#ifndef SLUICE_ADMIN_CONSOLE_H
#define SLUICE_ADMIN_CONSOLE_H

#include "http/asset.h"

/* The row `console`. */
void console_register(void);

/* ---- for tests ---- */

enum console_kind {
	CONSOLE_PAGE,
	CONSOLE_FILE,
	CONSOLE_API,
	CONSOLE_NONE /* nothing is there */
};

struct console_target {
	enum console_kind kind;
	const struct http_asset *file; /* CONSOLE_FILE */
	struct str api;                /* CONSOLE_API: "/api/…" */
};

/* What the path (decoded) asks for in a location of this name. */
void console_target_parse(struct console_target *t, struct str path, struct str location);

/* The files of admin/web. */
extern const struct http_asset admin_web[];

#endif
