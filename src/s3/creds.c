/*
 * Where a store's keys come from: see creds.h. Called at configuration time, when a store is
 * opened, and on a helper when a store says that a token has expired (s3/store.c).
 */
#include "s3/creds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

enum { FILE_MAX = 64 * 1024 };

void
creds_wipe(struct creds *c)
{
	wipe(c, sizeof(*c));
}

bool
creds_eq(const struct creds *a, const struct creds *b)
{
	return const_time_eq(str_of(a->id), str_of(b->id)) &&
	       const_time_eq(str_of(a->secret), str_of(b->secret)) &&
	       const_time_eq(str_of(a->token), str_of(b->token));
}

/* ---- the shared credentials file */

/* "[name]" or "[profile name]": the name. ERR_BAD otherwise. */
static int
parse_section(struct str line, struct str *name)
{
	if (line.n < 2 || line.p[line.n - 1] != ']')
		return ERR_BAD;
	*name = str_trim(str_sub(line, 1, line.n - 2));
	if (str_starts(*name, STR("profile ")))
		*name = str_trim(str_from(*name, strlen("profile ")));
	return 0;
}

/* One "key = value" of the wanted profile; unknown keys (region, …) are passed over. */
static int
take_setting(struct str key, struct str value, struct creds *out)
{
	bool fits = true;

	if (str_ieq(key, STR("aws_access_key_id")))
		fits = str_copyz(out->id, sizeof(out->id), value);
	else if (str_ieq(key, STR("aws_secret_access_key")))
		fits = str_copyz(out->secret, sizeof(out->secret), value);
	else if (str_ieq(key, STR("aws_session_token")))
		fits = str_copyz(out->token, sizeof(out->token), value);
	return fits ? 0 : ERR_TOO_LARGE;
}

int
creds_parse(struct str text, struct str profile, struct creds *out)
{
	bool wanted = false, found = false;
	int err;

	memset(out, 0, sizeof(*out));
	while (text.p) {
		struct str line = str_split(&text, '\n'), name, value;
		bool indented = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = str_trim(line);
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			if ((err = parse_section(line, &name)))
				return err;
			wanted = str_eq(name, profile);
			found |= wanted;
			continue;
		}
		value = line;
		name = str_trim(str_split(&value, '='));
		if (!value.p && !indented)
			return ERR_BAD;
		if (wanted && !indented && (err = take_setting(name, str_trim(value), out)))
			return err;
	}
	return found ? 0 : ERR_NOT_FOUND;
}

static int
load_file(const struct creds_source *source, struct creds *out, char *why, size_t cap)
{
	struct str profile = source->profile.n ? source->profile : STR("default");
	char *text = NULL;
	size_t n;
	int err;

	errno = 0;
	if ((err = file_read_all(source->path, FILE_MAX, &text, &n))) {
		snprintf(why, cap, "credentials file %s: %s", source->path,
		    err == ERR_TOO_LARGE || errno == 0 ? err_text(err) : log_errno_text(errno));
		return err;
	}
	err = creds_parse(str_make(text, n), profile, out);
	wipe(text, n);
	free(text);
	if (err == ERR_NOT_FOUND)
		snprintf(why, cap, "credentials file %s: no profile [%.*s]", source->path,
		    STR_ARG(profile));
	else if (err)
		snprintf(why, cap, "credentials file %s: %s", source->path, err_text(err));
	return err ? ERR_CONFIG : 0;
}

/* ---- the environment and the configuration */

static int
take_env(const char *name, char *to, size_t size, char *why, size_t cap)
{
	const char *value = getenv(name);

	if (str_copyz(to, size, str_of(value ? value : "")))
		return 0;
	snprintf(why, cap, "environment variable %s is too long", name);
	return ERR_CONFIG;
}

static int
load_env(struct creds *out, char *why, size_t cap)
{
	int err;

	if ((err = take_env("AWS_ACCESS_KEY_ID", out->id, sizeof(out->id), why, cap)))
		return err;
	if ((err = take_env("AWS_SECRET_ACCESS_KEY", out->secret, sizeof(out->secret), why, cap)))
		return err;
	return take_env("AWS_SESSION_TOKEN", out->token, sizeof(out->token), why, cap);
}

static int
load_keys(const struct creds_source *source, struct creds *out, char *why, size_t cap)
{
	if (str_copyz(out->id, sizeof(out->id), source->id) &&
	    str_copyz(out->secret, sizeof(out->secret), source->secret))
		return 0;
	snprintf(why, cap, "credentials keys: too long");
	return ERR_CONFIG;
}

/* ---- what all of them must be */

/* The names people know each value by, a column a kind of source. */
static const char *const names[][3] = {
	[CREDS_ENV] = { "environment variable AWS_ACCESS_KEY_ID",
	    "environment variable AWS_SECRET_ACCESS_KEY",
	    "environment variable AWS_SESSION_TOKEN" },
	[CREDS_FILE] = { "aws_access_key_id", "aws_secret_access_key", "aws_session_token" },
	[CREDS_KEYS] = { "access key id", "secret access key", "session token" },
};

/* All of it goes into header lines: visible ASCII only. */
static bool
is_visible(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static int
check(const struct creds_source *source, const struct creds *c, char *why, size_t cap)
{
	const char *values[] = { c->id, c->secret, c->token };
	char where[512] = "";

	if (source->kind == CREDS_FILE)
		snprintf(where, sizeof(where), " in %s, profile [%.*s]", source->path,
		    STR_ARG(source->profile.n ? source->profile : STR("default")));
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		bool missing = i < 2 && values[i][0] == '\0';

		if (!missing && is_visible(values[i]))
			continue;
		snprintf(why, cap, "%s%s %s", names[source->kind][i], where,
		    missing ? "is missing" : "has characters that no key has");
		return ERR_CONFIG;
	}
	return 0;
}

int
creds_load(const struct creds_source *source, struct creds *out, char *why, size_t cap)
{
	int err;

	memset(out, 0, sizeof(*out));
	if (source->kind == CREDS_FILE)
		err = load_file(source, out, why, cap);
	else if (source->kind == CREDS_ENV)
		err = load_env(out, why, cap);
	else
		err = load_keys(source, out, why, cap);
	if (!err)
		err = check(source, out, why, cap);
	if (err)
		creds_wipe(out);
	return err;
}
