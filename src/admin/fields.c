/*
 * See fields.h.
 */
#include "admin/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/url.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "http/head.h"

#define PATH_MAX_BYTES 96
#define SECONDS_MAX UINT64_C(9000000000) /* the year 2255 */

/* A value on its way: as text, without quotes; where it stands, for errors. */
struct value {
	struct str text;
	bool number;      /* it is one of JSON, or may be one, in a query */
	const char *path; /* "filter.after" */
};

static int bad(struct fields *f, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
bad(struct fields *f, const char *path, const char *fmt, ...)
{
	int n = snprintf(f->why, sizeof(f->why), "%s: ", path);
	va_list args;

	va_start(args, fmt);
	if (n >= 0 && (size_t)n < sizeof(f->why))
		vsnprintf(f->why + n, sizeof(f->why) - (size_t)n, fmt, args);
	va_end(args);
	return ERR_BAD;
}

/* ---- values ---- */

static int
put_string(struct fields *f, const struct field *d, const struct value *v, struct str *out)
{
	if (v->text.n > d->max)
		return bad(
		    f, v->path, "at most %llu bytes are allowed", (unsigned long long)d->max);
	if (!utf8_valid(v->text))
		return bad(f, v->path, "UTF-8 is needed");
	*out = arena_str(f->arena, v->text);
	return out->p != NULL ? 0 : ERR_NOMEM;
}

static int
put_number(struct fields *f, const struct field *d, const struct value *v, uint64_t *out)
{
	if (v->number && str_to_u64(v->text, out) == 0 && *out >= d->min && *out <= d->max)
		return 0;
	return bad(f, v->path, "a whole number from %llu to %llu is allowed",
	    (unsigned long long)d->min, (unsigned long long)d->max);
}

static int
put_duration(struct fields *f, const struct value *v, int64_t *out)
{
	uint64_t ns;

	if (v->number && str_to_u64(v->text, &ns) == 0 && ns <= FIELDS_DURATION_MAX)
		*out = (int64_t)ns;
	else if (conf_parse_go_duration(v->text, out) != 0 || *out > FIELDS_DURATION_MAX)
		return bad(f, v->path,
		    "nanoseconds, or a duration such as \"30s\", of at most a year are allowed");
	return 0;
}

static int
put_time(struct fields *f, const struct value *v, int64_t *out)
{
	uint64_t seconds;

	if (str_to_u64(v->text, &seconds) == 0 && seconds <= SECONDS_MAX)
		*out = (int64_t)seconds * NS_PER_S;
	else if (clock_parse_rfc3339(v->text, out) != 0)
		return bad(f, v->path,
		    "a time such as 2026-11-22T01:02:03Z, or seconds since 1970, is needed");
	return 0;
}

static int
put_word(struct fields *f, const struct field *d, const struct value *v, int *out)
{
	int word = d->word(v->text);

	if (word < 0)
		return bad(f, v->path, "%s is allowed", d->words);
	*out = word;
	return 0;
}

static int
put_id(struct fields *f, const struct value *v, struct id *out)
{
	return id_parse(v->text, out) == 0
		   ? 0
		   : bad(f, v->path, "an id of 32 hexadecimal digits is needed");
}

/* Those that are one value. */
static int
put_scalar(struct fields *f, const struct field *d, const struct value *v, void *into)
{
	void *at = (char *)into + d->offset;

	switch (d->kind) {
	case FIELD_STRING:
		return put_string(f, d, v, at);
	case FIELD_NUMBER:
		return put_number(f, d, v, at);
	case FIELD_DURATION:
		return put_duration(f, v, at);
	case FIELD_TIME:
		return put_time(f, v, at);
	case FIELD_WORD:
		return put_word(f, d, v, at);
	case FIELD_ID:
		return put_id(f, v, at);
	default:
		return bad(f, v->path, "cannot be given here");
	}
}

/* ---- JSON ---- */

static bool
may_be_number(enum field_kind kind)
{
	return kind == FIELD_NUMBER || kind == FIELD_DURATION || kind == FIELD_TIME;
}

static int
json_scalar(struct fields *f, const struct field *d, struct str raw, const char *path, void *into)
{
	struct value v = { .path = path, .text = raw };
	struct buf room;
	int err = 0;

	buf_init(&room, 0);
	if (raw.p[0] == '"')
		err = json_unquote(raw, &room);
	else
		v.number = true;
	if (err != 0)
		err = ERR_NOMEM;
	else if (v.number && (!may_be_number(d->kind) || strchr("[{tf", raw.p[0]) != NULL))
		err = bad(
		    f, path, may_be_number(d->kind) ? "a number is needed" : "a string is needed");
	if (err == 0) {
		v.text = v.number ? raw : buf_str(&room);
		err = put_scalar(f, d, &v, into);
	}
	buf_fini(&room);
	return err;
}

static int
json_bool(struct fields *f, struct str raw, const char *path, bool *out)
{
	*out = str_is(raw, "true");
	return *out || str_is(raw, "false") ? 0 : bad(f, path, "true or false is allowed");
}

/* The ids of a list; room: for so many. */
static int
json_list(struct fields *f, const struct field *d, struct str raw, const char *path,
    struct field_ids *out)
{
	struct str name, element;
	size_t at = 0;

	while (json_next(raw, &at, &name, &element) > 0) {
		/* Quotes, and 32 digits that need no escapes. */
		if (element.n != 2 * ID_LEN + 2 || element.p[0] != '"' ||
		    id_parse(str_sub(element, 1, 2 * ID_LEN), &out->v[out->n]) != 0) {
			snprintf(f->why, sizeof(f->why),
			    "%s[%zu]: an id of 32 hexadecimal digits is needed", path, out->n);
			return ERR_BAD;
		}
		if (++out->n > d->max)
			return bad(
			    f, path, "at most %llu ids are allowed", (unsigned long long)d->max);
	}
	return 0;
}

static int
json_ids(struct fields *f, const struct field *d, struct str raw, const char *path,
    struct field_ids *out)
{
	/* An id takes 35 bytes of text at least, so this is no more than is there. */
	size_t room = MIN(raw.n / (2 * ID_LEN + 3), (size_t)d->max) + 1;

	if (raw.p[0] != '[')
		return bad(f, path, "a list of ids is needed");
	free(out->v);
	*out = (struct field_ids){ .v = calloc(room, sizeof(*out->v)), .given = true };
	return out->v != NULL ? json_list(f, d, raw, path, out) : ERR_NOMEM;
}

static int read_members(
    struct fields *f, const struct field *table, struct str object, const char *path, void *into);

/* There is one level of it in any table. */
static int
json_object(struct fields *f, const struct field *d, struct str raw, const char *path, void *into)
{
	*(bool *)(void *)((char *)into + d->offset) = true;
	return read_members(f, d->object, raw, path, (char *)into + d->object_at);
}

static int
json_value(struct fields *f, const struct field *d, struct str raw, const char *path, void *into)
{
	void *at = (char *)into + d->offset;

	if (str_is(raw, "null"))
		return 0;
	switch (d->kind) {
	case FIELD_BOOL:
		return json_bool(f, raw, path, at);
	case FIELD_IDS:
		return json_ids(f, d, raw, path, at);
	case FIELD_OBJECT:
		return json_object(f, d, raw, path, into);
	default:
		return json_scalar(f, d, raw, path, into);
	}
}

/* Its place in the table, or -1. */
static int
find_field(const struct field *table, struct str name)
{
	for (int i = 0; table[i].name != NULL; i++)
		if (str_is(name, table[i].name))
			return i;
	return -1;
}

/* One member: raw name with its quotes, raw value. seen: a bit a row of the table. */
static int
read_member(struct fields *f, const struct field *table, struct str raw_name, struct str raw,
    const char *path, uint64_t *seen, void *into)
{
	struct buf name, own;
	char room[PATH_MAX_BYTES];
	int i, err;

	buf_init(&name, 0);
	buf_init_fixed(&own, room, sizeof(room));
	err = json_unquote(raw_name, &name) ? ERR_NOMEM : 0;
	i = err ? -1 : find_field(table, buf_str(&name));
	buf_printf(&own, "%s%s", path, path[0] ? "." : "");
	buf_put_str(&own, str_sub(buf_str(&name), 0, 40));
	if (err == 0 && i < 0)
		err = bad(f, buf_cstr(&own), "there is no such member");
	else if (err == 0 && (*seen & UINT64_C(1) << i))
		err = bad(f, buf_cstr(&own), "is there twice");
	if (err == 0) {
		*seen |= UINT64_C(1) << i;
		err = json_value(f, &table[i], raw, buf_cstr(&own), into);
	}
	buf_fini(&name);
	return err;
}

static int
read_members(
    struct fields *f, const struct field *table, struct str object, const char *path, void *into)
{
	struct str name, raw;
	uint64_t seen = 0;
	size_t at = 0;
	int err = 0;

	if (object.n == 0 || object.p[0] != '{')
		return bad(f, path[0] ? path : "the body", "an object is needed");
	while (err == 0 && json_next(object, &at, &name, &raw) > 0)
		err = read_member(f, table, name, raw, path, &seen, into);
	return err;
}

int
fields_read_json(struct fields *f, const struct field *table, struct str object, void *into)
{
	f->why[0] = '\0';
	while (object.n > 0 && strchr(" \t\r\n", object.p[0]) != NULL)
		object = str_from(object, 1);
	return read_members(f, table, object, "", into);
}

/* ---- queries ---- */

static int
read_parameter(struct fields *f, const struct field *d, struct str raw, void *into)
{
	struct value v = { .path = d->name, .number = true };
	struct buf room;
	int err;

	buf_init(&room, 0);
	err = url_decode(raw, &room, true);
	if (err == ERR_BAD)
		bad(f, d->name, "a %% is not followed by two hexadecimal digits");
	v.text = buf_str(&room);
	if (err == 0)
		err = put_scalar(f, d, &v, into);
	buf_fini(&room);
	return err;
}

int
fields_read_query(struct fields *f, const struct field *table, struct str query, void *into)
{
	int err = 0;

	f->why[0] = '\0';
	for (const struct field *d = table; d->name != NULL && err == 0; d++) {
		struct str raw = http_query_get(query, d->name);

		if (raw.n > 0)
			err = read_parameter(f, d, raw, into);
	}
	return err;
}
