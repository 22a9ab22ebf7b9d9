/*
 * logs: the last errors and the slowest requests of a log, whatever its size: it is read once, in pieces, and only the lines that will be
 * shown are kept. Lines that are too long, torn or strange are counted and passed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_write.h"
#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/document.h"
#include "ctl/log_line.h"
#include "ctl/table.h"

#define CHUNK ((size_t)64 * 1024)
#define KEEP_DEFAULT 20
#define KEEP_MAX 10000

enum { OPTION_ERRORS, OPTION_SLOW };

/* A line that may be shown. */
struct kept {
	char *text;
	size_t n;
	int64_t latency;
};

struct search {
	bool slow;
	size_t wanted;
	struct kept *kept; /* errors: a ring, of which `at` is the oldest; slow: longest first */
	size_t n, at;
	uint64_t lines, strange;
	bool no_memory;
	struct log_line line;
	char partial[LOG_LINE_MAX]; /* a line that goes on in the next piece */
	size_t partial_n;
	bool too_long; /* the rest of the line is passed over */
};

/* ---- choosing ---- */

static bool
keep_in(struct kept *k, struct str line, int64_t latency)
{
	char *text = malloc(line.n + 1);

	if (text == NULL)
		return false;
	memcpy(text, line.p, line.n);
	free(k->text);
	*k = (struct kept){ text, line.n, latency };
	return true;
}

static void
keep_error(struct search *s, struct str line)
{
	struct kept *k = &s->kept[(s->at + s->n) % s->wanted];

	if (!keep_in(k, line, s->line.latency))
		s->no_memory = true;
	else if (s->n < s->wanted)
		s->n++;
	else
		s->at = (s->at + 1) % s->wanted;
}

/* Behind those that took as long: of equals the first stays. */
static void
keep_slow(struct search *s, struct str line)
{
	int64_t latency = s->line.latency;
	struct kept k = { 0 };
	size_t i = s->n;

	if (s->n == s->wanted && s->kept[s->n - 1].latency >= latency)
		return;
	if (!keep_in(&k, line, latency)) {
		s->no_memory = true;
		return;
	}
	if (s->n == s->wanted)
		free(s->kept[--i].text);
	else
		s->n++;
	for (; i > 0 && s->kept[i - 1].latency < latency; i--)
		s->kept[i] = s->kept[i - 1];
	s->kept[i] = k;
}

static void
judge(struct search *s, struct str line)
{
	s->lines++;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0)
		return;
	if (!log_line_parse(line, &s->line))
		s->strange++;
	else if (s->slow && s->line.latency >= 0)
		keep_slow(s, line);
	else if (!s->slow && log_line_is_error(&s->line))
		keep_error(s, line);
}

/* ---- reading ---- */

static void
gather(struct search *s, struct str piece)
{
	if (piece.n > sizeof(s->partial) - s->partial_n)
		s->too_long = true;
	if (s->too_long)
		return;
	memcpy(s->partial + s->partial_n, piece.p, piece.n);
	s->partial_n += piece.n;
}

static void
end_line(struct search *s)
{
	if (s->too_long) {
		s->lines++;
		s->strange++;
	} else {
		judge(s, str_make(s->partial, s->partial_n));
	}
	s->partial_n = 0;
	s->too_long = false;
}

static void
take_chunk(struct search *s, struct str chunk)
{
	while (chunk.n > 0) {
		const char *end = memchr(chunk.p, '\n', chunk.n);
		size_t n = end ? (size_t)(end - chunk.p) : chunk.n;

		if (end && s->partial_n == 0 && !s->too_long && n <= LOG_LINE_MAX) {
			judge(s, str_make(chunk.p, n));
		} else {
			gather(s, str_make(chunk.p, n));
			if (end)
				end_line(s);
		}
		chunk = str_from(chunk, n + (end != NULL));
	}
}

