/*
 * Answers to those who bring records: what `body=` says, with variables of the record, and what went wrong. Called by the handlers of this
 * folder.
 *
 * The answer is JSON, and stays JSON whatever a variable holds: within a string its value is escaped; anywhere else it is put as it is if it is
 * a JSON value, else as a string.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "http/variable.h"
#include "ingest/ingest_priv.h"

#define ANSWER_MAX (64u * 1024)

static unsigned context;

/* ---- what is known of the record ---- */

struct ingest_record *
ingest_record_of(const struct http_request *r)
{
	return r->context[context];
}

int
ingest_record_begin(struct http_request *r, const struct ingest_conf *conf)
{
	struct ingest_record *record;

	if (conf->answer.text.n == 0 && conf->stream->mode != STREAM_MESSAGE)
		return OK;
	record = arena_alloc(&r->arena, sizeof(*record));
	if (!record)
		return ERR_NOMEM;
	*record = (struct ingest_record){ .stored = false };
	r->context[context] = record;
	return OK;
}

void
ingest_record_stored(struct http_request *r, struct id id)
{
	struct ingest_record *record = ingest_record_of(r);

	if (!record)
		return;
	id_text(id, record->id);
	record->stored = true;
}

static struct str
get_record_id(struct http_request *r, struct str name, void *arg)
{
	const struct ingest_record *record = ingest_record_of(r);

	(void)name;
	(void)arg;
	return record && record->stored ? str_of(record->id) : str_make(NULL, 0);
}

/* The last member of that name, in any case, of the object that is the body. */
static struct str
find_member(struct str body, struct str name)
{
	struct str key, value, found = str_make(NULL, 0);
	uint64_t bad_at;
	size_t at = 0;

	if (body.n == 0 || json_check_text(body, &bad_at) != 0)
		return found;
	while (json_next(body, &at, &key, &value) == 1)
		if (key.n == name.n + 2 && str_ieq(str_sub(key, 1, name.n), name))
			found = value;
	return found;
}

static struct str
get_json(struct http_request *r, struct str name, void *arg)
{
	const struct ingest_record *record = ingest_record_of(r);
	struct str value = str_make(NULL, 0);
	struct buf text;
	char *room;

	(void)arg;
	if (record)
		value = find_member(record->body, str_from(name, strlen("json_")));
	if (value.n == 0)
		return str_make(NULL, 0);
	if (value.p[0] != '"')
		return http_text_copy(r, value);
	room = http_text_room(r, value.n);
	if (!room)
		return str_make(NULL, 0);
	buf_init_fixed(&text, room, value.n);
	return json_unquote(value, &text) == 0 ? buf_str(&text) : str_make(NULL, 0);
}

static const struct http_variable variables[] = {
	{ "json_", get_json, NULL },
	{ "record_id", get_record_id, NULL },
	{ NULL, NULL, NULL },
};

void
ingest_reply_register(void)
{
	static bool done;

	http_variable_add(variables);
	if (!done)
		context = http_context_new();
	done = true;
}

/* ---- body= ---- */

