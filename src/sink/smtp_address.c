/*
 * See smtp_address.h. Called by smtp_conf.c and smtp_letter.c.
 */
#include "sink/smtp_address.h"

#include "base/utf8.h"
#include "net/addr.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 253, LABEL_MAX = 63 };

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_high(char c)
{
	return (unsigned char)c >= 0x80;
}

/* ---- before the "@" ---- */

static bool
is_atom_char(char c)
{
	return is_alnum(c) || is_high(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool
is_dot_string(struct str s)
{
	while (s.p != NULL) {
		struct str atom = str_split(&s, '.');

		if (atom.n == 0)
			return false;
		for (size_t i = 0; i < atom.n; i++)
			if (!is_atom_char(atom.p[i]))
				return false;
	}
	return true;
}

static bool
is_quoted_string(struct str s)
{
	if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return false;
		if (i + 1 == s.n || (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	}
	return true;
}

/* ---- behind it ---- */

static bool
is_label(struct str s)
{
	if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && !is_high(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static bool
is_literal(struct str s)
{
	struct str inside = str_sub(s, 1, s.n - 2);
	bool v6 = inside.n > 5 && str_ieq(str_sub(inside, 0, 5), STR("IPv6:"));
	struct addr a;

	if (v6)
		inside = str_from(inside, 5);
	return (str_find(inside, ':') >= 0) == v6 && str_find(inside, '[') < 0 &&
	       addr_parse_ip(inside, 0, &a) == 0;
}

bool
smtp_domain_ok(struct str s, bool *utf8)
{
	*utf8 = false;
	if (s.n == 0 || s.n > DOMAIN_MAX)
		return false;
	if (s.p[0] == '[')
		return s.n > 2 && s.p[s.n - 1] == ']' && is_literal(s);
	for (size_t i = 0; i < s.n; i++)
		*utf8 |= is_high(s.p[i]);
	if (!utf8_valid(s))
		return false;
	while (s.p != NULL)
		if (!is_label(str_split(&s, '.')))
			return false;
	return true;
}

bool
smtp_address_ok(struct str s, bool *utf8)
{
	ptrdiff_t at = str_rfind(s, '@');
	struct str local;
	bool high;

	*utf8 = false;
	if (at < 1 || at > LOCAL_MAX || s.n > SMTP_ADDRESS_MAX || !utf8_valid(s))
		return false;
	local = str_sub(s, 0, (size_t)at);
	if (!is_dot_string(local) && !is_quoted_string(local))
		return false;
	if (!smtp_domain_ok(str_from(s, (size_t)at + 1), &high))
		return false;
	for (size_t i = 0; i < s.n; i++)
		*utf8 |= is_high(s.p[i]);
	return true;
}

struct str
smtp_address_domain(struct str address)
{
	return str_from(address, (size_t)(str_rfind(address, '@') + 1));
}

/* ---- lists ---- */

/* Where the text up to the next comma outside of quotes ends; *open: where the last "<" outside of quotes stands, or -1. */
static size_t
entry_end(struct str s, ptrdiff_t *open)
{
	bool quoted = false;
	size_t i;

	*open = -1;
	for (i = 0; i < s.n && (quoted || s.p[i] != ','); i++) {
		if (quoted && s.p[i] == '\\' && i + 1 < s.n)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && s.p[i] == '<')
			*open = (ptrdiff_t)i;
	}
	return i;
}

static bool
is_blank(struct str s)
{
	return str_trim(s).n == 0;
}

/* Words, and strings in quotes; no control character anywhere. */
static bool
is_name(struct str s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
		if (quoted && s.p[i] == '\\' && i + 1 < s.n)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && strchr("()<>[]:;@\\,", s.p[i]))
			return false;
	}
	return s.n <= SMTP_NAME_MAX && !quoted && utf8_valid(s);
}

int
smtp_mailbox_next(struct str *list, struct smtp_mailbox *out, struct str *bad)
{
	ptrdiff_t open;
	struct str entry;
	size_t end;

	*out = (struct smtp_mailbox){ .utf8 = false };
	if (list->p == NULL || is_blank(*list))
		return 0;
	end = entry_end(*list, &open);
	entry = str_trim(str_sub(*list, 0, end));
	if (open >= 0)
		open -= entry.p - list->p;
	/* A comma with nothing behind it is an entry that is missing, not an end. */
	*bad = entry;
	if (end < list->n && is_blank(str_from(*list, end + 1)))
		return ERR_BAD;
	*list = end < list->n ? str_from(*list, end + 1) : str_make(NULL, 0);
	out->address = entry;
	if (open >= 0) {
		if (entry.p[entry.n - 1] != '>')
			return ERR_BAD;
		out->name = str_trim(str_sub(entry, 0, (size_t)open));
		out->address = str_sub(entry, (size_t)open + 1, entry.n - (size_t)open - 2);
	}
	return is_name(out->name) && smtp_address_ok(out->address, &out->utf8) ? 1 : ERR_BAD;
}

void
smtp_name_text(struct str name, struct buf *out)
{
	bool quoted = false;

	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && name.p[i] == '\\' && i + 1 < name.n)
			i++;
		buf_putc(out, name.p[i]);
	}
}
