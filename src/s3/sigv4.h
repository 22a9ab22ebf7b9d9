/*
 * AWS Signature Version 4, header form (docs: "Signature Version 4 signing process"). Pure.
 */
#ifndef SLUICE_S3_SIGV4_H
#define SLUICE_S3_SIGV4_H

#include "base/buf.h"
#include "base/hash.h"

struct sigv4_request {
	struct str method;
	struct str path;  /* as it goes on the wire: already percent-encoded, '/' kept */
	struct str query; /* raw "a=b&c=d", encoded; need not be sorted */
	/* all that are to be signed, Host and x-amz-* among them; any order and case */
	const struct sigv4_header {
		struct str name, value;
	} * headers;
	unsigned n_headers;      /* at most 32 */
	struct str payload_hash; /* 64 hex digits or UNSIGNED-PAYLOAD */
};

struct sigv4_keys {
	struct str id, secret,
	    token; /* token empty: none (add x-amz-security-token to the headers yourself) */
	struct str region, service;
};

/* Value of the Authorization header into out. amz_date: as in x-amz-date. 0 or an error. */
int sigv4_sign(const struct sigv4_request *r, const struct sigv4_keys *k, const char *amz_date,
    struct buf *out);
/* The canonical request, for tests and for the log when a store says SignatureDoesNotMatch. */
int sigv4_canonical(const struct sigv4_request *r, struct buf *out);

#endif
