/*
 * See log_line.h. The forms share one table of names: which of a line's fields mean what.
 */
#include "ctl/log_line.h"

#include "base/json.h"

#define LATENCY_MAX (INT64_C(1000000) * 86400 * 30) /* a month, in microseconds */

enum kind { TEXT, STATUS, LATENCY, REQUEST };

/* Latencies: what one of their unit is in microseconds. */
static const struct {
	const char *name;
	enum kind kind;
	size_t at;
	int64_t unit;
} fields[] = {
#define TEXT_FIELD(word, field)                                 \
	{                                                       \
		word, TEXT, offsetof(struct log_line, field), 0 \
	}
	TEXT_FIELD("time", time),
	TEXT_FIELD("time_iso8601", time),
	TEXT_FIELD("time_local", time),
	TEXT_FIELD("@timestamp", time),
	TEXT_FIELD("level", level),
	TEXT_FIELD("area", area),
	TEXT_FIELD("message", message),
	TEXT_FIELD("method", method),
	TEXT_FIELD("request_method", method),
	TEXT_FIELD("uri", uri),
	TEXT_FIELD("request_uri", uri),
	TEXT_FIELD("remote_ip", client),
	TEXT_FIELD("remote_addr", client),
	TEXT_FIELD("request_id", request_id),
	{ "request", REQUEST, 0, 0 },
	{ "status", STATUS, 0, 0 },
	{ "latency_ms", LATENCY, 0, 1000 },
	{ "duration_ms", LATENCY, 0, 1000 },
	{ "request_time", LATENCY, 0, 1000000 },
	{ "rt", LATENCY, 0, 1000000 },
};

/* "1.204" in the unit, as microseconds; -1: no number, or one beyond all sense. */
static int64_t
parse_decimal(struct str s, int64_t unit)
{
	struct str rest = s, whole = str_split(&rest, '.');
	int64_t value, scale = unit;
	uint64_t n;

	if (str_to_u64(whole, &n) != 0 || n > (uint64_t)(LATENCY_MAX / unit))
		return -1;
	value = (int64_t)n * unit;
	for (size_t i = 0; i < rest.n; i++) {
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return -1;
		value += (rest.p[i] - '0') * (scale / 10);
		scale /= 10;
	}
	return value;
}

static int
parse_status(struct str s)
{
	uint64_t n;

	return str_to_u64(s, &n) == 0 && n >= 100 && n <= 999 ? (int)n : 0;
}

/* "GET /x HTTP/1.1" */
static void
take_request(struct log_line *l, struct str s)
{
	l->method = str_split(&s, ' ');
	l->uri = s.p ? str_split(&s, ' ') : str_make(NULL, 0);
}

/* The first of several fields that mean the same counts. */
static void
take(struct log_line *l, struct str name, struct str value)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct str *text = (struct str *)(void *)((char *)l + fields[i].at);

		if (!str_is(name, fields[i].name))
			continue;
		if (fields[i].kind == TEXT && text->n == 0)
			*text = value;
		else if (fields[i].kind == STATUS)
			l->status = parse_status(value);
		else if (fields[i].kind == LATENCY && l->latency < 0)
			l->latency = parse_decimal(value, fields[i].unit);
		else if (fields[i].kind == REQUEST && l->uri.n == 0)
			take_request(l, value);
		return;
	}
}

/* ---- quoted values ---- */

static int
hex(char c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

/* A byte behind a backslash, or what \xHH stands for. Returns how many bytes of s it took. */
static size_t
decode_escape(struct str s, struct buf *room)
{
	static const char from[] = "nrt", to[] = "\n\r\t";
	const char *plain;

	if (s.n >= 3 && s.p[0] == 'x' && hex(s.p[1]) >= 0 && hex(s.p[2]) >= 0) {
		buf_putc(room, (char)(hex(s.p[1]) << 4 | hex(s.p[2])));
		return 3;
	}
	plain = s.p[0] ? strchr(from, s.p[0]) : NULL;
	buf_putc(room, plain ? to[plain - from] : s.p[0]);
	return 1;
}

/* The quoted value at the start of *s, which is moved behind it; false: it has no end. */
static bool
take_quoted(struct str *s, struct buf *room, struct str *out)
{
	size_t from = room->n, i = 1;

	while (i < s->n && s->p[i] != '"') {
		if (s->p[i] == '\\' && i + 1 < s->n)
			i += 1 + decode_escape(str_from(*s, i + 1), room);
		else
			buf_putc(room, s->p[i++]);
	}
	if (i >= s->n)
		return false;
	*out = str_from(buf_str(room), from);
	*s = str_from(*s, i + 1);
	return true;
}

/* ---- name=value ---- */

static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_' ||
			(s.p[i] >= '0' && s.p[i] <= '9')))
			return false;
	return s.n > 0;
}

/* The name in front of a '=', if *s begins with one. */
static bool
take_name(struct str *s, struct str *name)
{
	size_t n = 0;

	while (n < s->n && s->p[n] != '=' && s->p[n] != ' ')
		n++;
	*name = str_sub(*s, 0, n);
	if (n == s->n || s->p[n] != '=' || !is_name(*name))
		return false;
	*s = str_from(*s, n + 1);
	return true;
}

