/*
 * See jobs.h. How far a job is, is counted in the store's index, by the job that entries carry, each time somebody asks; what leaves a job for
 * a later one is counted when it leaves. The decisions themselves are bulk.c's.
 */
#include "dlq/jobs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "dlq/bulk.h"
#include "dlq/jobs_file.h"
#include "task/task.h"

#define PATH_CAP 400
#define FILE_MAX (256u * 1024)

struct jobs {
	struct dlq *dlq;
	const struct stream_conf *streams;
	char path[PATH_CAP];
	unsigned n;
	struct job jobs[JOBS_MAX]; /* oldest first */
};

static const struct id no_job;

/* ---- the file ---- */

struct file_work {
	char path[PATH_CAP];
	char *text; /* heap */
	size_t n;
};

static int
read_on_disk(void *arg)
{
	struct file_work *w = arg;

	return file_read_all(w->path, FILE_MAX, &w->text, &w->n);
}

static int
write_on_disk(void *arg)
{
	struct file_work *w = arg;

	return file_replace(w->path, w->text, w->n);
}

static int
set_aside_on_disk(void *arg)
{
	struct file_work *w = arg;
	char to[PATH_CAP + 8];

	snprintf(to, sizeof(to), "%s.bad", w->path);
	return file_rename(w->path, to);
}

static int
load(struct jobs *j)
{
	struct file_work *w = calloc(1, sizeof(*w));
	int err;

	if (w == NULL)
		return ERR_NOMEM;
	strcpy(w->path, j->path);
	err = offload(OFFLOAD_MISC, read_on_disk, w);
	if (err == 0)
		err = jobs_decode(str_make(w->text, w->n), j->jobs, &j->n);
	if (err != 0) {
		j->n = 0;
		if (err != ERR_NOT_FOUND)
			log_event(LOG_ERROR, "dlq", "the file of jobs cannot be read: set aside",
			    LOG_S("file", j->path), LOG_ERR(err), LOG_END);
		if (err == ERR_BAD || err == ERR_TOO_LARGE)
			(void)offload(OFFLOAD_MISC, set_aside_on_disk, w);
	}
	free(w->text);
	free(w);
	return 0;
}

/* A file that lags behind costs a restarted shipper the names of jobs, no more: no reason to refuse one. */
static void
save(struct jobs *j)
{
	struct file_work *w = calloc(1, sizeof(*w));
	struct buf b;
	int err = ERR_NOMEM;

	buf_init(&b, FILE_MAX);
	jobs_encode(j->jobs, j->n, &b);
	if (w != NULL && buf_failed(&b) == 0) {
		strcpy(w->path, j->path);
		w->text = b.p;
		w->n = b.n;
		err = offload(OFFLOAD_MISC, write_on_disk, w);
	}
	if (err != 0)
		log_event(LOG_WARN, "dlq", "the file of jobs cannot be written",
		    LOG_S("file", j->path), LOG_ERR(err), LOG_END);
	buf_fini(&b);
	free(w);
}

/* ---- how far they are ---- */

static struct job *
find_job(struct jobs *j, struct id id)
{
	for (unsigned i = j->n; i-- > 0;)
		if (id_eq(j->jobs[i].id, id))
			return &j->jobs[i];
	return NULL;
}

struct tally {
	struct jobs *j;
	struct job *last; /* neighbours mostly belong to the same */
	int64_t now;
};

static void
tally_one(void *arg, const struct dlq_entry *e)
{
	struct tally *t = arg;

	if (id_eq(e->job, no_job))
		return;
	if (t->last == NULL || !id_eq(t->last->id, e->job))
		t->last = find_job(t->j, e->job);
	if (t->last == NULL || t->last->over)
		return;
	if (e->state == DLQ_RESOLVED)
		t->last->now_delivered++;
	else if (e->state != DLQ_REPROCESSING)
		t->last->now_failed++;
	else if (e->due <= t->now)
		t->last->now_due++;
	else
		t->last->now_waiting++;
}

/* Nothing of it waits or is on its way: what it came to is kept, whatever becomes of its entries. */
static void
close_job(struct job *job)
{
	job->over = true;
	job->delivered += job->now_delivered;
	job->failed += job->now_failed;
	job->now_delivered = job->now_failed = 0;
}

