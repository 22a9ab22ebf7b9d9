/*
 * One request and its answer over a kept or fresh connection. What decides about trying again lives
 * here: only a kept connection that ended before any byte of an answer is replaced, once. Called by
 * s3, the sinks, admin.
 */
#include "http/client_priv.h"

#define RAW_MAX (64u * 1024)
#define REQUEST_MAX (256u * 1024)

static void
answer_init(struct http_exchange *x)
{
	http_head_init(&x->head);
	buf_reset(&x->raw);
	buf_reset(&x->reply);
	x->head_n = 0;
	x->skipped = 0;
}

/* The final head. After an early one (*sent false) the body was not sent in full. */
static int
final_head(struct http_link *l, struct http_exchange *x, bool have_head)
{
	int err = have_head ? 0 : http_receive_head(l, x);

	while (err == 0 && x->head.status < 200) {
		if (x->head.status == 101)
			return http_explain(x, "answer", ERR_PROTOCOL);
		buf_consume(&x->raw, x->head_n);
		err = http_receive_head(l, x);
	}
	return err;
}

/* On one connection. *keep: it may serve again. */
static int
exchange_on(struct http_link *l, struct http_exchange *x, bool *keep)
{
	int sent = http_send(l, x), err;
	bool have_head = sent == ERR_EXISTS && x->head.status >= 200;

	*keep = false;
	if (sent < 0 && sent != ERR_EXISTS && sent != ERR_CLOSED)
		return sent;
	/* The peer may have answered and closed before it had all of the body: its answer
	 * counts. */
	err = final_head(l, x, have_head);
	if (err < 0)
		return sent == ERR_CLOSED && err != ERR_PROTOCOL ? sent : err;
	err = http_receive_body(l, x, keep);
	*keep &= sent == 0;
	return err;
}

int
http_exchange(struct http_client *c, struct http_exchange *x)
{
	struct http_link *l;
	bool keep, stale;
	int err;

	x->raw.max = RAW_MAX;
	x->request.max = REQUEST_MAX;
	x->why[0] = 0;
	x->sent = false;
	for (bool fresh = false;; fresh = true) {
		answer_init(x);
		err = http_pool_take(c, x, fresh, &l);
		if (err < 0)
			return err;
		stale = l->used;
		err = exchange_on(l, x, &keep);
		stale &= err == ERR_CLOSED && x->raw.n == 0;
		http_pool_give(l, err == 0 && keep);
		if (!stale || fresh)
			return err;
	}
}

void
http_exchange_fini(struct http_exchange *x)
{
	buf_fini(&x->raw);
	buf_fini(&x->reply);
	buf_fini(&x->request);
}
