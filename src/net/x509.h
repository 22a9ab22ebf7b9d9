/*
 * The little of X.509 that BearSSL's validator leaves out: IP addresses in a certificate's subject alternative name (RFC 5280, 4.2.1.6).
 * Pure. Called by tls_verify.c on certificates whose chain has been validated already; fuzzed on anything.
 */
#ifndef SLUICE_NET_X509_H
#define SLUICE_NET_X509_H

#include "base/base.h"

/* A run of DER elements still to be read. */
struct der {
	const unsigned char *p;
	size_t n;
};

/* Takes the next element off in: its tag byte and contents. 0, ERR_EOF (none left) or ERR_BAD: truncated, an indefinite or not minimal
 * length, a tag of several bytes. */
int der_next(struct der *in, unsigned *tag, struct der *value);

/* True if the certificate (DER) is good for this address: ip_len 4 or 16 bytes, network order. A malformed one is good for none. */
bool x509_has_ip(const unsigned char *cert, size_t n, const unsigned char *ip, size_t ip_len);

#endif
