/*
 * See vts_key.h. On the hot path of filters: a key is copied once, eight bytes at a time.
 */
#include "status/vts_key.h"

#include "base/utf8.h"

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static bool
is_plain(char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* Eight bytes that are all plain: none below space, none above tilde. A borrow or carry between bytes comes only from one that is not. */
static bool
are_plain(uint64_t v)
{
	return ((v | (v - EACH(0x20)) | (v + EACH(0x01))) & EACH(0x80)) == 0;
}

/* A character beyond ASCII that may be shown (no C1 control), or 0. */
static size_t
shown(struct str s)
{
	size_t n = (unsigned char)s.p[0] < 0x80 ? 0 : utf8_len(s.p, s.n);

	return n == 2 && (unsigned char)s.p[0] == 0xc2 && (unsigned char)s.p[1] < 0xa0 ? 0 : n;
}

static size_t
escape(char *to, char c)
{
	static const char hex[] = "0123456789abcdef";

	to[0] = '\\';
	to[1] = 'x';
	to[2] = hex[(unsigned char)c >> 4];
	to[3] = hex[c & 15];
	return 4;
}

/* Of the first to eight bytes of s: plain ones in the place of those that are not there. */
static uint64_t
load_short(struct str s)
{
	uint64_t v = EACH(0x20);

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

static uint64_t
load_eight(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool
is_all_plain(struct str s)
{
	bool plain = true;

	if (s.n < 8)
		return are_plain(load_short(s));
	for (size_t i = 0; plain && i + 8 <= s.n; i += 8)
		plain = are_plain(load_eight(s.p + i));
	return plain && are_plain(load_eight(s.p + s.n - 8));
}

/* Up to byte `end` of k; a character is not cut in two. */
static void
append_slowly(struct vts_key *k, size_t end, struct str s)
{
	size_t n;

	for (; s.n > 0 && k->n < end; s = str_from(s, n ? n : 1)) {
		n = is_plain(s.p[0]) ? 1 : shown(s);
		if (end - k->n < (n ? n : 4))
			return;
		if (n > 0)
			memcpy(k->bytes + k->n, s.p, n);
		k->n += n ? n : escape(k->bytes + k->n, s.p[0]);
	}
}

static void
append(struct vts_key *k, size_t end, struct str s)
{
	if (s.n == 0)
		return;
	if (s.n > end - k->n || !is_all_plain(s)) {
		append_slowly(k, end, s);
		return;
	}
	memcpy(k->bytes + k->n, s.p, s.n);
	k->n += s.n;
}

static void
begin_name(struct vts_key *k)
{
	k->bytes[k->n++] = 0;
	k->name_at = k->n;
}

void
vts_key_set(struct vts_key *k, enum vts_kind kind, struct str group, struct str name)
{
	k->n = k->name_at = 0;
	if (kind == VTS_FILTER) {
		append(k, VTS_GROUP_MAX, group);
		begin_name(k);
	}
	append(k, k->name_at + VTS_KEY_MAX, name);
}

static void
append_text(struct vts_key *k, size_t end, const struct http_text *t, struct http_request *r)
{
	for (unsigned i = 0; i < t->n; i++)
		append(k, end, http_text_part_value(&t->parts[i], r));
}

struct str
vts_key_constant_group(struct conf *c, const struct http_text *group)
{
	struct vts_key k = { .n = 0 };

	if (!http_text_is_constant(group))
		return str_make(NULL, 0);
	for (unsigned i = 0; i < group->n; i++)
		append(&k, VTS_GROUP_MAX, group->parts[i].literal);
	return arena_str(conf_arena(c), vts_key_str(&k));
}

void
vts_key_expand_in(
    struct vts_key *k, struct str group, const struct http_text *name, struct http_request *r)
{
	memcpy(k->bytes, group.p, group.n);
	k->n = group.n;
	begin_name(k);
	append_text(k, k->name_at + VTS_KEY_MAX, name, r);
}

void
vts_key_expand(struct vts_key *k, const struct http_text *group, const struct http_text *name,
    struct http_request *r)
{
	k->n = k->name_at = 0;
	if (group->n) {
		append_text(k, VTS_GROUP_MAX, group, r);
		begin_name(k);
	}
	append_text(k, k->name_at + VTS_KEY_MAX, name, r);
}
