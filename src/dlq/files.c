/*
 * Names in the store's folder, and the blocking calls on them:
 *
 *	<number>.log            a log file (frame.h), ten digits
 *	<anything>.bad          set aside: somebody may want to look at it
 *	files/<id>.body         the payload of a long message
 *	files/<id>.gz .seg .list  a bundle's file, an object's, the list of either
 *	files/<id>.tmp          a payload being written
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "dlq/dlq_priv.h"

#define BAD_TRIES 100u

void
files_log_path(const struct dlq *d, uint32_t number, char out[DLQ_PATH_MAX])
{
	snprintf(out, DLQ_PATH_MAX, "%s/%010u.log", d->dir, number);
}

void
files_path(const struct dlq *d, struct id id, enum dlq_kind kind, bool list, char out[DLQ_PATH_MAX])
{
	static const char *const suffixes[DLQ_KINDS] = { "body", "gz", "seg" };
	char text[2 * ID_LEN + 1];

	id_text(id, text);
	snprintf(out, DLQ_PATH_MAX, "%s/%s.%s", d->files, text, list ? "list" : suffixes[kind]);
}

int
files_set_aside(const struct dlq *d, const char *path, const char *why)
{
	char to[DLQ_PATH_MAX + 16];
	int err;

	snprintf(to, sizeof(to), "%s.bad", path);
	for (unsigned i = 1; i < BAD_TRIES && access(to, F_OK) == 0; i++)
		snprintf(to, sizeof(to), "%s.bad.%u", path, i);
	err = file_rename(path, to);
	if (!err)
		err = file_sync_dir(d->dir);
	log_event(LOG_ERROR, "dlq", "file of dead letters set aside", LOG_S("file", to),
	    LOG_S("why", why), LOG_ERR(err), LOG_END);
	return err;
}

/* ---- the list of log files ---- */

int
files_log_add(struct dlq *d, uint32_t number, uint64_t bytes, bool damaged)
{
	if (d->n_logs == d->cap_logs) {
		size_t cap = d->cap_logs ? d->cap_logs * 2 : 16;
		struct log_info *logs = realloc(d->logs, cap * sizeof(*logs));

		if (!logs)
			return ERR_NOMEM;
		d->logs = logs;
		d->cap_logs = cap;
	}
	d->logs[d->n_logs++] = (struct log_info){ number, bytes, damaged };
	return OK;
}

struct log_info *
files_log(struct dlq *d, uint32_t number)
{
	for (size_t i = 0; i < d->n_logs; i++) {
		if (d->logs[i].number == number)
			return &d->logs[i];
	}
	return NULL;
}

/* ---- files of entries that are no more ---- */

struct trash_job {
	struct dlq *d;
	struct trash *first;
};

static int
remove_files(void *arg)
{
	struct trash_job *job = arg;
	char path[DLQ_PATH_MAX];

	for (const struct trash *t = job->first; t; t = t->next) {
		for (int list = 0; list < 2; list++) {
			files_path(job->d, t->id, t->kind, list == 1, path);
			(void)file_unlink(path);
			file_crash_point("dlq.file.removed");
		}
	}
	(void)file_sync_dir(job->d->files);
	return OK;
}

static void
free_trash(struct trash *t)
{
	while (t) {
		struct trash *next = t->next;

		free(t);
		t = next;
	}
}

void
files_empty_trash(struct dlq *d)
{
	struct trash_job *job;

	while (d->burning) {
		if (commit_settled(d))
			return;
	}
	job = malloc(sizeof(*job));
	if (!job || !d->trash)
		goto out;
	*job = (struct trash_job){ d, d->trash };
	d->burning = d->trash;
	d->trash = NULL;
	if (offload(OFFLOAD_MISC, remove_files, job)) {
		struct trash **end = &d->trash;

		while (*end)
			end = &(*end)->next;
		*end = d->burning;
	} else {
		free_trash(job->first);
	}
	d->burning = NULL;
	waitq_wake_all(&d->settled);
out:
	free(job);
}

static bool
is_in(const struct trash *t, struct id id)
{
	while (t && !id_eq(t->id, id))
		t = t->next;
	return t != NULL;
}

bool
files_in_trash(const struct dlq *d, struct id id)
{
	return is_in(d->trash, id) || is_in(d->burning, id);
}

void
files_forget_trash(struct dlq *d)
{
	free_trash(d->trash);
	d->trash = NULL;
}

/* ---- frames ---- */

static int
read_verified(int fd, struct place at, struct buf *out)
{
	unsigned char head[FRAME_FILE_HEADER_LEN];
	char *to = buf_reserve(out, at.len);
	struct frame_file header;
	struct frame f;
	ssize_t got;

	if (!to)
		return ERR_NOMEM;
	got = file_read_full(fd, head, sizeof(head), 0);
	if (got < 0)
		return (int)got;
	if (frame_decode_file(head, (size_t)got, &header))
		return ERR_CORRUPT;
	got = file_read_full(fd, to, at.len, at.at);
	if (got < 0)
		return (int)got;
	if ((size_t)got < at.len || frame_decode((unsigned char *)to, at.len, &f) ||
	    frame_total(&f) != at.len || !frame_holds((unsigned char *)to, &f, &header.id, at.at))
		return ERR_CORRUPT;
	buf_added(out, at.len);
	return OK;
}

int
files_read_frame(const char *path, struct place at, struct buf *out)
{
	int fd = file_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	int err;

	if (fd < 0)
		return fd;
	err = read_verified(fd, at, out);
	(void)file_close(fd);
	return err;
}
