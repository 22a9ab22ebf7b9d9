/*
 * `spool cat`: the records of segments and bundles, one after the other. To a terminal control characters are shown, not sent; into a pipe
 * goes what there is. With --json one document. See spool.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/utf8.h"
#include "ctl/ctl.h"
#include "ctl/spool.h"
#include "ctl/table.h"
#include "message/message.h"
#include "spool/reader.h"

#define BODY_MAX (64u * 1024 * 1024) /* of one record in a JSON document; longer ones are cut */

struct cat {
	bool json, visible; /* visible: to a terminal */
	const char *path;
	struct buf out;
	struct json_writer w;
	struct buf line; /* of a bundle: the record that is being gathered */
	int status;
};

/* ---- printing ---- */

/* Prints what has gathered; the writer goes on behind it. */
static void
flush(struct cat *c)
{
	if (c->out.n > 0)
		fwrite(c->out.p, 1, c->out.n, stdout);
	if (buf_failed(&c->out) && c->status == CTL_DONE)
		c->status = ctl_complain(CTL_REFUSED, "%s: %s", c->path, err_text(ERR_NOMEM));
	buf_reset(&c->out);
}

static void
put_text(struct cat *c, struct str s)
{
	while (c->visible && s.n > 0) {
		struct str line = str_split(&s, '\n');

		table_put_visible(&c->out, line);
		if (s.p != NULL)
			buf_putc(&c->out, '\n');
	}
	buf_put_str(&c->out, s);
	flush(c);
}

/* Text, or what is none in base64. */
static void
put_body(struct cat *c, struct str body, uint64_t size)
{
	json_put_u64(&c->w, "size", size);
	if (utf8_valid(body)) {
		json_put_str(&c->w, "text", body);
	} else {
		struct buf coded;

		buf_init(&coded, 0);
		buf_put_base64(&coded, body.p, body.n);
		json_put_str(&c->w, "base64", buf_str(&coded));
		if (buf_failed(&coded))
			c->out.err = buf_failed(&coded);
		buf_fini(&coded);
	}
	json_put_bool(&c->w, "truncated", body.n < size);
}

static void
complain(struct cat *c, const char *what)
{
	struct buf path;

	buf_init(&path, 0);
	table_put_visible(&path, str_of(c->path));
	fflush(stdout);
	c->status = ctl_complain(CTL_REFUSED, "%s: %s", buf_cstr(&path), what);
	buf_fini(&path);
}

/* ---- segments ---- */

/* Up to max bytes of the record's body, in memory. */
static int
gather_body(struct reader *r, const struct reader_record *rec, struct buf *out)
{
	uint64_t at = 0, end = MIN(rec->frame.body_len, (uint64_t)BODY_MAX);

	while (at < end) {
		size_t want = (size_t)MIN(end - at, (uint64_t)READER_BUFFER);
		char *room = buf_reserve(out, want);
		ssize_t n = room ? reader_body(r, at, room, want) : ERR_NOMEM;

		if (n <= 0)
			return n < 0 ? (int)n : ERR_IO;
		buf_added(out, (size_t)n);
		at += (uint64_t)n;
	}
	return 0;
}

static void
put_attrs(struct cat *c, const struct reader_record *rec)
{
	static const struct {
		const char *attr, *name;
	} shown[] = {
		{ SEGMENT_ATTR_METHOD, "method" },
		{ SEGMENT_ATTR_TYPE, "content_type" },
		{ SEGMENT_ATTR_ENCODING, "content_encoding" },
		{ SEGMENT_ATTR_TRACE, "traceparent" },
		{ SEGMENT_ATTR_URI, "uri" },
		{ SEGMENT_ATTR_KEY, "key" },
	};

	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		struct str value = segment_get_attr(rec->attrs, shown[i].attr);

		if (value.p != NULL)
			json_put_str(&c->w, shown[i].name, value);
	}
}

static int
print_json(struct cat *c, struct reader *r, const struct reader_record *rec)
{
	char id[2 * ID_LEN + 1];
	struct buf body;
	int err;

	id_text(message_id(reader_header(r)->id, rec->frame.number, rec->attrs), id);
	buf_init(&body, 0);
	json_open(&c->w, NULL, '{');
	json_put_str(&c->w, "file", str_of(c->path));
	json_put_u64(&c->w, "number", rec->frame.number);
	json_put_cstr(&c->w, "id", id);
	json_put_time(&c->w, "time", rec->frame.time);
	json_put_str(&c->w, "user", rec->user);
	put_attrs(c, rec);
	err = gather_body(r, rec, &body);
	if (!err)
		put_body(c, buf_str(&body), rec->frame.body_len);
	json_close(&c->w);
	buf_fini(&body);
	flush(c);
	return err;
}

