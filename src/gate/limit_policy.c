/*
 * limit_policy and the rows of its block: rates, penalties, who need not keep to them.
 */
#include <limits.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gate/limit_priv.h"

#define LINES_MAX 16
#define DEFAULT_COUNT 100
#define DEFAULT_WINDOW 60

static int set_policy(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_rate(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_penalty(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_bypass(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_tokens(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_adaptive(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_prefix(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);

static const struct {
	const char *directive, *label;
} by_words[LIMIT_BYS] = {
	[LIMIT_BY_IP] = { "per_ip", "per-ip" },
	[LIMIT_BY_USER] = { "per_user", "per-user" },
	[LIMIT_BY_KEY] = { "per_key", "per-key" },
	[LIMIT_BY_ALL] = { "global", "global" },
};

#define RATE_ROW(directive, what)                                                           \
	{                                                                                   \
		.name = (directive), .contexts = CONF_POLICY, .min_args = 1, .max_args = 2, \
		.flags = CONF_REPEAT | CONF_RELOAD, .set = set_rate,                        \
		.unit = "N r/s|m|h|d|default [burst=N|Nx] [window=sliding]", .help = (what) \
	}

static const struct conf_row rows[] = {
	{ .name = "limit_policy",
	    .contexts = CONF_HTTP,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_BLOCK | CONF_REPEAT | CONF_RELOAD,
	    .set = set_policy,
	    .unit = "NAME",
	    .help = "rates for `limit`; one without any has the default per_ip: "
		    "RATE_LIMIT_DEFAULT_LIMIT (100) requests in RATE_LIMIT_WINDOW_SECONDS (60) of "
		    "the environment" },
	RATE_ROW("per_ip",
	    "what one address may send: N at once, given back at this rate; burst: so "
	    "many at once; window=sliding: N in any such stretch of time"),
	RATE_ROW("per_user", "the same for a user, as `auth` finds it"),
	RATE_ROW("per_key", "the same for a valid API key, whatever `auth` says"),
	RATE_ROW("global", "the same for all together"),
	{ .name = "penalty",
	    .contexts = CONF_POLICY,
	    .min_args = 2,
	    .max_args = 2,
	    .flags = CONF_RELOAD,
	    .set = set_penalty,
	    .unit = "after=N for=time",
	    .help = "after N refusals without a rest (until nothing of the limit is used) all is "
		    "refused for that time" },
	{ .name = "bypass",
	    .contexts = CONF_POLICY,
	    .min_args = 1,
	    .max_args = UINT_MAX,
	    .flags = CONF_REPEAT | CONF_RELOAD,
	    .set = set_bypass,
	    .unit = "network …",
	    .help =
		"addresses that the policy does not hold for; API keys of the roles service and "
		"admin, and those in ADMIN_API_KEYS of the environment, never need one" },
	{ .name = "bypass_tokens",
	    .contexts = CONF_POLICY,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = set_tokens,
	    .unit = "file",
	    .help = "a keys file (sluicectl keys): whoever sends one of these is not limited" },
	{ .name = "adaptive",
	    .contexts = CONF_POLICY,
	    .min_args = 1,
	    .max_args = 2,
	    .flags = CONF_RELOAD,
	    .set = set_adaptive,
	    .unit = "on|off [min=0.2]",
	    .help = "tightens all rates under load (requests in flight against worker_connections, "
		    "delay of the event loop), down to this share of them" },
	{ .name = "ipv6_prefix",
	    .contexts = CONF_POLICY,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = set_prefix,
	    .unit = "1..128",
	    .help = "IPv6 clients are told apart by so many bits; 64 if absent" },
	{ .name = NULL },
};

static struct conf_module module = { .name = "limit_policy", .rows = rows };

/* ---- values ---- */

int
limit_parse_rate(struct str s, uint64_t *count, int64_t *period)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	ptrdiff_t slash = str_find(s, '/');

	if (slash < 2 || s.n != (size_t)slash + 2 || s.p[slash - 1] != 'r' ||
	    str_to_u64(str_sub(s, 0, (size_t)slash - 1), count) != 0 || *count == 0)
		return ERR_BAD;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (s.p[slash + 1] == units[i].letter) {
			*period = units[i].seconds * NS_PER_S;
			return *count <= (uint64_t)*period ? 0 : ERR_BAD;
		}
	return ERR_BAD;
}

/* A number with at most three decimals, in thousandths. */
static int
parse_thousandths(struct str s, uint64_t *out)
{
	struct str rest = s, whole = str_split(&rest, '.');
	uint64_t fraction = 0;

	if (str_to_u64(whole, out) != 0 || *out > 1000000)
		return ERR_BAD;
	*out *= 1000;
	if (!rest.p)
		return 0;
	if (rest.n == 0 || rest.n > 3 || str_to_u64(rest, &fraction) != 0)
		return ERR_BAD;
	for (size_t i = rest.n; i < 3; i++)
		fraction *= 10;
	*out += fraction;
	return 0;
}

static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
			(s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_' || s.p[i] == '-'))
			return false;
	return s.n > 0 && s.n <= LIMIT_NAME_MAX;
}

/* A number of the environment, at least 1. */
static int
environment(struct conf *c, const struct conf_node *node, const char *name, uint64_t absent,
    uint64_t most, uint64_t *out)
{
	const char *text = getenv(name);

	*out = absent;
	if (!text || !*text)
		return 0;
	if (str_to_u64(str_of(text), out) == 0 && *out >= 1 && *out <= most)
		return 0;
	conf_error(c, node, "%s=%s in the environment: 1 to %llu is allowed", name, text,
	    (unsigned long long)most);
	return ERR_CONFIG;
}

static int
default_rate(struct conf *c, const struct conf_node *node, uint64_t *count, int64_t *period)
{
	uint64_t seconds;

	if (environment(c, node, "RATE_LIMIT_DEFAULT_LIMIT", DEFAULT_COUNT, 1000000, count) != 0 ||
	    environment(c, node, "RATE_LIMIT_WINDOW_SECONDS", DEFAULT_WINDOW, 604800, &seconds) !=
		0)
		return ERR_CONFIG;
	*period = (int64_t)seconds * NS_PER_S;
	return 0;
}

/* ---- a policy's lines ---- */

/* burst=20, or burst=1.5x: so many times the count. */
static int
parse_burst(struct str value, uint64_t count, uint64_t *burst)
{
	uint64_t times;

	if (str_ends(value, STR("x"))) {
		value.n--;
		if (parse_thousandths(value, &times) != 0 || count > UINT64_MAX / 1000000000)
			return ERR_BAD;
		*burst = MAX(count * times / 1000, 1);
		return 0;
	}
	return str_to_u64(value, burst) == 0 && *burst > 0 ? 0 : ERR_BAD;
}

static struct limit_line *
add_line(struct conf *c, struct limit_policy *p, enum limit_by by)
{
	struct limit_line *line = arena_alloc(conf_arena(c), sizeof(*line));
	unsigned same = 1;

	if (!line)
		return NULL;
	for (const struct limit_line *l = p->lines; l; l = l->next)
		same += l->by == by;
	line->by = by;
	line->label = same == 1 ? by_words[by].label
				: arena_printf(conf_arena(c), "%s-%u", by_words[by].label, same);
	*p->end = line;
	p->end = &line->next;
	p->n_lines++;
	return line->label ? line : NULL;
}

/* From count, period and burst to what is reckoned with. */
static int
finish_line(struct conf *c, const struct conf_node *node, struct limit_line *line, uint64_t burst)
{
	struct limit_rate *rate = &line->rate;
	int err = rate->sliding ? window_init(&rate->window, line->count, line->period)
				: gcra_init(&rate->gcra, line->count, line->period, burst);

	if (err == 0)
		return 0;
	conf_error(c, node,
	    "the rate is out of range: at most one a nanosecond, with "
	    "window=sliding at most %lld in at most 7 days",
	    (long long)WINDOW_COUNT_MAX);
	return ERR_CONFIG;
}

static int
set_option(struct conf *c, const struct conf_node *node, struct limit_line *line, uint64_t *burst)
{
	struct str value;

	if (node->n_args == 1)
		return 0;
	if (conf_arg_kv(node, 1, "burst", &value) && parse_burst(value, line->count, burst) == 0)
		return 0;
	if (conf_arg_kv(node, 1, "window", &value) && str_is(value, "sliding")) {
		line->rate.sliding = true;
		return 0;
	}
	conf_error(c, node,
	    "invalid parameter \"%.*s\": burst=N (from 1), burst=Nx (times the rate), or "
	    "window=sliding is allowed",
	    STR_ARG(node->args[1]));
	return ERR_CONFIG;
}

static int
set_rate(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_policy *p = limit_main(c)->policies;
	struct limit_line *line;
	enum limit_by by = LIMIT_BY_IP;
	uint64_t burst;
	int err = 0;

	(void)into;
	(void)scope;
	while (!str_is(node->name, by_words[by].directive))
		by++;
	if (p->n_lines == LINES_MAX) {
		conf_error(c, node, "more than %d rates in one policy", LINES_MAX);
		return ERR_CONFIG;
	}
	line = add_line(c, p, by);
	if (!line)
		return ERR_NOMEM;
	if (str_is(node->args[0], "default"))
		err = default_rate(c, node, &line->count, &line->period);
	else if (limit_parse_rate(node->args[0], &line->count, &line->period) != 0)
		conf_error(c, node,
		    "invalid rate \"%.*s\": a whole number r/s, r/m, r/h or r/d is allowed, as in "
		    "60r/m, or default",
		    STR_ARG(node->args[0]));
	if (err != 0 || line->count == 0 || line->period == 0)
		return ERR_CONFIG;
	burst = line->count;
	if (set_option(c, node, line, &burst) != 0)
		return ERR_CONFIG;
	return finish_line(c, node, line, burst);
}

static int
set_penalty(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_policy *p = limit_main(c)->policies;
	struct str after, for_;

	(void)into;
	(void)scope;
	if (conf_arg_kv(node, 0, "after", &after) && conf_arg_kv(node, 1, "for", &for_) &&
	    str_to_u64(after, &p->after) == 0 && p->after >= 1 && p->after <= 60000 &&
	    conf_parse_time(for_, &p->for_ns) == 0 && p->for_ns >= NS_PER_S &&
	    p->for_ns <= 366 * 86400 * NS_PER_S)
		return 0;
	conf_error(c, node,
	    "penalty takes after=N (1 to 60000) and for=time (1s to a year), as in "
	    "\"penalty after=10 for=10m\"");
	return ERR_CONFIG;
}

static int
set_bypass(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_policy *p = limit_main(c)->policies;
	struct cidr net;

	(void)into;
	(void)scope;
	for (unsigned i = 0; i < node->n_args; i++) {
		if (cidr_parse(node->args[i], &net) != 0) {
			conf_error(c, node,
			    "\"%.*s\" is no network: an address such as 192.0.2.1 or a network "
			    "such "
			    "as 192.0.2.0/24, 2001:db8::/32, or unix: is allowed",
			    STR_ARG(node->args[i]));
			return ERR_CONFIG;
		}
		if (net.host_bits)
			conf_warn(c, node, "bits behind the prefix of \"%.*s\" are left out",
			    STR_ARG(node->args[i]));
		if (cidr_add(&p->bypass, conf_arena(c), &net, 1) != 0)
			return ERR_NOMEM;
	}
	p->has_bypass = true;
	return 0;
}

static void
free_tokens(void *arg)
{
	keys_free(arg);
}

static int
set_tokens(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_policy *p = limit_main(c)->policies;
	struct buf errors;
	int err;

	(void)into;
	(void)scope;
	buf_init(&errors, 0);
	err = keys_load(node->args[0].p, &p->tokens, &errors);
	if (err != 0)
		conf_error(c, node, "bypass_tokens: %s", buf_cstr(&errors));
	buf_fini(&errors);
	return err != 0 ? ERR_CONFIG : conf_on_free(c, free_tokens, p->tokens);
}

static int
set_adaptive(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_policy *p = limit_main(c)->policies;
	uint64_t least = 200;
	struct str value;

	(void)into;
	(void)scope;
	p->adaptive = str_is(node->args[0], "on");
	if ((!p->adaptive && !str_is(node->args[0], "off")) ||
	    (node->n_args == 2 &&
		(!conf_arg_kv(node, 1, "min", &value) || parse_thousandths(value, &least) != 0 ||
		    least == 0 || least > 1000))) {
		conf_error(c, node,
		    "adaptive takes on or off, and min=0.001 to min=1, as in "
		    "\"adaptive on min=0.2\"");
		return ERR_CONFIG;
	}
	p->least = (uint32_t)(least * 65536 / 1000);
	return 0;
}

static int
set_prefix(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_policy *p = limit_main(c)->policies;

	(void)into;
	(void)scope;
	if (str_to_u64(node->args[0], &p->ipv6_prefix) == 0 && p->ipv6_prefix >= 1 &&
	    p->ipv6_prefix <= 128)
		return 0;
	conf_error(
	    c, node, "invalid ipv6_prefix \"%.*s\": 1 to 128 is allowed", STR_ARG(node->args[0]));
	return ERR_CONFIG;
}

/* ---- policies ---- */

struct limit_policy *
limit_find_policy(struct conf *c, struct str name)
{
	for (struct limit_policy *p = limit_main(c)->policies; p; p = p->next)
		if (str_eq(p->name, name))
			return p;
	return NULL;
}

static int
check_policy_name(struct conf *c, const struct conf_node *node)
{
	const struct limit_policy *other = limit_find_policy(c, node->args[0]);

	if (!is_name(node->args[0]) || str_is(node->args[0], "off"))
		conf_error(c, node,
		    "invalid name of a policy \"%.*s\": 1 to %d letters, digits, _ and - are "
		    "allowed, "
		    "but not off",
		    STR_ARG(node->args[0]), LIMIT_NAME_MAX);
	else if (other)
		conf_error(c, node, "duplicate limit_policy \"%.*s\", first at line %u",
		    STR_ARG(node->args[0]), other->node->line);
	else
		return 0;
	return ERR_CONFIG;
}

static int
set_policy(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_policy *p = arena_alloc(conf_arena(c), sizeof(*p));
	int err;

	(void)into;
	if (!p)
		return ERR_NOMEM;
	if (check_policy_name(c, node) != 0)
		return ERR_CONFIG;
	p->node = node;
	p->name = node->args[0];
	p->end = &p->lines;
	p->ipv6_prefix = 64;
	p->least = 65536;
	p->next = limit_main(c)->policies;
	limit_main(c)->policies = p;
	err = conf_apply_block(c, node, scope, CONF_POLICY, NULL);
	if (err == 0 && !p->lines) {
		struct limit_line *line = add_line(c, p, LIMIT_BY_IP);

		if (!line)
			return ERR_NOMEM;
		err = default_rate(c, node, &line->count, &line->period);
		if (err == 0)
			err = finish_line(c, node, line, line->count);
	}
	for (struct limit_line *line = p->lines; line; line = line->next) {
		line->rate.after = (uint16_t)p->after;
		line->rate.for_ns = p->for_ns;
	}
	return err == 0 ? cidr_finish(&p->bypass, conf_arena(c), CIDR_FIRST) : err;
}

void
limit_policy_register(void)
{
	conf_register(&module);
}
