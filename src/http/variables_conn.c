/*
 * The variables of where a request came from and where it arrived: addresses, connection, TLS,
 * server, process, time.
 */
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "http/http_priv.h"

#define GETTER(what) static struct str what(struct http_request *r, struct str name, void *arg)

#define QUARTER (15 * 60) /* seconds: when zones change their offset, they do so at one of these */

/* ---- addresses ---- */

GETTER(get_remote_addr)
{
	(void)name, (void)arg;
	return http_client_address(r);
}

/* As in the packet; a unix socket's client has "unix:". */
GETTER(get_binary_remote_addr)
{
	const struct http_work *w = r->conn->work;
	const union http_peer *peer = w->has_real ? &w->real : &r->conn->peer;

	(void)name, (void)arg;
	if (peer->sa.sa_family == AF_INET)
		return str_make(&peer->in.sin_addr, sizeof(peer->in.sin_addr));
	if (peer->sa.sa_family == AF_INET6)
		return str_make(&peer->in6.sin6_addr, sizeof(peer->in6.sin6_addr));
	return STR("unix:");
}

static struct str
port_text(struct http_request *r, const struct addr *a)
{
	uint16_t port = addr_port(a);

	return port ? http_text_u64(r, port) : STR("");
}

GETTER(get_remote_port)
{
	struct addr a;

	(void)name, (void)arg;
	http_client_addr(r, &a);
	return port_text(r, &a);
}

GETTER(get_realip_addr)
{
	char text[ADDR_TEXT_MAX];
	struct addr a;

	(void)name, (void)arg;
	http_peer_addr(r, &a);
	addr_text(&a, false, text);
	return http_text_copy(r, str_of(text));
}

GETTER(get_realip_port)
{
	struct addr a;

	(void)name, (void)arg;
	http_peer_addr(r, &a);
	return port_text(r, &a);
}

static void
own_addr(const struct http_request *r, struct addr *out)
{
	out->len = sizeof(out->u.storage);
	if (getsockname(r->conn->conn.io.fd, &out->u.sa, &out->len) != 0)
		*out = r->conn->listen->addr;
}

GETTER(get_server_addr)
{
	char text[ADDR_TEXT_MAX];
	struct addr a;

	(void)name, (void)arg;
	own_addr(r, &a);
	addr_text(&a, a.u.sa.sa_family == AF_UNIX, text);
	return http_text_copy(r, str_of(text));
}

GETTER(get_server_port)
{
	(void)name, (void)arg;
	return port_text(r, &r->conn->listen->addr);
}

GETTER(get_server_name)
{
	struct str s = http_server_name(http_request_server(r));

	(void)name, (void)arg;
	if (s.n == 0)
		return STR("");
	return s.p[0] == '.' ? str_from(s, 1) : s;
}

/* ---- the connection ---- */

GETTER(get_connection)
{
	(void)name, (void)arg;
	return http_text_u64(r, r->conn->number);
}

GETTER(get_connection_requests)
{
	(void)name, (void)arg;
	return http_text_u64(r, r->conn->requests);
}

GETTER(get_scheme)
{
	(void)name, (void)arg;
	return r->conn->listen->tls ? STR("https") : STR("http");
}

GETTER(get_https)
{
	(void)name, (void)arg;
	return r->conn->listen->tls ? STR("on") : STR("");
}

GETTER(get_ssl_protocol)
{
	(void)name, (void)arg;
	return tls_protocol(&r->conn->conn);
}

GETTER(get_ssl_cipher)
{
	(void)name, (void)arg;
	return tls_cipher(&r->conn->conn);
}

GETTER(get_ssl_server_name)
{
	(void)name, (void)arg;
	return tls_server_name(&r->conn->conn);
}

/* ---- the process ---- */

GETTER(get_pid)
{
	(void)name, (void)arg;
	return http_text_u64(r, (uint64_t)getpid());
}

