/*
 * An exposition as an answer: headers, chunks, and how many are rendered at a time. See prom.h.
 */
#include "http/server.h"
#include "status/prom.h"
#include "task/task.h"

/* Each holds a snapshot while its client reads: a few at a time, so that slow or many clients cannot take the memory. */
#define AT_A_TIME 4
#define TURN_PATIENCE (10 * NS_PER_S)

static unsigned under_way;
static struct waitq turns = { { &turns.waiters, &turns.waiters } };

static int
wait_turn(void)
{
	int64_t end = clock_mono() + TURN_PATIENCE;
	int err = 0;

	while (under_way >= AT_A_TIME && err == 0)
		err = waitq_park(&turns, end);
	if (err == 0)
		under_way++;
	return err;
}

static void
end_turn(void)
{
	under_way--;
	waitq_wake(&turns, 1);
}

static int
write_chunk(void *arg, const void *p, size_t n)
{
	return http_reply_write(arg, p, n);
}

static void
add_headers(struct http_request *r)
{
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "X-Frame-Options", STR("DENY"));
	http_add_header(r, "Cache-Control", STR("no-store"));
}

bool
prom_begin(struct prom *p, struct http_request *r)
{
	int err;

	add_headers(r);
	if (str_is(r->head->method, "HEAD")) {
		if (http_reply_start(r, 200, PROM_CONTENT_TYPE, -1) == 0)
			http_reply_end(r);
		return false;
	}
	err = wait_turn();
	if (err) {
		http_reply_error(r, err == ERR_TIMEOUT ? ERR_BUSY : err);
		return false;
	}
	prom_init(p, write_chunk, r);
	if (p->err) {
		end_turn();
		http_reply_error(r, ERR_NOMEM);
		return false;
	}
	err = http_reply_start(r, 200, PROM_CONTENT_TYPE, -1);
	if (p->err == 0)
		p->err = err;
	return true;
}

int
prom_end(struct prom *p)
{
	struct http_request *r = p->arg;
	int err = prom_fini(p);

	end_turn();
	return err ? err : http_reply_end(r);
}
