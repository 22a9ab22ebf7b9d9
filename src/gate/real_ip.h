/*
 * The real address step: behind proxies that are trusted (set_real_ip_from), the client's address is
 * what they say in a header (real_ip_header). It runs as soon as a request is routed, before all
 * that goes by addresses: limits, allow and deny, variables, logs. The rules are nginx's: the list in
 * the header is read from its end; with real_ip_recursive, over all addresses that are trusted
 * themselves; at what is no address reading ends, and what was found so far counts.
 */
#ifndef SLUICE_GATE_REAL_IP_H
#define SLUICE_GATE_REAL_IP_H

#include "net/cidr.h"

/* Registers the rows and the step. */
void real_ip_register(void);

/* The core, pure: one header's text, from its end. *addr: who sent it, trusted; replaced by what is
 * found. True: all of it was trusted, and an earlier header of the same name may be read on. */
bool real_ip_read(
    struct str list, const struct cidr_table *trusted, bool recursive, struct addr *addr);

#endif
