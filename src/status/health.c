/*
 * See health.h.
 */
#include "status/health.h"

#include "http/conf.h"
#include "ingest/ingest.h"

static int
health_handle(struct http_request *r, void *arg)
{
	struct buf reasons, body;
	int err;

	(void)arg;
	buf_init(&reasons, 0);
	http_add_header(r, "Cache-Control", STR("no-store"));
	if (ingest_healthy(&reasons))
		return http_reply(r, 200, "application/json", STR("{\"status\":\"healthy\"}\n"));
	buf_init(&body, 0);
	buf_printf(
	    &body, "{\"status\":\"unhealthy\",\"reasons\":[%.*s]}\n", STR_ARG(buf_str(&reasons)));
	err = buf_failed(&reasons) || buf_failed(&body)
		  ? http_reply_error(r, ERR_NOMEM)
		  : http_reply(r, 503, "application/json", buf_str(&body));
	buf_fini(&body);
	buf_fini(&reasons);
	return err;
}

static int
set_health(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)into;
	return http_set_handler(c, node, scope, health_handle, NULL, "GET");
}

static const struct conf_row rows[] = {
	{ .name = "health",
	    .contexts = CONF_LOCATION,
	    .flags = CONF_RELOAD,
	    .set = set_health,
	    .help = "answers whether a record could be accepted now" },
	{ .name = NULL },
};

struct conf_module health_module = { .name = "health", .rows = rows };

void
health_conf_register(void)
{
	conf_register(&health_module);
}
