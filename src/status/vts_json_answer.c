/*
 * JSON and JSONP as answers. Called by vts_view.c and vts_control_run.c.
 */
#include "status/vts_view_priv.h"

static int
write_piece(void *arg, const void *p, size_t n)
{
	return http_reply_write(arg, p, n);
}

struct vts_json *
vts_json_begin(struct http_request *r, const struct vts_view *v, const struct vts_scope *s,
    const char *content_type, struct pieces *out)
{
	bool is_head = str_is(r->head->method, "HEAD");
	struct vts_json *j = is_head ? NULL : vts_json_new(out, s, v->load_ms);

	if (!j && !is_head) {
		http_reply_error(r, ERR_NOMEM);
		return NULL;
	}
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "Cache-Control", STR("no-store"));
	if (is_head) {
		if (http_reply_start(r, 200, content_type, -1) == 0)
			http_reply_end(r);
		return NULL;
	}
	pieces_init(out, write_piece, r);
	if (http_reply_start(r, 200, content_type, -1) < 0 && out->err == 0)
		out->err = ERR_CLOSED;
	return j;
}

int
vts_json_end(struct http_request *r, struct vts_json *j)
{
	int err = pieces_fini(j->out);

	vts_json_free(j);
	return err ? err : http_reply_end(r);
}

int
vts_answer_json(
    struct http_request *r, const struct vts_view *v, const struct vts_scope *s, bool jsonp)
{
	struct pieces out;
	struct vts_json *j =
	    vts_json_begin(r, v, s, jsonp ? "application/javascript" : "application/json", &out);

	if (!j)
		return 0;
	if (jsonp) {
		pieces_put(&out, s->jsonp);
		pieces_put(&out, STR("("));
	}
	vts_json_document(j);
	if (jsonp)
		pieces_put(&out, STR(")"));
	return vts_json_end(r, j);
}
