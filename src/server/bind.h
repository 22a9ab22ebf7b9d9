/*
 * Listening sockets of a generation: bound by the master, kept over reloads where the address stays.
 */
#ifndef SLUICE_SERVER_BIND_H
#define SLUICE_SERVER_BIND_H

#include "server/generation.h"

/* Fills gen->fds for its listens, taking over descriptors of old (NULL: none) with the same address. One a worker with reuseport. 0, or an error after a log line
 * naming the address. */
int bind_generation(struct generation *gen, const struct generation *old, unsigned workers);
/* Closes the descriptors of old that next did not take over (next NULL: all), and removes unix sockets' files with them. */
void bind_release(struct generation *old, const struct generation *next);
/* In a child: closes its copies of the descriptors, so that an address is closed once the master says so. */
void bind_forget(const struct generation *gen);
/* The same in a worker, for those that only another worker or the shipper serves: a socket that nobody accepts from still gets its share of
 * connections. */
void bind_forget_others(const struct generation *gen, unsigned index);
/* The same in the shipper, for those that workers serve. */
void bind_forget_workers(const struct generation *gen);

#endif
