/*
 * See log_format.h.
 */
#include "gate/log_format.h"

static const struct conf_word escapes[] = {
	{ "default", LOG_ESCAPE_DEFAULT },
	{ "json", LOG_ESCAPE_JSON },
	{ "logfmt", LOG_ESCAPE_LOGFMT },
	{ "none", LOG_ESCAPE_NONE },
	{ NULL, 0 },
};

/* combined is nginx's. The others have the fields of the server's own log lines. */
static const struct {
	const char *name;
	enum log_escape escape;
	const char *text;
} built_in[] = {
	{ "combined", LOG_ESCAPE_DEFAULT,
	    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
	    "\"$http_referer\" \"$http_user_agent\"" },
	{ "json", LOG_ESCAPE_JSON,
	    "{\"time\":\"$time_rfc3339\",\"method\":\"$request_method\",\"uri\":\"$request_uri\","
	    "\"status\":$status,\"latency_ms\":$request_time_ms,\"remote_ip\":\"$remote_addr\","
	    "\"request_id\":\"$request_id\",\"user\":\"$user\",\"bytes_in\":$bytes_received,"
	    "\"bytes_out\":$bytes_sent,\"traceparent\":\"$traceparent\","
	    "\"referer\":\"$http_referer\",\"user_agent\":\"$http_user_agent\"}" },
	{ "logfmt", LOG_ESCAPE_LOGFMT,
	    "time=$time_rfc3339 method=$request_method uri=$request_uri status=$status "
	    "latency_ms=$request_time_ms remote_ip=$remote_addr request_id=$request_id user=$user "
	    "bytes_in=$bytes_received bytes_out=$bytes_sent traceparent=$traceparent "
	    "referer=$http_referer user_agent=$http_user_agent" },
};

static int
set_escape(struct conf *c, const struct conf_node *node, struct str word, enum log_escape *out)
{
	for (const struct conf_word *w = escapes; w->word; w++)
		if (str_is(word, w->word)) {
			*out = (enum log_escape)w->value;
			return 0;
		}
	conf_error(c, node,
	    "log_format: unknown escape \"%.*s\"; there are default, json, logfmt, none",
	    STR_ARG(word));
	return ERR_CONFIG;
}

/* The strings from argument i on, as one. */
static struct str
join(struct conf *c, const struct conf_node *node, unsigned first)
{
	size_t n = 0;
	char *to, *p;

	for (unsigned i = first; i < node->n_args; i++)
		n += node->args[i].n;
	to = p = arena_alloc(conf_arena(c), n + 1);
	for (unsigned i = first; p && i < node->n_args; i++) {
		memcpy(p, node->args[i].p, node->args[i].n);
		p += node->args[i].n;
	}
	return str_make(to, n);
}

static int
compile(struct conf *c, const struct conf_node *node, struct str text, struct log_format *f)
{
	int err = http_text_compile(c, node, text, &f->text);

	if (err < 0)
		return err;
	for (unsigned i = 0; i < f->text.n; i++)
		f->literals += f->text.parts[i].literal.n;
	f->values = arena_alloc(conf_arena(c), f->text.n * sizeof(*f->values));
	return f->values ? 0 : ERR_NOMEM;
}

int
log_format_parse(struct conf *c, const struct conf_node *node, struct log_format *out)
{
	unsigned first = 1;
	struct str word, text;

	*out = (struct log_format){ .node = node, .name = node->args[0] };
	if (conf_arg_kv(node, 1, "escape", &word)) {
		if (set_escape(c, node, word, &out->escape) < 0)
			return ERR_CONFIG;
		first = 2;
	}
	if (first == node->n_args) {
		conf_error(c, node, "log_format \"%.*s\" has no text", STR_ARG(out->name));
		return ERR_CONFIG;
	}
	text = join(c, node, first);
	return text.p ? compile(c, node, text, out) : ERR_NOMEM;
}

int
log_format_built_in(struct conf *c, struct str name, struct log_format *out)
{
	for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
		if (str_is(name, built_in[i].name)) {
			*out = (struct log_format){ .name = name, .escape = built_in[i].escape };
			return compile(c, NULL, str_of(built_in[i].text), out);
		}
	return ERR_NOT_FOUND;
}

size_t
log_format_measure(struct log_format *f, struct http_request *r)
{
	size_t n = f->literals + 1;

	for (unsigned i = 0; i < f->text.n; i++) {
		const struct http_text_part *part = &f->text.parts[i];

		if (!part->var.name.n)
			continue;
		f->values[i] = http_text_part_value(part, r);
		n += LOG_ESCAPE_ROOM(f->values[i].n);
	}
	return n;
}

static char *
put(char *to, struct str s)
{
	if (s.n)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

size_t
log_format_write(const struct log_format *f, char *out)
{
	char *to = out;

	for (unsigned i = 0; i < f->text.n; i++) {
		if (!f->text.parts[i].var.name.n)
			to = put(to, f->text.parts[i].literal);
		else if (f->values[i].p)
			to += log_escape(f->escape, f->values[i], to);
		else
			to = put(to, log_escape_absent(f->escape));
	}
	*to++ = '\n';
	return (size_t)(to - out);
}
