/*
 * Socket addresses as text and back. Pure: nothing here asks a resolver or the kernel. Called by the
 * configuration (listen, upstream servers), by dial and by whatever prints a peer.
 */
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static const struct str unix_prefix = STR_INIT("unix:");

static int
parse_port(struct str s, uint16_t *port)
{
	uint64_t v;

	if (s.n > 5 || str_to_u64(s, &v) != 0 || v == 0 || v > UINT16_MAX)
		return ERR_BAD;
	*port = (uint16_t)v;
	return 0;
}

static int
parse_unix(struct str path, struct addr *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->u.storage;

	if (path.n == 0 || !str_copyz(un->sun_path, sizeof(un->sun_path), path))
		return ERR_BAD;
	un->sun_family = AF_UNIX;
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
	return 0;
}

static void
set_v4(struct addr *out, struct in_addr ip, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&out->u.storage;

	in->sin_family = AF_INET;
	in->sin_addr = ip;
	in->sin_port = htons(port);
	out->len = sizeof(*in);
}

int
addr_parse_ip(struct str host, uint16_t port, struct addr *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->u.storage;
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

	memset(out, 0, sizeof(*out));
	if (bracketed)
		host = str_sub(host, 1, host.n - 2);
	if (!str_copyz(text, sizeof(text), host))
		return ERR_BAD;
	if (!bracketed && inet_pton(AF_INET, text, &v4) == 1) {
		set_v4(out, v4, port);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		return ERR_BAD;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	out->len = sizeof(*in6);
	return 0;
}

static bool
all_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return s.n > 0;
}

int
addr_parse(struct str s, uint16_t default_port, struct addr *out)
{
	struct in_addr any = { .s_addr = htonl(INADDR_ANY) };
	struct str host;
	uint16_t port = default_port;

	memset(out, 0, sizeof(*out));
	if (str_starts(s, unix_prefix))
		return parse_unix(str_from(s, unix_prefix.n), out);
	if (all_digits(s)) {
		if (parse_port(s, &port) != 0)
			return ERR_BAD;
		set_v4(out, any, port);
		return 0;
	}
	if (addr_split(s, &host, &port) != 0 || port == 0)
		return ERR_BAD;
	if (str_is(host, "*")) {
		set_v4(out, any, port);
		return 0;
	}
	/* Brackets are for v6 alone. */
	if (s.p[0] == '[' && str_find(host, ':') < 0)
		return ERR_BAD;
	return addr_parse_ip(host, port, out);
}

static int
split_bracketed(struct str s, struct str *host, uint16_t *port)
{
	ptrdiff_t end = str_find(s, ']');
	struct str rest;

	if (end <= 1)
		return ERR_BAD;
	*host = str_sub(s, 1, (size_t)end - 1);
	rest = str_from(s, (size_t)end + 1);
	if (rest.n == 0)
		return 0;
	return rest.p[0] == ':' ? parse_port(str_from(rest, 1), port) : ERR_BAD;
}

int
addr_split(struct str s, struct str *host, uint16_t *port)
{
	ptrdiff_t colon = str_find(s, ':');

	if (s.n == 0)
		return ERR_BAD;
	*host = s;
	if (str_starts(s, unix_prefix))
		return s.n > unix_prefix.n ? 0 : ERR_BAD;
	if (s.p[0] == '[')
		return split_bracketed(s, host, port);
	/* More than one colon: a v6 address without brackets, which leaves no room for a port. */
	if (colon < 0 || str_rfind(s, ':') != colon)
		return 0;
	*host = str_sub(s, 0, (size_t)colon);
	if (host->n == 0)
		return ERR_BAD;
	return parse_port(str_from(s, (size_t)colon + 1), port);
}

static void
unix_text(const struct addr *a, bool with_path, char out[ADDR_TEXT_MAX])
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->u.storage;
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t n = a->len > head ? a->len - head : 0;

	/* An unbound peer has no path; the kernel's need not end in a zero byte. */
	if (!with_path)
		n = 0;
	snprintf(out, ADDR_TEXT_MAX, "unix:%.*s", (int)n, un->sun_path);
}

static char *
put_decimal(char *to, unsigned v)
{
	char digits[8];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*to++ = digits[--n];
	return to;
}

/* By hand: the address of every request is written. */
static void
v4_text(const struct sockaddr_in *in, bool with_port, char *to)
{
	const uint8_t *ip = (const uint8_t *)&in->sin_addr;

	for (unsigned i = 0; i < 4; i++) {
		if (i)
			*to++ = '.';
		to = put_decimal(to, ip[i]);
	}
	if (with_port) {
		*to++ = ':';
		to = put_decimal(to, ntohs(in->sin_port));
	}
	*to = 0;
}

void
addr_text(const struct addr *a, bool with_port, char out[ADDR_TEXT_MAX])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->u.storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->u.storage;
	char ip[INET6_ADDRSTRLEN];

	switch (a->u.sa.sa_family) {
	case AF_INET:
		v4_text(in, with_port, out);
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(out, ADDR_TEXT_MAX, with_port ? "[%s]:%u" : "%s", ip, addr_port(a));
		break;
	case AF_UNIX:
		unix_text(a, with_port, out);
		break;
	default:
		snprintf(out, ADDR_TEXT_MAX, "-");
	}
}

static bool
unix_eq(const struct addr *a, const struct addr *b)
{
	const struct sockaddr_un *x = (const struct sockaddr_un *)&a->u.storage;
	const struct sockaddr_un *y = (const struct sockaddr_un *)&b->u.storage;
	size_t head = offsetof(struct sockaddr_un, sun_path);

	return a->len == b->len &&
	       (a->len <= head || memcmp(x->sun_path, y->sun_path, a->len - head) == 0);
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->u.storage;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)&b->u.storage;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->u.storage;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->u.storage;

	if (a->u.sa.sa_family != b->u.sa.sa_family)
		return false;
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	case AF_INET6:
		return a6->sin6_port == b6->sin6_port && a6->sin6_scope_id == b6->sin6_scope_id &&
		       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
	case AF_UNIX:
		return unix_eq(a, b);
	default:
		return false;
	}
}

void
addr_set_port(struct addr *a, uint16_t port)
{
	if (a->u.sa.sa_family == AF_INET)
		((struct sockaddr_in *)&a->u.storage)->sin_port = htons(port);
	else if (a->u.sa.sa_family == AF_INET6)
		((struct sockaddr_in6 *)&a->u.storage)->sin6_port = htons(port);
}

uint16_t
addr_port(const struct addr *a)
{
	if (a->u.sa.sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->u.storage)->sin_port);
	if (a->u.sa.sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->u.storage)->sin6_port);
	return 0;
}
