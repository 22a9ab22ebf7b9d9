/*
 * The rate limits' door: modules, phases and variables, in the order in which requests meet them. See limit.h.
 */
#include "gate/limit.h"

#include "gate/limit_priv.h"

static struct str
get_req_status(struct http_request *r, struct str name, void *arg)
{
	const struct limit_request *lr = limit_request_had(r);

	(void)name;
	(void)arg;
	return str_of(lr ? lr->req_status : NULL);
}

static struct str
get_conn_status(struct http_request *r, struct str name, void *arg)
{
	const struct limit_request *lr = limit_request_had(r);

	(void)name;
	(void)arg;
	return str_of(lr ? lr->conn_status : NULL);
}

static const struct http_variable variables[] = {
	{ "limit_req_status", get_req_status, NULL },
	{ "limit_conn_status", get_conn_status, NULL },
	{ NULL, NULL, NULL },
};

/* nginx's order: rates, then connections, so that a request that waits for its turn is not counted meanwhile. */
static int
early_phase(struct http_request *r)
{
	int done = limit_phase_early(r);

	if (!done)
		done = limit_req_phase(r);
	return done ? done : limit_conn_phase(r);
}

void
limit_register(void)
{
	limit_policy_register();
	conf_register(&limit_module);
	limit_req_register();
	limit_conn_register();
	limit_metrics_register();
	limit_context_register();
	limit_read_admin_keys();
	http_variable_add(variables);
	http_add_phase(early_phase);
}

void
limit_register_late(void)
{
	http_add_phase(limit_phase_late);
}
