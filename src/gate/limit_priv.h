/*
 * What the files of the rate limits share. Private to gate/limit*.c.
 */
#ifndef SLUICE_GATE_LIMIT_PRIV_H
#define SLUICE_GATE_LIMIT_PRIV_H

#include "gate/keys.h"
#include "http/conf.h"
#include "http/text.h"
#include "limit/counts.h"
#include "net/cidr.h"
#include "zone/series.h"

struct json_writer;

/* ---- configuration: limit_policy.c, limit_conf.c ---- */

#define LIMIT_NAME_MAX 64 /* of a policy, of an endpoint= */

/* By what a client is known. Those up to LIMIT_EARLY are known before the auth step. */
enum limit_by { LIMIT_BY_IP, LIMIT_BY_USER, LIMIT_BY_KEY, LIMIT_BY_ALL, LIMIT_BYS };
#define LIMIT_EARLY LIMIT_BY_IP

/* A line of a policy: "per_ip 60r/m;". */
struct limit_line {
	struct limit_line *next;
	enum limit_by by;
	const char *label; /* "per-ip"; a second one of its kind "per-ip-2" */
	uint64_t count;
	int64_t period;
	struct limit_rate rate;
};

struct limit_policy {
	struct limit_policy *next;
	const struct conf_node *node;
	struct str name;
	struct limit_line *lines, **end;
	unsigned n_lines;
	uint64_t after; /* penalty; 0: none */
	int64_t for_ns;
	struct cidr_table bypass;
	bool has_bypass;
	struct keys *tokens; /* NULL: none */
	bool adaptive;
	uint32_t least; /* what adaptive leaves of a limit, in 65536ths */
	uint64_t ipv6_prefix;
};

/* `limit NAME;` in a scope. */
struct limit_use {
	struct limit_use *next;
	const struct conf_node *node;
	struct str endpoint; /* empty: the location's */
};

enum { LIMIT_HEADERS_X = 1, LIMIT_HEADERS_IETF = 2, LIMIT_HEADERS_BOTH = 3 };
enum { LIMIT_OPEN, LIMIT_CLOSED };

struct limit_bound;

/* In every scope. */
struct limit_scope {
	struct limit_use *uses;
	int headers, fallback;
	uint64_t zone_size;            /* main */
	bool wanted;                   /* main: something is limited */
	uint64_t zone_sizes;           /* main: of limit_req_zone and limit_conn_zone together */
	struct limit_policy *policies; /* main; the one being read comes first */
	struct limit_bound *bound;     /* a location's, in a worker: made when first needed */
};

extern struct conf_module limit_module;
extern struct conf_module limit_req_module, limit_conn_module;
struct limit_scope *limit_main(struct conf *c);
struct limit_policy *limit_find_policy(struct conf *c, struct str name); /* NULL: none */
/* "60r/m": 0 or ERR_BAD. */
int limit_parse_rate(struct str s, uint64_t *count, int64_t *period);
void limit_policy_register(void);

/* ---- the store: limit_store.c ---- */

/* NULL: unusable (after a log line now and then). */
struct limit_store *limit_store(void);
struct conf *limit_conf(void); /* of this worker */
/* What LIMIT_NO_ROOM and an unusable store mean here: true, go on; counted. */
bool limit_fall_back(const struct limit_scope *scope);

/* ---- what a request is known by: limit_client.c ---- */

/* The bytes that name the client in this respect; n == 0: it has none, and the limit does not apply. room: of at least LIMIT_NAME_ROOM. */
#define LIMIT_NAME_ROOM 32
struct str limit_identify(
    struct http_request *r, enum limit_by by, uint64_t ipv6_prefix, unsigned char *room);
/* The same from the text of a key's last part ("192.0.2.1", "user:u1", …). n == 0: not of this kind. */
struct str limit_identify_text(
    struct str text, enum limit_by by, uint64_t ipv6_prefix, unsigned char *room);
/* "ratelimit:<endpoint>:<identifier>", in the request's arena. */
struct str limit_key_text(
    struct http_request *r, struct str endpoint, enum limit_by by, uint64_t ipv6_prefix);
/* Whether the policy does not hold for this client. */
bool limit_is_bypassed(struct http_request *r, const struct limit_policy *p);
/* The last part of "ratelimit:<endpoint>:…" of a location. */
struct str limit_endpoint(const struct http_location *l);
/* ADMIN_API_KEYS, for bypasses. */
void limit_read_admin_keys(void);

/* ---- a location's limits, as a worker keeps them: limit_check.c ---- */

enum limit_outcome {
	LIMIT_HIT_ALLOWED,
	LIMIT_HIT_LIMITED,
	LIMIT_HIT_PENALTY,
	LIMIT_HIT_BYPASSED,
	LIMIT_HIT_FALLBACK,
	LIMIT_OUTCOMES
};

struct limit_rule {
	const struct limit_policy *policy;
	const struct limit_line *line;
	struct str endpoint;
	uint64_t prefix; /* of its cells' hashes */
	struct series *hits[LIMIT_OUTCOMES];
};

