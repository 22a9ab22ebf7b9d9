/*
 * See health.h.
 */
#include "status/health.h"

#include <stdio.h>

#include "http/conf.h"
#include "ingest/ingest.h"
#include "status/figures.h"

void
health_degrade(struct health *h, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_puts(&h->reasons, h->reasons.n > 0 ? "," : "");
	buf_put_json(&h->reasons, str_of(text));
	h->degraded = true;
}

static void
write_brief(struct buf *out, bool healthy, const struct buf *reasons)
{
	if (healthy)
		buf_puts(out, "{\"status\":\"healthy\"}\n");
	else
		buf_printf(out, "{\"status\":\"unhealthy\",\"reasons\":[%.*s]}\n",
		    STR_ARG(buf_str(reasons)));
}

/* The components are written before it is known what to say of all of them. */
static void
write_verbose(struct buf *out, bool healthy, struct buf *reasons)
{
	struct health h = { .reasons = *reasons };
	struct buf components;

	buf_init(&components, 0);
	json_init(&h.json, &components);
	json_open(&h.json, NULL, '{');
	health_write_components(&h);
	json_close(&h.json);
	buf_printf(out, "{\"status\":\"%s\",\"reasons\":[%.*s],\"components\":%.*s}\n",
	    !healthy     ? "unhealthy"
	    : h.degraded ? "degraded"
			 : "healthy",
	    STR_ARG(buf_str(&h.reasons)), STR_ARG(buf_str(&components)));
	if (buf_failed(&components) || buf_failed(&h.reasons))
		out->err = ERR_NOMEM;
	buf_fini(&components);
	*reasons = h.reasons;
}

static int
health_handle(struct http_request *r, void *arg)
{
	bool brief = arg != NULL || figures_server() == NULL ||
		     !str_is(http_query_get(r->query, "verbose"), "1");
	struct buf reasons, body;
	bool healthy;

	buf_init(&reasons, 0);
	buf_init(&body, 0);
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "X-Frame-Options", STR("DENY"));
	http_add_header(r, "Cache-Control", STR("no-store"));
	healthy = ingest_healthy(&reasons);
	if (buf_failed(&reasons))
		body.err = ERR_NOMEM;
	else if (brief)
		write_brief(&body, healthy, &reasons);
	else
		write_verbose(&body, healthy, &reasons);
	buf_fini(&reasons);
	return http_reply_buf(r, healthy ? 200 : 503, "application/json", &body);
}

static int
set_health(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)into;
	if (node->n_args == 1 && !str_is(node->args[0], "brief")) {
		conf_error(c, node, "invalid parameter \"%.*s\" of \"health\": brief is allowed",
		    STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	return http_set_handler(
	    c, node, scope, health_handle, node->n_args == 1 ? &health_module : NULL, "GET");
}

static const struct conf_row rows[] = {
	{ .name = "health",
	    .contexts = CONF_LOCATION,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = set_health,
	    .unit = "brief",
	    .help = "answers whether a record could be accepted now; with ?verbose=1 shows every "
		    "component, unless brief" },
	{ .name = NULL },
};

struct conf_module health_module = { .name = "health", .rows = rows };

void
health_conf_register(void)
{
	conf_register(&health_module);
}