/* Pairs to the end of the line; other words between them are passed over. False: a quote without its end. */
static bool
take_pairs(struct log_line *l, struct str s, struct buf *room)
{
	struct str name, value;

	while (s.n > 0) {
		if (s.p[0] == ' ') {
			s = str_from(s, 1);
		} else if (s.p[0] == '"') {
			if (!take_quoted(&s, room, &value))
				return false;
		} else if (!take_name(&s, &name)) {
			(void)str_split(&s, ' ');
		} else if (s.n > 0 && s.p[0] == '"') {
			if (!take_quoted(&s, room, &value))
				return false;
			take(l, name, value);
		} else {
			take(l, name, str_split(&s, ' '));
		}
	}
	return true;
}

/* ---- the forms ---- */

/* 2026-11-22T01:02:03.456Z */
static bool
is_time(struct str s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

	if (s.n != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (form[i] == 'd' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != form[i])
			return false;
	return true;
}

static bool
is_level(struct str s)
{
	return str_is(s, "debug") || str_is(s, "info") || str_is(s, "warn") || str_is(s, "error");
}

/* Where the words of the message end and the pairs begin. */
static size_t
message_end(struct str s)
{
	struct str name, rest;

	for (size_t i = 0; i < s.n; i++) {
		rest = str_from(s, i);
		if ((i == 0 || s.p[i - 1] == ' ') && take_name(&rest, &name))
			return i;
	}
	return s.n;
}

/* TIME LEVEL AREA: MESSAGE name=value … */
static bool
parse_own(struct log_line *l, struct str line, struct buf *room)
{
	size_t n;

	l->time = str_split(&line, ' ');
	l->level = line.p ? str_split(&line, ' ') : line;
	l->area = line.p ? str_split(&line, ' ') : line;
	if (!is_time(l->time) || !is_level(l->level) || !str_ends(l->area, STR(":")) ||
	    line.p == NULL)
		return false;
	l->area.n--;
	n = message_end(line);
	l->message = str_trim(str_sub(line, 0, n));
	return take_pairs(l, str_from(line, n), room);
}

/* An access log in logfmt: pairs and nothing else. */
static bool
parse_pairs(struct log_line *l, struct str line, struct buf *room)
{
	return message_end(line) == 0 && take_pairs(l, line, room);
}

/* ADDRESS - USER [TIME] "REQUEST" STATUS BYTES … */
static bool
parse_combined(struct log_line *l, struct str line, struct buf *room)
{
	ptrdiff_t open = str_find(line, '[');
	struct str request, rest;

	l->client = str_split(&line, ' ');
	if (open < 0 || (size_t)open <= l->client.n)
		return false;
	rest = str_from(line, (size_t)open - l->client.n);
	l->time = str_split(&rest, ']');
	if (rest.n < 3 || rest.p[0] != ' ' || rest.p[1] != '"')
		return false;
	rest = str_from(rest, 1);
	if (!take_quoted(&rest, room, &request) || rest.n < 5 || rest.p[0] != ' ')
		return false;
	take_request(l, request);
	rest = str_from(rest, 1);
	l->status = parse_status(str_split(&rest, ' '));
	return l->status != 0 && take_pairs(l, rest, room);
}

/* A text without quotes and escapes; a number as it is. */
static struct str
plain(struct str raw, struct buf *room)
{
	size_t from = room->n;

	if (raw.n == 0 || raw.p[0] != '"')
		return raw;
	(void)json_unquote(raw, room);
	return str_from(buf_str(room), from);
}

static bool
parse_json(struct log_line *l, struct str line, struct buf *room)
{
	struct str name, value;
	uint64_t bad;
	size_t at = 0;

	if (json_check_text(line, &bad) != 0)
		return false;
	while (json_next(line, &at, &name, &value) == 1)
		if (value.n > 0 && value.p[0] != '{' && value.p[0] != '[')
			take(l, str_sub(name, 1, name.n - 2), plain(value, room));
	return true;
}

bool
log_line_parse(struct str line, struct log_line *out)
{
	struct buf room;
	bool known;

	memset(out, 0, offsetof(struct log_line, room));
	out->latency = -1;
	if (line.n > LOG_LINE_MAX)
		return false;
	buf_init_fixed(&room, out->room, sizeof(out->room));
	line = str_trim(line);
	if (line.n > 0 && line.p[0] == '{')
		known = parse_json(out, line, &room);
	else if (line.n > 0 && line.p[0] >= '0' && line.p[0] <= '9' &&
		 is_time(str_sub(line, 0, 24)))
		known = parse_own(out, line, &room);
	else
		known = parse_pairs(out, line, &room) || parse_combined(out, line, &room);
	return known && !buf_failed(&room) && (out->time.n > 0 || out->status != 0);
}

bool
log_line_is_error(const struct log_line *l)
{
	return str_is(l->level, "error") || l->status >= 400;
}
