/*
 * The static table of names, /etc/hosts (hosts(5)): an address and the names it has, a line; '#' starts a comment. Pure.
 */
#include "net/dns.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of *line, or one without bytes. */
static struct str
next_word(struct str *line)
{
	size_t from = 0, to;
	struct str word;

	while (from < line->n && is_blank(line->p[from]))
		from++;
	for (to = from; to < line->n && !is_blank(line->p[to]); to++) {
	}
	word = str_sub(*line, from, to - from);
	*line = str_from(*line, to);
	return word;
}

static bool
line_names(struct str line, struct str host)
{
	struct str name;

	while ((name = next_word(&line)).n > 0) {
		if (str_ieq(name, host))
			return true;
	}
	return false;
}

/* Adds the addresses of one family. */
static int
gather(struct str text, struct str host, int family, struct addr *out, int found)
{
	while (text.p != NULL && found < DNS_MAX_ADDRS) {
		struct str line = str_split(&text, '\n');
		struct str content = str_split(&line, '#');
		struct str ip = next_word(&content);
		struct addr a;

		if (ip.n > 0 && line_names(content, host) && addr_parse_ip(ip, 0, &a) == 0 &&
		    a.u.sa.sa_family == family)
			out[found++] = a;
	}
	return found;
}

int
dns_find_in_hosts(struct str text, struct str host, struct addr out[DNS_MAX_ADDRS])
{
	int found;

	if (str_ends(host, STR(".")))
		host.n--;
	found = gather(text, host, AF_INET, out, 0);
	found = gather(text, host, AF_INET6, out, found);
	return found > 0 ? found : ERR_NOT_FOUND;
}
