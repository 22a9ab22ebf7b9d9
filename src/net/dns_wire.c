/*
 * The DNS wire format, as far as asking for addresses needs it. Pure; the answer comes from the network and is believed in nothing:
 * identifier, question and every length are checked, compression pointers must lead backwards.
 *
 *	header    id(2) flags(2) questions(2) answers(2) authorities(2) additional(2)
 *	question  name type(2) class(2)
 *	record    name type(2) class(2) ttl(4) length(2) data
 *	name      labels: length(1) bytes; ends with 0, or with a pointer 11xxxxxx xxxxxxxx to an earlier place
 */
#include <netinet/in.h>

#include "net/dns.h"

#define HEADER_SIZE 12
#define RECORD_SIZE 10 /* after its name */
#define NAME_SIZE 256  /* as text, with the zero byte */
#define LABEL_MAX 63
#define CLASS_IN 1
#define TYPE_CNAME 5
#define CNAME_HOPS 16
#define TTL_MAX 86400

#define FLAG_RESPONSE 0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_TRUNCATED 0x0200
#define FLAG_RECURSE 0x0100
#define FLAG_RCODE 0x000F
#define RCODE_NXDOMAIN 3

struct reader {
	const unsigned char *p;
	size_t n, at;
};

struct record {
	char name[NAME_SIZE];
	uint16_t type, class;
	uint32_t ttl;
	size_t data, length; /* place of its data in the message */
};

/* ---- query ---- */

static unsigned char *
put16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
	return p + 2;
}

static bool
is_name_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static unsigned char *
put_label(unsigned char *p, struct str label)
{
	if (label.n == 0 || label.n > LABEL_MAX)
		return NULL;
	*p++ = (unsigned char)label.n;
	for (size_t i = 0; i < label.n; i++) {
		if (!is_name_byte((unsigned char)label.p[i]))
			return NULL;
		*p++ = (unsigned char)label.p[i];
	}
	return p;
}

static struct str
without_dot(struct str host)
{
	if (str_ends(host, STR(".")))
		host.n--;
	return host;
}

ssize_t
dns_encode_query(uint16_t id, struct str host, uint16_t qtype, unsigned char out[512])
{
	unsigned char *p = out;
	struct str rest = without_dot(host);

	if (rest.n == 0 || rest.n > NAME_SIZE - 3)
		return ERR_BAD;
	p = put16(p, id);
	p = put16(p, FLAG_RECURSE);
	p = put16(p, 1);
	memset(p, 0, 6);
	p += 6;
	while (rest.p != NULL) {
		p = put_label(p, str_split(&rest, '.'));
		if (p == NULL)
			return ERR_BAD;
	}
	*p++ = 0;
	p = put16(p, qtype);
	p = put16(p, CLASS_IN);
	return p - out;
}

/* ---- answer ---- */

static unsigned
get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t
get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* One label to the text. Dots and what does not print would make two different names look the same. */
static int
append_label(char *name, size_t *used, const unsigned char *label, size_t n)
{
	if (*used + n + 1 >= NAME_SIZE)
		return ERR_BAD;
	if (*used > 0)
		name[(*used)++] = '.';
	for (size_t i = 0; i < n; i++) {
		if (label[i] <= ' ' || label[i] >= 0x7F || label[i] == '.')
			return ERR_BAD;
		name[(*used)++] = (char)label[i];
	}
	return 0;
}

/* Reads a name at r->at and passes over it. Each pointer must lead before the place the last run of labels began, so this ends. */
static int
read_name(struct reader *r, char name[NAME_SIZE])
{
	size_t at = r->at, run = r->at, used = 0;
	bool jumped = false;

	for (;;) {
		size_t n;

		if (at >= r->n)
			return ERR_BAD;
		n = r->p[at];
		if (n >= 0xC0) {
			if (at + 2 > r->n)
				return ERR_BAD;
			if (!jumped)
				r->at = at + 2;
			jumped = true;
			at = get16(r->p + at) & 0x3FFF;
			if (at >= run)
				return ERR_BAD;
			run = at;
			continue;
		}
		if (n > LABEL_MAX || n + 1 > r->n - at)
			return ERR_BAD;
		if (n == 0)
			break;
		if (append_label(name, &used, r->p + at + 1, n) != 0)
			return ERR_BAD;
		at += n + 1;
	}
	if (!jumped)
		r->at = at + 1;
	name[used] = '\0';
	return 0;
}

