/*
 * See retry_conf.h.
 */
#include "sink/retry_conf.h"

static int
bad_argument(struct conf *c, const struct conf_node *node, unsigned i, const char *allowed)
{
	conf_error(c, node, "invalid argument \"%.*s\" of \"%.*s\", allowed: %s",
	    STR_ARG(node->args[i]), STR_ARG(node->name), allowed);
	return ERR_CONFIG;
}

/* A time of at least a millisecond. */
static bool
parse_wait(struct str s, int64_t *out)
{
	return conf_parse_time(s, out) == 0 && *out >= NS_PER_MS;
}

/* "2", "1.5": at least 1, at most 100, three digits behind the point count. */
static bool
parse_factor(struct str s, double *out)
{
	struct str whole = str_split(&s, '.');
	uint64_t units, part = 0, scale = 1;

	if (str_to_u64(whole, &units) || units < 1 || units > 100)
		return false;
	if (s.p && (s.n > 3 || str_to_u64(s, &part)))
		return false;
	for (size_t i = 0; i < s.n; i++)
		scale *= 10;
	*out = (double)units + (double)part / (double)scale;
	return true;
}

static bool
parse_retry(const struct conf_node *node, unsigned i, struct stream_retry *r)
{
	struct str v;

	if (conf_arg_kv(node, i, "max", &v)) {
		r->max = UINT64_MAX;
		return str_is(v, "unlimited") || str_to_u64(v, &r->max) == 0;
	}
	if (conf_arg_kv(node, i, "initial", &v))
		return parse_wait(v, &r->initial);
	if (conf_arg_kv(node, i, "max_interval", &v))
		return parse_wait(v, &r->max_interval);
	if (conf_arg_kv(node, i, "multiplier", &v))
		return parse_factor(v, &r->multiplier);
	if (conf_arg_kv(node, i, "jitter", &v)) {
		r->jitter = str_is(v, "on");
		return r->jitter || str_is(v, "off");
	}
	return false;
}

int
retry_parse(struct conf *c, const struct conf_node *node, struct stream_retry *r, bool *has_max)
{
	struct str max;

	for (unsigned i = 0; i < node->n_args; i++) {
		if (!parse_retry(node, i, r))
			return bad_argument(c, node, i,
			    "max=N or max=unlimited, initial=TIME, max_interval=TIME, "
			    "multiplier=1 to 100, jitter=on or jitter=off");
		*has_max = *has_max || conf_arg_kv(node, i, "max", &max);
	}
	if (r->max_interval < r->initial)
		r->max_interval = r->initial;
	return 0;
}

int
breaker_parse(struct conf *c, const struct conf_node *node, uint64_t *failures, int64_t *open)
{
	for (unsigned i = 0; i < node->n_args; i++) {
		struct str v;
		bool good = false;

		if (conf_arg_kv(node, i, "failures", &v))
			good = str_to_u64(v, failures) == 0 && *failures > 0;
		else if (conf_arg_kv(node, i, "open", &v))
			good = parse_wait(v, open);
		if (!good)
			return bad_argument(c, node, i, "failures=1 or more, open=TIME");
	}
	return 0;
}
