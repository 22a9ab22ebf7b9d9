/*
 * See shipper.h and shipper_priv.h.
 */
#include "admin/shipper_priv.h"

#include "base/utf8.h"
#include "sink/stream.h"
#include "task/task.h"

static const struct admin_shipper *opened;

/* Endpoints that work with a stream of messages. */
static struct {
	unsigned n;
	bool closed;
	struct waitq gone;
} borrowers;

void
admin_shipper_register(void)
{
	api_add_shippers(dlq_show_endpoints);
	api_add_shippers(dlq_payload_endpoints);
	api_add_shippers(dlq_decide_endpoints);
	api_add_shippers(dlq_stats_endpoints);
	api_add_shippers(deliveries_endpoints);
	api_add_shippers(spool_endpoints);
}

void
admin_shipper_open(const struct admin_shipper *s)
{
	opened = s;
	waitq_init(&borrowers.gone);
}

const struct admin_shipper *
admin_shipper(void)
{
	return opened;
}

void
admin_shipper_close(void)
{
	borrowers.closed = true;
	while (borrowers.n > 0)
		if (waitq_park(&borrowers.gone, CLOCK_NEVER) != 0)
			break;
}

int
shipper_borrow(struct api_call *call, struct str stream, struct message_stream **out)
{
	const struct stream_conf *s = stream_find(opened->conf, stream);

	if (stream.n == 0)
		return api_fail(call, 400, "stream: the name of a stream is needed");
	if (s == NULL)
		return api_fail(call, 404, "stream: there is no such stream");
	if (s->mode != STREAM_MESSAGE)
		return api_fail(
		    call, 400, "stream: only streams of mode message are delivered one by one");
	*out = borrowers.closed ? NULL : ship_messages(opened->ship, stream);
	if (*out == NULL)
		return api_fail(call, 503, "stream: it is not open now");
	borrowers.n++;
	return 0;
}

void
shipper_return(void)
{
	if (--borrowers.n == 0)
		waitq_wake_all(&borrowers.gone);
}

int
shipper_refuse_input(struct api_call *call, const struct fields *f, int err)
{
	return err == ERR_BAD ? api_fail(call, 400, "%s", f->why) : err;
}

int
shipper_id(struct api_call *call, struct id *out)
{
	if (id_parse(call->id, out) == 0)
		return 0;
	return api_fail(call, 400, "id: an id of 32 hexadecimal digits is needed");
}

void
shipper_put_id(struct json_writer *w, const char *name, struct id id)
{
	char text[2 * ID_LEN + 1];

	id_text(id, text);
	json_put_cstr(w, name, id_eq(id, (struct id){ { 0 } }) ? NULL : text);
}

void
shipper_put_text(struct json_writer *w, const char *name, struct str s)
{
	if (s.n > 0)
		json_put_str(w, name, s);
	else
		json_put_null(w, name);
}

void
shipper_put_trace_id(struct json_writer *w, const char *name, struct str traceparent)
{
	bool whole = traceparent.n >= 55 && traceparent.p[2] == '-' && traceparent.p[35] == '-';

	shipper_put_text(w, name, whole ? str_sub(traceparent, 3, 32) : STR(""));
}

/* Without a character that was cut: up to three bytes from the last one that begins a character on. */
static struct str
whole_characters(struct str s)
{
	for (size_t back = 1; back <= 3 && back <= s.n; back++) {
		unsigned char c = (unsigned char)s.p[s.n - back];

		if (c < 0x80)
			break;
		if (c >= 0xc0)
			return utf8_len(s.p + s.n - back, back) == 0 ? str_sub(s, 0, s.n - back)
								     : s;
	}
	return s;
}

void
shipper_put_bytes(
    struct json_writer *w, const char *text, const char *base64, struct str s, bool cut)
{
	struct str shown = cut ? whole_characters(s) : s;
	struct buf encoded;

	if (utf8_valid(shown)) {
		json_put_str(w, text, shown);
		return;
	}
	buf_init(&encoded, 0);
	buf_put_base64(&encoded, s.p, s.n);
	json_put_str(w, base64, buf_str(&encoded));
	if (buf_failed(&encoded))
		w->out->err = buf_failed(&encoded);
	buf_fini(&encoded);
}