static int
read_all(struct search *s, int fd, const char *path)
{
	char *chunk = malloc(CHUNK);
	ssize_t n;

	if (chunk == NULL)
		return ctl_complain(CTL_REFUSED, "out of memory");
	while ((n = read(fd, chunk, CHUNK)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			take_chunk(s, str_make(chunk, (size_t)n));
	free(chunk);
	if (n < 0)
		return ctl_complain(CTL_REFUSED, "%s: %s", path, strerror(errno));
	/* The last line may still be in the writing. */
	if (s->partial_n > 0 || s->too_long)
		end_line(s);
	return s->no_memory ? ctl_complain(CTL_REFUSED, "out of memory") : CTL_DONE;
}

/* ---- showing ---- */

static const struct kept *
kept_at(const struct search *s, size_t i)
{
	return &s->kept[s->slow ? i : (s->at + i) % s->wanted];
}

static void
put_latency(char out[32], int64_t latency)
{
	if (latency < 0)
		out[0] = '\0';
	else
		snprintf(out, 32, "%lld.%03lld ms", (long long)(latency / 1000),
		    (long long)(latency % 1000));
}

static void
row(struct table *t, const struct log_line *l)
{
	char text[32], latency[32];

	put_latency(latency, l->latency);
	snprintf(text, sizeof(text), "%d", l->status);
	table_cell(t, l->time);
	table_cstr(t, latency);
	table_cstr(t, l->status ? text : NULL);
	table_cell(t, l->method.n > 0 ? l->method : STR("-"));
	table_cell(t, l->uri.n > 0 ? l->uri : STR("-"));
	table_cell(t, l->client.n > 0 ? l->client : STR("-"));
	table_cell(t, l->request_id.n > 0 ? l->request_id : STR("-"));
}

static void
print_slow(struct search *s)
{
	struct table t;

	table_init(&t, "TIME >LATENCY >STATUS METHOD URI CLIENT REQUEST");
	for (size_t i = 0; i < s->n; i++)
		if (log_line_parse(str_make(kept_at(s, i)->text, kept_at(s, i)->n), &s->line))
			row(&t, &s->line);
	table_print(&t);
}

/* A line tells more than a table could. */
static void
print_errors(const struct search *s)
{
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < s->n; i++) {
		table_put_visible(&out, str_make(kept_at(s, i)->text, kept_at(s, i)->n));
		buf_putc(&out, '\n');
	}
	fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
}

static void
put_member(struct json_writer *w, const char *name, struct str value)
{
	if (value.n > 0)
		json_put_str(w, name, value);
}

static void
write_line(struct json_writer *w, const struct log_line *l, struct str text)
{
	json_open(w, NULL, '{');
	put_member(w, "time", l->time);
	put_member(w, "level", l->level);
	put_member(w, "area", l->area);
	put_member(w, "message", l->message);
	put_member(w, "method", l->method);
	put_member(w, "uri", l->uri);
	if (l->status != 0)
		json_put_i64(w, "status", l->status);
	if (l->latency >= 0)
		json_put_seconds(w, "latency_ms", l->latency * 1000000);
	put_member(w, "client", l->client);
	put_member(w, "request_id", l->request_id);
	json_put_str(w, "line", text);
	json_close(w);
}

static void
print_json(struct search *s)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 0);
	json_init(&w, &out);
	json_open(&w, NULL, '{');
	json_open(&w, s->slow ? "slow" : "errors", '[');
	for (size_t i = 0; i < s->n; i++) {
		struct str text = str_make(kept_at(s, i)->text, kept_at(s, i)->n);

		if (log_line_parse(text, &s->line))
			write_line(&w, &s->line, text);
	}
	json_close(&w);
	json_put_u64(&w, "lines", s->lines);
	json_put_u64(&w, "unreadable", s->strange);
	json_close(&w);
	printf("%s\n", buf_cstr(&out));
	buf_fini(&out);
}

static void
show(const struct ctl *ctl, struct search *s)
{
	if (ctl->json) {
		print_json(s);
		return;
	}
	if (s->slow)
		print_slow(s);
	else
		print_errors(s);
	if (s->n == 0 && s->lines > s->strange)
		fprintf(stderr, "sluicectl: none of %llu lines tells of %s\n",
		    (unsigned long long)s->lines,
		    s->slow ? "how long a request took; requests are in the access log, if there "
			      "is one"
			    : "an error");
	if (s->strange > 0)
		fprintf(stderr, "sluicectl: %llu of %llu lines were not understood\n",
		    (unsigned long long)s->strange, (unsigned long long)s->lines);
}

/* ---- the command ---- */

/* The log that the server writes, by its own word; allocated, NULL after a message. */
static int
ask_path(struct ctl *ctl, char *path, size_t cap)
{
	struct ctl_reply reply;
	struct buf room;
	bool fits;
	int status = ctl_get(ctl, "GET", "/api/status", &reply);

	if (status != CTL_DONE)
		return status;
	buf_init(&room, 0);
	fits = str_copyz(path, cap, document_text(buf_str(&reply.body), "error_log", &room));
	buf_fini(&room);
	buf_fini(&reply.body);
	if (!fits || path[0] == '\0')
		return ctl_complain(CTL_REFUSED,
		    "the server logs to standard error: name the FILE that takes it, or - for "
		    "standard input");
	return CTL_DONE;
}

static int
parse_wanted(const char *text, size_t *out)
{
	uint64_t n = KEEP_DEFAULT;

	if (text != NULL && text[0] != '\0' &&
	    (str_to_u64(str_of(text), &n) != 0 || n < 1 || n > KEEP_MAX))
		return ctl_complain(CTL_USAGE, "a number from 1 to %d is needed", KEEP_MAX);
	*out = (size_t)n;
	return CTL_DONE;
}

static int
search_file(struct ctl *ctl, struct search *s, const char *path)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int status;

	if (fd < 0)
		return ctl_complain(CTL_REFUSED, "%s: %s", path, strerror(errno));
	status = read_all(s, fd, path);
	if (fd != STDIN_FILENO)
		close(fd);
	if (status == CTL_DONE)
		show(ctl, s);
	return status;
}

static void
search_free(struct search *s)
{
	for (size_t i = 0; s->kept != NULL && i < s->wanted; i++)
		free(s->kept[i].text);
	free(s->kept);
	free(s);
}

int
logs_run(struct ctl *ctl, const struct ctl_args *args)
{
	const char *errors = args->option[OPTION_ERRORS], *slow = args->option[OPTION_SLOW];
	struct search *s;
	char path[1024];
	int status;

	if (errors != NULL && slow != NULL)
		return ctl_complain(CTL_USAGE, "--errors or --slow, not both");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ctl_complain(CTL_REFUSED, "out of memory");
	s->slow = slow != NULL;
	status = parse_wanted(s->slow ? slow : errors, &s->wanted);
	if (status == CTL_DONE && args->n == 0)
		status = ask_path(ctl, path, sizeof(path));
	if (status == CTL_DONE && (s->kept = calloc(s->wanted, sizeof(*s->kept))) == NULL)
		status = ctl_complain(CTL_REFUSED, "out of memory");
	if (status == CTL_DONE)
		status = search_file(ctl, s, args->n > 0 ? args->v[0] : path);
	search_free(s);
	return status;
}
