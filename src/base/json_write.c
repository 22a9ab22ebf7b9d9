/*
 * See json_write.h.
 */
#include "base/json_write.h"

#include "base/clock.h"

void
json_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

/* What stands before a value: a comma behind an earlier one, and its name. */
static void
begin(struct json_writer *w, const char *name)
{
	if (w->more[w->depth])
		buf_putc(w->out, ',');
	w->more[w->depth] = true;
	if (name == NULL)
		return;
	buf_put_json(w->out, str_of(name));
	buf_putc(w->out, ':');
}

void
json_open(struct json_writer *w, const char *name, char kind)
{
	assert(w->depth + 1 < JSON_WRITE_DEPTH);
	begin(w, name);
	buf_putc(w->out, kind);
	w->depth++;
	w->more[w->depth] = false;
	w->close[w->depth] = kind == '{' ? '}' : ']';
}

void
json_close(struct json_writer *w)
{
	assert(w->depth > 0);
	buf_putc(w->out, w->close[w->depth--]);
}

void
json_put_str(struct json_writer *w, const char *name, struct str s)
{
	begin(w, name);
	buf_put_json(w->out, s);
}

void
json_put_cstr(struct json_writer *w, const char *name, const char *s)
{
	if (s == NULL)
		json_put_null(w, name);
	else
		json_put_str(w, name, str_of(s));
}

void
json_put_u64(struct json_writer *w, const char *name, uint64_t v)
{
	begin(w, name);
	buf_put_u64(w->out, v);
}

void
json_put_i64(struct json_writer *w, const char *name, int64_t v)
{
	begin(w, name);
	if (v < 0)
		buf_putc(w->out, '-');
	buf_put_u64(w->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void
json_put_bool(struct json_writer *w, const char *name, bool v)
{
	begin(w, name);
	buf_puts(w->out, v ? "true" : "false");
}

void
json_put_null(struct json_writer *w, const char *name)
{
	begin(w, name);
	buf_puts(w->out, "null");
}

void
json_put_seconds(struct json_writer *w, const char *name, int64_t ns)
{
	uint64_t ms = (ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns) / (uint64_t)NS_PER_MS;

	begin(w, name);
	if (ns < 0 && ms > 0)
		buf_putc(w->out, '-');
	buf_printf(w->out, "%llu.%03u", (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
}

void
json_put_time(struct json_writer *w, const char *name, int64_t wall_ns)
{
	char text[CLOCK_RFC3339_LEN + 1];

	if (wall_ns == 0) {
		json_put_null(w, name);
		return;
	}
	clock_rfc3339(wall_ns, text);
	json_put_cstr(w, name, text);
}

void
json_put_raw(struct json_writer *w, const char *name, struct str json)
{
	begin(w, name);
	buf_put_str(w->out, json);
}
