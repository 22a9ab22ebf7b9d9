/*
 * Inside s3/: what a store is made of. store.c fills the settings, open.c the rest, request.c
 * and call.c use it.
 */
#ifndef SLUICE_S3_STORE_PRIV_H
#define SLUICE_S3_STORE_PRIV_H

#include "http/client.h"
#include "s3/creds.h"
#include "s3/store.h"

enum store_style { STORE_STYLE_AUTO, STORE_STYLE_PATH, STORE_STYLE_HOST };

/* What the block's directives set. */
struct store_settings {
	struct str endpoint, region;
	const char *ca_file; /* NULL: the system's anchors */
	int style;
	int64_t timeout;
	struct creds_source source;
};

/* Where requests go: one, or with host style one a bucket. */
struct store_origin {
	struct store_origin *next;
	char *host;  /* to connect to */
	char *field; /* value of Host: with the port, unless it is the scheme's own */
	struct http_client *client;
};

struct store {
	struct store *next;
	struct str name;
	const struct conf_node *node;
	const struct conf_scope *scope; /* of its block: has the resolver */
	struct store_settings set;
	struct http_url url;

	/* from store_open on */
	unsigned users;
	struct tls_client *tls;
	struct store_origin *origins;
	struct creds creds;
	unsigned creds_gen; /* how often they were replaced */
	int64_t skew;       /* the store's clock less ours, ns */
};

/* True if the bucket goes into the path, not into the host name. */
bool store_path_style(const struct store *s, struct str bucket);
/* The one for this bucket, made on first use; NULL without memory. */
struct store_origin *store_origin_for(struct store *s, struct str bucket);
/* The credentials of generation gen were refused: reads the file again. True if there are others
 * now. Parks. */
bool store_renew_creds(struct store *s, unsigned gen);

/* One exchange, signed; o NULL: HEAD. Fills the answer. Parks. */
struct request {
	struct str method, bucket, key;
	const struct store_object *o;
	bool if_none_match;
	int64_t deadline;
	unsigned creds_gen; /* out: of the credentials it was signed with */
	int64_t signed_at;  /* out: by the store's clock as we knew it */
};
void request_run(struct store *s, struct request *r, struct store_answer *a);

#endif
