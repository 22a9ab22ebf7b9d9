/*
 * What the vts files ask of each other. Private to them; others use vts.h and vts_conf.h.
 */
#ifndef SLUICE_STATUS_VTS_PRIV_H
#define SLUICE_STATUS_VTS_PRIV_H

#include "http/server.h"
#include "status/vts_conf.h"
#include "status/vts_key.h"
#include "status/vts_node.h"
#include "status/wide.h"

/* vts_count.c: the http_count_fn; and the key of the server zone that a request counts in. */
void vts_count(struct http_request *r, int64_t duration_ns);
void vts_server_key(struct http_request *r, const struct vts_scope *scope, struct vts_key *key);

/* vts_lru.c: `fresh`, a key of VTS_FILTER, was just made. Others may be retired. */
void vts_lru_make_room(const struct vts_scope *scope, struct str fresh);

/* vts_read.c: the set's series for what did not fit; a counter, in microseconds VTS_REQUEST_MSEC's, with or without what was reset. */
bool vts_is_other(const struct vts_entry *e);
bool vts_find_key(enum vts_kind kind, const struct vts_key *key, struct vts_entry *out);
struct wide vts_total(const struct vts_entry *e, unsigned counter, bool since_reset);

/* vts_conf_key.c: setters. */
int vts_set_filter(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
int vts_set_limit(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
int vts_set_limit_by_key(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);

/* vts_variable.c: $vts_…; and the setter of set_by_filter. */
void vts_variable_register(void);
int vts_set_by_filter(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);

/* vts_dump.c: the janitor's job. */
void vts_dump_register(void);

#endif
