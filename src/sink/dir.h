/*
 * `sink dir PATH;`: a folder as destination, the default that needs no server. Objects are files
 * whose paths are their keys.
 */
#ifndef SLUICE_SINK_DIR_H
#define SLUICE_SINK_DIR_H

#include "sink/sink.h"

extern const struct sink_ops dir_ops;

#endif
