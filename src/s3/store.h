/*
 * `store NAME { … }`: an S3-compatible store, its configuration and its two requests. Used by sink/s3.c.
 */
#ifndef SLUICE_S3_STORE_H
#define SLUICE_S3_STORE_H

#include "conf/conf.h"
#include "http/client.h"

struct
    store; /* one configured store: endpoint, region, credentials, TLS anchors, clock skew, connections */

extern struct conf_module store_module;
void store_conf_register(void);
/* By name, after conf_apply; NULL: unknown. */
struct store *store_find(struct conf *c, struct str name);
struct str store_name(const struct store *s);
/* In the process that will use it (after fork): TLS anchors, credentials, client. 0 or an error with why filled. */
int store_open(struct store *s, char *why, size_t cap);
void store_close(struct store *s);

struct store_answer {
	int err; /* 0: an answer came (see status); else the outcome is unknown if sent */
	bool sent;
	int status;
	char code[64]; /* S3's error code, "" if none: "PreconditionFailed", "SlowDown", … */
	char message[160];
	char bundle[40];     /* x-amz-meta-bundle, "" if none (HEAD) */
	uint64_t length;     /* HEAD: Content-Length */
	int64_t retry_after; /* ns; 0: none said */
	char request_id[64];
};

struct store_object {
	struct str bucket, key;
	int fd; /* the body: length bytes from offset */
	uint64_t offset, length;
	struct str content_type;
	struct str content_encoding; /* empty: none */
	struct str bundle;           /* x-amz-meta-bundle */
	struct str uri;              /* x-amz-meta-uri, already encoded; empty: none */
	unsigned char sha256[32];    /* of the body */
};
/* Both park; the answer is always filled. A refused signature for clock skew corrects the skew from the store's Date and is tried once more. */
int store_put(struct store *s, const struct store_object *o, bool if_none_match, int64_t deadline,
    struct store_answer *a);
int store_head(
    struct store *s, struct str bucket, struct str key, int64_t deadline, struct store_answer *a);

#endif
