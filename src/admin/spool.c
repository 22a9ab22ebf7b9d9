/*
 * POST /api/spool/purge: an operator gives up what waits in a stream. On record, with who wanted it and why, in the stream's journal and the log.
 */
#include "admin/shipper_priv.h"

#define BODY_MAX ((size_t)16 << 10)

static int
read_order(struct api_call *call, struct dlq_order *out)
{
	struct fields f = { .arena = &call->request->arena };
	struct str body;
	int err = api_body(call, BODY_MAX, &body);

	if (err != 0)
		return err;
	err = dlq_input_purge(&f, body, out);
	return err ? shipper_refuse_input(call, &f, err) : 0;
}

static int
purge(struct api_call *call)
{
	struct json_writer *w = call->json;
	struct message_stream *m;
	struct dlq_order order;
	uint64_t n = 0;
	int err = read_order(call, &order);

	if (err == 0)
		err = shipper_borrow(call, order.stream, &m);
	if (err != 0)
		return err;
	err = message_purge(m, api_operator(call, order.operator), order.reason, &n);
	shipper_return();
	if (err != 0)
		return err;
	json_open(w, NULL, '{');
	json_put_str(w, "stream", order.stream);
	json_put_u64(w, "purged", n);
	json_close(w);
	return 200;
}

const struct api_endpoint spool_endpoints[] = {
	{ "POST", "/api/spool/purge", ROLE_ADMIN, purge,
	    "gives up what waits in a stream: {\"stream\",\"operator\",\"reason\"}" },
	{ .path = NULL },
};
