/*
 * The blocking half of the dir sink: how bytes get into place so that a crash at any point
 * leaves either no file under the name, or the whole of it, synced. Called from dir.c by
 * offload().
 *
 *	1. a fresh temporary file in the root (a left-over one is unlinked, never written to) is
 *	   filled, synced, closed
 *	2. the folder made, each folder that got an entry synced
 *	3. objects: the sidecar <name>.meta likewise; it is linked first, so that it claims the
 *	   name, and the folder synced
 *	4. the file linked under its name: never replaces anything
 *	5. the folder synced, and only then confirmed; the temporary names unlinked
 *
 * A name that is taken is ours if it says so: a bundle by the id in its gzip header, an object
 * by the id in its sidecar and then by its very bytes. The sidecar is one JSON object:
 *
 *	{"id":"…","uri":"…","content_type":"…","content_encoding":"…","length":N}
 *
 * where uri is percent-encoded as in x-amz-meta-uri.
 *
 * After a failed write or sync the temporary file is given up and the next attempt starts with a
 * new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "sink/dir_priv.h"
#include "sink/gzid.h"

enum { META_MAX = 64 * 1024 };

/* ---- outcomes */

/* The temporary files of this id, an earlier attempt's included. */
static void
drop_temps(struct dir_put *p)
{
	file_unlink(p->temp);
	if (p->meta_temp)
		file_unlink(p->meta_temp);
}

/* Nothing is left behind but what was put in place. */
static void settle(struct dir_put *p, enum sink_outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
settle(struct dir_put *p, enum sink_outcome outcome, const char *fmt, ...)
{
	va_list args;

	p->settled = true;
	p->result->outcome = outcome;
	va_start(args, fmt);
	vsnprintf(p->result->why, sizeof(p->result->why), fmt, args);
	va_end(args);
	drop_temps(p);
}

/* Set up wrongly, so that the same again fails again until somebody changes it. */
static bool
is_misconfigured(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
	case EROFS:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case EMLINK:
	case EXDEV:
	case ENOTSUP:
		return true;
	default:
		return false;
	}
}

/* What was being done failed with errno. */
static int
fail(struct dir_put *p, const char *what, const char *path)
{
	int errnum = errno;

	settle(p, is_misconfigured(errnum) ? SINK_HELD : SINK_AGAIN, "%s %s: %s", what, path,
	    log_errno_text(errnum));
	return 0;
}

static int
taken(struct dir_put *p, const char *by)
{
	settle(p, SINK_TAKEN, "%s holds %s", p->target, by);
	return 0;
}

/* ---- whose is the name? */

enum owner { OWNER_NONE, OWNER_US, OWNER_OTHER, OWNER_UNKNOWN /* errno says why */ };

static enum owner
bundle_owner(struct dir_put *p)
{
	int fd = file_open(p->target, O_RDONLY | O_NONBLOCK | O_NOFOLLOW), err;
	struct id id;

	if (fd < 0) {
		if (errno == ENOENT)
			return OWNER_NONE;
		return errno == ELOOP ? OWNER_OTHER : OWNER_UNKNOWN;
	}
	err = gzid_read(fd, &id);
	file_calls->close(fd);
	if (err == ERR_IO)
		return errno == EISDIR ? OWNER_OTHER : OWNER_UNKNOWN;
	return err == 0 && id_eq(id, p->item->id) ? OWNER_US : OWNER_OTHER;
}

/* By the sidecar alone. */
static enum owner
meta_owner(struct dir_put *p)
{
	struct str raw;
	struct id id;
	char *text;
	size_t n;
	int err = file_read_all(p->meta, META_MAX, &text, &n);
	bool ours;

	if (err == ERR_TOO_LARGE)
		return OWNER_OTHER;
	if (err)
		return errno == ENOENT ? OWNER_NONE : errno == EISDIR ? OWNER_OTHER : OWNER_UNKNOWN;
	ours = json_get(str_make(text, n), "id", &raw) == 0 && raw.n == 2 * ID_LEN + 2 &&
	       id_parse(str_sub(raw, 1, 2 * ID_LEN), &id) == 0 && id_eq(id, p->item->id);
	free(text);
	return ours ? OWNER_US : OWNER_OTHER;
}

/* 1: the file under our name has the bytes of the temporary one; 0: it has others; or an error
 * with errno. */
