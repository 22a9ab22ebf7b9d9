/*
 * Socket addresses: IPv4, IPv6, unix. Texts as nginx writes them: "127.0.0.1:80", "[::1]:443", "*:80", "80", "unix:/path".
 */
#ifndef SLUICE_NET_ADDR_H
#define SLUICE_NET_ADDR_H

#include <sys/socket.h>

#include "base/base.h"

struct addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_storage storage;
	} u;
};

#define ADDR_TEXT_MAX 128

/* A literal address, never a name. default_port for texts without one; 0: a port is required. 0 or ERR_BAD. */
int addr_parse(struct str s, uint16_t default_port, struct addr *out);
/* A bare IP address, "127.0.0.1", "::1" or "[::1]". 0 or ERR_BAD. */
int addr_parse_ip(struct str host, uint16_t port, struct addr *out);
/* Splits "host", "host:port", "[v6]", "[v6]:port", "v6", "unix:path" without resolving; host loses its brackets. *port stays when absent. 0 or
 * ERR_BAD. */
int addr_split(struct str s, struct str *host, uint16_t *port);
/* "127.0.0.1:80"; with_port false: the host part alone, v6 without brackets, "unix:" for unix. */
void addr_text(const struct addr *a, bool with_port, char out[ADDR_TEXT_MAX]);
bool addr_eq(const struct addr *a, const struct addr *b);
void addr_set_port(struct addr *a, uint16_t port);
uint16_t addr_port(const struct addr *a);

#endif
