/*
 * What one file is, how many records it holds, and whether they are whole. A file is known by its first bytes, not by its name: operators copy and
 * rename. See spool.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/file.h"
#include "base/log.h"
#include "ctl/spool.h"
#include "dlq/logfile.h"
#include "message/journal_row.h"
#include "ship/bundle.h"
#include "sink/gzid.h"
#include "spool/reader.h"
#include "spool/tally.h"

#define LIST_MAX (64u * 1024)
#define PIECE (64u * 1024)

const char *
spool_kind_name(enum spool_kind kind)
{
	static const char *const names[] = { "segment", "object", "bundle", "list", "journal",
		"letters", "other" };

	return names[kind];
}

const char *
spool_state_name(enum spool_state state)
{
	static const char *const names[] = { "good", "unfinished", "damaged", "unreadable",
		"unchecked" };

	return names[state];
}

/* ---- findings ---- */

static void
note_damage(struct spool_file *f, uint64_t at, uint64_t bytes)
{
	if (f->damaged == 0)
		f->damaged_at = at;
	f->damaged += bytes;
	f->state = SPOOL_DAMAGED;
}

static void
note_error(struct spool_file *f, int err)
{
	if (f->state == SPOOL_DAMAGED)
		return;
	f->state = SPOOL_UNREADABLE;
	snprintf(f->why, sizeof(f->why), "%s", err_text(err));
}

/* The file ends in what is not whole. */
static void
note_end(struct spool_file *f, uint64_t at)
{
	if (!f->growing)
		note_damage(f, at, f->size - at);
	else if (f->state == SPOOL_GOOD)
		f->state = SPOOL_UNFINISHED;
}

/* ---- segments ---- */

static void
read_records(struct spool_file *f, struct reader *r)
{
	struct reader_record record;
	uint64_t skipped;
	int more;

	while ((more = reader_next(r, &record)) != 0) {
		uint64_t at = reader_end(r);

		if (more == 1) {
			f->records++;
			continue;
		}
		if (more == ERR_CORRUPT)
			more = reader_resync(r, &skipped);
		if (more < 0)
			note_error(f, more);
		else if (more == 0)
			note_end(f, at);
		else
			note_damage(f, at, skipped);
		if (more <= 0)
			return;
	}
}

static void
look_at_segment(struct spool_file *f, bool verify)
{
	struct reader *r;
	int err = reader_open(f->path, 0, &r);

	if (err != 0) {
		if (err == ERR_CORRUPT)
			note_end(f, 0);
		else
			note_error(f, err);
		return;
	}
	f->counted = true;
	f->since = reader_header(r)->created;
	if (reader_header(r)->flags & SEGMENT_OBJECT)
		f->kind = SPOOL_OBJECT;
	if (verify || f->growing || tally_records(f->path, &f->records) != 0) {
		f->records = 0;
		read_records(f, r);
	}
	reader_close(r);
}

/* ---- bundles ---- */

/* A gzip file on its way through zlib. */
struct gunzip {
	z_stream z;
	int fd;
	uint64_t at; /* in the file, of what is read next */
	bool full;   /* the last round filled out: there may be more of it */
	bool ended;  /* a member did; another may follow */
	char in[PIECE], out[PIECE];
};

/* More input, if it is needed: 1, 0 at the end, or an error. */
static int
refill(struct gunzip *g)
{
	ssize_t n;

	if (g->z.avail_in > 0 || g->full)
		return 1;
	n = file_read_full(g->fd, g->in, PIECE, (off_t)g->at);
	if (n <= 0)
		return (int)n;
	g->z.next_in = (unsigned char *)g->in;
	g->z.avail_in = (unsigned)n;
	g->at += (uint64_t)n;
	return 1;
}

static int
gunzip_round(struct gunzip *g, int (*each)(void *arg, const char *p, size_t n), void *arg)
{
	int status;

	if (g->ended && inflateReset(&g->z) != Z_OK)
		return ERR_CORRUPT;
	g->z.next_out = (unsigned char *)g->out;
	g->z.avail_out = PIECE;
	status = inflate(&g->z, Z_NO_FLUSH);
	g->full = g->z.avail_out == 0 && status == Z_OK;
	g->ended = status == Z_STREAM_END;
	if (status == Z_MEM_ERROR)
		return ERR_NOMEM;
	if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
		return ERR_CORRUPT;
	return g->z.avail_out < PIECE ? each(arg, g->out, PIECE - g->z.avail_out) : 0;
}

