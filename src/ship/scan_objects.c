/*
 * Scanning an object stream, and what its folder tree weighs. See scan.h.
 */
#include <dirent.h>
#include <stdlib.h>

#include "base/file.h"
#include "ship/path.h"
#include "ship/scan.h"

static int
sync_both(const char *dir)
{
	struct path p;
	int err = file_sync_dir(path_join(&p, dir, NULL, "uploading"));

	return err ? err : file_sync_dir(dir);
}

/* Side files (.n) of objects that are gone. */
static int
drop_orphans(const char *dir, const struct names *objects)
{
	struct names side = { NULL, 0, 0 };
	struct path p;
	int err = names_list(&side, path_join(&p, dir, NULL, "uploading"), ".n");

	for (size_t i = 0; i < side.n && err == 0; i++) {
		char name[SCAN_NAME_MAX];

		str_copyz(name, sizeof(name), str_sub(str_of(side.v[i]), 0, strlen(side.v[i]) - 2));
		if (!names_has(objects, name))
			err = file_unlink(path_join(&p, dir, "uploading", side.v[i]));
	}
	names_fini(&side);
	return err;
}

static int
claim(const struct scan_objects *s, const struct names *sealed)
{
	struct path from, to;
	size_t n = MIN(sealed->n, (size_t)s->claim_max);
	int err = 0;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n && err == 0; i++) {
		err = file_rename(path_join(&from, s->dir, NULL, sealed->v[i]),
		    path_join(&to, s->dir, "uploading", sealed->v[i]));
		file_crash_point("ship.object_claimed");
	}
	if (err == 0)
		err = sync_both(s->dir);
	file_crash_point("ship.object_claim_synced");
	return err;
}

int
scan_objects(struct scan_objects *s)
{
	struct names sealed = { NULL, 0, 0 }, claimed = { NULL, 0, 0 };
	struct path up;
	int err = s->first ? sync_both(s->dir) : 0;

	s->n = 0;
	s->names = NULL;
	path_join(&up, s->dir, NULL, "uploading");
	if (err == 0)
		err = names_list(&sealed, s->dir, "");
	names_sort(&sealed);
	if (err == 0)
		err = claim(s, &sealed);
	if (err == 0)
		err = names_list(&claimed, up.s, "");
	names_sort(&claimed);
	if (err == 0)
		err = drop_orphans(s->dir, &claimed);
	s->waiting_files = (unsigned)(claimed.n + sealed.n - MIN(sealed.n, (size_t)s->claim_max));
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
	uint64_t bytes;
};

static int
weigh_one(const char *name, void *arg)
{
	struct weigh *w = arg;
	struct path p;
	struct stat st;

	if (strlen(name) < 2 * SCAN_NAME_MAX &&
	    lstat(path_join(&p, w->dir, NULL, name), &st) == 0 && S_ISREG(st.st_mode))
		w->bytes += (uint64_t)st.st_blocks * 512;
	return 0;
}

int
scan_usage(const char *dir, uint64_t *bytes)
{
	static const char *const subs[] = { "aggregation", "uploading", "corrupt" };
	struct weigh w = { dir, 0 };
	struct path p;
	int err = file_each(dir, weigh_one, &w);

	for (size_t i = 0; i < ARRAY_LEN(subs) && err == 0; i++) {
		w.dir = path_join(&p, dir, NULL, subs[i]);
		err = file_each(w.dir, weigh_one, &w);
	}
	*bytes = w.bytes;
	return err;
}
