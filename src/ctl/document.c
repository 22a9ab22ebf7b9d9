/*
 * See document.h.
 */
#include "ctl/document.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"

struct str
document_get(struct str object, const char *path)
{
	char name[64];
	struct str rest = str_of(path);

	while (rest.p != NULL && object.n > 0) {
		struct str value;

		if (!str_copyz(name, sizeof(name), str_split(&rest, '.')) || object.p[0] != '{' ||
		    json_get(object, name, &value) != 0)
			return str_make(NULL, 0);
		object = value;
	}
	return object;
}

struct str
document_text(struct str object, const char *path, struct buf *out)
{
	struct str raw = document_get(object, path);

	buf_reset(out);
	if (raw.n > 0 && raw.p[0] == '"')
		(void)json_unquote(raw, out);
	else if (!str_is(raw, "null"))
		buf_put_str(out, raw);
	return buf_str(out);
}

uint64_t
document_u64(struct str object, const char *path)
{
	uint64_t v;

	return str_to_u64(document_get(object, path), &v) == 0 ? v : 0;
}

double
document_double(struct str object, const char *path)
{
	char text[64];

	return str_copyz(text, sizeof(text), document_get(object, path)) ? strtod(text, NULL) : 0;
}

bool
document_true(struct str object, const char *path)
{
	return str_is(document_get(object, path), "true");
}

bool
document_next(struct str array, size_t *at, struct str *element)
{
	struct str name;

	return array.n > 0 && array.p[0] == '[' && json_next(array, at, &name, element) == 1;
}

void
document_cell(struct table *t, struct str object, const char *path)
{
	struct buf room;
	struct str s;

	buf_init(&room, 0);
	s = document_text(object, path, &room);
	table_cell(t, s.n > 0 ? s : STR("-"));
	buf_fini(&room);
}

void
document_age_cell(struct table *t, struct str object, const char *path)
{
	struct buf room;
	int64_t at;

	buf_init(&room, 0);
	if (clock_parse_rfc3339(document_text(object, path, &room), &at) == 0)
		table_age(t, (double)MAX(clock_wall() - at, 0) / (double)NS_PER_S);
	else
		table_cstr(t, NULL);
	buf_fini(&room);
}
