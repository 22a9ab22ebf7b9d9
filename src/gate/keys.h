/*
 * The keys file: who may, by API key. One key a line, fields separated by blanks:
 *
 *	# SHA-256 of the key, name, role, expiry or -, created
 *	9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 reports service 2027-01-01T00:00:00Z 2026-11-22T01:02:03Z
 *
 * A key itself is never kept: it is shown once, when it is made. A line is valid iff it has those five fields, the first 64 lower-case
 * hexadecimal digits, the name 1 to 64 of [A-Za-z0-9._@+-], the role admin, service or user, and times in UTC to the second. Names and
 * keys are unique. Empty lines and lines that begin with # are left alone. One bad line makes the file bad: nothing of it is used.
 *
 * keys.c knows the format and does no I/O; keys_file.c changes files. Readers: gate/auth.h (server), ctl/ (sluicectl keys).
 */
#ifndef SLUICE_GATE_KEYS_H
#define SLUICE_GATE_KEYS_H

#include "base/buf.h"
#include "base/hash.h"

#define KEYS_NAME_MAX 64
#define KEYS_FILE_MAX ((size_t)4 << 20)
#define KEYS_SECRET_MAX 256 /* longer ones are not looked up */

/* What a key's owner may, each more than the one before. */
enum key_role { ROLE_NONE, ROLE_USER, ROLE_SERVICE, ROLE_ADMIN };

struct key {
	unsigned char digest[SHA256_LEN]; /* of the key */
	struct str name;
	enum key_role role;
	int64_t expires; /* UTC ns; 0: never */
	int64_t created; /* UTC ns */
	unsigned line;
};

struct keys; /* a file's keys, read */

/* The text of a file; name: for messages. 0 with *out, or ERR_BAD with errors as lines "FILE:LINE: what is wrong, what is allowed" (at
 * most 20; never the first field, which may be a key that was put there by mistake), or ERR_NOMEM. */
int keys_parse(struct str text, const char *name, struct keys **out, struct buf *errors);
/* The same from the file. Blocks. Errors of reading are told in errors, too. */
int keys_load(const char *path, struct keys **out, struct buf *errors);
void keys_free(struct keys *k); /* NULL is fine */
size_t keys_count(const struct keys *k);
/* In the order of the file. */
const struct key *keys_at(const struct keys *k, size_t i);
/* The key whose secret this is, expired or not; NULL: none. How long it takes tells nothing about the keys: what is compared are digests, all
 * of their bytes. Valid until keys_free. */
const struct key *keys_find(const struct keys *k, struct str secret);
const struct key *keys_find_name(const struct keys *k, struct str name);
bool keys_is_expired(const struct key *k, int64_t wall_now);

bool keys_name_ok(struct str name);
/* "admin", … ROLE_NONE: "none". */
const char *keys_role_name(enum key_role role);
/* ROLE_NONE: no such role. */
enum key_role keys_role(struct str name);
/* 2026-11-22T01:02:03Z: 0 or ERR_BAD. */
int keys_parse_time(struct str s, int64_t *wall_ns);

/* ---- changing a file: keys_file.c; these block ---- */

#define KEYS_SECRET_LEN 35 /* sk_ and 32 letters or digits: 190 bits */

/* Adds a key to the file, which is made if need be (0640), and puts the secret, with a zero byte behind, into secret: the caller shows it
 * once and wipes it. 0, ERR_EXISTS (the name is taken), or an error, told in errors. */
int keys_add(const char *path, struct str name, enum key_role role, int64_t expires,
    char secret[KEYS_SECRET_LEN + 1], struct buf *errors);
/* Takes the key of that name out. 0, ERR_NOT_FOUND, or an error. */
int keys_revoke(const char *path, struct str name, struct buf *errors);

#endif
