/*
 * Credentials for a store: from the configuration, the environment, or an AWS shared credentials
 * file. Secrets stay in struct creds, are wiped by creds_wipe and appear in no message.
 */
#ifndef SLUICE_S3_CREDS_H
#define SLUICE_S3_CREDS_H

#include "base/base.h"

enum creds_kind { CREDS_ENV, CREDS_FILE, CREDS_KEYS };

/* Where they come from: `credentials env | file PATH [profile] | keys ID SECRET`. */
struct creds_source {
	int kind;
	const char *path;      /* file */
	struct str profile;    /* file; empty: "default" */
	struct str id, secret; /* keys */
};

struct creds {
	char id[256], secret[256];
	char token[4096]; /* session token; "" if none */
};

/* 0 or ERR_CONFIG (missing, too long, with characters no key has; why names what is missing and
 * where), ERR_NOT_FOUND, ERR_IO (file). Blocks for a file. out is wiped on failure. */
int creds_load(const struct creds_source *source, struct creds *out, char *why, size_t cap);
/* Reads the profile from the text of a shared credentials file ("[name]", also "[profile
 * name]"). Pure. 0; ERR_NOT_FOUND: no such profile; ERR_BAD: a line that is neither a section, a
 * comment nor "key = value"; ERR_TOO_LARGE. */
int creds_parse(struct str text, struct str profile, struct creds *out);
bool creds_eq(const struct creds *a, const struct creds *b);
void creds_wipe(struct creds *c);

#endif
