/*
 * The master: binds, forks, restarts, reloads, stops. It never touches a client, runs no helper threads and no loop: it waits for signals.
 */
#ifndef SLUICE_SERVER_MASTER_H
#define SLUICE_SERVER_MASTER_H

#include "server/process.h"

/* Runs the server under this configuration until a signal stops it; a reload reads it again from there. Takes c. The exit status. */
int master_run(struct conf *c, const struct generation_source *from);

#endif
