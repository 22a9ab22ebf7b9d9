/*
 * See generation.h.
 */
#include "server/generation.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/bind.h"
#include "server/process.h"
#include "server/state.h"
#include "sink/stream.h"

static void
log_lines(enum log_level level, char *messages)
{
	struct str rest = str_of(messages);

	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');

		if (line.n > 0)
			log_event(level, "conf", "message", LOG_STR("text", line), LOG_END);
	}
	free(messages);
}

/* What a reload cannot change: the folder is locked, and slots were made at the start. */
static bool
can_follow(struct conf *old, struct conf *next, unsigned most_workers)
{
	const struct core_conf *a = core_of(old), *b = core_of(next);

	if (!str_eq(a->state_dir, b->state_dir)) {
		log_event(
		    LOG_ERROR, "master", "state_dir cannot change without a restart", LOG_END);
		return false;
	}
	if (b->workers <= most_workers)
		return true;
	log_event(LOG_ERROR, "master", "so many workers need a restart",
	    LOG_I("worker_processes", b->workers), LOG_I("most", most_workers), LOG_END);
	return false;
}

struct conf *
generation_load(
    const struct generation_source *from, const struct generation *old, unsigned most_workers)
{
	char *messages;
	struct conf *c = core_load(from->conf_path, from->globals, from->port, &messages);

	if (c != NULL) {
		free(messages);
		conf_warn_restart(c, old->conf);
		messages = strdup(conf_messages(c).p ? conf_messages(c).p : "");
	}
	log_lines(c ? LOG_WARN : LOG_ERROR, messages);
	if (c != NULL && can_follow(old->conf, c, most_workers))
		return c;
	conf_free(c);
	return NULL;
}

static void
claim_streams(struct generation *gen, struct zone *zone)
{
	for (struct stream_conf *s = stream_first(gen->conf); s != NULL; s = s->next)
		s->index = zone_stream_claim(zone, s->name, gen->number);
}

struct generation *
generation_new(struct conf *c, const struct generation *old, struct zone *zone)
{
	struct generation *gen = calloc(1, sizeof(*gen));

	if (gen == NULL)
		goto fail;
	gen->number = old ? old->number + 1 : 1;
	gen->started = old ? old->started : clock_wall();
	gen->conf = c;
	gen->listens = http_listens(c);
	if (bind_generation(gen, old, (unsigned)core_of(c)->workers) != 0)
		goto fail;
	if (state_prepare(c) == 0 && process_open_logs(c) == 0) {
		claim_streams(gen, zone);
		return gen;
	}
	bind_release(gen, old);
fail:
	free(gen);
	conf_free(c);
	return NULL;
}

void
generation_free(struct generation *gen)
{
	conf_free(gen->conf);
	free(gen);
}
