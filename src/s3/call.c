/*
 * store_put() and store_head(): a signed request, and once more where the refusal was about us
 * and not about the object. See store.h.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "s3/store_priv.h"

/* Stores refuse requests whose date is 15 minutes off; a HEAD says so without a code, so there
 * the clocks are compared. */
#define SKEW_SUSPECT (10 * 60 * NS_PER_S)

static bool
is_code(const struct store_answer *a, const char *const *codes)
{
	for (; *codes; codes++)
		if (strcmp(a->code, *codes) == 0)
			return true;
	return false;
}

/* True if the clocks disagree and the skew was corrected. */
static bool
correct_skew(struct store *s, const struct request *r, const struct store_answer *a)
{
	static const char *const codes[] = { "RequestTimeTooSkewed", "RequestExpired", NULL };
	int64_t off = a->date - r->signed_at;

	if (a->status != 403 && a->status != 400)
		return false;
	if (a->date == 0 || (!is_code(a, codes) && a->code[0] != '\0'))
		return false;
	if (a->code[0] == '\0' && off > -SKEW_SUSPECT && off < SKEW_SUSPECT)
		return false;
	s->skew = a->date - clock_wall();
	log_event(LOG_WARN, "s3", "clock differs from the store's, corrected in requests",
	    LOG_STR("store", s->name), LOG_MS("skew_ms", s->skew), LOG_END);
	return true;
}

/* True if the credentials were refused and there are others by now. */
static bool
renew_creds(struct store *s, const struct request *r, const struct store_answer *a)
{
	static const char *const codes[] = { "ExpiredToken", "TokenRefreshRequired", "InvalidToken",
		"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "", NULL };

	if (a->status != 400 && a->status != 401 && a->status != 403)
		return false;
	return is_code(a, codes) && store_renew_creds(s, r->creds_gen);
}

static void
call(struct store *s, struct request *r, struct store_answer *a)
{
	bool skew_tried = false, creds_tried = false;

	for (;;) {
		request_run(s, r, a);
		if (a->err)
			return;
		if (!skew_tried && correct_skew(s, r, a))
			skew_tried = true;
		else if (!creds_tried && renew_creds(s, r, a))
			creds_tried = true;
		else
			return;
	}
}

void
store_put(struct store *s, const struct store_object *o, bool if_none_match, int64_t deadline,
    struct store_answer *a)
{
	struct request r = { .method = STR("PUT"),
		.bucket = o->bucket,
		.key = o->key,
		.o = o,
		.if_none_match = if_none_match,
		.deadline = deadline };

	call(s, &r, a);
}

void
store_head(
    struct store *s, struct str bucket, struct str key, int64_t deadline, struct store_answer *a)
{
	struct request r = {
		.method = STR("HEAD"), .bucket = bucket, .key = key, .deadline = deadline
	};

	call(s, &r, a);
}