/* Is what follows this piece of JSON within a string? */
static bool
ends_in_string(struct str text, bool in_string)
{
	for (size_t i = 0; i < text.n; i++) {
		if (in_string && text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			in_string = !in_string;
	}
	return in_string;
}

/* With something in place of each variable it has to be JSON. */
static int
check_answer(struct conf *c, const struct conf_node *node, const struct ingest_answer *a)
{
	uint64_t bad_at = 0;
	struct buf sample;
	int err;

	buf_init(&sample, 0);
	for (unsigned i = 0; i < a->text.n; i++) {
		const struct http_text_part *part = &a->text.parts[i];

		if (part->var.name.n == 0)
			buf_put_str(&sample, part->literal);
		else
			buf_puts(&sample, a->in_string[i] ? "" : "null");
	}
	err = buf_failed(&sample) ? ERR_NOMEM : json_check_text(buf_str(&sample), &bad_at);
	if (err == ERR_BAD) {
		struct str rest = str_from(buf_str(&sample), (size_t)bad_at);

		conf_error(c, node, "\"body=\" is not JSON%s%.*s",
		    rest.n > 0 ? ", from here on: " : ": it ends too early", STR_ARG(rest));
		err = ERR_CONFIG;
	}
	buf_fini(&sample);
	return err;
}

int
ingest_answer_compile(
    struct conf *c, const struct conf_node *node, struct str text, struct ingest_answer *out)
{
	bool in_string = false;
	int err = http_text_compile(c, node, text, &out->text);

	if (err)
		return err;
	out->in_string = arena_alloc(conf_arena(c), out->text.n);
	if (!out->in_string)
		return ERR_NOMEM;
	for (unsigned i = 0; i < out->text.n; i++) {
		out->in_string[i] = in_string;
		in_string = ends_in_string(out->text.parts[i].literal, in_string);
	}
	return check_answer(c, node, out);
}

/* A value as the inside of a string. */
static void
put_inside(struct buf *out, struct str value)
{
	size_t at = out->n;

	buf_put_json(out, value);
	if (buf_failed(out))
		return;
	memmove(out->p + at, out->p + at + 1, out->n - at - 2);
	out->n -= 2;
}

static void
put_value(struct buf *out, struct str value)
{
	uint64_t bad_at;

	if (!value.p)
		buf_puts(out, "null");
	else if (json_check_text(value, &bad_at) == 0)
		buf_put_str(out, value);
	else
		buf_put_json(out, value);
}

static void
put_answer(struct http_request *r, const struct ingest_answer *a, struct buf *out)
{
	for (unsigned i = 0; i < a->text.n; i++) {
		const struct http_text_part *part = &a->text.parts[i];
		struct str value = http_text_part_value(part, r);

		if (part->var.name.n == 0)
			buf_put_str(out, value);
		else if (a->in_string[i])
			put_inside(out, value);
		else
			put_value(out, value);
	}
}

/* ---- answers ---- */

static void
log_stored(const struct http_request *r, const struct ingest_conf *conf, uint64_t bytes)
{
	const struct ingest_record *record = ingest_record_of(r);
	struct log_field f[6];
	size_t n = 0;

	if (log_threshold > LOG_DEBUG)
		return;
	f[n++] = LOG_STR("stream", conf->stream->name);
	f[n++] = LOG_STR("user", r->user);
	f[n++] = LOG_I("bytes", bytes);
	f[n++] = LOG_STR("id", r->id);
	if (record && record->stored)
		f[n++] = LOG_S("record", record->id);
	if (r->traceparent.n > 0)
		f[n++] = LOG_STR("traceparent", r->traceparent);
	log_writev(LOG_DEBUG, "ingest", "stored", f, n);
}

int
ingest_reply_stored(struct http_request *r, const struct ingest_conf *conf, uint64_t bytes)
{
	struct buf body;

	log_stored(r, conf, bytes);
	if (conf->answer.text.n == 0)
		return http_reply(r, (int)conf->status, NULL, STR(""));
	buf_init(&body, ANSWER_MAX);
	put_answer(r, &conf->answer, &body);
	/* What it is taken from goes with the answer. */
	ingest_record_of(r)->body = str_make(NULL, 0);
	return http_reply_buf(r, (int)conf->status, "application/json", &body);
}

int
ingest_reply_failure(struct http_request *r, int err)
{
	if (err == ERR_IO || err == ERR_CORRUPT)
		return http_reply_message(r, 500, "Failed to save data");
	return http_reply_error(r, err);
}

int
ingest_reply_bad_json(struct http_request *r, uint64_t offset)
{
	char text[80];

	snprintf(text, sizeof(text), "Invalid JSON at byte %" PRIu64, offset);
	return http_reply_message(r, 400, text);
}
