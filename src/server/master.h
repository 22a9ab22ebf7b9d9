/*
 * The master: binds, forks, restarts, reloads, stops. It never touches a client, runs no helper threads and no loop: it waits for signals.
 */
#ifndef SLUICE_SERVER_MASTER_H
#define SLUICE_SERVER_MASTER_H

#include "server/process.h"

struct master_options {
	const char *conf_path, *globals;
	unsigned port;
};

/* Runs the server under this configuration until a signal stops it. Takes c. The exit status. */
int master_run(struct conf *c, const struct master_options *opt);

#endif
