/*
 * See refuse.h.
 */
#include "gate/refuse.h"

#include "base/json_write.h"

bool
refuse_is_openai(const struct http_request *r)
{
	return str_is(r->path, "/v1") || str_starts(r->path, STR("/v1/"));
}

int
refuse_openai(
    struct http_request *r, int status, const char *message, const char *type, const char *code)
{
	struct json_writer w;
	struct buf body;

	buf_init(&body, 0);
	json_init(&w, &body);
	json_open(&w, NULL, '{');
	json_open(&w, "error", '{');
	json_put_cstr(&w, "message", message);
	json_put_cstr(&w, "type", type);
	json_put_null(&w, "param");
	json_put_cstr(&w, "code", code);
	json_close(&w);
	json_close(&w);
	buf_putc(&body, '\n');
	return http_reply_buf(r, status, "application/json", &body);
}

int
refuse(struct http_request *r, int status, const char *message, const char *type, const char *code)
{
	if (refuse_is_openai(r))
		return refuse_openai(r, status, message, type, code);
	return http_reply_message(r, status, message);
}
