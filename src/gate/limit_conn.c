/*
 * nginx's limit_conn: how many requests a key may have in flight at a time, over all workers (limit/counts.h). A request counts from here, its
 * head read, to its end; a worker that is killed takes its counts with it.
 */
#include "base/log.h"
#include "gate/limit_priv.h"

/* What tells its cells' hashes from those of other kinds of limits. */
#define KIND 2

struct conn_use {
	struct limit_zone_use of;
	uint64_t most;
};

static int set_zone(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_conn(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

#define EVERYWHERE (CONF_HTTP | CONF_SERVER | CONF_LOCATION)
#define AT(field) offsetof(struct limit_zone_scope, field)

static const struct conf_row rows[] = {
	{ "limit_conn_zone", CONF_HTTP, 2, 2, CONF_REPEAT | CONF_RELOAD, set_zone, 0, NULL,
	    "key zone=NAME:SIZE",
	    "Counts requests in flight for each value of the key; those of an empty one are not "
	    "counted. All zones share limit_zone_size",
	    NULL },
	{ "limit_conn", EVERYWHERE, 2, 2, CONF_REPEAT | CONF_RELOAD, set_conn, 0, NULL, "NAME N",
	    "At most so many requests of a key at a time", NULL },
	{ "limit_conn_status", EVERYWHERE, 1, 1, CONF_RELOAD, conf_set_count, AT(status), "503",
	    "status", "What refused requests are answered", &limit_statuses },
	{ "limit_conn_dry_run", EVERYWHERE, 1, 1, CONF_RELOAD, conf_set_flag, AT(dry_run), "off",
	    "on | off", "Requests are counted and logged but not refused", NULL },
	{ "limit_conn_log_level", EVERYWHERE, 1, 1, CONF_RELOAD, conf_set_enum, AT(log_level),
	    "error", "info | notice | warn | error", "At which level refusals are logged",
	    limit_log_levels },
	{ .name = NULL },
};

struct conf_module limit_conn_module = { .name = "limit_conn",
	.rows = rows,
	.size = sizeof(struct limit_zone_scope),
	.finish = finish };

static struct limit_zone_scope *
main_of(struct conf *c)
{
	return conf_of(conf_main(c), &limit_conn_module);
}

/* ---- configuration ---- */

static int
set_zone(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_zone *z = arena_alloc(conf_arena(c), sizeof(*z));

	(void)scope;
	(void)into;
	if (!z)
		return ERR_NOMEM;
	if (limit_zone_name(c, node, 1, &z->name) != 0)
		return ERR_CONFIG;
	return limit_zone_add(c, node, main_of(c), z);
}

static int
set_conn(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct conn_use *use = arena_alloc(conf_arena(c), sizeof(*use));

	if (!use)
		return ERR_NOMEM;
	use->of.name = node->args[0];
	if (str_to_u64(node->args[1], &use->most) != 0 || use->most == 0 || use->most > 65535) {
		conf_error(c, node, "invalid number of connections \"%.*s\": 1 to 65535 is allowed",
		    STR_ARG(node->args[1]));
		return ERR_CONFIG;
	}
	return limit_zone_use(c, node, scope, into, main_of(c), &use->of);
}

static int
finish(struct conf *c)
{
	return limit_zone_finish(c, main_of(c));
}

/* ---- requests ---- */

static enum limit_verdict
enter(struct limit_store *s, struct http_request *r, struct limit_request *lr, struct conn_use *use)
{
	struct str key = http_text_expand(&use->of.zone->key, r);
	enum limit_verdict verdict;

	if (key.n == 0)
		return LIMIT_PASSED;
	verdict = limit_enter(s, limit_zone_hash(s, KIND, use->of.zone, key), use->most,
	    limit_now(s), &lr->entries[lr->n_entries]);
	lr->n_entries += verdict == LIMIT_PASSED;
	return verdict;
}

static void
leave(struct limit_request *lr)
{
	while (lr->n_entries > 0)
		limit_leave(limit_store(), &lr->entries[--lr->n_entries]);
}

static int
refuse_it(struct http_request *r, const struct limit_zone_scope *scope, struct limit_zone_use *use,
    struct limit_request *lr)
{
	limit_count_zone(&use->hits, r, "limit_conn:", use->name, LIMIT_HIT_LIMITED);
	log_event((enum log_level)scope->log_level, "limit",
	    scope->dry_run ? "limiting connections, dry run" : "limiting connections",
	    LOG_STR("zone", use->name), LOG_STR("remote_ip", http_client_address(r)),
	    LOG_STR("uri", r->head->target), LOG_STR("request_id", r->id), LOG_END);
	leave(lr);
	lr->conn_status = scope->dry_run ? "REJECTED_DRY_RUN" : "REJECTED";
	if (scope->dry_run)
		return 0;
	http_reply_message(r, (int)scope->status, NULL);
	return 1;
}

int
limit_conn_phase(struct http_request *r)
{
	struct limit_store *s = limit_store();
	const struct limit_zone_scope *scope;
	struct limit_request *lr;
	bool unusable = !s;

	if (!r->location)
		return 0;
	scope = conf_of(http_location_conf(r->location), &limit_conn_module);
	if (!scope->uses)
		return 0;
	lr = limit_request(r);
	if (!lr ||
	    !(lr->entries = arena_alloc(&r->arena, LIMIT_ZONE_USES_MAX * sizeof(*lr->entries))))
		return http_reply_error(r, ERR_NOMEM), 1;
	for (struct limit_zone_use *use = scope->uses; use && s; use = use->next) {
		enum limit_verdict verdict =
		    enter(s, r, lr, CONTAINER_OF(use, struct conn_use, of));

		if (verdict == LIMIT_EXCEEDED)
			return refuse_it(r, scope, use, lr);
		unusable |= verdict == LIMIT_NO_ROOM;
	}
	if (unusable && !limit_fall_back(conf_of(http_location_conf(r->location), &limit_module)) &&
	    !scope->dry_run)
		return leave(lr), limit_refuse_unusable(r);
	lr->conn_status = "PASSED";
	return 0;
}

/* Before the last bytes of an answer leave: who has it may send the next request. */
static void
end(struct http_request *r, int64_t duration)
{
	struct limit_request *lr = limit_request_had(r);

	(void)duration;
	if (lr)
		leave(lr);
}

void
limit_conn_register(void)
{
	conf_register(&limit_conn_module);
	http_add_count(end);
}
