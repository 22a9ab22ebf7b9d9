/*
 * See jobs_file.h.
 */
#include "dlq/jobs_file.h"

#include "base/json.h"
#include "base/json_write.h"

static void
put_job(struct json_writer *w, const struct job *j)
{
	char id[2 * ID_LEN + 1];

	id_text(j->id, id);
	json_open(w, NULL, '{');
	json_put_cstr(w, "id", id);
	json_put_cstr(w, "by", j->by);
	json_put_cstr(w, "reason", j->reason);
	json_put_i64(w, "created", j->created);
	json_put_u64(w, "total", j->total);
	json_put_u64(w, "rate", j->rate);
	json_put_u64(w, "batch", j->batch);
	json_put_i64(w, "delay", j->delay);
	json_put_u64(w, "delivered", j->delivered);
	json_put_u64(w, "failed", j->failed);
	json_put_u64(w, "cancelled", j->cancelled);
	json_put_bool(w, "made", j->made);
	json_put_bool(w, "taken_back", j->taken_back);
	json_put_bool(w, "over", j->over);
	json_close(w);
}

void
jobs_encode(const struct job *jobs, unsigned n, struct buf *out)
{
	struct json_writer w;

	json_init(&w, out);
	json_open(&w, NULL, '{');
	json_put_u64(&w, "version", 1);
	json_open(&w, "jobs", '[');
	for (unsigned i = 0; i < n; i++)
		put_job(&w, &jobs[i]);
	json_close(&w);
	json_close(&w);
	buf_putc(out, '\n');
}

static int
get_number(struct str job, const char *name, uint64_t max, uint64_t *out)
{
	struct str raw;

	if (json_get(job, name, &raw) != 0 || str_to_u64(raw, out) != 0 || *out > max)
		return ERR_BAD;
	return 0;
}

static int
get_time(struct str job, const char *name, int64_t *out)
{
	uint64_t n = 0;
	int err = get_number(job, name, INT64_MAX, &n);

	*out = (int64_t)n;
	return err;
}

static int
get_bool(struct str job, const char *name, bool *out)
{
	struct str raw;

	if (json_get(job, name, &raw) != 0)
		return ERR_BAD;
	*out = str_is(raw, "true");
	return 0;
}

static int
get_text(struct str job, const char *name, char *out, size_t cap)
{
	struct str raw;
	struct buf b;

	buf_init_fixed(&b, out, cap - 1);
	if (json_get(job, name, &raw) != 0 || json_unquote(raw, &b) != 0)
		return ERR_BAD;
	out[b.n] = '\0';
	return 0;
}

static int
decode_job(struct str text, struct job *j)
{
	char id[2 * ID_LEN + 1];

	*j = (struct job){ .made = false };
	if (get_text(text, "id", id, sizeof(id)) || id_parse(str_of(id), &j->id) ||
	    get_text(text, "by", j->by, sizeof(j->by)) ||
	    get_text(text, "reason", j->reason, sizeof(j->reason)) ||
	    get_time(text, "created", &j->created) || get_time(text, "delay", &j->delay) ||
	    get_number(text, "total", UINT64_MAX, &j->total) ||
	    get_number(text, "rate", UINT64_MAX, &j->rate) ||
	    get_number(text, "batch", UINT64_MAX, &j->batch) ||
	    get_number(text, "delivered", UINT64_MAX, &j->delivered) ||
	    get_number(text, "failed", UINT64_MAX, &j->failed) ||
	    get_number(text, "cancelled", UINT64_MAX, &j->cancelled) ||
	    get_bool(text, "made", &j->made) || get_bool(text, "taken_back", &j->taken_back) ||
	    get_bool(text, "over", &j->over))
		return ERR_BAD;
	return 0;
}

int
jobs_decode(struct str text, struct job *jobs, unsigned *n)
{
	struct str list, name, one;
	uint64_t bad_at, version;
	size_t at = 0;
	int got;

	*n = 0;
	if (json_check_text(text, &bad_at) != 0 || get_number(text, "version", 1, &version) != 0 ||
	    json_get(text, "jobs", &list) != 0)
		return ERR_BAD;
	while ((got = json_next(list, &at, &name, &one)) == 1) {
		if (*n == JOBS_MAX)
			memmove(jobs, jobs + 1, --*n * sizeof(*jobs));
		if (decode_job(one, &jobs[*n]) != 0)
			return ERR_BAD;
		++*n;
	}
	return got;
}
