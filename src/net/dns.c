/*
 * Names to addresses, remembered for a while. A resolver is a small table of entries, one a host; who finds no fresh one starts a
 * lookup task and parks on the entry with everybody else who wants to know. The task outlives their deadlines, so its
 * answer is there for the next one. Called by dial; the wire is in dns_client.c and dns_wire.c.
 */
#include "net/dns.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "net/dns_priv.h"
#include "task/task.h"

#define DNS_PORT 53
#define ENTRIES 64
#define HOST_MAX 255
#define SYSTEM_VALID (10 * NS_PER_S)
#define FAILURE_VALID NS_PER_S
#define DEFAULT_TIMEOUT (30 * NS_PER_S)
#define HOSTS_FILE "/etc/hosts"
#define HOSTS_MAX (1024 * 1024)

/* An address without the room that a sockaddr_storage takes. */
struct ip {
	unsigned char family; /* AF_INET or AF_INET6 */
	unsigned char bytes[16];
};

struct entry {
	struct dns_resolver *resolver;
	char host[HOST_MAX + 1]; /* "": free */
	bool busy;               /* a lookup is under way, by: */
	struct task_handle task;
	unsigned waiting; /* tasks parked on done */
	unsigned serial;  /* of the last lookup that ended */
	struct waitq done;
	int64_t expires, used;
	int n; /* addresses, or an error */
	struct ip ips[DNS_MAX_ADDRS];
};

struct dns_resolver {
	struct dns_servers servers; /* n 0: the system's */
	int64_t valid, timeout;
	unsigned lookups; /* under way */
	bool freed;       /* the last of them frees it */
	struct entry entries[ENTRIES];
};

/* A lookup's own state: helpers work on it while the task is parked. */
struct lookup {
	char host[HOST_MAX + 1];
	struct dns_result result;
};

static struct dns_resolver *the_system;

/* ---- what helpers do ---- */

static void
add_of_family(const struct addrinfo *list, int family, struct dns_result *out)
{
	for (const struct addrinfo *i = list; i != NULL && out->n < DNS_MAX_ADDRS; i = i->ai_next) {
		struct addr *a = &out->addrs[out->n];

		if (i->ai_family != family || i->ai_addrlen > sizeof(a->u.storage))
			continue;
		memset(a, 0, sizeof(*a));
		memcpy(&a->u.storage, i->ai_addr, i->ai_addrlen);
		a->len = i->ai_addrlen;
		out->n++;
	}
}

static int
ask_system(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;

	l->result.n = 0;
	if (getaddrinfo(l->host, NULL, &hints, &list) == 0) {
		add_of_family(list, AF_INET, &l->result);
		add_of_family(list, AF_INET6, &l->result);
		freeaddrinfo(list);
	}
	if (l->result.n == 0)
		l->result.n = ERR_DNS;
	return 0;
}

static int
read_hosts(void *arg)
{
	struct lookup *l = arg;
	char *text;
	size_t n;

	l->result.n = ERR_NOT_FOUND;
	l->result.ttl = 0;
	if (file_read_all(HOSTS_FILE, HOSTS_MAX, &text, &n) != 0)
		return 0;
	l->result.n = dns_find_in_hosts(str_make(text, n), str_of(l->host), l->result.addrs);
	free(text);
	return 0;
}

/* ---- the lookup task ---- */

static void
look_up(struct dns_resolver *r, struct lookup *l)
{
	int rc;

	if (r->servers.n == 0) {
		rc = offload(OFFLOAD_DNS, ask_system, l);
	} else {
		rc = offload(OFFLOAD_DNS, read_hosts, l);
		if (rc == 0 && l->result.n < 0)
			dns_ask(
			    &r->servers, str_of(l->host), &l->result, clock_mono() + r->timeout);
	}
	if (rc != 0)
		l->result.n = rc;
}

static void
keep_ip(struct ip *ip, const struct addr *a)
{
	ip->family = (unsigned char)a->u.sa.sa_family;
	if (ip->family == AF_INET)
		memcpy(ip->bytes, &((const struct sockaddr_in *)&a->u.storage)->sin_addr, 4);
	else
		memcpy(ip->bytes, &((const struct sockaddr_in6 *)&a->u.storage)->sin6_addr, 16);
}

static void
make_addr(const struct ip *ip, uint16_t port, struct addr *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->u.storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->u.storage;

	memset(a, 0, sizeof(*a));
	if (ip->family == AF_INET) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, ip->bytes, 4);
		a->len = sizeof(*in);
	} else {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, ip->bytes, 16);
		a->len = sizeof(*in6);
	}
	addr_set_port(a, port);
}

static void
settle(struct entry *e, const struct dns_result *result)
{
	struct dns_resolver *r = e->resolver;
	int64_t valid = FAILURE_VALID;

	e->n = result->n;
	for (int i = 0; i < e->n; i++)
		keep_ip(&e->ips[i], &result->addrs[i]);
	if (e->n > 0)
		valid = r->valid > 0 ? r->valid : (int64_t)result->ttl * NS_PER_S;
	e->expires = clock_mono() + valid;
	e->busy = false;
	e->serial++;
	waitq_wake_all(&e->done);
}

static void
free_resolver(struct dns_resolver *r)
{
	free(r->servers.addrs);
	free(r);
}

