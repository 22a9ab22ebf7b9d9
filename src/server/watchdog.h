/*
 * The janitor's look at the others: who is alive and yet does not beat is named in the log,
 * once, and once more when it goes on. It is not killed: what it is waiting for (a disk, a
 * debugger) another one would wait for, too.
 */
#ifndef SLUICE_SERVER_WATCHDOG_H
#define SLUICE_SERVER_WATCHDOG_H

#include "zone/zone.h"

/* In the janitor, in slot self: adds the job. Without memory there is none. */
void watchdog_start(struct zone *zone, unsigned self);

#endif
