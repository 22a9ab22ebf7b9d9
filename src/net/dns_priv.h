/*
 * What the files of the name service share.
 */
#ifndef SLUICE_NET_DNS_PRIV_H
#define SLUICE_NET_DNS_PRIV_H

#include "base/clock.h"
#include "net/dns.h"

struct dns_result {
	int n; /* addresses, or ERR_DNS … */
	struct addr addrs[DNS_MAX_ADDRS];
	uint32_t ttl; /* seconds */
};

struct dns_servers {
	struct addr *addrs;
	unsigned n;
	unsigned good; /* index of the one that answered last */
	bool ipv6;
};

/* ---- dns_client.c ---- */
/* Asks the servers in turn until one knows or the deadline has passed. out is on the heap. ERR_NOMEM sets out->n too. Parks. */
void dns_ask(struct dns_servers *s, struct str host, struct dns_result *out, int64_t deadline);

#endif
