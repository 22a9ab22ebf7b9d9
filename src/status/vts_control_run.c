/*
 * Doing what a control request asks for, and its answer. See vts_control.h; called by vts_view.c.
 */
#include "base/clock.h"
#include "gate/auth.h"
#include "http/conf.h"
#include "status/prom_priv.h"
#include "status/vts_control.h"
#include "status/vts_view_priv.h"

#define BREATH 32 /* zones until others have their turn */

/* What was found, and what of it could not be done. */
struct outcome {
	uint64_t found, failed;
};

/* ---- reset and delete ---- */

static void
apply_one(const struct vts_control *c, const struct vts_entry *e, int64_t now_ms, struct outcome *o)
{
	if (c->expire_ms >= 0 && vts_idle_ms(e, now_ms) <= c->expire_ms)
		return;
	if (c->command == VTS_CMD_DELETE) {
		o->found += vts_delete(e);
		return;
	}
	o->found++;
	o->failed += vts_reset(e) < 0;
}

static void
apply_all(const struct vts_control *c, enum vts_kind kind, struct outcome *o)
{
	int64_t now_ms = clock_wall() / NS_PER_MS;
	struct vts_entry e;
	uint32_t cursor = 0;

	for (unsigned n = 1; vts_next(kind, &cursor, &e); n++) {
		apply_one(c, &e, now_ms, o);
		if (n % BREATH == 0 && prom_breathe() < 0)
			return;
	}
}

/* FILTER@NAME, where either may have an @ of its own; names of filters are cut at VTS_GROUP_MAX. */
static bool
find_filter(struct str zone, struct vts_entry *e)
{
	for (size_t at = 0; at < zone.n && at <= VTS_GROUP_MAX; at++)
		if (zone.p[at] == '@' &&
		    vts_find(VTS_FILTER, str_sub(zone, 0, at), str_from(zone, at + 1), e))
			return true;
	return false;
}

static bool
find(const struct vts_control *c, struct vts_entry *e)
{
	if (c->group == VTS_GROUP_SERVER)
		return vts_find(VTS_SERVER, STR(""), c->zone, e);
	return c->group == VTS_GROUP_FILTER && find_filter(c->zone, e);
}

static void
apply(const struct vts_control *c, struct outcome *o)
{
	bool all = c->group == VTS_GROUP_ALL || str_is(c->zone, "*");
	struct vts_entry e;

	if (all && (c->group == VTS_GROUP_ALL || c->group == VTS_GROUP_SERVER))
		apply_all(c, VTS_SERVER, o);
	if (all && (c->group == VTS_GROUP_ALL || c->group == VTS_GROUP_FILTER))
		apply_all(c, VTS_FILTER, o);
	if (!all && find(c, &e))
		apply_one(c, &e, clock_wall() / NS_PER_MS, o);
}

static void
put_string(struct buf *b, const char *name, struct str value)
{
	char *to;

	buf_puts(b, name);
	to = buf_reserve(b, PIECES_NAME(value.n));
	if (to)
		buf_added(b, (size_t)(pieces_name(to, value) - to));
}

static int
reply_outcome(
    struct http_request *r, int status, const struct vts_control *c, const struct outcome *o)
{
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "{\"processingReturn\":");
	buf_puts(&b, o->found > 0 && o->failed == 0 ? "true" : "false");
	put_string(&b, ",\"processingCommandString\":", c->command_text);
	put_string(&b, ",\"processingGroupString\":", c->group_text);
	put_string(&b, ",\"processingZoneString\":", c->zone);
	buf_puts(&b, ",\"processingCounts\":");
	buf_put_u64(&b, o->found - o->failed);
	buf_putc(&b, '}');
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "Cache-Control", STR("no-store"));
	return http_reply_buf(r, status, "application/json", &b);
}

/* ---- who may ---- */

/* Behind a unix socket may be a proxy, and behind that a browser. */
static bool
is_authorised(struct http_request *r)
{
	if (auth_role(r) == ROLE_ADMIN)
		return true;
	return str_is(http_client_address(r), "unix:") && !vts_control_is_foreign(r);
}

/* 0, or the status to refuse with. */
static int
check_client(struct http_request *r, bool get)
{
	if (str_is(r->head->method, "POST"))
		return vts_control_is_foreign(r) ? 403 : 0;
	if (get || is_authorised(r))
		return 0;
	http_add_header(r, "Allow", STR("POST"));
	return 405;
}

static int
answer_change(struct http_request *r, const struct vts_control *c, bool get)
{
	struct outcome o = { 0, 0 };
	int status = 0;

	if (c->command != VTS_CMD_NONE && !str_is(r->head->method, "HEAD")) {
		status = check_client(r, get);
		if (status == 0)
			apply(c, &o);
	}
	return reply_outcome(r, status ? status : 200, c, &o);
}

/* ---- status ---- */

static const struct vts_json_section *
section_of(struct str group)
{
	for (unsigned i = 0; i < vts_json_n_sections; i++)
		if (str_ieq(group, str_of(vts_json_sections[i].group)))
			return &vts_json_sections[i];
	return NULL;
}

static void
put_status(struct vts_json *j, const struct vts_control *c)
{
	const struct vts_json_section *section = section_of(c->group_text);
	struct vts_entry e;

	if (c->group == VTS_GROUP_ALL)
		vts_json_document(j);
	else if (section && str_is(c->zone, "*"))
		vts_json_section(j, section);
	else if (c->group == VTS_GROUP_SERVER && str_is(c->zone, "::main"))
		vts_json_main(j);
	else
		vts_json_one(j, find(c, &e) ? &e : NULL);
}

int
vts_answer_control(
    struct http_request *r, const struct vts_view *v, const struct vts_scope *s, bool get)
{
	struct vts_control c;
	struct pieces out;
	struct vts_json *j;

	vts_control_parse(&c, r->query, &r->arena);
	if (c.command != VTS_CMD_STATUS)
		return answer_change(r, &c, get);
	j = vts_json_begin(r, v, s, "application/json", &out);
	if (!j)
		return 0;
	put_status(j, &c);
	return vts_json_end(r, j);
}
