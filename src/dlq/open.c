/*
 * Opening the store: every log file is read, oldest first, and each valid frame applied to the index; and closing it.
 *
 * What an operator, a disk or a crash may have made of the folder is taken as it is: a torn tail of the last file is cut; a file with something
 * unreadable in its middle is used as far as it is valid, and set aside when its entries have been written anew (tend.c); a file that is
 * not ours keeps its name if it is called otherwise, or is set aside; files of payloads that belong to nobody are removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "dlq/dlq_priv.h"
#include "dlq/logfile.h"

#define NUMBER_LEN 10
#define ID_TEXT (2u * ID_LEN)

struct opening {
	struct dlq *d;
	uint32_t *numbers;
	size_t n, cap;
	bool damage; /* something was found that is not as we left it */
	int err;
};

/* ---- which files there are ---- */

/* "0000000012.log" */
static bool
is_log_name(struct str name, uint32_t *number)
{
	uint64_t v;

	if (name.n != NUMBER_LEN + 4 || !str_ends(name, STR(".log")) ||
	    str_to_u64(str_sub(name, 0, NUMBER_LEN), &v) || v > UINT32_MAX)
		return false;
	*number = (uint32_t)v;
	return true;
}

static int
note_number(struct opening *o, uint32_t number)
{
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 64;
		uint32_t *numbers = realloc(o->numbers, cap * sizeof(*numbers));

		if (!numbers)
			return ERR_NOMEM;
		o->numbers = numbers;
		o->cap = cap;
	}
	o->numbers[o->n++] = number;
	return OK;
}

static int
see_name(const char *cname, void *arg)
{
	struct opening *o = arg;
	struct str name = str_of(cname);
	uint32_t number;

	if (is_log_name(name, &number)) {
		o->d->next_number = MAX(o->d->next_number, number + 1);
		return note_number(o, number);
	}
	if (str_ends(name, STR(".log")))
		log_event(LOG_WARN, "dlq", "a file that is none of ours is left alone",
		    LOG_S("folder", o->d->dir), LOG_S("file", cname), LOG_END);
	return OK;
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* ---- one file ---- */

struct reading {
	struct dlq *d;
	char path[DLQ_PATH_MAX];
	uint32_t number;
	bool last;
	struct logfile *file;
	uint64_t frames;
	bool damaged;
};

static void
complain(const struct reading *r, const char *what, uint64_t at)
{
	log_event(LOG_ERROR, "dlq", what, LOG_S("file", r->path), LOG_I("offset", at), LOG_END);
}

static int
apply(struct reading *r, const struct frame *f, uint64_t offset)
{
	struct place at = { r->number, (uint32_t)offset, (uint32_t)frame_total(f) };
	int err;

	if (offset > UINT32_MAX - FRAME_CONTENTS_MAX)
		return ERR_CORRUPT;
	err = index_apply(r->d, f, at, false);
	if (err == ERR_CORRUPT) {
		complain(r, "a dead letter that makes no sense is passed over", offset);
		r->damaged = true;
		return OK;
	}
	r->frames++;
	return err;
}

static int
read_frames(struct reading *r)
{
	struct frame f;
	uint64_t offset = 0;
	int got;

	while ((got = logfile_next(r->file, &f, &offset)) != 0) {
		uint64_t end = logfile_end(r->file);

		if (got == ERR_CORRUPT) {
			got = logfile_resync(r->file);
			if (got < 0)
				return got;
			if (got == 0 && r->last)
				return OK; /* the tail: never told to anybody as durable */
			complain(r, "damage in a file of dead letters", end);
			r->damaged = true;
			if (got == 0)
				return OK;
			continue;
		}
		if (got < 0)
			return got;
		got = apply(r, &f, offset);
		if (got)
			return got;
	}
	return OK;
}

/* What follows the last frame of the last file is cut off, where it is not blocks that are kept in reserve. */
static int
end_last(struct reading *r, int fd)
{
	uint64_t end = logfile_end(r->file), size = logfile_size(r->file);
	struct frame f;
	uint64_t offset;
	int err;

	if (r->damaged || logfile_unread(r->file) > 0)
		return OK;
	if (logfile_next(r->file, &f, &offset) != 0) {
		log_event(LOG_WARN, "dlq", "what a crash left unfinished is cut off",
		    LOG_S("file", r->path), LOG_I("bytes", size - end), LOG_END);
		err = file_truncate(fd, end);
		if (!err)
			err = file_datasync(fd);
		return err;
	}
	r->d->active = (struct active){ fd, *logfile_header(r->file), end, size };
	return OK;
}

static int
read_log(struct reading *r, int fd)
{
	int err = logfile_open(fd, &r->file);

	if (err == ERR_EOF)
		return file_unlink(r->path); /* begun, and not one frame is in it */
	if (err == ERR_CORRUPT)
		return files_set_aside(r->d, r->path, "not a file of dead letters");
	if (err)
		return err;
	if (logfile_header(r->file)->number != r->number) {
		err = files_set_aside(r->d, r->path, "copy of another file");
		goto out;
	}
	err = read_frames(r);
	if (!err && logfile_unread(r->file) > 0) {
		complain(r, "a file of dead letters cannot be read everywhere", 0);
		r->damaged = true;
	}
	if (!err)
		err = files_log_add(r->d, r->number, logfile_end(r->file), r->damaged);
	if (!err)
		r->d->log_bytes += logfile_end(r->file);
	if (!err && r->last)
		err = end_last(r, fd);
out:
	logfile_close(r->file);
	return err;
}

/* Is it the file's fault? Else the store cannot be opened now. */
static bool
is_closed_to_us(int errnum)
{
	return errnum == EACCES || errnum == EPERM || errnum == ELOOP || errnum == EISDIR ||
	       errnum == ENXIO || errnum == ENOENT;
}

/* What cannot be opened, or is no file, stays where it is: whoever mends it finds its letters again at the next start. */
static int
open_log(const char *path)
{
	int fd = file_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
	int errnum = errno;
	struct stat st;

	if (fd < 0 && !is_closed_to_us(errnum))
		return fd;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0)
		(void)file_close(fd);
	log_event(LOG_ERROR, "dlq",
	    "a file of dead letters cannot be opened: its letters are missing", LOG_S("file", path),
	    LOG_S("why", fd < 0 ? log_errno_text(errnum) : "not a file"), LOG_END);
	return ERR_NOT_FOUND;
}

