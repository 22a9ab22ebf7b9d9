/*
 * `sink s3 STORE bucket=B [prefix=P];`: a bucket of an S3-compatible store as destination.
 */
#ifndef SLUICE_SINK_S3_H
#define SLUICE_SINK_S3_H

#include "s3/store.h"
#include "sink/sink.h"

extern const struct sink_ops s3_ops;

#endif
