/*
 * `store NAME { … }`: an S3-compatible store, its configuration and its two requests. Used by
 * sink/s3.c.
 */
#ifndef SLUICE_S3_STORE_H
#define SLUICE_S3_STORE_H

#include "base/hash.h"
#include "conf/conf.h"

/* One configured store: endpoint, region, credentials, TLS anchors, clock skew, connections. */
struct store;

extern struct conf_module store_module;
void store_conf_register(void);
/* By name, after conf_apply; NULL: unknown. */
struct store *store_find(struct conf *c, struct str name);
struct str store_name(const struct store *s);
/* At configuration time, for a store that something uses: are its credentials there? 0, or an
 * error after conf_error(). Blocks. */
int store_check(struct conf *c, struct store *s);

/* In the process that will use it (after fork), where it may block: credentials, TLS anchors.
 * Counted: each success wants its store_close. 0 or an error with why filled. */
int store_open(struct store *s, char *why, size_t cap);
/* No request may be under way at the last one, which wipes the credentials. */
void store_close(struct store *s);

struct store_answer {
	int err;   /* 0: an answer came (see status); else message says what happened */
	bool sent; /* with err: something may have reached the store, the outcome is unknown */
	int status;
	char code[64];     /* S3's error code, "" if none: "PreconditionFailed", "SlowDown", … */
	char message[160]; /* the store's own words, or of the failed exchange */
	char region[40];   /* the bucket's region, where a redirection names it */
	char bundle[40];   /* x-amz-meta-bundle, "" if none (HEAD) */
	uint64_t length;   /* HEAD: Content-Length */
	int64_t retry_after; /* ns; 0: none said */
	int64_t date;        /* the store's Date, wall clock ns; 0: none */
	char request_id[64];
};

struct store_object {
	struct str bucket, key;
	int fd; /* the body: length bytes from offset; -1: body, length bytes of memory */
	uint64_t offset, length;
	const void *body;
	struct str content_type;
	struct str content_encoding;      /* empty: none */
	struct str bundle;                /* x-amz-meta-bundle */
	struct str uri;                   /* x-amz-meta-uri, already encoded; empty: none */
	struct str uri_rest;              /* x-amz-meta-uri-rest; empty: none */
	unsigned char sha256[SHA256_LEN]; /* of the body */
};
/*
 * Both park; the answer is always filled. Refusals that say nothing about the object are tried
 * once more: for clock skew, which is corrected from the store's Date, and for an expired token
 * or changed key, when the credentials file has others by now.
 */
void store_put(struct store *s, const struct store_object *o, bool if_none_match, int64_t deadline,
    struct store_answer *a);
void store_head(
    struct store *s, struct str bucket, struct str key, int64_t deadline, struct store_answer *a);

#endif