static int
read_number(struct opening *o, uint32_t number, bool last)
{
	struct reading *r = calloc(1, sizeof(*r));
	int fd, err;

	if (!r)
		return ERR_NOMEM;
	r->d = o->d;
	r->number = number;
	r->last = last;
	files_log_path(o->d, number, r->path);
	fd = open_log(r->path);
	if (fd < 0) {
		err = fd == ERR_NOT_FOUND ? OK : fd;
		o->damage = true;
	} else {
		err = read_log(r, fd);
		o->damage = o->damage || r->damaged;
	}
	if (fd >= 0 && fd != o->d->active.fd)
		(void)file_close(fd);
	free(r);
	return err;
}

static int
read_logs(struct opening *o)
{
	int err = file_each(o->d->dir, see_name, o);

	if (err)
		return err;
	if (o->n > 1)
		qsort(o->numbers, o->n, sizeof(*o->numbers), compare_numbers);
	for (size_t i = 0; i < o->n && !err; i++)
		err = read_number(o, o->numbers[i], i + 1 == o->n);
	if (o->d->strays > 0)
		log_event(LOG_WARN, "dlq", "changes of dead letters that are not there",
		    LOG_S("folder", o->d->dir), LOG_I("changes", o->d->strays), LOG_END);
	return err;
}

/* ---- files of payloads ---- */

/* Does a file of this name belong to an entry? */
static bool
is_wanted(const struct dlq *d, struct id id, struct str suffix)
{
	const struct entry *e = index_find(d, id);

	if (!e)
		return false;
	if (str_is(suffix, ".list"))
		return e->flags & FRAME_LIST;
	return (e->flags & FRAME_FILE) && str_is(suffix, e->kind == DLQ_MESSAGE  ? ".body"
							 : e->kind == DLQ_BUNDLE ? ".gz"
										 : ".seg");
}

