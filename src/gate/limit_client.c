/*
 * What a client is known by: bytes for the hash of its cell, text for people, and whether it is exempt.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "gate/auth.h"
#include "gate/limit_priv.h"

#define ADMIN_KEYS_MAX 64

/* ---- identifiers ---- */

/* The address within its network: 4 bytes, or 16 of which those behind the prefix are zero. */
static struct str
identify_address(const struct addr *a, uint64_t prefix, unsigned char *room)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct sockaddr_in *in = (const void *)&a->u;
	const struct sockaddr_in6 *in6 = (const void *)&a->u;

	switch (a->u.sa.sa_family) {
	case AF_INET:
		memcpy(room, &in->sin_addr, 4);
		return str_make(room, 4);
	case AF_INET6:
		memcpy(room, &in6->sin6_addr, 16);
		if (memcmp(room, mapped, sizeof(mapped)) == 0)
			return str_make(room + 12, 4);
		for (unsigned i = 0; i < 16; i++) {
			unsigned bits = prefix > 8 * i ? (unsigned)MIN(prefix - 8 * i, 8) : 0;

			room[i] &= (unsigned char)(0xff00 >> bits);
		}
		return str_make(room, 16);
	default:
		return STR("unix:");
	}
}

struct str
limit_identify(struct http_request *r, enum limit_by by, uint64_t ipv6_prefix, unsigned char *room)
{
	struct addr a;

	switch (by) {
	case LIMIT_BY_IP:
		http_client_addr(r, &a);
		return identify_address(&a, ipv6_prefix, room);
	case LIMIT_BY_USER:
		return r->user;
	case LIMIT_BY_KEY:
		return auth_key_name(r);
	default:
		return STR("global");
	}
}

struct str
limit_identify_text(struct str text, enum limit_by by, uint64_t ipv6_prefix, unsigned char *room)
{
	struct str network = text, address = str_split(&network, '/');
	struct addr a;

	switch (by) {
	case LIMIT_BY_IP:
		if (str_is(text, "unix:"))
			return text;
		if (addr_parse_ip(address, 0, &a) != 0)
			return STR("");
		return identify_address(&a, ipv6_prefix, room);
	case LIMIT_BY_USER:
		return str_starts(text, STR("user:")) ? str_from(text, 5) : STR("");
	case LIMIT_BY_KEY:
		return str_starts(text, STR("key:")) ? str_from(text, 4) : STR("");
	default:
		return str_is(text, "global") ? text : STR("");
	}
}

/* An address as its network's text. */
static const char *
address_text(struct http_request *r, uint64_t prefix)
{
	unsigned char room[LIMIT_NAME_ROOM];
	char text[ADDR_TEXT_MAX];
	struct addr a;
	struct str id;

	http_client_addr(r, &a);
	id = identify_address(&a, prefix, room);
	if (id.n != 16 || prefix == 128)
		return arena_strz(&r->arena, http_client_address(r));
	memcpy(&((struct sockaddr_in6 *)(void *)&a.u)->sin6_addr, room, 16);
	addr_text(&a, false, text);
	return arena_printf(&r->arena, "%s/%u", text, (unsigned)prefix);
}

struct str
limit_key_text(struct http_request *r, struct str endpoint, enum limit_by by, uint64_t ipv6_prefix)
{
	static const char *const kinds[LIMIT_BYS] = { "", "user:", "key:", "global" };
	struct str id = STR("");

	if (by == LIMIT_BY_IP)
		id = str_of(address_text(r, ipv6_prefix));
	else if (by != LIMIT_BY_ALL)
		id = limit_identify(r, by, ipv6_prefix, NULL);
	return str_of(arena_printf(
	    &r->arena, "ratelimit:%.*s:%s%.*s", STR_ARG(endpoint), kinds[by], STR_ARG(id)));
}

struct str
limit_endpoint(const struct http_location *l)
{
	struct str name = http_location_name(l);

	return name.n > 1 && name.p[0] == '/' ? str_from(name, 1) : name;
}

/* ---- exemptions ---- */

static struct {
	unsigned char digests[ADMIN_KEYS_MAX][SHA256_LEN];
	unsigned n;
} admins;

void
limit_read_admin_keys(void)
{
	struct str rest = str_of(getenv("ADMIN_API_KEYS")), one;

	admins.n = 0;
	while (rest.p && admins.n < ADMIN_KEYS_MAX) {
		one = str_trim(str_split(&rest, ','));
		if (one.n > 0)
			sha256(one.p, one.n, admins.digests[admins.n++]);
	}
	if (rest.p)
		log_event(LOG_WARN, "limit",
		    "ADMIN_API_KEYS has too many keys: the rest is left out",
		    LOG_I("most", ADMIN_KEYS_MAX), LOG_END);
}

/* X-API-Key, or the token behind Bearer. */
static struct str
secret_of(const struct http_request *r)
{
	struct str key = http_header_get(r->head, "X-API-Key");

	if (key.n > 0)
		return key;
	key = http_header_get(r->head, "Authorization");
	if (key.n > 7 && str_ieq(str_sub(key, 0, 7), STR("Bearer ")))
		return str_trim(str_from(key, 7));
	return STR("");
}

/* All are compared, so that the time tells nothing. */
static bool
is_admin_key(struct str secret)
{
	unsigned char digest[SHA256_LEN];
	bool found = false;

	if (admins.n == 0)
		return false;
	sha256(secret.p, secret.n, digest);
	for (unsigned i = 0; i < admins.n; i++)
		found |= const_time_eq(
		    str_make(digest, SHA256_LEN), str_make(admins.digests[i], SHA256_LEN));
	return found;
}

bool
limit_is_bypassed(struct http_request *r, const struct limit_policy *p)
{
	struct str secret = secret_of(r);
	const struct key *key;
	struct addr a;

	if (p->has_bypass) {
		http_client_addr(r, &a);
		if (cidr_find(&p->bypass, &a) != CIDR_NONE)
			return true;
	}
	if (secret.n == 0 || secret.n > KEYS_SECRET_MAX)
		return false;
	if (auth_role(r) >= ROLE_SERVICE || is_admin_key(secret))
		return true;
	key = p->tokens ? keys_find(p->tokens, secret) : NULL;
	return key && !keys_is_expired(key, clock_cached_wall());
}
