/*
 * `sink smtp URL from=… to=… subject=… …;`: one mail a record. See sink.h for the calls.
 */
#ifndef SLUICE_SINK_SMTP_H
#define SLUICE_SINK_SMTP_H

#include "sink/sink.h"

extern const struct sink_ops smtp_ops;

#endif
