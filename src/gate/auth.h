/*
 * The auth step: who sends this request. A phase of http/server.h, chosen a location by `auth`, from one or several sources; the first
 * that names somebody decides.
 *
 *	user_token  the USER_TOKEN header's value is the user's name
 *	api_key     X-API-Key holds a key of the file that auth_keys names; the user is the key's name
 *	bearer      the same from Authorization: Bearer
 *	none        who sends none of those before it may pass as nobody (default: nobody is asked)
 *
 * A key that is unknown or expired is refused even where `none` is listed. Refusals: gate/refuse.h.
 *
 * Keys files are read with the configuration, and again by each worker within a second or two after they change, so that a key that
 * was revoked soon opens nothing. A file that became bad or cannot be read is reported, and what was read before stays in force.
 */
#ifndef SLUICE_GATE_AUTH_H
#define SLUICE_GATE_AUTH_H

#include "conf/conf.h"
#include "gate/keys.h"

struct http_request;

#define AUTH_USER_MAX 256

extern struct conf_module auth_module;
/* Registers the rows and the phase. */
void auth_register(void);
/* In a worker, before it serves: watches the configuration's keys files. 0 or an error. */
int auth_start(struct conf *c);

/* What the request's API key (X-API-Key, else Bearer) entitles to, by the keys file of its location, whatever `auth` says there; ROLE_NONE
 * without a valid one. Also before the auth step, for bypasses of limits. Does not park; looked up once a request. */
enum key_role auth_role(struct http_request *r);
/* The name of that key; empty without a valid one. Lives as long as the request. */
struct str auth_key_name(struct http_request *r);
/* What became of the key that the request carries. */
enum auth_finding { AUTH_ABSENT, AUTH_UNKNOWN, AUTH_EXPIRED, AUTH_VALID };
enum auth_finding auth_key_finding(struct http_request *r);
/* What to tell who has no valid key: "Missing X-API-Key header or Authorization header", "Invalid API key", "API key expired". */
const char *auth_finding_text(enum auth_finding finding);

/* For setters of handlers that ask for a key by themselves (admin_api): `auth` of blocks around this location does not hold in it. */
void auth_leave_to_handler(const struct conf_scope *scope);
/* Is there a keys file in this location? After the whole configuration is applied. */
bool auth_has_keys(const struct conf_scope *scope);

/* May this be a user's name? 1 to AUTH_USER_MAX bytes of valid UTF-8 without control characters. */
bool auth_user_ok(struct str user);

#endif