/* The body, and a line end if it has none. */
static int
print_raw(struct cat *c, struct reader *r, const struct reader_record *rec)
{
	static char piece[READER_BUFFER];
	char last = '\n';
	ssize_t n = 0;

	for (uint64_t at = 0; at < rec->frame.body_len; at += (uint64_t)n) {
		n = reader_body(r, at, piece, sizeof(piece));
		if (n <= 0)
			return n < 0 ? (int)n : ERR_IO;
		put_text(c, str_make(piece, (size_t)n));
		last = piece[n - 1];
	}
	if (last != '\n')
		buf_putc(&c->out, '\n');
	flush(c);
	return 0;
}

static void
print_segment(struct cat *c, bool growing)
{
	struct reader_record rec;
	uint64_t skipped;
	struct reader *r;
	char why[100];
	int more = reader_open(c->path, 0, &r);

	if (more != 0) {
		if (more != ERR_NOT_FOUND && !(growing && more == ERR_CORRUPT))
			complain(c, err_text(more));
		return;
	}
	while ((more = reader_next(r, &rec)) != 0) {
		if (more == 1) {
			more = c->json ? print_json(c, r, &rec) : print_raw(c, r, &rec);
			if (more == 0)
				continue;
		} else if (more == ERR_CORRUPT && (more = reader_resync(r, &skipped)) == 1) {
			snprintf(why, sizeof(why), "%llu damaged bytes passed over",
			    (unsigned long long)skipped);
			complain(c, why);
			continue;
		}
		if (more < 0)
			complain(c, err_text(more));
		else if (!growing)
			complain(c, "its end is damaged");
		break;
	}
	reader_close(r);
}

/* ---- bundles ---- */

static void
end_line(struct cat *c)
{
	struct str line = buf_str(&c->line);

	json_open(&c->w, NULL, '{');
	json_put_str(&c->w, "file", str_of(c->path));
	put_body(c, line, line.n);
	json_close(&c->w);
	flush(c);
	buf_reset(&c->line);
}

/* What of its records is left in a bundle are lines. */
static int
take_piece(void *arg, const char *p, size_t n)
{
	struct cat *c = arg;
	struct str rest = str_make(p, n);

	if (!c->json) {
		put_text(c, rest);
		return 0;
	}
	while (rest.p != NULL && rest.n > 0) {
		struct str line = str_split(&rest, '\n');

		if (c->line.n + line.n <= BODY_MAX)
			buf_put_str(&c->line, line);
		if (rest.p != NULL)
			end_line(c);
	}
	return buf_failed(&c->line);
}

static void
print_bundle(struct cat *c)
{
	int fd = file_open(c->path, O_RDONLY | O_NOFOLLOW), err;
	uint64_t at;

	if (fd < 0) {
		if (errno != ENOENT)
			complain(c, log_errno_text(errno));
		return;
	}
	err = spool_gunzip(fd, take_piece, c, &at);
	if (c->json && c->line.n > 0)
		end_line(c);
	if (err)
		complain(c, err == ERR_CORRUPT ? "it is damaged, or cut" : err_text(err));
	file_calls->close(fd);
}

/* ---- all of them ---- */

/* True: it is a file of records. */
static bool
print_file(struct cat *c)
{
	struct spool_file *f = malloc(sizeof(*f));
	bool known = false;

	if (f != NULL && spool_look(c->path, false, f) == 0) {
		known = f->kind <= SPOOL_BUNDLE;
		if (f->kind == SPOOL_BUNDLE)
			print_bundle(c);
		else if (known)
			print_segment(c, f->growing);
	}
	free(f);
	return known;
}

int
spool_print(const char *paths, size_t n, bool json)
{
	struct cat c = { .json = json, .visible = !json && isatty(STDOUT_FILENO) };
	size_t known = 0;

	buf_init(&c.out, 0);
	buf_init(&c.line, 0);
	json_init(&c.w, &c.out);
	if (json) {
		json_open(&c.w, NULL, '{');
		json_open(&c.w, "records", '[');
	}
	for (size_t i = 0; i < n; i++, paths += strlen(paths) + 1) {
		c.path = paths;
		known += print_file(&c);
	}
	if (json) {
		json_close(&c.w);
		json_close(&c.w);
		buf_putc(&c.out, '\n');
	}
	flush(&c);
	if (n == 1 && known == 0 && c.status == CTL_DONE)
		complain(&c, "no file of records");
	buf_fini(&c.line);
	buf_fini(&c.out);
	return c.status;
}