static int
read_record(struct reader *r, struct record *rr)
{
	const unsigned char *p;

	if (read_name(r, rr->name) != 0 || r->n - r->at < RECORD_SIZE)
		return ERR_BAD;
	p = r->p + r->at;
	rr->type = (uint16_t)get16(p);
	rr->class = (uint16_t)get16(p + 2);
	rr->ttl = get32(p + 4);
	rr->length = get16(p + 8);
	rr->data = r->at + RECORD_SIZE;
	if (rr->length > r->n - rr->data)
		return ERR_BAD;
	r->at = rr->data + rr->length;
	return 0;
}

/* The header and the question that must be ours; r is left at the first answer. 0 or what the header says. */
static int
read_head(struct reader *r, uint16_t id, struct str host, uint16_t qtype)
{
	char name[NAME_SIZE];
	unsigned flags;

	if (r->n < HEADER_SIZE || get16(r->p) != id || get16(r->p + 4) != 1)
		return ERR_BAD;
	flags = get16(r->p + 2);
	if (!(flags & FLAG_RESPONSE) || (flags & FLAG_OPCODE))
		return ERR_BAD;
	r->at = HEADER_SIZE;
	if (read_name(r, name) != 0 || r->n - r->at < 4)
		return ERR_BAD;
	if (!str_ieq(str_of(name), without_dot(host)) || get16(r->p + r->at) != qtype ||
	    get16(r->p + r->at + 2) != CLASS_IN)
		return ERR_BAD;
	r->at += 4;
	if ((flags & FLAG_RCODE) == RCODE_NXDOMAIN)
		return ERR_NOT_FOUND;
	if ((flags & FLAG_RCODE) != 0)
		return ERR_DNS;
	return flags & FLAG_TRUNCATED ? ERR_AGAIN : 0;
}

/* Replaces owner by what it is an alias of: 1, 0 if it is none, or ERR_BAD. */
static int
follow_alias(struct reader r, unsigned answers, char owner[NAME_SIZE], uint32_t *ttl)
{
	struct record rr;

	while (answers-- > 0) {
		if (read_record(&r, &rr) != 0)
			return ERR_BAD;
		if (rr.type != TYPE_CNAME || rr.class != CLASS_IN ||
		    !str_ieq(str_of(rr.name), str_of(owner)))
			continue;
		r.at = rr.data;
		if (read_name(&r, owner) != 0 || r.at != rr.data + rr.length)
			return ERR_BAD;
		*ttl = MIN(*ttl, rr.ttl);
		return 1;
	}
	return 0;
}

static int
set_address(struct addr *a, uint16_t qtype, const unsigned char *ip, size_t n)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->u.storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->u.storage;

	memset(a, 0, sizeof(*a));
	if (qtype == DNS_A && n == 4) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, ip, n);
		a->len = sizeof(*in);
		return 0;
	}
	if (qtype == DNS_AAAA && n == 16) {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, ip, n);
		a->len = sizeof(*in6);
		return 0;
	}
	return ERR_BAD;
}

static int
gather(struct reader r, unsigned answers, const char *owner, uint16_t qtype,
    struct addr out[DNS_MAX_ADDRS], uint32_t *ttl)
{
	struct record rr;
	int found = 0;

	while (answers-- > 0) {
		if (read_record(&r, &rr) != 0)
			return ERR_BAD;
		if (rr.type != qtype || rr.class != CLASS_IN || found == DNS_MAX_ADDRS ||
		    !str_ieq(str_of(rr.name), str_of(owner)))
			continue;
		if (set_address(&out[found], qtype, r.p + rr.data, rr.length) != 0)
			return ERR_BAD;
		found++;
		*ttl = MIN(*ttl, rr.ttl);
	}
	return found > 0 ? found : ERR_NOT_FOUND;
}

int
dns_decode_answer(const unsigned char *p, size_t n, uint16_t id, struct str host, uint16_t qtype,
    struct addr out[DNS_MAX_ADDRS], uint32_t *ttl)
{
	struct reader r = { .p = p, .n = n };
	char owner[NAME_SIZE];
	unsigned answers;
	int rc = read_head(&r, id, host, qtype);

	if (rc != 0)
		return rc;
	if (!str_copyz(owner, sizeof(owner), without_dot(host)))
		return ERR_BAD;
	answers = get16(p + 6);
	*ttl = TTL_MAX;
	for (int hop = 0; hop < CNAME_HOPS; hop++) {
		rc = follow_alias(r, answers, owner, ttl);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return gather(r, answers, owner, qtype, out, ttl);
	}
	return ERR_BAD;
}
