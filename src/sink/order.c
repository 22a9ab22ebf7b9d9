/*
 * See order.h.
 */
#include "sink/order.h"

#include "base/hash.h"
#include "base/json.h"

static bool
parse_path(struct conf *c, struct str path, struct order_by *out)
{
	out->kind = ORDER_JSON;
	while (path.p && out->depth < ORDER_DEPTH) {
		struct str name = str_split(&path, '.');
		char *z = arena_strz(conf_arena(c), name);

		if (name.n == 0 || !z)
			return false;
		out->path[out->depth++] = z;
	}
	return !path.p;
}

bool
order_parse(struct conf *c, struct str text, struct order_by *out)
{
	*out = (struct order_by){ .kind = ORDER_NONE };
	if (str_is(text, "none"))
		return true;
	if (str_is(text, "all"))
		out->kind = ORDER_ALL;
	else if (str_is(text, "user"))
		out->kind = ORDER_USER;
	else if (str_starts(text, STR("json:")))
		return parse_path(c, str_from(text, 5), out);
	return out->kind != ORDER_NONE;
}

/* The raw text of the member; empty: there is none. */
static struct str
member(const struct order_by *o, struct str body)
{
	struct str none = { NULL, 0 };

	for (unsigned i = 0; i < o->depth; i++)
		if (body.p == NULL || json_get(body, o->path[i], &body) != 0)
			return none;
	return str_is(body, "null") || str_is(body, "\"\"") ? none : body;
}

uint64_t
order_key(const struct order_by *o, struct str user, struct str body)
{
	struct str key = { NULL, 0 };
	uint64_t hash;

	if (o->kind == ORDER_ALL)
		return 1;
	if (o->kind == ORDER_USER)
		key = user;
	else if (o->kind == ORDER_JSON)
		key = member(o, body);
	if (key.n == 0)
		return 0;
	hash = hash_str(key);
	return hash ? hash : 1;
}
