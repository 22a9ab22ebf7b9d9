/*
 * What clients of limited locations are told: headers on every answer, and the refusal.
 *
 *	X-RateLimit-Limit: 60            of the limit with least left: requests at once
 *	X-RateLimit-Remaining: 59
 *	X-RateLimit-Reset: 1763788800    when nothing of it is used any more, seconds since 1970, rounded up
 *	X-RateLimit-Policy: per-ip
 *	RateLimit-Policy: "api/per-ip";q=60;w=60, "api/per-user";q=100;w=60
 *	RateLimit: "api/per-ip";r=59;t=1, "api/per-user";r=99;t=1
 */
#include "base/clock.h"
#include "gate/limit_priv.h"
#include "gate/refuse.h"

#define NUMBER_ROOM 24
#define FIELD_ROOM 768

static struct str
number(char room[NUMBER_ROOM], int64_t v)
{
	char *end = room + NUMBER_ROOM, *p = end;
	uint64_t left = (uint64_t)MAX(v, 0);

	do {
		*--p = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	return str_make(p, (size_t)(end - p));
}

static int64_t
seconds_up(int64_t ns)
{
	return ns <= 0 ? 0 : (ns - 1) / NS_PER_S + 1;
}

static const struct limit_shown *
least_left(const struct limit_request *lr)
{
	const struct limit_shown *least = &lr->shown[0];

	for (unsigned i = 1; i < lr->n; i++) {
		const struct limit_result *a = &lr->shown[i].result, *b = &least->result;

		if (a->allowed != b->allowed       ? !a->allowed
		    : a->remaining != b->remaining ? a->remaining < b->remaining
						   : MAX(a->wait, a->full) > MAX(b->wait, b->full))
			least = &lr->shown[i];
	}
	return least;
}

/* The second phase speaks in place of the first. */
static void
put(struct http_request *r, const struct limit_request *lr, const char *name, struct str value)
{
	if (lr->told)
		http_set_header(r, name, value);
	else
		http_add_header(r, name, value);
}

static void
put_x(struct http_request *r, const struct limit_request *lr)
{
	const struct limit_shown *least = least_left(lr);
	const struct limit_result *result = &least->result;
	int64_t reset = clock_cached_wall() + MAX(result->full, result->wait);
	char room[NUMBER_ROOM];

	put(r, lr, "X-RateLimit-Limit", number(room, result->limit));
	put(r, lr, "X-RateLimit-Remaining", number(room, result->remaining));
	put(r, lr, "X-RateLimit-Reset", number(room, seconds_up(reset)));
	put(r, lr, "X-RateLimit-Policy",
	    lr->bypassed ? STR("bypass") : str_of(least->rule->line->label));
}

/* Seconds in which a limit gives back all of it. */
static int64_t
window_of(const struct limit_rate *rate)
{
	if (rate->sliding)
		return MAX(seconds_up(rate->window.length), 1);
	/* An interval that was rounded up by less than a nanosecond is no second more. */
	return MAX(seconds_up(rate->gcra.capacity * (rate->gcra.interval - 1) + 1), 1);
}

static void
put_name(struct buf *b, const struct limit_rule *rule)
{
	buf_puts(b, b->n ? ", \"" : "\"");
	buf_put_str(b, rule->policy->name);
	buf_putc(b, '/');
	buf_puts(b, rule->line->label);
	buf_putc(b, '"');
}

static void
put_ietf(struct http_request *r, const struct limit_request *lr)
{
	char policy_room[FIELD_ROOM], limit_room[FIELD_ROOM];
	struct buf policy, limit;

	buf_init_fixed(&policy, policy_room, sizeof(policy_room));
	buf_init_fixed(&limit, limit_room, sizeof(limit_room));
	for (unsigned i = 0; i < lr->n; i++) {
		const struct limit_rule *rule = lr->shown[i].rule;
		const struct limit_result *result = &lr->shown[i].result;

		put_name(&policy, rule);
		buf_printf(&policy, ";q=%lld;w=%lld", (long long)result->limit,
		    (long long)window_of(&rule->line->rate));
		put_name(&limit, rule);
		buf_printf(&limit, ";r=%lld;t=%lld", (long long)result->remaining,
		    (long long)seconds_up(MAX(result->full, result->wait)));
	}
	/* More than fit: half a field is none. */
	if (buf_failed(&policy) || buf_failed(&limit))
		return;
	put(r, lr, "RateLimit-Policy", buf_str(&policy));
	put(r, lr, "RateLimit", buf_str(&limit));
}

void
limit_put_headers(struct http_request *r, const struct limit_scope *scope)
{
	struct limit_request *lr = limit_request(r);

	if (scope->headers & LIMIT_HEADERS_X)
		put_x(r, lr);
	if (scope->headers & LIMIT_HEADERS_IETF)
		put_ietf(r, lr);
	lr->told = true;
}

void
limit_put_retry_after(struct http_request *r, int64_t wait)
{
	char room[NUMBER_ROOM];

	http_set_header(r, "Retry-After", number(room, MAX(seconds_up(wait), 1)));
}

int
limit_refuse(struct http_request *r, int64_t wait)
{
	limit_put_retry_after(r, wait);
	if (refuse_is_openai(r))
		refuse_openai(
		    r, 429, "Rate limit exceeded", "rate_limit_exceeded", "rate_limit_exceeded");
	else
		http_reply(r, 429, "text/plain", STR("Rate limit exceeded\n"));
	return 1;
}

int
limit_refuse_unusable(struct http_request *r)
{
	limit_put_retry_after(r, NS_PER_S);
	refuse(r, 503, "Rate limits cannot be checked now", "service_unavailable", NULL);
	return 1;
}
