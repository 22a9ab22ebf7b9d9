/*
 * `stream NAME { … }`: one durable stream as configured; read by ingest (workers) and ship
 * (shipper).
 */
#ifndef SLUICE_SINK_STREAM_H
#define SLUICE_SINK_STREAM_H

#include "conf/conf.h"
#include "sink/order.h"
#include "sink/sink.h"

enum stream_mode { STREAM_BUNDLE, STREAM_OBJECT, STREAM_MESSAGE };
enum stream_validate { VALIDATE_NONE, VALIDATE_JSON };

#define STREAM_NAME_MAX 64

struct stream_retry {
	uint64_t max; /* UINT64_MAX: unlimited */
	int64_t initial, max_interval;
	double multiplier;
	bool jitter;
};

struct stream_conf {
	struct stream_conf *next;
	struct str name; /* [a-z0-9_-]{1,64}, none of the server's own words */
	unsigned
	    index; /* of its row in the zone (zone_stream_claim); before that order of appearance */
	const char *dir; /* state_dir/name; filled in by the server, which knows state_dir */
	struct sink_conf *sink;
	int mode, validate;
	struct expr *match; /* NULL: of `validate match`, what a body must hold */
	bool sync, verify;
	int gzip_level; /* 0: auto */
	uint64_t bundle_size, spool_size, min_free;
	int64_t bundle_interval, deliver_timeout;
	uint64_t concurrency;
	struct stream_retry retry;
	uint64_t breaker_failures;
	int64_t breaker_open;
	/* mode message only */
	struct order_by order_by;
	int64_t max_age;
	uint64_t max_messages, delivery_log;
	/* private: where it stands in the configuration, for messages */
	const struct conf_node *node, *sink_node;
};

extern struct conf_module stream_module;
/* Registers store and stream; http must have been. */
void stream_conf_register(void);
struct stream_conf *stream_first(struct conf *c);
struct stream_conf *stream_find(struct conf *c, struct str name);

#endif
