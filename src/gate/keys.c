/*
 * See keys.h. Keys are kept in the order of the file, beside an index sorted by digest.
 */
#include "gate/keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"

#define ERRORS_MAX 20
#define FIELDS 5

struct keys {
	struct arena arena; /* names */
	struct key *list;
	struct key **by_digest;
	size_t n, cap;
	struct map by_name;
};

/* One file being read. */
struct reading {
	struct keys *keys;
	const char *file;
	unsigned line, n_errors;
	struct buf *errors;
};

static const char *const role_names[] = {
	[ROLE_NONE] = "none",
	[ROLE_USER] = "user",
	[ROLE_SERVICE] = "service",
	[ROLE_ADMIN] = "admin",
};

const char *
keys_role_name(enum key_role role)
{
	return role_names[role];
}

enum key_role
keys_role(struct str name)
{
	for (int role = ROLE_USER; role <= ROLE_ADMIN; role++)
		if (str_is(name, role_names[role]))
			return role;
	return ROLE_NONE;
}

bool
keys_name_ok(struct str name)
{
	if (name.n == 0 || name.n > KEYS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!isascii(name.p[i]) || (!isalnum(name.p[i]) && !memchr("._@+-", name.p[i], 5)))
			return false;
	return true;
}

/* Two digits at p, or -1. */
static int
two_digits(const char *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* By way of the text that the same time would have, which no impossible date equals. */
int
keys_parse_time(struct str s, int64_t *wall_ns)
{
	struct clock_utc utc = { 0 };
	char text[CLOCK_RFC3339_LEN + 1];
	int high;

	if (s.n != 20)
		return ERR_BAD;
	high = two_digits(s.p);
	utc.year = two_digits(s.p + 2);
	utc.month = two_digits(s.p + 5);
	utc.day = two_digits(s.p + 8);
	utc.hour = two_digits(s.p + 11);
	utc.minute = two_digits(s.p + 14);
	utc.second = two_digits(s.p + 17);
	/* Before 1970 nothing happened, and what is beyond 2261 has no nanoseconds. */
	if (high < 19 || high > 21 || utc.year < 0 || utc.month < 1 || utc.month > 12 ||
	    utc.day < 1 || utc.hour < 0 || utc.minute < 0 || utc.second < 0)
		return ERR_BAD;
	utc.year += high * 100;
	if (utc.year < 1970)
		return ERR_BAD;
	*wall_ns = clock_join(&utc);
	clock_rfc3339(*wall_ns, text);
	return memcmp(text, s.p, 19) == 0 && s.p[19] == 'Z' ? 0 : ERR_BAD;
}

/* ---- reading ---- */

__attribute__((format(printf, 2, 3))) static void
complain(struct reading *r, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (r->n_errors++ >= ERRORS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_printf(r->errors, "%s:%u: %s\n", r->file, r->line, text);
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_digest(struct str s, unsigned char out[SHA256_LEN])
{
	if (s.n != (size_t)2 * SHA256_LEN)
		return false;
	for (size_t i = 0; i < SHA256_LEN; i++) {
		int high = hex_digit(s.p[2 * i]), low = hex_digit(s.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* Up to FIELDS + 1 words; the last one more tells that there are too many. */
static unsigned
split(struct str line, struct str fields[FIELDS + 1])
{
	unsigned n = 0;

	for (size_t i = 0; i < line.n && n <= FIELDS;) {
		size_t from = i;

		while (i < line.n && line.p[i] != ' ' && line.p[i] != '\t')
			i++;
		if (i > from)
			fields[n++] = str_sub(line, from, i - from);
		else
			i++;
	}
	return n;
}

static bool
is_plain(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t')
			return false;
	return true;
}

static bool
parse_fields(struct reading *r, struct str line, struct key *out)
{
	struct str f[FIELDS + 1];
	unsigned n = split(line, f);

	if (n != FIELDS)
		complain(r, "%s fields, a key has five: SHA-256, name, role, expiry or -, created",
		    n > FIELDS ? "too many" : "too few");
	else if (!parse_digest(f[0], out->digest))
		complain(r, "the first field is the SHA-256 of the key: 64 of 0-9 and a-f");
	else if (!keys_name_ok(f[1]))
		complain(r, "a name is 1 to %d of A-Z a-z 0-9 . _ @ + -", KEYS_NAME_MAX);
	else if ((out->role = keys_role(f[2])) == ROLE_NONE)
		complain(r, "unknown role: admin, service or user is allowed");
	else if (!str_is(f[3], "-") && keys_parse_time(f[3], &out->expires) != 0)
		complain(r, "invalid expiry: a time such as 2027-01-01T00:00:00Z, or - for never");
	else if (keys_parse_time(f[4], &out->created) != 0)
		complain(r, "invalid time of creation: one such as 2026-11-22T01:02:03Z");
	else {
		out->name = f[1];
		out->line = r->line;
		return true;
	}
	return false;
}

static int
add(struct reading *r, const struct key *key)
{
	struct keys *k = r->keys;
	const struct key *other = keys_find_name(k, key->name);
	size_t cap = k->cap ? 2 * k->cap : 16;
	struct key *list;

	if (other != NULL) {
		complain(
		    r, "the name %.*s is taken, first at line %u", STR_ARG(key->name), other->line);
		return 0;
	}
	if (k->n == k->cap) {
		list = realloc(k->list, cap * sizeof(*list));
		if (list == NULL)
			return ERR_NOMEM;
		k->list = list;
		k->cap = cap;
	}
	k->list[k->n] = *key;
	k->list[k->n].name = arena_str(&k->arena, key->name);
	if (k->list[k->n].name.p == NULL)
		return ERR_NOMEM;
	/* The list moves as it grows: the map holds places in it, counted from one. */
	k->n++;
	return map_put(&k->by_name, k->list[k->n - 1].name, (void *)k->n);
}

static int
by_digest(const void *a, const void *b)
{
	const struct key *const *x = a, *const *y = b;

	return memcmp((*x)->digest, (*y)->digest, SHA256_LEN);
}

static int
make_index(struct reading *r)
{
	struct keys *k = r->keys;

	k->by_digest = calloc(k->n ? k->n : 1, sizeof(struct key *));
	if (k->by_digest == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < k->n; i++)
		k->by_digest[i] = &k->list[i];
	qsort(k->by_digest, k->n, sizeof(struct key *), by_digest);
	for (size_t i = 1; i < k->n; i++)
		if (by_digest(&k->by_digest[i - 1], &k->by_digest[i]) == 0) {
			unsigned a = k->by_digest[i - 1]->line, b = k->by_digest[i]->line;

			r->line = MAX(a, b);
			complain(r, "the same key is at line %u", MIN(a, b));
		}
	return 0;
}

static int
parse_lines(struct reading *r, struct str text)
{
	int err = 0;

	while (text.n > 0 && err == 0) {
		struct str line = str_split(&text, '\n');
		struct key key = { 0 };

		r->line++;
		if (!is_plain(line))
			complain(r, "a control character; lines end in a line feed alone");
		else if (str_trim(line).n > 0 && line.p[0] != '#' && parse_fields(r, line, &key))
			err = add(r, &key);
	}
	return err;
}

int
keys_parse(struct str text, const char *name, struct keys **out, struct buf *errors)
{
	struct reading r = { .file = name, .errors = errors };
	int err;

	*out = NULL;
	r.keys = calloc(1, sizeof(*r.keys));
	if (r.keys == NULL)
		return ERR_NOMEM;
	arena_init(&r.keys->arena, 0);
	map_init(&r.keys->by_name);
	err = parse_lines(&r, text);
	if (err == 0)
		err = make_index(&r);
	if (err == 0 && r.n_errors > 0)
		err = ERR_BAD;
	if (err != 0)
		keys_free(r.keys);
	else
		*out = r.keys;
	return err;
}

int
keys_load(const char *path, struct keys **out, struct buf *errors)
{
	char *text;
	size_t n;
	int err = file_read_all(path, KEYS_FILE_MAX, &text, &n);

	*out = NULL;
	if (err != 0) {
		buf_printf(errors, "%s: %s\n", path,
		    err == ERR_TOO_LARGE ? "larger than 4 MiB" : log_errno_text(errno));
		return err;
	}
	err = keys_parse(str_make(text, n), path, out, errors);
	/* Digests are no secrets, but a key put there by mistake is. */
	wipe(text, n);
	free(text);
	return err;
}

void
keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	map_fini(&k->by_name);
	arena_fini(&k->arena);
	free(k->by_digest);
	free(k->list);
	free(k);
}

/* ---- looking up ---- */

size_t
keys_count(const struct keys *k)
{
	return k->n;
}

const struct key *
keys_at(const struct keys *k, size_t i)
{
	assert(i < k->n);
	return &k->list[i];
}

const struct key *
keys_find_name(const struct keys *k, struct str name)
{
	size_t place = (size_t)map_get(&k->by_name, name);

	return place > 0 ? &k->list[place - 1] : NULL;
}

/* A digest's first bytes lead to its neighbourhood: they are no step towards a key. */
const struct key *
keys_find(const struct keys *k, struct str secret)
{
	unsigned char digest[SHA256_LEN];
	const struct key *found = NULL;
	size_t low = 0, high = k->n;

	if (secret.n == 0 || secret.n > KEYS_SECRET_MAX)
		return NULL;
	sha256(secret.p, secret.n, digest);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(k->by_digest[middle]->digest, digest, 8) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < k->n && memcmp(k->by_digest[low]->digest, digest, 8) == 0; low++)
		if (const_time_eq(str_make(k->by_digest[low]->digest, SHA256_LEN),
			str_make(digest, SHA256_LEN)))
			found = k->by_digest[low];
	wipe(digest, sizeof(digest));
	return found;
}

bool
keys_is_expired(const struct key *k, int64_t wall_now)
{
	return k->expires != 0 && wall_now >= k->expires;
}