static void
count(struct jobs *j)
{
	struct tally t = { .j = j, .now = clock_wall() };
	struct dlq_filter all = { .state = -1, .type = -1 };
	bool open = false;

	for (unsigned i = 0; i < j->n; i++) {
		struct job *job = &j->jobs[i];

		job->now_delivered = job->now_failed = job->now_due = job->now_waiting = 0;
		open = open || !job->over;
	}
	if (open)
		(void)dlq_list(j->dlq, &all, 0, UINT_MAX, tally_one, &t);
	for (unsigned i = 0; i < j->n; i++) {
		struct job *job = &j->jobs[i];

		if (!job->over && job->made && job->now_due + job->now_waiting == 0)
			close_job(job);
	}
}

/* After a restart: one that was being made then has what it has. */
static void
adopt(struct jobs *j)
{
	count(j);
	for (unsigned i = 0; i < j->n; i++) {
		struct job *job = &j->jobs[i];

		if (job->made)
			continue;
		job->made = true;
		job->total = job->delivered + job->failed + job->cancelled + job->now_delivered +
			     job->now_failed + job->now_due + job->now_waiting;
	}
}

bool
jobs_has_stream(const struct stream_conf *streams, struct str name)
{
	for (const struct stream_conf *s = streams; s != NULL; s = s->next)
		if (str_eq(s->name, name))
			return true;
	return false;
}

/* ---- jobs ---- */

/* The oldest that is over makes room, else the oldest: its entries go on without it. */
static void
drop_oldest(struct jobs *j)
{
	unsigned i = 0;

	while (i < j->n && !j->jobs[i].over)
		i++;
	if (i == j->n)
		i = 0;
	memmove(&j->jobs[i], &j->jobs[i + 1], (j->n - i - 1) * sizeof(j->jobs[0]));
	j->n--;
}

static struct id
new_job(struct jobs *j, const struct dlq_decision *how)
{
	struct job *job;

	if (j->n == JOBS_MAX)
		drop_oldest(j);
	job = &j->jobs[j->n++];
	*job = (struct job){ .id = id_new(),
		.created = clock_wall(),
		.rate = how->rate,
		.batch = how->batch,
		.delay = how->delay };
	str_copyz(job->by, sizeof(job->by), how->by);
	str_copyz(job->reason, sizeof(job->reason), how->reason);
	return job->id;
}

static void
made(struct jobs *j, struct jobs_result *out)
{
	struct job *job = find_job(j, out->job);

	if (job != NULL && out->accepted > 0) {
		job->made = true;
		job->total = out->accepted;
	} else if (job != NULL) {
		memmove(job, job + 1, (size_t)(&j->jobs[j->n] - (job + 1)) * sizeof(*job));
		j->n--;
	}
	if (out->accepted == 0)
		out->job = no_job;
	save(j);
}

/* Known before the first entry carries it, so that a restarted shipper knows it, too. */
int
jobs_reprocess(struct jobs *j, const struct jobs_selection *s, const struct dlq_decision *how,
    bool dry_run, struct jobs_result *out)
{
	struct dlq_decision d = *how;
	struct bulk p;
	int err = bulk_pick(j->dlq, s, &p);

	*out = (struct jobs_result){ .matched = p.n };
	d.job = no_job;
	if (err == 0 && !dry_run && p.n > 0) {
		count(j);
		d.job = out->job = new_job(j, how);
		save(j);
	}
	if (err == 0)
		err = bulk_decide(j->dlq, j->streams, BULK_REPROCESS, &p, &d, dry_run, out);
	if (!id_eq(d.job, no_job))
		made(j, out);
	bulk_fini(&p);
	return err;
}

int
jobs_discard(struct jobs *j, const struct jobs_selection *s, const struct dlq_decision *how,
    bool dry_run, struct jobs_result *out)
{
	struct bulk p;
	int err = bulk_pick(j->dlq, s, &p);

	*out = (struct jobs_result){ .matched = p.n };
	if (err == 0)
		err = bulk_decide(j->dlq, j->streams, BULK_DISCARD, &p, how, dry_run, out);
	bulk_fini(&p);
	return err;
}

int
jobs_cancel(struct jobs *j, struct id id, const struct dlq_decision *how, uint64_t *cancelled)
{
	struct dlq_filter f = { .state = DLQ_REPROCESSING, .type = -1, .job = id };
	struct jobs_selection s = { .filter = &f };
	struct jobs_result *out;
	struct job *job;
	struct bulk p;
	int err;

	*cancelled = 0;
	count(j);
	job = find_job(j, id);
	if (job == NULL || job->over)
		return job ? ERR_CONFLICT : ERR_NOT_FOUND;
	job->taken_back = true;
	out = calloc(1, sizeof(*out));
	err = out ? bulk_pick(j->dlq, &s, &p) : ERR_NOMEM;
	if (err == 0)
		err = bulk_decide(j->dlq, j->streams, BULK_CANCEL, &p, how, false, out);
	if (out != NULL) {
		bulk_fini(&p);
		*cancelled = out->accepted;
	}
	job = find_job(j, id);
	if (job != NULL)
		job->cancelled += *cancelled;
	save(j);
	free(out);
	return err;
}

