/*
 * `sink http URL;`: a service that takes each record as the request it came in.
 */
#ifndef SLUICE_SINK_HTTP_H
#define SLUICE_SINK_HTTP_H

#include "sink/sink.h"

extern const struct sink_ops http_ops;

#endif