/*
 * A file that no letter speaks of was brought for one that never became durable, or its entry is gone. A message is with its stream
 * still; a bundle's or object's file has its own place, if it has a second name. The only name of one is kept, and so is everything when letters
 * may be missing.
 */
static int
see_file(const char *cname, void *arg)
{
	struct opening *o = arg;
	struct str name = str_of(cname), suffix = str_from(name, ID_TEXT);
	char path[DLQ_PATH_MAX + 8];
	struct stat st;
	struct id id;
	bool tmp = str_is(suffix, ".tmp");

	if (name.n > DLQ_PATH_MAX - DLQ_DIR_MAX - 8 || id_parse(str_sub(name, 0, ID_TEXT), &id) ||
	    is_wanted(o->d, id, suffix))
		return OK;
	snprintf(path, sizeof(path), "%s/%s", o->d->files, cname);
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return OK;
	if (tmp || files_in_trash(o->d, id) ||
	    (!o->damage && (str_is(suffix, ".body") || st.st_nlink > 1))) {
		(void)file_unlink(path);
		return OK;
	}
	log_event(LOG_WARN, "dlq", "a file that no dead letter speaks of is left alone",
	    LOG_S("file", path), LOG_END);
	return OK;
}

/* ---- open, close ---- */

static int
read_all(void *arg)
{
	struct opening *o = arg;
	int err = file_make_dirs(o->d->files);

	if (!err)
		err = read_logs(o);
	if (!err)
		err = index_settle(o->d);
	if (!err)
		err = file_each(o->d->files, see_file, o);
	if (err)
		log_event(LOG_ERROR, "dlq", "cannot open the dead letters",
		    LOG_S("folder", o->d->dir), LOG_ERR(err), LOG_ERRNO(errno), LOG_END);
	return err;
}

static void
forget(struct dlq *d)
{
	if (d->active.fd >= 0)
		(void)file_close(d->active.fd);
	index_free(d);
	free(d->hours);
	free(d->logs);
	free(d);
}

static struct dlq *
make(const char *dir, const struct dlq_limits *limits)
{
	struct dlq *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	snprintf(d->dir, sizeof(d->dir), "%s", dir);
	snprintf(d->files, sizeof(d->files), "%s/files", dir);
	d->limits = *limits;
	d->file_size = DLQ_FILE_SIZE;
	d->next_born = d->next_number = 1;
	d->active.fd = -1;
	map_init(&d->by_id);
	map_init(&d->streams);
	list_init(&d->entries);
	order_init(&d->victims, ORDER_VICTIM);
	waitq_init(&d->work);
	waitq_init(&d->space);
	waitq_init(&d->settled);
	waitq_init(&d->idle);
	waitq_init(&d->tended);
	return d;
}

int
dlq_open(const char *dir, const struct dlq_limits *limits, struct dlq **out)
{
	struct opening *o;
	struct dlq *d;
	int err;

	if (strlen(dir) >= DLQ_DIR_MAX)
		return ERR_TOO_LARGE;
	d = make(dir, limits);
	o = calloc(1, sizeof(*o));
	if (!d || !o) {
		free(d);
		free(o);
		return ERR_NOMEM;
	}
	o->d = d;
	err = offload(OFFLOAD_MISC, read_all, o);
	free(o->numbers);
	free(o);
	if (!err) {
		files_forget_trash(d); /* those that had files have none now */
		metrics_dlq_open(d);
		err = commit_start(d);
	}
	if (err) {
		forget(d);
		return err;
	}
	*out = d;
	return OK;
}

static int
close_active(void *arg)
{
	struct dlq *d = arg;
	int err = file_close(d->active.fd);

	d->active.fd = -1;
	return err;
}

void
dlq_close(struct dlq *d)
{
	d->stopping = true;
	while (d->tending || d->tend_started) {
		if (waitq_park(&d->tended, CLOCK_NEVER))
			break;
	}
	commit_stop(d);
	files_empty_trash(d);
	if (d->active.fd >= 0)
		(void)offload(OFFLOAD_MISC, close_active, d);
	tend_log_drops(d, true);
	forget(d);
}
