/*
 * See limits.h.
 */
#include "admin/limits.h"

#include "admin/api.h"
#include "gate/limit_admin.h"

#define TOP_DEFAULT 20

static int
show_limits(struct api_call *call)
{
	uint64_t top;
	int err = api_query_number(call, "top", TOP_DEFAULT, 0, LIMIT_ADMIN_TOP_MAX, &top);

	if (err == 0)
		err = limit_admin_list(call->json, (unsigned)top);
	return err ? err : 200;
}

static int
reset_limits(struct api_call *call)
{
	struct str pattern = api_query(call, "pattern");
	unsigned known = 0;

	switch (limit_admin_reset(pattern, call->operator, & known)) {
	case 0:
		break;
	case ERR_BAD:
		return api_fail(call, 400,
		    "pattern: a key such as ratelimit:usage:192.0.2.1 is needed, in which * "
		    "stands "
		    "for anything");
	case ERR_TOO_LARGE:
		return api_fail(call, 400, "pattern: at most 255 bytes are allowed");
	default:
		return api_fail(call, 503, "the store of rate limits is not usable");
	}
	json_open(call->json, NULL, '{');
	json_put_str(call->json, "pattern", pattern);
	json_put_u64(call->json, "known", known);
	json_close(call->json);
	return 200;
}

static const struct api_endpoint endpoints[] = {
	{ "GET", "/api/limits", ROLE_ADMIN, show_limits,
	    "the rate limits, their store, and who talks most; ?top=20" },
	{ "DELETE", "/api/limits", ROLE_ADMIN, reset_limits,
	    "forgets what is known of the keys that fit ?pattern=, punishments included" },
	{ .path = NULL },
};

void
admin_limits_register(void)
{
	api_add(endpoints);
}
