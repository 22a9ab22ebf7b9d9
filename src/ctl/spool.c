/*
 * `sluicectl spool …`: what waits on disk. Its files are looked at directly, so that no server needs to run; whatever is in them is shown, never
 * changed.
 */
#include "ctl/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/manual.h"
#include "ctl/table.h"

/* What a command is to look at. */
struct target {
	char state_dir[SPOOL_PATH_MAX];
	char root[SPOOL_PATH_MAX];
	struct buf paths;
	size_t n;
};

/* ---- where ---- */

/* The state folder is where the admin socket is. */
static bool
find_state_dir(const struct ctl *ctl, char out[SPOOL_PATH_MAX])
{
	struct str socket = str_of(ctl->socket ? ctl->socket : CTL_SOCKET);
	ptrdiff_t slash = str_rfind(socket, '/');

	if (slash < 0)
		return str_copyz(out, SPOOL_PATH_MAX, STR("."));
	return str_copyz(out, SPOOL_PATH_MAX, str_sub(socket, 0, (size_t)MAX(slash, (ptrdiff_t)1)));
}

/* A path where it has a slash or is one of the current folder's, else a stream. */
static bool
find_root(struct target *t, const char *wanted)
{
	struct stat st;
	int n;

	if (wanted == NULL)
		return str_copyz(t->root, sizeof(t->root), str_of(t->state_dir));
	n = snprintf(t->root, sizeof(t->root), "%s/%s", t->state_dir, wanted);
	if (strchr(wanted, '/') == NULL && n > 0 && (size_t)n < sizeof(t->root) &&
	    stat(t->root, &st) == 0)
		return true;
	return str_copyz(t->root, sizeof(t->root), str_of(wanted));
}

static int
open_target(struct ctl *ctl, const struct ctl_args *args, struct target *t)
{
	const char *wanted = args->n > 0 ? args->v[0] : NULL;
	struct buf shown;
	int err;

	buf_init(&t->paths, 0);
	t->n = 0;
	if (!find_state_dir(ctl, t->state_dir) || !find_root(t, wanted))
		return ctl_complain(CTL_USAGE, "the path is too long");
	if ((err = spool_walk(t->root, &t->paths, &t->n)) == 0)
		return CTL_DONE;
	buf_init(&shown, 0);
	table_put_visible(&shown, str_of(wanted ? wanted : t->root));
	if (err == ERR_NOT_FOUND && wanted && strchr(wanted, '/') == NULL)
		ctl_complain(CTL_REFUSED, "%s has no stream \"%s\", and there is no such file",
		    t->state_dir, buf_cstr(&shown));
	else
		ctl_complain(CTL_REFUSED, "%s: %s", buf_cstr(&shown),
		    err == ERR_NOMEM ? err_text(err) : log_errno_text(errno));
	buf_fini(&shown);
	return CTL_REFUSED;
}

/* As it is called from the state folder. */
static struct str
short_path(const struct target *t, const char *path)
{
	struct str s = str_of(path), dir = str_of(t->state_dir);

	if (str_starts(s, dir) && s.n > dir.n + 1 && s.p[dir.n] == '/')
		return str_from(s, dir.n + 1);
	return s;
}

/* ---- showing ---- */

struct totals {
	uint64_t files, records, size, bad;
};

static bool
is_bad(const struct spool_file *f)
{
	return f->state == SPOOL_DAMAGED || f->state == SPOOL_UNREADABLE;
}

static void
put_row(struct table *t, const struct target *target, const struct spool_file *f, bool verify)
{
	char text[160];

	table_cell(t, short_path(target, f->path));
	table_cstr(t, spool_kind_name(f->kind));
	table_cstr(t, f->stage);
	if (f->counted)
		table_u64(t, f->records);
	else
		table_cstr(t, NULL);
	table_bytes(t, f->size);
	table_age(t, (double)(clock_wall() - f->since) / (double)NS_PER_S);
	if (!verify)
		return;
	snprintf(text, sizeof(text), "%s", spool_state_name(f->state));
	if (f->state == SPOOL_DAMAGED)
		snprintf(text, sizeof(text), "damaged: %llu bytes at %llu",
		    (unsigned long long)f->damaged, (unsigned long long)f->damaged_at);
	else if (f->why[0])
		snprintf(text, sizeof(text), "%s: %s", spool_state_name(f->state), f->why);
	table_cstr(t, text);
}

