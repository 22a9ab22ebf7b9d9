/*
 * Inside the s3 sink: its line of the configuration (s3_conf.c), the probe (s3_probe.c), what an
 * answer means (s3_outcome.c, pure), and the file to be sent (s3_body.c, blocking steps on
 * helpers). The delivery itself is s3.c.
 */
#ifndef SLUICE_SINK_S3_PRIV_H
#define SLUICE_SINK_S3_PRIV_H

#include "s3/store.h"
#include "sink/sink.h"

/* The `sink` line. */
struct s3_conf {
	struct str store_name, bucket;
	struct store *store; /* from s3_check on */
};

struct s3_sink {
	struct sink sink;
	struct s3_conf *conf;
	struct str prefix;
	/* whether the store honours conditions: asked by one task, the others wait */
	bool probed, probing;
	struct waitq probe_over;
};

/* For s3_ops; contracts in sink.h. */
int s3_parse(struct conf *c, const struct conf_node *node, struct sink_conf *out);
int s3_check(struct conf *c, const struct conf_node *node, const struct sink_conf *conf);
int s3_probe(struct sink *sink, int64_t deadline, char *why, size_t cap);

/* ---- what an answer means */

enum s3_verdict {
	S3_DONE,    /* 200: stored, or (HEAD) there */
	S3_EXISTS,  /* 412: the key is taken, by whom is to be asked */
	S3_MISSING, /* HEAD: 404 */
	S3_AGAIN,   /* unknown or busy: the same again */
	S3_HELD,    /* refused: the same again fails until somebody changes something */
};
/* Class of an answer, and a text for log and health. */
enum s3_verdict s3_judge(const struct store_answer *a, bool head, char *why, size_t cap);

/* ---- the file */

struct s3_body {
	const char *path; /* borrowed */
	uint64_t offset, length;
	const unsigned char *known; /* its SHA-256, if known already */
	int fd;                     /* -1: not open */
	unsigned char sha256[SHA256_LEN];
};
/* Opens the file and fills sha256, reading it in slices on helpers. Parks. 0, ERR_TIMEOUT,
 * ERR_CANCELLED, or an error with why. */
int s3_body_open(struct s3_body *b, int64_t deadline, char *why, size_t cap);
void s3_body_close(struct s3_body *b);

#endif