static int
same_bytes(struct dir_put *p)
{
	int a = file_open(p->temp, O_RDONLY), b = -1, same = 1;
	char *left = p->block, *right = p->block + DIR_COPY_BLOCK / 2;
	ssize_t n = 1, m;

	if (a < 0)
		return a;
	if ((b = file_open(p->target, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)) < 0)
		same = errno == ELOOP ? 0 : b;
	for (off_t at = 0; same == 1 && n > 0; at += n) {
		n = file_read_full(a, left, DIR_COPY_BLOCK / 2, at);
		m = n < 0 ? n : file_read_full(b, right, DIR_COPY_BLOCK / 2, at);
		if (m < 0)
			same = errno == EISDIR ? 0 : (int)m;
		else if (n != m || memcmp(left, right, (size_t)n) != 0)
			same = 0;
	}
	file_calls->close(a);
	if (b >= 0)
		file_calls->close(b);
	return same;
}

/* ---- begin, copy */

static int
create_fresh(const char *path)
{
	if (file_unlink(path) < 0)
		return ERR_IO;
	return file_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
}

/* A bundle that got there before a crash: its content was synced before it was linked, its name
 * perhaps not. */
static int
confirm_existing(struct dir_put *p)
{
	if (file_sync_dir(p->folder) < 0)
		return fail(p, "sync", p->folder);
	settle(p, SINK_CONFIRMED, "was there already");
	return 0;
}

static int
look_first(struct dir_put *p)
{
	enum owner owner = p->meta ? meta_owner(p) : bundle_owner(p);

	if (owner == OWNER_UNKNOWN)
		return fail(p, "look into", p->meta ? p->meta : p->target);
	if (owner == OWNER_OTHER)
		return taken(p, p->meta ? "another object" : "another bundle");
	if (owner == OWNER_US && !p->meta && p->folder_known)
		return confirm_existing(p);
	return 0; /* an object with our sidecar is compared once its bytes are at hand */
}

int
dir_step_begin(void *arg)
{
	struct dir_put *p = arg;

	look_first(p);
	if (p->settled)
		return 0;
	if ((p->from = file_open(p->item->path, O_RDONLY)) < 0)
		return fail(p, "open", p->item->path);
	if ((p->to = create_fresh(p->temp)) < 0)
		return fail(p, "create", p->temp);
	return 0;
}

int
dir_step_copy(void *arg)
{
	struct dir_put *p = arg;
	uint64_t end = p->copied + MIN(p->item->length - p->copied, (uint64_t)DIR_COPY_SLICE);

	while (p->copied < end) {
		size_t want = (size_t)MIN(end - p->copied, (uint64_t)DIR_COPY_BLOCK);
		ssize_t got =
		    file_read_full(p->from, p->block, want, (off_t)(p->item->offset + p->copied));

		if (got < 0)
			return fail(p, "read", p->item->path);
		if ((size_t)got < want) {
			settle(p, SINK_AGAIN, "%s is shorter than it should be", p->item->path);
			return 0;
		}
		if (file_write_all(p->to, p->block, want, (off_t)p->copied) < 0)
			return fail(p, "write", p->temp);
		p->copied += want;
	}
	return 0;
}

/* ---- publish */

/* Synced and closed, or an error with errno. */
static int
finish_file(int *fd)
{
	int err = file_sync(*fd), saved = errno, closed = file_close(*fd);

	*fd = -1;
	if (err)
		errno = saved;
	return err ? err : closed;
}

static void
put_meta(struct dir_put *p, struct buf *out)
{
	char id[2 * ID_LEN + 1];
	struct buf uri;

	id_text(p->item->id, id);
	buf_init(&uri, 0);
	sink_put_uri(p->item->uri, &uri);
	buf_printf(out, "{\"id\":\"%s\",\"uri\":", id);
	buf_put_json(out, buf_str(&uri));
	buf_puts(out, ",\"content_type\":");
	buf_put_json(out, p->item->content_type);
	buf_puts(out, ",\"content_encoding\":");
	buf_put_json(out, p->item->content_encoding);
	buf_printf(out, ",\"length\":%llu}\n", (unsigned long long)p->item->length);
	if (buf_failed(&uri))
		out->err = buf_failed(&uri);
	buf_fini(&uri);
}

static int
write_meta_temp(struct dir_put *p)
{
	int fd = create_fresh(p->meta_temp), err;
	struct buf text;

	if (fd < 0)
		return fail(p, "create", p->meta_temp);
	buf_init(&text, 0);
	put_meta(p, &text);
	errno = ENOMEM;
	err = buf_failed(&text);
	if (!err)
		err = file_write_all(fd, text.p, text.n, 0);
	buf_fini(&text);
	if (err) {
		int saved = errno;

		file_calls->close(fd);
		errno = saved;
		return fail(p, "write", p->meta_temp);
	}
	if (finish_file(&fd) < 0)
		return fail(p, "sync", p->meta_temp);
	return 0;
}

