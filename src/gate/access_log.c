/*
 * See access_log.h. Runs on the connection's task, once a request is over.
 */
#include "gate/access_log.h"

#include "base/log.h"
#include "http/server.h"

#define FIELDS_MAX 12

static void
log_request(struct http_request *r, int64_t duration)
{
	bool error = r->status >= 400;
	struct log_field f[FIELDS_MAX];
	size_t n = 0;

	if (!http_is_logged(r) || (error ? LOG_ERROR : LOG_INFO) < log_threshold)
		return;
	f[n++] = LOG_STR("method", r->head->method);
	f[n++] = LOG_STR("uri", r->head->target);
	f[n++] = LOG_I("status", r->status);
	f[n++] = LOG_MS("latency_ms", duration);
	f[n++] = LOG_STR("remote_ip", http_client_address(r));
	f[n++] = LOG_STR("request_id", r->id);
	if (r->user.n > 0)
		f[n++] = LOG_STR("user", r->user);
	f[n++] = LOG_I("bytes_in", r->bytes_in);
	f[n++] = LOG_I("bytes_out", r->bytes_out);
	if (r->traceparent.n > 0)
		f[n++] = LOG_STR("traceparent", r->traceparent);
	log_writev(
	    error ? LOG_ERROR : LOG_INFO, "http", error ? "request error" : "request done", f, n);
}

void
access_log_register(void)
{
	http_add_log(log_request);
}
