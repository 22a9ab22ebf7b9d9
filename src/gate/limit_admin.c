/*
 * See limit_admin.h.
 */
#include "gate/limit_admin.h"

#include <stdlib.h>

#include "base/log.h"
#include "gate/limit_priv.h"
#include "task/task.h"

#define KEY_PREFIX "ratelimit:"

const char *
limit_admin_state(void)
{
	if (limit_store() != NULL)
		return "ok";
	return limit_conf() != NULL && limit_main(limit_conf())->wanted ? "unusable" : "off";
}

/* ---- list ---- */

static void
put_store(struct json_writer *w, const struct limit_store *s)
{
	struct limit_usage u = { 0 };

	if (s)
		limit_store_usage(s, &u);
	json_open(w, "store", '{');
	json_put_cstr(w, "state", limit_admin_state());
	json_put_u64(w, "bytes", u.size);
	json_put_u64(w, "cells", u.narrow);
	json_put_u64(w, "used", u.narrow_used);
	json_put_u64(w, "wide_cells", u.wide);
	json_put_u64(w, "wide_used", u.wide_used);
	json_put_u64(w, "evicted", u.evicted);
	json_put_u64(w, "full", u.full);
	json_put_u64(w, "resets", u.resets);
	json_close(w);
}

static void
put_line(struct json_writer *w, const struct limit_line *line)
{
	const struct limit_rate *rate = &line->rate;

	json_open(w, NULL, '{');
	json_put_cstr(w, "policy", line->label);
	json_put_i64(w, "limit", rate->sliding ? rate->window.count : rate->gcra.capacity);
	json_put_u64(w, "count", line->count);
	json_put_seconds(w, "period", line->period);
	json_put_cstr(w, "window", rate->sliding ? "sliding" : "bucket");
	json_close(w);
}

static void
put_policy(struct json_writer *w, const struct limit_policy *p)
{
	uint32_t scale = limit_scale(p, p->adaptive ? limit_load() : 0);

	json_open(w, NULL, '{');
	json_put_str(w, "name", p->name);
	json_open(w, "limits", '[');
	for (const struct limit_line *line = p->lines; line; line = line->next)
		put_line(w, line);
	json_close(w);
	if (p->after) {
		json_open(w, "penalty", '{');
		json_put_u64(w, "after", p->after);
		json_put_seconds(w, "for", p->for_ns);
		json_close(w);
	} else {
		json_put_null(w, "penalty");
	}
	json_put_bool(w, "adaptive", p->adaptive);
	json_put_u64(w, "scale_percent", ((uint64_t)scale * 100 + 32768) / 65536);
	json_close(w);
}

static void
put_talker(struct json_writer *w, const struct talker *t, int64_t now)
{
	struct str key = str_of(t->text);

	json_open(w, NULL, '{');
	json_put_str(w, "key", key);
	json_put_cstr(w, "policy", t->text + MIN(key.n + 1, (size_t)TALKERS_TEXT));
	json_put_u64(w, "recent", t->score);
	json_put_u64(w, "requests", t->requests);
	json_put_u64(w, "limited", t->limited);
	json_put_u64(w, "limit", t->limit);
	json_put_u64(w, "remaining", t->remaining);
	json_put_seconds(w, "retry_after", MAX(t->until - now, 0));
	json_put_time(w, "seen", clock_wall() - (now - t->seen));
	json_close(w);
}

int
limit_admin_list(struct json_writer *w, unsigned top)
{
	struct limit_store *s = limit_store();
	struct talker *talkers;
	unsigned n = 0;

	top = MIN(top, LIMIT_ADMIN_TOP_MAX);
	talkers = malloc((top + 1) * sizeof(*talkers));
	if (!talkers)
		return ERR_NOMEM;
	if (s)
		n = talkers_top(s->talkers, s->slots, talkers, top);
	json_open(w, NULL, '{');
	put_store(w, s);
	json_open(w, "policies", '[');
	for (const struct limit_policy *p = limit_main(limit_conf())->policies; p; p = p->next)
		put_policy(w, p);
	json_close(w);
	limit_metrics_write_hits(w);
	json_open(w, "top", '[');
	for (unsigned i = 0; i < n; i++)
		put_talker(w, &talkers[i], limit_now(s));
	json_close(w);
	json_close(w);
	free(talkers);
	return 0;
}

unsigned
limit_admin_top(struct talker *out, unsigned max)
{
	struct limit_store *s = limit_store();

	return s ? talkers_top(s->talkers, s->slots, out, max) : 0;
}

/* ---- reset ---- */

/* Forgets a client under every line of every policy that it can stand for at this endpoint. */
static bool
forget(struct limit_store *s, struct str endpoint, struct str identifier)
{
	bool known = false;

	for (const struct limit_policy *p = limit_main(limit_conf())->policies; p; p = p->next)
		for (const struct limit_line *line = p->lines; line; line = line->next) {
			unsigned char room[LIMIT_NAME_ROOM];
			struct str id =
			    limit_identify_text(identifier, line->by, p->ipv6_prefix, room);

			if (id.n > 0)
				known |= limit_forget(
				    s, limit_hash(s, limit_prefix(s, p, line, endpoint), id));
		}
	return known;
}

/* An endpoint may hold a colon, so every one may be where it ends. */
static bool
forget_key(struct limit_store *s, struct str rest)
{
	bool known = false;

	for (size_t i = 1; i < rest.n; i++)
		if (rest.p[i] == ':')
			known |= forget(s, str_sub(rest, 0, i), str_from(rest, i + 1));
	return known;
}

/* How many of those in the list it is about. */
static unsigned
count_known(const struct limit_store *s, struct str pattern)
{
	struct talker *talkers = malloc((LIMIT_ADMIN_TOP_MAX + 1) * sizeof(*talkers));
	unsigned n, known = 0;

	if (!talkers)
		return 0;
	n = talkers_top(s->talkers, s->slots, talkers, LIMIT_ADMIN_TOP_MAX);
	for (unsigned i = 0; i < n; i++)
		known += resets_match(pattern, str_of(talkers[i].text));
	free(talkers);
	return known;
}

int
limit_admin_reset(struct str pattern, struct str operator, unsigned * known)
{
	struct limit_store *s = limit_store();
	int err = 0;

	*known = 0;
	if (!str_starts(pattern, STR(KEY_PREFIX)))
		return ERR_BAD;
	if (pattern.n >= RESETS_PATTERN_MAX)
		return ERR_TOO_LARGE;
	if (!s)
		return ERR_BUSY;
	if (str_find(pattern, '*') < 0) {
		*known = forget_key(s, str_from(pattern, sizeof(KEY_PREFIX) - 1));
	} else {
		*known = count_known(s, pattern);
		err = resets_add(s->resets, pattern);
	}
	log_event(LOG_INFO, "limit", "rate limits reset", LOG_STR("pattern", pattern),
	    LOG_STR("operator", operator), LOG_I("known", *known), LOG_END);
	return err;
}