int
spool_gunzip(int fd, int (*each)(void *arg, const char *p, size_t n), void *arg, uint64_t *at)
{
	struct gunzip *g = calloc(1, sizeof(*g));
	int err = 0, more = 1;

	*at = 0;
	if (g == NULL || inflateInit2(&g->z, 15 + 16) != Z_OK) {
		free(g);
		return ERR_NOMEM;
	}
	g->fd = fd;
	while (!err && (more = refill(g)) == 1)
		err = gunzip_round(g, each, arg);
	*at = g->at - g->z.avail_in;
	if (!err)
		err = more < 0 ? more : g->ended ? 0 : ERR_CORRUPT;
	inflateEnd(&g->z);
	free(g);
	return err;
}

static int
drop(void *arg, const char *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
	return 0;
}

static void
look_at_bundle(struct spool_file *f, int fd, bool verify)
{
	uint64_t at;
	int err;

	f->counted = gzid_read_records(fd, &f->records) == 0 && !f->growing;
	if (!verify)
		return;
	err = spool_gunzip(fd, drop, NULL, &at);
	if (err == ERR_CORRUPT)
		note_end(f, MIN(at, f->size));
	else if (err)
		note_error(f, err);
}

static void
look_at_list(struct spool_file *f)
{
	struct bundle *b = bundle_new();
	char *text = NULL;
	size_t n = 0;
	int err = b ? file_read_all(f->path, LIST_MAX, &text, &n) : ERR_NOMEM;

	if (err == 0 && bundle_decode(str_make(text, n), b) != 0)
		note_end(f, 0);
	else if (err != 0)
		note_error(f, err);
	free(text);
	bundle_free(b);
}

/* ---- journals ---- */

/* Reading a journal's rows. Behind the last good one there may be rubbish, where its writer died: only what stands before a good row is damage. */
struct rows {
	struct spool_file *f;
	struct journal_header header;
	uint64_t bad_at, bad; /* bytes passed over since the last good row */
};

static void
take_row(struct rows *r, const struct journal_record *row)
{
	r->f->records += row->kind == JOURNAL_ATTEMPT;
	if (r->bad > 0)
		note_damage(r->f, r->bad_at, r->bad);
	r->bad = 0;
}

/* The rows of a window that begins at `from` in the file; returns how far they were read. A damaged place is passed over in steps of eight bytes, which is how
 * rows lie. last: the file ends with the window. */
static size_t
read_rows(struct rows *r, const unsigned char *p, size_t n, uint64_t from, bool last)
{
	static const unsigned char zeros[8];
	size_t at = 0;

	while (at < n && (last || n - at >= JOURNAL_ROW_MAX)) {
		struct journal_record row;
		ssize_t used = journal_get(p + at, n - at, &r->header.id, from + at, &row);

		if (used > 0) {
			take_row(r, &row);
		} else {
			used = (ssize_t)MIN(n - at, sizeof(zeros));
			if (r->bad == 0)
				r->bad_at = from + at;
			if (r->bad > 0 || memcmp(p + at, zeros, (size_t)used) != 0)
				r->bad += (uint64_t)used;
		}
		at += (size_t)used;
	}
	return at;
}

static void
look_at_journal(struct spool_file *f, int fd)
{
	unsigned char *window = malloc(PIECE);
	struct rows r = { .f = f };
	uint64_t at = JOURNAL_HEADER_LEN;
	ssize_t n = window ? file_read_full(fd, window, JOURNAL_HEADER_LEN, 0) : ERR_NOMEM;

	if (n < 0) {
		note_error(f, (int)n);
	} else if (journal_decode_header(window, (size_t)n, &r.header) != 0) {
		note_damage(f, 0, f->size);
	} else {
		f->counted = true;
		while ((n = file_read_full(fd, window, PIECE, (off_t)at)) > 0)
			at += read_rows(&r, window, (size_t)n, at, n < (ssize_t)PIECE);
		if (n < 0)
			note_error(f, (int)n);
		else if (r.bad > 0 && f->state == SPOOL_GOOD)
			f->state = SPOOL_UNFINISHED;
	}
	free(window);
}

/* ---- dead letters ---- */

/* As in a journal, behind the last good frame there may be rubbish. */
static void
read_frames(struct spool_file *f, struct logfile *l)
{
	struct frame frame;
	uint64_t offset = 0, end = logfile_end(l);
	int more;

	while ((more = logfile_next(l, &frame, &offset)) != 0) {
		if (more == ERR_CORRUPT)
			more = logfile_resync(l);
		else if (more == 1)
			f->records += frame.type == FRAME_LETTER;
		if (more < 0)
			note_error(f, more);
		else if (more == 0 && f->state == SPOOL_GOOD)
			f->state = SPOOL_UNFINISHED;
		if (more <= 0)
			return;
		if (logfile_end(l) == end)
			continue; /* the good frame behind the damage comes next */
		if (offset > end)
			note_damage(f, end, offset - end);
		end = logfile_end(l);
	}
}

