/*
 * A generation: one configuration in force, with what was bound for it. The master makes one at the start and one a reload; the children it
 * forks meanwhile share it.
 */
#ifndef SLUICE_SERVER_GENERATION_H
#define SLUICE_SERVER_GENERATION_H

#include "http/conf.h"
#include "server/core.h"
#include "zone/zone.h"

struct generation {
	uint32_t number; /* from 1 */
	int64_t started; /* UTC ns: when the server was */
	struct conf *conf;
	struct http_listen *listens;
	unsigned n_fds;
	struct bound {
		struct http_listen *listen;
		int fd, index; /* index: of the only worker that serves it; -1: all do */
		bool shipper;  /* served by the shipper, and by no worker */
	} * fds;
};

/* Where a configuration comes from: the command line. */
struct generation_source {
	const char *conf_path, *globals;
	unsigned port;
};

/* Reads a configuration that may follow old's: its state folder, and no more than most_workers
 * of them. NULL after log lines that say why not; warnings are logged, too. */
struct conf *generation_load(
    const struct generation_source *from, const struct generation *old, unsigned most_workers);
/* Binds what c listens on (taking over what old holds, NULL: nothing) prepares its folders and
 * claims its streams' rows in the zone. Takes c; NULL after log lines: c is freed, and all is as
 * before. */
struct generation *generation_new(struct conf *c, const struct generation *old, struct zone *zone);
/* What it listened on was released (server/bind.h). */
void generation_free(struct generation *gen);

#endif