/* ---- streams that are gone ---- */

/* Those that nobody will take: they are to be sent again by a stream that is not configured. */
struct strays {
	const struct jobs *j;
	struct bulk entries, jobs; /* what they are, and the job of each */
};

static void
pick_stray(void *arg, const struct dlq_entry *e)
{
	struct strays *s = arg;
	struct dlq_entry job = { .id = e->job };

	if (jobs_has_stream(s->j->streams, e->stream))
		return;
	bulk_add(&s->jobs, &job);
	if (!s->jobs.failed)
		bulk_add(&s->entries, e);
}

static void
count_cancelled(struct jobs *j, const struct strays *s)
{
	for (size_t i = 0; i < s->entries.n; i++) {
		struct job *job = find_job(j, s->jobs.ids[i]);
		struct dlq_entry e;

		if (job != NULL && dlq_find(j->dlq, s->entries.ids[i], &e) == 0 &&
		    e.state == DLQ_PENDING)
			job->cancelled++;
	}
	save(j);
}

/* They wait for a decision again. What cannot be written now is done at the next start. */
static void
take_back_strays(struct jobs *j)
{
	const struct dlq_decision how = { .by = STR("sluice"),
		.reason = STR("its stream is not configured any more") };
	struct dlq_filter f = { .state = DLQ_REPROCESSING, .type = -1 };
	struct strays s = { .j = j };
	struct jobs_result *out = calloc(1, sizeof(*out));
	int err = 0;

	(void)dlq_list(j->dlq, &f, 0, UINT_MAX, pick_stray, &s);
	if (out != NULL && s.entries.n > 0) {
		err = bulk_decide(j->dlq, j->streams, BULK_CANCEL, &s.entries, &how, false, out);
		count_cancelled(j, &s);
		log_event(err ? LOG_ERROR : LOG_WARN, "dlq",
		    "dead letters of streams that are not configured are not sent again",
		    LOG_I("letters", out->accepted), LOG_ERR(err), LOG_END);
	}
	bulk_fini(&s.entries);
	bulk_fini(&s.jobs);
	free(out);
}

/* ---- open, close ---- */

int
jobs_open(struct dlq *d, const char *dir, const struct stream_conf *streams, struct jobs **out)
{
	struct jobs *j = calloc(1, sizeof(*j));

	*out = j;
	if (j == NULL)
		return ERR_NOMEM;
	j->dlq = d;
	j->streams = streams;
	snprintf(j->path, sizeof(j->path), "%s/jobs", dir);
	if (load(j) != 0) {
		free(j);
		return ERR_NOMEM;
	}
	take_back_strays(j);
	adopt(j);
	return 0;
}

void
jobs_close(struct jobs *j)
{
	free(j);
}

/* ---- telling ---- */

const char *
jobs_why(int err)
{
	switch (err) {
	case ERR_NOT_FOUND:
		return "there is no such dead letter";
	case ERR_BUSY:
		return "it is being sent again already";
	case ERR_CONFLICT:
		return "it is resolved or discarded already";
	case ERR_DENIED:
		return "it is poison: sent again only with force";
	case ERR_UNSUPPORTED:
		return "its stream is not configured any more";
	default:
		return err_text(err);
	}
}

const char *
jobs_state_name(enum jobs_state s)
{
	static const char *const names[] = { "running", "done", "cancelled" };

	return names[s];
}

static struct jobs_status
status_of(const struct job *job)
{
	uint64_t delivered = job->delivered + job->now_delivered;
	uint64_t failed = job->failed + job->now_failed;

	return (struct jobs_status){ .id = job->id,
		.state = job->taken_back ? JOBS_CANCELLED
			 : job->over     ? JOBS_DONE
					 : JOBS_RUNNING,
		.by = str_of(job->by),
		.reason = str_of(job->reason),
		.created = job->created,
		.total = job->total,
		.started = delivered + failed + job->now_due,
		.delivered = delivered,
		.failed = failed,
		.cancelled = job->cancelled,
		.rate = job->rate,
		.batch = job->batch,
		.delay = job->delay };
}

unsigned
jobs_list(struct jobs *j, struct jobs_status *out, unsigned max)
{
	unsigned n = MIN(max, j->n);

	count(j);
	for (unsigned i = 0; i < n; i++)
		out[i] = status_of(&j->jobs[j->n - 1 - i]);
	return n;
}