static void
look_at_letters(struct spool_file *f, int fd)
{
	struct logfile *l;
	int err = logfile_open(fd, &l);

	if (err == ERR_CORRUPT) {
		note_damage(f, 0, f->size);
	} else if (err != 0) {
		note_error(f, err);
	} else {
		f->counted = true;
		f->since = logfile_header(l)->created;
		read_frames(f, l);
		logfile_close(l);
	}
}

/* ---- which is which ---- */

static const struct {
	const char *magic;
	size_t n;
	enum spool_kind kind;
} magics[] = {
	{ "SLUISEG1", 8, SPOOL_SEGMENT },
	{ "SLUIJRN1", 8, SPOOL_JOURNAL },
	{ "SLUIDLQ1", 8, SPOOL_LETTERS },
	{ "\x1f\x8b\x08", 3, SPOOL_BUNDLE },
	{ "sluice-bundle ", 14, SPOOL_LIST },
};

static const struct {
	const char *part;
	bool folder; /* of its folder's name, else its suffix */
	const char *stage;
} stages[] = {
	{ ".open", false, "open" },
	{ ".part", false, "unfinished" },
	{ ".tmp", false, "unfinished" },
	{ ".sent", false, "sent" },
	{ "/aggregation/", true, "claimed" },
	{ "/uploading/", true, "leaving" },
	{ "/corrupt/", true, "set aside" },
	{ "/journal/", true, "journal" },
	{ "/dlq/", true, "dead" },
};

static void
find_stage(struct spool_file *f)
{
	struct str path = str_of(f->path);
	ptrdiff_t slash = str_rfind(path, '/');
	struct str folder = str_sub(path, 0, (size_t)(slash + 1));

	f->stage = "sealed";
	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (str_ends(stages[i].folder ? folder : path, str_of(stages[i].part))) {
			f->stage = stages[i].stage;
			break;
		}
	f->growing = strcmp(f->stage, "open") == 0 || strcmp(f->stage, "unfinished") == 0;
}

/* What should be a segment by its name, and has no beginning, is a damaged one. */
static enum spool_kind
kind_by_name(const char *path)
{
	const char *base = strrchr(path, '/');
	enum name_kind kind = name_kind(str_of(base ? base + 1 : path));

	return kind == NAME_OTHER ? SPOOL_OTHER : SPOOL_SEGMENT;
}

static int
find_kind(struct spool_file *f, int fd)
{
	char begin[16];
	ssize_t n = file_read_full(fd, begin, sizeof(begin), 0);

	f->kind = kind_by_name(f->path);
	for (size_t i = 0; n > 0 && i < ARRAY_LEN(magics); i++)
		if ((size_t)n >= magics[i].n && memcmp(begin, magics[i].magic, magics[i].n) == 0)
			f->kind = magics[i].kind;
	return n < 0 ? (int)n : 0;
}

static void
look_inside(struct spool_file *f, int fd, bool verify)
{
	switch (f->kind) {
	case SPOOL_SEGMENT:
	case SPOOL_OBJECT:
		look_at_segment(f, verify);
		break;
	case SPOOL_BUNDLE:
		look_at_bundle(f, fd, verify);
		break;
	case SPOOL_LIST:
		look_at_list(f);
		break;
	case SPOOL_JOURNAL:
		look_at_journal(f, fd);
		break;
	case SPOOL_LETTERS:
		look_at_letters(f, fd);
		break;
	case SPOOL_OTHER:
		f->state = SPOOL_UNCHECKED;
		break;
	}
}

int
spool_look(const char *path, bool verify, struct spool_file *out)
{
	struct stat st;
	int fd, err;

	*out = (struct spool_file){ .kind = SPOOL_OTHER };
	snprintf(out->path, sizeof(out->path), "%s", path);
	find_stage(out);
	if ((fd = file_open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)) < 0) {
		if (errno == ENOENT)
			return ERR_NOT_FOUND;
		out->state = SPOOL_UNREADABLE;
		snprintf(out->why, sizeof(out->why), "%s", log_errno_text(errno));
		return 0;
	}
	if (fstat(fd, &st) == 0) {
		out->size = (uint64_t)st.st_size;
		out->since = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
	}
	if ((err = find_kind(out, fd)) != 0)
		note_error(out, err);
	else
		look_inside(out, fd, verify);
	file_calls->close(fd);
	return 0;
}