/*
 * The sidecar under its name, which claims the object's. The folder is synced before the
 * object's own name appears, so a file without a sidecar is never one of ours.
 */
static int
claim_by_meta(struct dir_put *p)
{
	enum owner owner;

	write_meta_temp(p);
	if (p->settled)
		return 0;
	if (file_link(p->meta_temp, p->meta) < 0) {
		if (errno != EEXIST)
			return fail(p, "link", p->meta);
		owner = meta_owner(p);
		if (owner == OWNER_OTHER)
			return taken(p, "another object");
		if (owner != OWNER_US)
			return fail(p, "look into", p->meta);
	}
	if (file_sync_dir(p->folder) < 0)
		return fail(p, "sync", p->folder);
	return 0;
}

/* The file's name exists. */
static int
judge_existing(struct dir_put *p)
{
	enum owner owner = OWNER_UNKNOWN;
	int same;

	if (!p->meta) {
		owner = bundle_owner(p);
	} else if ((same = same_bytes(p)) >= 0) {
		owner = same ? OWNER_US : OWNER_OTHER;
		if (!same)
			file_unlink(p->meta); /* ours, and it would describe a stranger */
	}
	if (owner == OWNER_US)
		return 0;
	if (owner == OWNER_OTHER)
		return taken(p, p->meta ? "another object" : "another bundle");
	return fail(p, "look into", p->target);
}

int
dir_step_publish(void *arg)
{
	struct dir_put *p = arg;

	if (finish_file(&p->to) < 0)
		return fail(p, "sync", p->temp);
	file_crash_point("dir.synced");
	if (!p->folder_known && file_make_dirs(p->folder) < 0)
		return fail(p, "make folder", p->folder);
	file_crash_point("dir.folder");
	if (p->meta)
		claim_by_meta(p);
	if (p->settled)
		return 0;
	file_crash_point("dir.claimed");
	if (file_link(p->temp, p->target) < 0) {
		if (errno != EEXIST)
			return fail(p, "link", p->target);
		judge_existing(p);
		if (p->settled)
			return 0;
	}
	file_crash_point("dir.linked");
	if (file_sync_dir(p->folder) < 0)
		return fail(p, "sync", p->folder);
	file_crash_point("dir.confirmed");
	settle(p, SINK_CONFIRMED, "stored");
	return 0;
}

/* ---- making one */

bool
dir_key_ok(struct str key)
{
	if (key.n == 0 || str_find(key, '\0') >= 0)
		return false;
	while (key.p) {
		struct str segment = str_split(&key, '/');

		if (segment.n == 0 || str_is(segment, ".") || str_is(segment, ".."))
			return false;
	}
	return true;
}

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *
format(const char *fmt, ...)
{
	va_list args;
	char *out;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || !(out = malloc((size_t)n + 1)))
		return NULL;
	va_start(args, fmt);
	vsnprintf(out, (size_t)n + 1, fmt, args);
	va_end(args);
	return out;
}

struct dir_put *
dir_put_new(const char *root, const struct sink_item *item, struct sink_result *r)
{
	struct dir_put *p = calloc(1, sizeof(*p));
	ptrdiff_t slash = str_rfind(item->key, '/');
	char id[2 * ID_LEN + 1];
	bool object = !item->gzip_id;

	if (!p)
		return NULL;
	id_text(item->id, id);
	p->item = item;
	p->result = r;
	p->from = p->to = -1;
	p->folder =
	    slash < 0 ? format("%s", root) : format("%s/%.*s", root, (int)slash, item->key.p);
	p->target = format("%s/%.*s", root, STR_ARG(item->key));
	p->temp = format("%s/.sluice-%s.tmp", root, id);
	p->meta = object ? format("%s/%.*s.meta", root, STR_ARG(item->key)) : NULL;
	p->meta_temp = object ? format("%s/.sluice-%s.meta.tmp", root, id) : NULL;
	p->block = malloc(DIR_COPY_BLOCK);
	if (p->folder && p->target && p->temp && p->block && (!object || (p->meta && p->meta_temp)))
		return p;
	dir_put_free(p);
	return NULL;
}

void
dir_put_free(struct dir_put *p)
{
	if (p->from >= 0)
		file_calls->close(p->from);
	if (p->to >= 0)
		file_calls->close(p->to);
	free(p->folder);
	free(p->target);
	free(p->temp);
	free(p->meta);
	free(p->meta_temp);
	free(p->block);
	free(p);
}
