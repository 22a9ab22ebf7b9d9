/*
 * Input of the admin API, held strictly against a table: the members of a JSON object, or the parameters of a query, into a struct. What is
 * not in the table (of an object), there twice, of another type or out of bounds is refused by a text that names it: "filter.after: …".
 * Pure; called by the endpoints.
 *
 *	struct thing { struct str name; uint64_t n; } t = { .n = 1 };
 *	static const struct field fields[] = {
 *		{ "name", FIELD_STRING, .offset = offsetof(struct thing, name), .max = 64 },
 *		{ "n", FIELD_NUMBER, .offset = offsetof(struct thing, n), .min = 1, .max = 10 },
 *		{ .name = NULL },
 *	};
 */
#ifndef SLUICE_ADMIN_FIELDS_H
#define SLUICE_ADMIN_FIELDS_H

#include "base/arena.h"
#include "base/hash.h"

enum field_kind {
	FIELD_STRING,   /* struct str: at most max bytes */
	FIELD_BOOL,     /* bool */
	FIELD_NUMBER,   /* uint64_t: from min to max */
	FIELD_DURATION, /* int64_t, ns: a number of nanoseconds or "30s", up to FIELDS_DURATION_MAX */
	FIELD_TIME, /* int64_t, UTC ns: RFC 3339, or seconds since 1970, as a number or in quotes */
	FIELD_WORD, /* int: what word() makes of it */
	FIELD_ID,   /* struct id */
	FIELD_IDS,  /* struct field_ids: a list of at most max of them */
	FIELD_OBJECT /* bool, set: it was given; its members, by `object`, into the struct at object_at */
};

#define FIELDS_DURATION_MAX (INT64_C(365) * 86400 * 1000000000)

struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	size_t offset;
	uint64_t min, max;
	int (*word)(struct str s); /* -1: no such word */
	const char *words;         /* those that are allowed, for people */
	const struct field *object;
	size_t object_at;
};

/* v is freed by the caller. */
struct field_ids {
	struct id *v;
	size_t n;
	bool given;
};

#define FIELDS_WHY_MAX 256

/* For one reading. */
struct fields {
	struct arena *arena; /* strings live here */
	char why[FIELDS_WHY_MAX];
};

/* object: a valid JSON text. Members that are null count as not given; what is not given is left as it is. 0, ERR_BAD with why, or ERR_NOMEM. */
int fields_read_json(struct fields *f, const struct field *table, struct str object, void *into);
/* The same from the query of a URL; an empty value counts as not given, and of parameters that are not in the table nothing is said. */
int fields_read_query(struct fields *f, const struct field *table, struct str query, void *into);

#endif
