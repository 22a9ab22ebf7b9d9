/*
 * Keys of nodes: the names that label them, bounded and printable whatever a client sends. Private to the vts files.
 */
#ifndef SLUICE_STATUS_VTS_KEY_H
#define SLUICE_STATUS_VTS_KEY_H

#include "http/text.h"
#include "status/vts.h"

/* A key while it is put together: of a filter, group, zero byte, name; of a server, its name. */
struct vts_key {
	size_t n, name_at;
	char bytes[VTS_GROUP_MAX + 1 + VTS_KEY_MAX];
};

static inline struct str
vts_key_str(const struct vts_key *k)
{
	return str_make(k->bytes, k->n);
}

static inline bool
vts_key_is_empty(const struct vts_key *k)
{
	return k->n == k->name_at;
}

/* From strings: what is not printable in UTF-8 becomes \xHH, and what is too long is cut. */
void vts_key_set(struct vts_key *k, enum vts_kind kind, struct str group, struct str name);
/* The same from a configuration's texts, for a request; group without parts: VTS_SERVER. */
void vts_key_expand(struct vts_key *k, const struct http_text *group, const struct http_text *name,
    struct http_request *r);
/* Of a group that is the same for all requests: how it is written, for vts_key_expand_in. {NULL, 0}: it is not. */
struct str vts_key_constant_group(struct conf *c, const struct http_text *group);
void vts_key_expand_in(
    struct vts_key *k, struct str group, const struct http_text *name, struct http_request *r);
static inline enum vts_kind
vts_key_kind(const struct http_text *group)
{
	return group->n ? VTS_FILTER : VTS_SERVER;
}

#endif
