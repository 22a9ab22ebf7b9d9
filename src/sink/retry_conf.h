/*
 * The rows `retry` and `breaker` of a stream, read. Called by stream.c.
 */
#ifndef SLUICE_SINK_RETRY_CONF_H
#define SLUICE_SINK_RETRY_CONF_H

#include "sink/stream.h"

/* What the line says, into *r; *has_max becomes true where it says max. 0, or ERR_CONFIG after conf_error(). */
int retry_parse(
    struct conf *c, const struct conf_node *node, struct stream_retry *r, bool *has_max);
int breaker_parse(struct conf *c, const struct conf_node *node, uint64_t *failures, int64_t *open);

#endif
