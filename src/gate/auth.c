/*
 * See auth.h.
 */
#include "gate/auth.h"

#include "base/utf8.h"
#include "http/conf.h"
#include "http/server.h"

enum auth_source { AUTH_NONE, AUTH_USER_TOKEN };

struct auth_scope {
	int source;
};

static const struct conf_word sources[] = {
	{ "none", AUTH_NONE },
	{ "user_token", AUTH_USER_TOKEN },
	{ NULL, 0 },
};

static const struct conf_row rows[] = {
	{ .name = "auth",
	    .contexts = CONF_HTTP | CONF_SERVER | CONF_LOCATION,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_enum,
	    .offset = offsetof(struct auth_scope, source),
	    .default_ = "none",
	    .unit = "enum:none|user_token",
	    .help = "how the user of a request is found; user_token takes the USER_TOKEN header's "
		    "value",
	    .extra = sources },
	{ .name = NULL },
};

struct conf_module auth_module = {
	.name = "auth", .rows = rows, .size = sizeof(struct auth_scope)
};

bool
auth_user_ok(struct str user)
{
	if (user.n == 0 || user.n > AUTH_USER_MAX || !utf8_valid(user))
		return false;
	for (size_t i = 0; i < user.n; i++)
		if ((unsigned char)user.p[i] < 0x20 || user.p[i] == 0x7f)
			return false;
	return true;
}

static int
auth_phase(struct http_request *r)
{
	const struct auth_scope *scope;
	struct str user;

	if (r->location == NULL)
		return 0;
	scope = conf_of(http_location_conf(r->location), &auth_module);
	if (scope->source == AUTH_NONE)
		return 0;
	user = http_header_get(r->head, "USER_TOKEN");
	if (user.n == 0) {
		http_reply_message(r, 401, "USER_TOKEN header is required");
		return 1;
	}
	if (!auth_user_ok(user)) {
		http_reply_message(r, 400, "USER_TOKEN is not a valid user name");
		return 1;
	}
	r->user = user;
	return 0;
}

void
auth_register(void)
{
	conf_register(&auth_module);
	http_add_phase(auth_phase);
}
