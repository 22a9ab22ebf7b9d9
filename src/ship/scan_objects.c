/*
 * Scanning an object stream, and what its folder tree weighs. See scan.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "ship/path.h"
#include "ship/scan.h"
#include "ship/tries.h"
#include "sink/gzid.h"
#include "spool/tally.h"

static int
sync_both(const char *dir)
{
	struct path p;
	int err = file_sync_dir(path_join(&p, dir, NULL, "uploading"));

	return err ? err : file_sync_dir(dir);
}

/* Files beside objects (their number, their attempts), and temporaries of these, whose objects are gone. */
static int
drop_orphans(const char *dir, const struct names *objects, const char *suffix)
{
	struct names side = { .v = NULL };
	struct path p;
	int err = names_list(&side, path_join(&p, dir, NULL, "uploading"), suffix);

	for (size_t i = 0; i < side.n && err == 0; i++) {
		struct str bare = str_sub(str_of(side.v[i]), 0, strlen(side.v[i]) - strlen(suffix));
		char name[SCAN_NAME_MAX];

		str_copyz(name, sizeof(name), bare);
		if (!names_has(objects, name))
			err = file_unlink(path_join(&p, dir, "uploading", side.v[i]));
	}
	names_fini(&side);
	return err;
}

/* Moves the n oldest; synced even if there are none left to move, when an earlier try failed half-way (s->distrust). */
static int
claim(const struct scan_objects *s, const struct names *sealed)
{
	struct path from, to;
	int err = 0;

	if (sealed->n == 0)
		return 0;
	for (size_t i = 0; i < sealed->n && err == 0; i++) {
		err = file_rename(path_join(&from, s->dir, NULL, sealed->v[i]),
		    path_join(&to, s->dir, "uploading", sealed->v[i]));
		file_crash_point("ship.object_claimed");
	}
	if (err == 0)
		err = sync_both(s->dir);
	file_crash_point("ship.object_claim_synced");
	return err;
}

/* Fills *claimed, and *sealed with what is to be added to it. */
static int
list_both(struct scan_objects *s, struct names *claimed, struct names *sealed)
{
	struct path up;
	int err = names_list(claimed, path_join(&up, s->dir, NULL, "uploading"), "");

	sealed->limit = claimed->n < s->claim_max ? s->claim_max - claimed->n : 1;
	if (err == 0)
		err = names_list(sealed, s->dir, "");
	if (claimed->n >= s->claim_max)
		sealed->n = 0;
	s->waiting_files = (unsigned)(claimed->n + sealed->seen);
	s->more = sealed->seen > sealed->n;
	return err;
}

static int
add_claimed(struct names *claimed, const struct names *sealed)
{
	int err = 0;

	for (size_t i = 0; i < sealed->n && err == 0; i++)
		err = names_add(claimed, sealed->v[i]);
	names_sort(claimed);
	return err;
}

int
scan_objects(struct scan_objects *s)
{
	struct names sealed = { .v = NULL }, claimed = { .v = NULL };
	int err = s->distrust ? sync_both(s->dir) : 0;

	s->n = 0;
	s->names = NULL;
	if (err == 0)
		err = list_both(s, &claimed, &sealed);
	if (err == 0)
		err = claim(s, &sealed);
	if (err == 0)
		err = add_claimed(&claimed, &sealed);
	if (err == 0)
		err = drop_orphans(s->dir, &claimed, ".n");
	if (err == 0)
		err = drop_orphans(s->dir, &claimed, ".n.tmp");
	if (err == 0)
		err = drop_orphans(s->dir, &claimed, TRIES_SUFFIX);
	if (err == 0)
		err = drop_orphans(s->dir, &claimed, TRIES_SUFFIX ".tmp");
	if (err == 0) {
		s->n = (unsigned)claimed.n;
		s->names = claimed.v;
	} else {
		names_fini(&claimed);
	}
	names_fini(&sealed);
	return err;
}

struct weigh {
	const char *dir;
	enum spool_stage stage;
	bool object;
	struct scan_usage *out;
};

static bool
is_data(const char *name)
{
	enum name_kind kind = name_kind(str_of(name));

	return kind == NAME_SEALED || kind == NAME_OPEN || str_ends(str_of(name), STR(".gz"));
}

static uint64_t
records_of_gz(const char *path)
{
	uint64_t records = 0;
	int fd = file_open(path, O_RDONLY);

	if (fd < 0)
		return 0;
	(void)gzid_read_records(fd, &records);
	file_close(fd);
	return records;
}

static uint64_t
records_of(const struct weigh *w, const char *name, const char *path)
{
	uint64_t records = 1;

	if (!w->object && str_ends(str_of(name), STR(".gz")))
		return records_of_gz(path);
	if (!w->object)
		(void)tally_records(path, &records);
	return records;
}

static void
add_waiting(const struct weigh *w, const char *name, const char *path, const struct stat *st)
{
	int64_t changed = (int64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;

	w->out->records += records_of(w, name, path);
	if (w->out->oldest == 0 || changed < w->out->oldest)
		w->out->oldest = changed;
}

static int
weigh_one(const char *name, void *arg)
{
	struct weigh *w = arg;
	struct path p;
	struct stat st;

	if (strlen(name) >= 2 * SCAN_NAME_MAX ||
	    lstat(path_join(&p, w->dir, NULL, name), &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	w->out->bytes += (uint64_t)st.st_blocks * 512;
	w->out->stages[w->stage] += (uint64_t)st.st_blocks * 512;
	if (w->stage != SPOOL_STAGE_CORRUPT && is_data(name) &&
	    name_kind(str_of(name)) != NAME_OPEN)
		add_waiting(w, name, p.s, &st);
	return 0;
}

int
scan_usage(const char *dir, bool object, struct scan_usage *out)
{
	struct weigh w = { dir, SPOOL_STAGE_SPOOL, object, out };
	struct path p;
	int err;

	*out = (struct scan_usage){ 0 };
	err = file_each(dir, weigh_one, &w);
	for (unsigned i = SPOOL_STAGE_AGGREGATION; i < SPOOL_STAGES && err == 0; i++) {
		w.stage = (enum spool_stage)i;
		w.dir = path_join(&p, dir, NULL, spool_stage_names[i]);
		err = file_each(w.dir, weigh_one, &w);
	}
	return err;
}

static int
count_one(const char *name, void *arg)
{
	*(unsigned *)arg += is_data(name);
	return 0;
}

int
scan_waiting(const char *dir, unsigned *files)
{
	static const char *const subs[] = { "aggregation", "uploading" };
	struct path p;
	int err;

	*files = 0;
	err = file_each(dir, count_one, files);
	for (size_t i = 0; i < ARRAY_LEN(subs) && err == 0; i++)
		err = file_each(path_join(&p, dir, NULL, subs[i]), count_one, files);
	return err;
}