static void
lookup_task(void *arg)
{
	struct entry *e = arg;
	struct dns_resolver *r = e->resolver;
	struct lookup *l = malloc(sizeof(*l));
	struct dns_result failure = { .n = ERR_NOMEM };

	if (l != NULL) {
		memcpy(l->host, e->host, sizeof(l->host));
		look_up(r, l);
	}
	settle(e, l != NULL ? &l->result : &failure);
	free(l);
	if (--r->lookups == 0 && r->freed)
		free_resolver(r);
}

/* ---- the table ---- */

static struct entry *
find(struct dns_resolver *r, struct str host)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		if (str_ieq(str_of(r->entries[i].host), host))
			return &r->entries[i];
	}
	return NULL;
}

/* The entry that was not asked for longest, now this host's; NULL if all are in use. */
static struct entry *
take(struct dns_resolver *r, struct str host)
{
	struct entry *oldest = NULL;

	for (unsigned i = 0; i < ENTRIES; i++) {
		struct entry *e = &r->entries[i];

		if (!e->busy && e->waiting == 0 && (oldest == NULL || e->used < oldest->used))
			oldest = e;
	}
	if (oldest == NULL)
		return NULL;
	(void)str_copyz(oldest->host, sizeof(oldest->host), host);
	oldest->expires = 0;
	return oldest;
}

static int
start_lookup(struct entry *e)
{
	int r = task_go("dns", lookup_task, e, &e->task);

	if (r != 0)
		return r;
	e->busy = true;
	e->resolver->lookups++;
	return 0;
}

/* Parks until the lookup under way has ended. */
static int
await(struct entry *e, int64_t deadline)
{
	unsigned serial = e->serial;
	int r = 0;

	e->waiting++;
	while (r == 0 && e->serial == serial)
		r = waitq_park(&e->done, deadline);
	e->waiting--;
	return r;
}

/* What the entry holds, for the caller. */
static int
answer(const struct entry *e, uint16_t port, struct addr out[DNS_MAX_ADDRS])
{
	for (int i = 0; i < e->n; i++)
		make_addr(&e->ips[i], port, &out[i]);
	return e->n == 0 ? ERR_DNS : e->n;
}

static int
resolve(struct dns_resolver *r, struct str host, uint16_t port, struct addr out[DNS_MAX_ADDRS],
    int64_t deadline)
{
	struct entry *e = find(r, host);
	int rc = 0;

	if (e == NULL)
		e = take(r, host);
	if (e == NULL)
		return ERR_BUSY;
	e->used = clock_mono();
	if (!e->busy && e->expires > e->used)
		return answer(e, port, out);
	if (!e->busy)
		rc = start_lookup(e);
	if (rc == 0)
		rc = await(e, deadline);
	return rc == 0 ? answer(e, port, out) : rc;
}

/* ---- resolvers ---- */

struct dns_resolver *
dns_resolver_new(
    const struct addr *servers, unsigned n, int64_t valid_ns, int64_t timeout_ns, bool ipv6)
{
	struct dns_resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->servers.addrs = calloc(n > 0 ? n : 1, sizeof(*servers));
	if (r->servers.addrs == NULL) {
		free(r);
		return NULL;
	}
	for (unsigned i = 0; i < n; i++) {
		r->servers.addrs[i] = servers[i];
		if (addr_port(&servers[i]) == 0)
			addr_set_port(&r->servers.addrs[i], DNS_PORT);
	}
	r->servers.n = n;
	r->servers.ipv6 = ipv6;
	r->valid = valid_ns;
	r->timeout = timeout_ns > 0 ? timeout_ns : DEFAULT_TIMEOUT;
	for (unsigned i = 0; i < ENTRIES; i++) {
		r->entries[i].resolver = r;
		waitq_init(&r->entries[i].done);
	}
	return r;
}

void
dns_resolver_free(struct dns_resolver *r)
{
	if (r == NULL)
		return;
	r->freed = true;
	for (unsigned i = 0; i < ENTRIES; i++) {
		if (r->entries[i].busy)
			task_cancel(r->entries[i].task);
	}
	if (r->lookups == 0)
		free_resolver(r);
}

static struct dns_resolver *
system_resolver(void)
{
	if (the_system == NULL)
		the_system = dns_resolver_new(NULL, 0, SYSTEM_VALID, 0, true);
	return the_system;
}

/* "localhost" and all below it are this machine (RFC 6761, 6.3). */
static bool
is_localhost(struct str host)
{
	struct str tail = STR("localhost");

	if (str_ieq(host, tail))
		return true;
	return host.n > tail.n && host.p[host.n - tail.n - 1] == '.' &&
	       str_ieq(str_from(host, host.n - tail.n), tail);
}

int
dns_resolve(struct dns_resolver *r, struct str host, uint16_t port, struct addr out[DNS_MAX_ADDRS],
    int64_t deadline)
{
	if (addr_parse_ip(host, port, &out[0]) == 0)
		return 1;
	if (str_ends(host, STR(".")))
		host.n--;
	if (is_localhost(host)) {
		(void)addr_parse_ip(STR("127.0.0.1"), port, &out[0]);
		(void)addr_parse_ip(STR("::1"), port, &out[1]);
		return 2;
	}
	if (host.n == 0 || host.n > HOST_MAX || memchr(host.p, '\0', host.n) != NULL)
		return ERR_DNS;
	if (r == NULL)
		r = system_resolver();
	return r != NULL ? resolve(r, host, port, out, deadline) : ERR_NOMEM;
}