GETTER(get_hostname)
{
	static char host[256];

	(void)r, (void)name, (void)arg;
	if (!host[0] && gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '-';
	return str_of(host);
}

GETTER(get_version)
{
	(void)r, (void)name, (void)arg;
	return STR(SLUICE_VERSION);
}

/* ---- time ---- */

GETTER(get_msec)
{
	(void)name, (void)arg;
	return http_text_seconds(r, clock_cached_wall());
}

/* Seconds that local time is ahead of UTC. Asked of the C library at most once a quarter hour. */
static int
utc_offset(int64_t now)
{
	static int64_t quarter = INT64_MIN;
	static int offset;
	time_t t = (time_t)now;
	struct tm tm;

	if (now / QUARTER != quarter) {
		quarter = now / QUARTER;
		offset = localtime_r(&t, &tm) ? (int)tm.tm_gmtoff : 0;
	}
	return offset;
}

/* "+0100", or with a colon "+01:00": 5 or 6 bytes. */
static char *
put_offset(char *to, int offset, bool colon)
{
	unsigned minutes = (unsigned)(offset < 0 ? -offset : offset) / 60;

	*to++ = offset < 0 ? '-' : '+';
	*to++ = (char)('0' + minutes / 600);
	*to++ = (char)('0' + minutes / 60 % 10);
	if (colon)
		*to++ = ':';
	*to++ = (char)('0' + minutes % 60 / 10);
	*to++ = (char)('0' + minutes % 10);
	return to;
}

static char *
put_two(char *to, int v)
{
	to[0] = (char)('0' + v / 10 % 10);
	to[1] = (char)('0' + v % 10);
	return to + 2;
}

static char *
put_clock(char *to, const struct clock_utc *t)
{
	to = put_two(to, t->hour);
	*to++ = ':';
	to = put_two(to, t->minute);
	*to++ = ':';
	return put_two(to, t->second);
}

#define ISO_LEN 25   /* 2026-11-22T01:02:03+00:00 */
#define LOCAL_LEN 26 /* 22/Nov/2026:01:02:03 +0000 */

/* Both forms, once a second. */
static struct {
	int64_t second;
	char iso[ISO_LEN], local[LOCAL_LEN];
} now_text = { .second = INT64_MIN };

static void
put_iso(char *to, const struct clock_utc *t, int offset)
{
	to = put_two(to, t->year / 100);
	to = put_two(to, t->year);
	*to++ = '-';
	to = put_two(to, t->month);
	*to++ = '-';
	to = put_two(to, t->day);
	*to++ = 'T';
	put_offset(put_clock(to, t), offset, true);
}

static void
put_local(char *to, const struct clock_utc *t, int offset)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	to = put_two(to, t->day);
	*to++ = '/';
	memcpy(to, months + 3 * (t->month - 1), 3);
	to += 3;
	*to++ = '/';
	to = put_two(to, t->year / 100);
	to = put_two(to, t->year);
	*to++ = ':';
	to = put_clock(to, t);
	*to++ = ' ';
	put_offset(to, offset, false);
}

static void
refresh_now(void)
{
	int64_t second = clock_cached_wall() / NS_PER_S;
	struct clock_utc t;
	int offset;

	if (second == now_text.second)
		return;
	now_text.second = second;
	offset = utc_offset(second);
	clock_split((second + offset) * NS_PER_S, &t);
	put_iso(now_text.iso, &t, offset);
	put_local(now_text.local, &t, offset);
}

GETTER(get_time_rfc3339)
{
	static char text[CLOCK_RFC3339_LEN + 1];
	static int64_t second = INT64_MIN;
	int64_t now = clock_cached_wall();
	int ms = (int)(now / NS_PER_MS % 1000);

	(void)name, (void)arg;
	if (now / NS_PER_S != second)
		clock_rfc3339(now, text);
	second = now / NS_PER_S;
	text[20] = (char)('0' + ms / 100);
	put_two(text + 21, ms);
	return http_text_copy(r, str_make(text, CLOCK_RFC3339_LEN));
}

GETTER(get_time_iso8601)
{
	(void)name, (void)arg;
	refresh_now();
	return http_text_copy(r, str_make(now_text.iso, ISO_LEN));
}

GETTER(get_time_local)
{
	(void)name, (void)arg;
	refresh_now();
	return http_text_copy(r, str_make(now_text.local, LOCAL_LEN));
}

const struct http_variable http_conn_variables[] = {
	{ "binary_remote_addr", get_binary_remote_addr, NULL },
	{ "connection", get_connection, NULL },
	{ "connection_requests", get_connection_requests, NULL },
	{ "hostname", get_hostname, NULL },
	{ "https", get_https, NULL },
	{ "msec", get_msec, NULL },
	{ "nginx_version", get_version, NULL },
	{ "pid", get_pid, NULL },
	{ "realip_remote_addr", get_realip_addr, NULL },
	{ "realip_remote_port", get_realip_port, NULL },
	{ "remote_addr", get_remote_addr, NULL },
	{ "remote_port", get_remote_port, NULL },
	{ "scheme", get_scheme, NULL },
	{ "server_addr", get_server_addr, NULL },
	{ "server_name", get_server_name, NULL },
	{ "server_port", get_server_port, NULL },
	{ "ssl_cipher", get_ssl_cipher, NULL },
	{ "ssl_protocol", get_ssl_protocol, NULL },
	{ "ssl_server_name", get_ssl_server_name, NULL },
	{ "time_iso8601", get_time_iso8601, NULL },
	{ "time_local", get_time_local, NULL },
	{ "time_rfc3339", get_time_rfc3339, NULL },
	{ NULL, NULL, NULL },
};
