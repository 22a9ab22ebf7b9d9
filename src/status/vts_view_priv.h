/*
 * Between the files that answer for the traffic statistics. Private to status/.
 */
#ifndef SLUICE_STATUS_VTS_VIEW_PRIV_H
#define SLUICE_STATUS_VTS_VIEW_PRIV_H

#include "http/asset.h"
#include "status/vts_json.h"

/* A location that shows, as configured. */
struct vts_view {
	bool native; /* vts_status: bare, it speaks ngx_vts' dialect */
	int format;  /* enum vts_format of its own; -1: vhost_traffic_status_display_format */
	struct str location; /* the location's prefix; empty where it is a pattern */
	int64_t load_ms;     /* epoch: when the configuration was read */
};

/* The page's files: src/status/web */
extern const struct http_asset status_web[];

/* What a path asks for. */
struct vts_target {
	enum { VTS_BARE, VTS_FORMAT, VTS_CONTROL, VTS_FILE } kind;
	int format;                    /* FORMAT: enum vts_format; -1: the configured one */
	const struct http_asset *file; /* FILE */
	size_t base;                   /* length of the path of the status location itself */
};
/* location: as in struct vts_view. */
void vts_target_parse(struct vts_target *t, struct str path, struct str location);

/* The answers. Each parks and returns what http_reply does. */
/* vts_json_answer.c */
int vts_answer_json(
    struct http_request *r, const struct vts_view *v, const struct vts_scope *s, bool jsonp);
/* vts_prom.c */
int vts_answer_prometheus(
    struct http_request *r, const struct vts_view *v, const struct vts_scope *s);
/* vts_prom_native.c */
int vts_answer_native(struct http_request *r);
/* vts_control_run.c. get: anybody's GET may reset and delete. */
int vts_answer_control(
    struct http_request *r, const struct vts_view *v, const struct vts_scope *s, bool get);

/* A JSON answer in pieces: between begin and end j->out may be written to. NULL: it was answered already (HEAD, no memory). */
struct vts_json *vts_json_begin(struct http_request *r, const struct vts_view *v,
    const struct vts_scope *s, const char *content_type, struct pieces *out);
int vts_json_end(struct http_request *r, struct vts_json *j);

#endif
