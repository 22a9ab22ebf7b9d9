/*
 * PEM texts (RFC 7468): certificates and keys out of files. Called at configuration time by tls_server.c and tls_client.c.
 */
#ifndef SLUICE_NET_PEM_H
#define SLUICE_NET_PEM_H

#include "base/base.h"

/* Called for each block with its label ("CERTIFICATE") and its bytes, which last until it returns. Not 0 stops. */
typedef int pem_each_fn(void *arg, const char *label, const unsigned char *der, size_t n);

/* Goes through the blocks of text; anything outside of them is passed over. 0, what each returned, ERR_BAD (malformed or cut off) or
 * ERR_NOMEM. What was decoded is wiped. */
int pem_each(struct str text, pem_each_fn *each, void *arg);

#endif
