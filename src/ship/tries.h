/*
 * How often a bundle or object was tried that may be tried only so often (`retry max=N`): uploading/<name>.tries beside its file, so that a restart
 * does not forget.
 *
 *	<attempts> <first UTC ns> <last UTC ns> <status> <what the last one was told>
 *
 * One line, replaced as a whole before the next attempt. It is no part of the durability protocol: one that is lost, or damaged, lets its bundle be
 * tried more often, no more. A scan removes one whose file is gone.
 */
#ifndef SLUICE_SHIP_TRIES_H
#define SLUICE_SHIP_TRIES_H

#include "sink/sink.h"

#define TRIES_SUFFIX ".tries"

struct tries {
	unsigned n;
	int64_t first, last; /* UTC ns */
	int status;
	char why[240];
};

/* One attempt at time now failed so. Attempts that are held do not come here. */
void tries_add(struct tries *t, const struct sink_result *r, int64_t now);

/* Both block. Missing or damaged: none was made. 0 or ERR_IO. */
int tries_read(const char *path, struct tries *out);
int tries_write(const char *path, const struct tries *t);

#endif