static void
put_json(
    struct json_writer *w, const struct target *target, const struct spool_file *f, bool verify)
{
	json_open(w, NULL, '{');
	json_put_str(w, "file", short_path(target, f->path));
	json_put_cstr(w, "kind", spool_kind_name(f->kind));
	json_put_cstr(w, "stage", f->stage);
	if (f->counted)
		json_put_u64(w, "records", f->records);
	else
		json_put_null(w, "records");
	json_put_u64(w, "bytes", f->size);
	json_put_time(w, "since", f->since);
	if (verify) {
		json_put_cstr(w, "state", spool_state_name(f->state));
		json_put_u64(w, "damaged_bytes", f->damaged);
		if (f->state == SPOOL_DAMAGED)
			json_put_u64(w, "damaged_at", f->damaged_at);
		json_put_cstr(w, "error", f->why[0] ? f->why : NULL);
	}
	json_close(w);
}

static void
add_up(struct totals *sum, const struct spool_file *f)
{
	sum->files++;
	sum->size += f->size;
	sum->bad += is_bad(f);
	if (f->kind <= SPOOL_BUNDLE)
		sum->records += f->records;
}

/* Each file in its turn, to a table or a document. */
static void
show_files(const struct target *target, bool json, bool verify, struct totals *sum, struct table *t,
    struct json_writer *w)
{
	struct spool_file *f = malloc(sizeof(*f));
	const char *path = target->paths.p;

	for (size_t i = 0; f && i < target->n; i++, path += strlen(path) + 1) {
		if (spool_look(path, verify, f) != 0)
			continue;
		add_up(sum, f);
		if (json)
			put_json(w, target, f, verify);
		else
			put_row(t, target, f, verify);
	}
	free(f);
}

static void
show_json(const struct target *target, bool verify, struct totals *sum)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 0);
	json_init(&w, &out);
	json_open(&w, NULL, '{');
	json_open(&w, "files", '[');
	show_files(target, true, verify, sum, NULL, &w);
	json_close(&w);
	json_put_u64(&w, "records", sum->records);
	json_put_u64(&w, "bytes", sum->size);
	if (verify)
		json_put_u64(&w, "damaged", sum->bad);
	json_close(&w);
	printf("%s\n", buf_cstr(&out));
	buf_fini(&out);
}

static void
show_table(const struct target *target, bool verify, struct totals *sum)
{
	char bytes[32];
	struct table t;

	table_init(&t, verify ? "FILE KIND STAGE >RECORDS >SIZE >AGE STATE"
			      : "FILE KIND STAGE >RECORDS >SIZE >AGE");
	show_files(target, false, verify, sum, &t, NULL);
	table_print(&t);
	table_format_bytes(sum->size, bytes);
	printf("%s%llu files, %llu records, %s", sum->files > 0 ? "\n" : "",
	    (unsigned long long)sum->files, (unsigned long long)sum->records, bytes);
	if (verify)
		printf(sum->bad > 0 ? "; %llu damaged" : "; none damaged",
		    (unsigned long long)sum->bad);
	putchar('\n');
}

static int
show(struct ctl *ctl, const struct ctl_args *args, bool verify)
{
	struct target *t = malloc(sizeof(*t));
	struct totals sum = { 0 };
	int status =
	    t ? open_target(ctl, args, t) : ctl_complain(CTL_REFUSED, "%s", err_text(ERR_NOMEM));

	if (status == CTL_DONE) {
		if (ctl->json)
			show_json(t, verify, &sum);
		else
			show_table(t, verify, &sum);
	}
	if (t != NULL)
		buf_fini(&t->paths);
	free(t);
	return status == CTL_DONE && verify && sum.bad > 0 ? CTL_REFUSED : status;
}

/* ---- the commands ---- */

int
spool_ls_run(struct ctl *ctl, const struct ctl_args *args)
{
	return show(ctl, args, false);
}

int
spool_verify_run(struct ctl *ctl, const struct ctl_args *args)
{
	return show(ctl, args, true);
}

int
spool_cat_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct target *t = malloc(sizeof(*t));
	int status =
	    t ? open_target(ctl, args, t) : ctl_complain(CTL_REFUSED, "%s", err_text(ERR_NOMEM));

	if (status == CTL_DONE)
		status = spool_print(t->paths.p, t->n, ctl->json);
	if (t != NULL)
		buf_fini(&t->paths);
	free(t);
	return status;
}
