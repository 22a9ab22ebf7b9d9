/*
 * See auth.h. What a request's key is found to be is kept with the request, as limits, auth and handlers ask for it.
 */
#include "gate/auth.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "gate/auth_priv.h"
#include "gate/refuse.h"
#include "http/conf.h"

/* Where a key may be. */
enum place { IN_API_KEY, IN_BEARER, PLACES };

struct found {
	bool looked;
	enum auth_finding finding;
	enum key_role role;
	struct str name;
};

struct identity {
	struct found in[PLACES];
};

/* A refusal, kept until it is known that no later source names somebody. */
struct refusal {
	int status; /* 0: none */
	const char *text;
	bool challenge;
};

static unsigned context;

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

static const struct auth_scope *
scope_of(const struct http_request *r)
{
	return r->location ? conf_of(http_location_conf(r->location), &auth_module) : NULL;
}

/* ---- keys ---- */

/* What follows "Bearer", in any case; empty: another scheme, or nothing. */
static struct str
bearer(struct str value)
{
	if (value.n < 7 || !str_ieq(str_sub(value, 0, 6), STR("Bearer")) || value.p[6] != ' ')
		return str_make(NULL, 0);
	return str_trim(str_from(value, 7));
}

static struct str
secret_in(const struct http_request *r, enum place place)
{
	if (place == IN_API_KEY)
		return http_header_get(r->head, "X-API-Key");
	return bearer(http_header_get(r->head, "Authorization"));
}

/* The keys may be replaced whenever the request parks, so the name is copied. */
static void
look_up(struct http_request *r, struct str secret, struct found *out)
{
	const struct auth_scope *scope = scope_of(r);
	const struct key *key;

	if (secret.n == 0)
		return;
	out->finding = AUTH_UNKNOWN;
	key = scope && scope->file ? keys_find(scope->file->keys, secret) : NULL;
	if (key == NULL)
		return;
	if (keys_is_expired(key, clock_cached_wall())) {
		out->finding = AUTH_EXPIRED;
		return;
	}
	out->name = arena_str(&r->arena, key->name);
	if (out->name.p == NULL)
		return;
	out->finding = AUTH_VALID;
	out->role = key->role;
}

static const struct found *
find(struct http_request *r, enum place place)
{
	static const struct found nothing;
	struct identity *who = r->context[context];

	if (who == NULL)
		who = r->context[context] = arena_alloc(&r->arena, sizeof(*who));
	if (who == NULL)
		return &nothing;
	if (!who->in[place].looked) {
		who->in[place].looked = true;
		look_up(r, secret_in(r, place), &who->in[place]);
	}
	return &who->in[place];
}

/* The valid one; else the one there is. */
static const struct found *
find_any(struct http_request *r)
{
	const struct found *first = find(r, IN_API_KEY), *second;

	if (first->finding == AUTH_VALID)
		return first;
	second = find(r, IN_BEARER);
	return second->finding == AUTH_VALID || first->finding == AUTH_ABSENT ? second : first;
}

enum key_role
auth_role(struct http_request *r)
{
	return find_any(r)->role;
}

struct str
auth_key_name(struct http_request *r)
{
	return find_any(r)->name;
}

enum auth_finding
auth_key_finding(struct http_request *r)
{
	return find_any(r)->finding;
}

const char *
auth_finding_text(enum auth_finding finding)
{
	static const char *const texts[] = {
		[AUTH_ABSENT] = "Missing X-API-Key header or Authorization header",
		[AUTH_UNKNOWN] = "Invalid API key",
		[AUTH_EXPIRED] = "API key expired",
		[AUTH_VALID] = "",
	};

	return texts[finding];
}

/* ---- the step ---- */

/* True: this source names the user. */
static bool
ask_token(struct http_request *r, struct refusal *refusal)
{
	struct str user = http_header_get(r->head, "USER_TOKEN");

	if (user.n > 0 && auth_user_ok(user)) {
		r->user = user;
		return true;
	}
	if (user.n > 0 && refusal->status == 0)
		*refusal = (struct refusal){ 400, "USER_TOKEN is not a valid user name", false };
	return false;
}

static bool
ask_key(struct http_request *r, enum place place, struct refusal *refusal)
{
	const struct found *found = find(r, place);

	if (found->finding == AUTH_VALID) {
		r->user = found->name;
		return true;
	}
	if (found->finding != AUTH_ABSENT && refusal->status == 0)
		*refusal =
		    (struct refusal){ 401, auth_finding_text(found->finding), place == IN_BEARER };
	return false;
}

static bool
ask(struct http_request *r, int source, struct refusal *refusal)
{
	switch (source) {
	case AUTH_USER_TOKEN:
		return ask_token(r, refusal);
	case AUTH_API_KEY:
		return ask_key(r, IN_API_KEY, refusal);
	case AUTH_BEARER:
		return ask_key(r, IN_BEARER, refusal);
	default: /* none: it passes unless something was refused */
		return refusal->status == 0;
	}
}

static struct refusal
missing(int source)
{
	if (source == AUTH_USER_TOKEN)
		return (struct refusal){ 401, "USER_TOKEN header is required", false };
	return (struct refusal){ 401, auth_finding_text(AUTH_ABSENT), false };
}

static int
auth_phase(struct http_request *r)
{
	const struct auth_scope *scope = scope_of(r);
	struct refusal refusal = { 0 };
	bool bearer_asked = false;

	if (scope == NULL || scope->n == 0 || scope->by_handler == http_location_conf(r->location))
		return 0;
	for (unsigned i = 0; i < scope->n; i++) {
		bearer_asked |= scope->sources[i] == AUTH_BEARER;
		if (ask(r, scope->sources[i], &refusal))
			return 0;
	}
	if (refusal.status == 0)
		refusal = missing(scope->sources[0]);
	if (refusal.status == 401 && bearer_asked)
		http_add_header(r, "WWW-Authenticate",
		    refusal.challenge ? STR("Bearer error=\"invalid_token\"") : STR("Bearer"));
	refuse(r, refusal.status, refusal.text, "invalid_request_error",
	    refusal.status == 401 ? "invalid_api_key" : NULL);
	return 1;
}

void
auth_register(void)
{
	conf_register(&auth_module);
	context = http_context_new();
	http_add_phase(auth_phase);
}
