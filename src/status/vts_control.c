/*
 * What a control request asks for. See vts_control.h; vts_control_run.c does it.
 */
#include "status/vts_control.h"

#include "base/clock.h"
#include "base/url.h"
#include "conf/conf.h"
#include "http/server.h"

struct word {
	const char *word;
	int value;
};

static const struct word commands[] = {
	{ "status", VTS_CMD_STATUS },
	{ "reset", VTS_CMD_RESET },
	{ "delete", VTS_CMD_DELETE },
	{ NULL, VTS_CMD_NONE },
};

static const struct word groups[] = {
	{ "*", VTS_GROUP_ALL },
	{ "server", VTS_GROUP_SERVER },
	{ "filter", VTS_GROUP_FILTER },
	{ "upstream@group", VTS_GROUP_UPSTREAM },
	{ "upstream@alone", VTS_GROUP_ALONE },
	{ "cache", VTS_GROUP_CACHE },
	{ NULL, VTS_GROUP_NONE },
};

static int
value_of(const struct word *w, struct str text)
{
	while (w->word && !str_ieq(text, str_of(w->word)))
		w++;
	return w->value;
}

/* The decoded value; as it came, with *bad set, where it cannot be. */
static struct str
get(struct str query, const char *name, struct arena *arena, bool *bad)
{
	struct str raw = http_query_get(query, name), text;
	struct buf b;

	if (str_find(raw, '%') < 0)
		return raw;
	buf_init(&b, 0);
	if (url_decode(raw, &b, false) < 0) {
		*bad = true;
		text = raw;
	} else {
		text = arena_str(arena, buf_str(&b));
		*bad |= !text.p;
	}
	buf_fini(&b);
	return text;
}

void
vts_control_parse(struct vts_control *c, struct str query, struct arena *arena)
{
	struct str expire = http_query_get(query, "expire");
	bool bad = false;
	int64_t ns;

	c->command_text = get(query, "cmd", arena, &bad);
	c->group_text = get(query, "group", arena, &bad);
	c->zone = get(query, "zone", arena, &bad);
	c->command = (enum vts_command)value_of(commands, c->command_text);
	c->group = (enum vts_group)value_of(groups, c->group_text);
	c->expire_ms = -1;
	if (expire.p && c->command == VTS_CMD_DELETE) {
		bad |= expire.n == 0 || conf_parse_time(expire, &ns) < 0;
		if (!bad)
			c->expire_ms = ns / NS_PER_MS;
	}
	if (bad)
		c->command = VTS_CMD_NONE;
}

/* Origin is scheme://host[:port], as Host has it. */
static bool
is_our_origin(struct str origin, struct str host)
{
	if (str_starts(origin, STR("https://")))
		origin = str_from(origin, 8);
	else if (str_starts(origin, STR("http://")))
		origin = str_from(origin, 7);
	else
		return false;
	return host.n > 0 && str_ieq(origin, host);
}

bool
vts_control_is_foreign(const struct http_request *r)
{
	struct str site = http_header_get(r->head, "Sec-Fetch-Site");
	struct str origin = http_header_get(r->head, "Origin");

	if (site.p && !str_is(site, "same-origin") && !str_is(site, "none"))
		return true;
	return origin.p && !is_our_origin(origin, r->head->host);
}
