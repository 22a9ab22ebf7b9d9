/*
 * Names to addresses: by our own small DNS client over UDP (TCP on truncation) where nginx's `resolver` is configured, else by the system's getaddrinfo
 * on a helper thread. Literal addresses, "localhost" and /etc/hosts are answered without asking. Answers are cached for their TTL (`valid=` overrides; the system's: 10 s), failures for
 * 1 s. A then AAAA. However many tasks ask for a name at once, it is looked up once, by a task of its own, which nobody's cancel or deadline cuts short.
 */
#ifndef SLUICE_NET_DNS_H
#define SLUICE_NET_DNS_H

#include <sys/types.h>

#include "net/addr.h"

#define DNS_MAX_ADDRS 8

struct dns_resolver; /* one configured set of servers */

/* servers: literal addresses (port 0: 53), copied. valid_ns 0: the TTL. timeout_ns 0: 30 s, for a lookup with all its retries. Freed by
 * dns_resolver_free, when nobody is in dns_resolve with it; lookups under way are cancelled. NULL: no memory. */
struct dns_resolver *dns_resolver_new(
    const struct addr *servers, unsigned n, int64_t valid_ns, int64_t timeout_ns, bool ipv6);
void dns_resolver_free(struct dns_resolver *r);
/* r NULL: the system's. Number of addresses (>= 1, ports set to port) or ERR_DNS, ERR_TIMEOUT (of deadline), ERR_CANCELLED, ERR_BUSY (too many lookups
 * under way). Parks, but for literal addresses. */
int dns_resolve(struct dns_resolver *r, struct str host, uint16_t port,
    struct addr out[DNS_MAX_ADDRS], int64_t deadline);

#define DNS_A 1
#define DNS_AAAA 28

/* The wire format (RFC 1035), pure. Length of the query, or ERR_BAD for a name that cannot be asked for. */
ssize_t dns_encode_query(uint16_t id, struct str host, uint16_t qtype, unsigned char out[512]);
/* Takes an answer apart: number of addresses, ERR_BAD (malformed, or not the answer to this question), ERR_NOT_FOUND (NXDOMAIN, no data), ERR_AGAIN (truncated),
 * ERR_DNS (the server failed or refuses). Follows CNAMEs within the message. *ttl: the smallest on the way, in seconds. Ports are 0. */
int dns_decode_answer(const unsigned char *p, size_t n, uint16_t id, struct str host,
    uint16_t qtype, struct addr out[DNS_MAX_ADDRS], uint32_t *ttl);
/* Looks host up in a text of the form of /etc/hosts: number of addresses, v4 first, or ERR_NOT_FOUND. */
int dns_find_in_hosts(struct str text, struct str host, struct addr out[DNS_MAX_ADDRS]);

#endif