struct limit_bound {
	struct str endpoint;
	unsigned n, n_early; /* rules; the early ones first */
	unsigned checks;     /* for taking samples of their duration */
	struct series *duration;
	struct limit_rule rules[];
};

/* The hash prefix of a line's cells at an endpoint. */
uint64_t limit_prefix(const struct limit_store *s, const struct limit_policy *p,
    const struct limit_line *line, struct str endpoint);

/* What a request was told, one a rule that applied. */
struct limit_shown {
	const struct limit_rule *rule;
	struct limit_result result;
};

/* With the request, in its arena. */
struct limit_request {
	unsigned n, n_entries;
	bool bypassed, told;                  /* told: headers were put */
	const char *req_status, *conn_status; /* $limit_req_status, $limit_conn_status */
	struct limit_entry *entries;          /* limit_conn */
	struct limit_shown *shown;
};

/* Of this request, made when first asked for; NULL without memory. */
struct limit_request *limit_request(struct http_request *r);
/* The same if it was; else NULL. */
struct limit_request *limit_request_had(const struct http_request *r);
void limit_context_register(void);
int limit_phase_early(struct http_request *r);
int limit_phase_late(struct http_request *r);

/* ---- limit_reply.c ---- */

/* The headers of all that was shown so far. */
void limit_put_headers(struct http_request *r, const struct limit_scope *scope);
/* 429, or what the fallback says. Returns 1. Parks. */
int limit_refuse(struct http_request *r, int64_t wait);
int limit_refuse_unusable(struct http_request *r);
/* Retry-After: rounded up to seconds, at least 1. */
void limit_put_retry_after(struct http_request *r, int64_t wait);

/* ---- limit_load.c ---- */

/* Starts measuring. */
void limit_load_start(void);
/* How loaded this process is, in 65536ths: 0 at ease, 65536 overloaded. */
uint32_t limit_load(void);
/* Pure: from the loop's delay (ns) and the connections with a request in flight of those allowed. */
uint32_t limit_load_of(int64_t delay, uint64_t active, uint64_t most);
/* What is in force of a policy's limits at this load, in 65536ths. */
uint32_t limit_scale(const struct limit_policy *p, uint32_t load);

/* ---- limit_metrics.c ---- */

void limit_metrics_register(void);
/* Writes the member "hits" (limit_admin.h). */
void limit_metrics_write_hits(struct json_writer *w);
void limit_observe(struct limit_bound *b, int64_t ns);
void limit_count_hit(struct limit_rule *rule, enum limit_outcome outcome);
void limit_count_fallback(int fallback);
/* The same for limit_req and limit_conn: each use of a zone keeps the series of the location that asked last. */
struct limit_zone_hits {
	const struct http_location *of;
	struct series *series[LIMIT_OUTCOMES];
};
void limit_count_zone(struct limit_zone_hits *h, const struct http_request *r, const char *kind,
    struct str zone, enum limit_outcome outcome);

/* ---- nginx's: limit_zone.c, limit_req.c, limit_conn.c ---- */

#define LIMIT_ZONE_USES_MAX 16 /* in one scope */

struct limit_zone {
	struct limit_zone *next;
	const struct conf_node *node;
	struct str name;
	struct http_text key;
	uint64_t count; /* limit_req: a period */
	int64_t period;
	uint64_t prefix; /* of its cells' hashes; 0: not made yet */
};

/* `limit_req` or `limit_conn` in a scope; scopes inside share it. The first member of either's own struct. */
struct limit_zone_use {
	struct limit_zone_use *next, *in_all;
	const struct conf_node *node;
	struct str name;
	struct limit_zone *zone; /* by limit_zone_finish */
	struct limit_zone_hits hits;
};

/* In every scope of either module. */
struct limit_zone_scope {
	struct limit_zone_use *uses;
	uint64_t status;
	bool dry_run;
	int log_level;
	struct limit_zone *zones;   /* main */
	struct limit_zone_use *all; /* main: zones may stand behind their uses */
};

extern const struct conf_word limit_log_levels[];
extern const struct conf_bounds limit_statuses;

/* These return 0, or an error after conf_error(). */
/* "zone=NAME:SIZE", noted in the main scope. */
int limit_zone_name(struct conf *c, const struct conf_node *node, unsigned arg, struct str *name);
/* z: its name (and rate) set. */
int limit_zone_add(struct conf *c, const struct conf_node *node, struct limit_zone_scope *main,
    struct limit_zone *z);
/* use: its name (and numbers) set. */
int limit_zone_use(struct conf *c, const struct conf_node *node, const struct conf_scope *scope,
    struct limit_zone_scope *into, struct limit_zone_scope *main, struct limit_zone_use *use);
int limit_zone_finish(struct conf *c, struct limit_zone_scope *main);
/* Of a key's cell. kind tells those of one module from the other's. */
uint64_t limit_zone_hash(
    const struct limit_store *s, uint64_t kind, struct limit_zone *zone, struct str key);

void limit_req_register(void);
void limit_conn_register(void);
int limit_req_phase(struct http_request *r);
int limit_conn_phase(struct http_request *r);

#endif
