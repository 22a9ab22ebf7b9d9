/*
 * Scanning a bundle stream. See scan.h. Only the planner of the stream calls it, and starts packing and uploads only after it; bundles on
 * their way (busy) belong to their upload task and are not touched.
 */
#include "ship/scan.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "ship/path.h"
#include "ship/tries.h"
#include "spool/segment.h"

struct look {
	struct scan *s;
	struct names lists, sents, gzs, claimed, sealed;
	struct names listed;   /* claimed ones that belong to a list */
	struct bundle *bundle; /* the list being looked at */
};

static bool
is_busy(const struct scan *s, const struct id *id)
{
	for (unsigned i = 0; i < s->n_busy; i++)
		if (id_eq(s->busy[i], *id))
			return true;
	return false;
}

/* The id that a name such as <id>.list starts with. */
static int
id_of_name(const char *name, struct id *id)
{
	return id_parse(str_sub(str_of(name), 0, (size_t)2 * ID_LEN), id);
}

static int
sync_folders(const char *dir)
{
	struct path p;
	int err = file_sync_dir(dir);

	if (err == 0)
		err = file_sync_dir(path_join(&p, dir, NULL, "aggregation"));
	if (err == 0)
		err = file_sync_dir(path_join(&p, dir, NULL, "uploading"));
	return err;
}

/* Is it a left-over of ours? Lists and packs being written carry the id of their bundle, and a busy one's belongs to its upload; `.part` of a
 * segment is what a conversion of an origin gateway's file left. */
static bool
is_leftover(const struct scan *s, const char *name)
{
	struct id id;

	if (id_of_name(name, &id) == 0)
		return !is_busy(s, &id);
	return s->distrust && name_kind(str_of(name)) == NAME_PART;
}

static int
unlink_leftovers(const struct scan *s, const char *sub, const char *suffix)
{
	struct names set = { .v = NULL };
	struct path folder, file;
	int err = names_list(&set, path_join(&folder, s->dir, NULL, sub), suffix);

	for (size_t i = 0; i < set.n && err == 0; i++)
		if (is_leftover(s, set.v[i]))
			err = file_unlink(path_join(&file, s->dir, sub, set.v[i]));
	names_fini(&set);
	return err;
}

static int
list_folders(struct look *l)
{
	const char *dir = l->s->dir;
	struct path agg, up;
	int err = unlink_leftovers(l->s, "aggregation", ".tmp");

	if (err == 0 && l->s->distrust)
		err = unlink_leftovers(l->s, "aggregation", ".part");
	if (err == 0)
		err = unlink_leftovers(l->s, "uploading", ".part");
	if (err == 0)
		err = unlink_leftovers(l->s, "uploading", ".tmp");
	path_join(&agg, dir, NULL, "aggregation");
	path_join(&up, dir, NULL, "uploading");
	l->sealed.limit = SCAN_MAX_SEGMENTS;
	if (err == 0)
		err = names_list(&l->lists, agg.s, ".list");
	if (err == 0)
		err = names_list(&l->sents, agg.s, ".sent");
	if (err == 0)
		err = names_list(&l->claimed, agg.s, "");
	if (err == 0)
		err = names_list(&l->gzs, up.s, ".gz");
	if (err == 0)
		err = names_list(&l->sealed, dir, "");
	return err;
}

static bool
gz_exists(const struct look *l, const struct id *id)
{
	char name[2 * ID_LEN + 4];

	id_text(*id, name);
	strcpy(name + 2 * ID_LEN, ".gz");
	return names_has(&l->gzs, name);
}

static int
mark_listed(struct look *l)
{
	const struct bundle *b = l->bundle;
	int err = 0;

	for (unsigned i = 0; i < b->n_sources && err == 0; i++)
		err = names_add(&l->listed, b->sources[i].name);
	return err;
}

/* Does one of the list's sources still lie in aggregation/? */
static bool
has_claimed(const struct look *l)
{
	for (unsigned i = 0; i < l->bundle->n_sources; i++)
		if (names_has(&l->claimed, l->bundle->sources[i].name))
			return true;
	return false;
}

static int
read_header(const char *path, struct segment_header *h, struct stat *st)
{
	unsigned char head[SEGMENT_HEADER_LEN];
	ssize_t got;
	int fd = file_open(path, O_RDONLY);

	if (fd < 0)
		return fd;
	got = file_read_full(fd, head, sizeof(head), 0);
	if (got >= 0 && fstat(fd, st) != 0)
		got = ERR_IO;
	file_close(fd);
	if (got < 0)
		return (int)got;
	return segment_decode_header(head, (size_t)got, h);
}

/* Is source i there as listed, in aggregation/? One found under its old name is moved there. 1, 0 or an error. */
static int
have_source(const struct look *l, unsigned i, bool *moved)
{
	const struct bundle_source *src = &l->bundle->sources[i];
	struct segment_header h;
	struct path at, old;
	struct stat st;
	int err;

	path_join(&at, l->s->dir, "aggregation", src->name);
	path_join(&old, l->s->dir, NULL, src->name);
	err = read_header(at.s, &h, &st);
	if (err == ERR_NOT_FOUND) {
		err = read_header(old.s, &h, &st);
		if (err == 0 && id_eq(h.id, src->id)) {
			err = file_rename(old.s, at.s);
			*moved = true;
		}
	}
	if (err == ERR_NOT_FOUND || err == ERR_CORRUPT)
		return 0;
	/* Its name is in the list, so it is ours; what can still be read of it is found out when it is packed. */
	if (err == ERR_IO)
		return 1;
	if (err != 0)
		return err;
	return id_eq(h.id, src->id) && (uint64_t)st.st_size >= src->length;
}

/* A list without a gz: packed again if its sources are all there; else it was never sent: dissolved. */
static int
look_at_unpacked(struct look *l, const struct id *id)
{
	const char *dir = l->s->dir;
	bool moved = false;
	struct path p;
	int have = 1;

	for (unsigned i = 0; i < l->bundle->n_sources && have == 1; i++)
		have = have_source(l, i, &moved);
	if (have < 0)
		return have;
	if (moved && have == 1) {
		int err = sync_folders(dir);

		if (err != 0)
			return err;
	}
	if (have == 1) {
		if (!l->s->has_unpacked || id_eq(l->s->unpacked, l->s->stuck))
			l->s->unpacked = *id;
		l->s->has_unpacked = true;
		return mark_listed(l);
	}
	log_event(LOG_WARN, "ship", "list without all of its sources dissolved", LOG_S("dir", dir),
	    LOG_S("key", l->bundle->key), LOG_END);
	have = file_unlink(path_of_id(&p, dir, "aggregation", id, ".list"));
	return have ? have : file_sync_dir(path_join(&p, dir, NULL, "aggregation"));
}

/* A list that cannot be read is kept for a person, and so is its gz: it may be all that is left of the records. The gz goes first, durably:
 * without a list it would be deleted. */
static int
set_list_aside(struct look *l, const struct id *id)
{
	const char *dir = l->s->dir;
	struct path from, to, corrupt;
	int err = file_make_dirs(path_join(&corrupt, dir, NULL, "corrupt"));

	if (err == 0 && gz_exists(l, id)) {
		err = file_rename(path_of_id(&from, dir, "uploading", id, ".gz"),
		    path_of_id(&to, dir, "corrupt", id, ".gz"));
		if (err == 0)
			err = file_sync_dir(corrupt.s);
	}
	if (err == 0)
		err = file_rename(path_of_id(&from, dir, "aggregation", id, ".list"),
		    path_of_id(&to, dir, "corrupt", id, ".list"));
	if (err == 0)
		err = file_sync_dir(corrupt.s);
	log_event(LOG_ERROR, "ship", "damaged list set aside", LOG_S("file", to.s), LOG_ERR(err),
	    LOG_END);
	return err;
}

static int
look_at_list(struct look *l, const struct id *id)
{
	bool gz = gz_exists(l, id);
	int err;

	/* With nothing claimed left there is nothing to do for a list that has its gz. */
	if (!gz || l->claimed.n > 0) {
		err = bundle_read_list(l->s->dir, id, l->bundle);
		if (err == ERR_CORRUPT)
			return set_list_aside(l, id);
		if (err != 0)
			return err;
		if (!gz)
			return look_at_unpacked(l, id);
		err = has_claimed(l) ? bundle_unlink_sources(l->bundle, l->s->dir, NULL) : 0;
		if (err == ERR_IO) {
			/* It waits for them to go: sent before, they would be packed and sent again. The others do not wait. */
			log_event(LOG_ERROR, "ship", "sources of a bundle cannot be removed",
			    LOG_S("dir", l->s->dir), LOG_S("key", l->bundle->key), LOG_END);
			l->s->unreadable++;
			return mark_listed(l);
		}
		if (err == 0)
			err = mark_listed(l);
		if (err != 0)
			return err;
	}
	if (l->s->n_ready < SCAN_MAX_BUNDLES)
		l->s->ready[l->s->n_ready++] = *id;
	else
		l->s->more_ready = true;
	return 0;
}

/* All of them, since any may own a claimed segment; those behind s->after come first. */
static int
look_at_lists(struct look *l)
{
	size_t first = 0;
	struct id id;
	int err = 0;

	while (first < l->lists.n && id_of_name(l->lists.v[first], &id) == 0 &&
	       memcmp(&id, &l->s->after, sizeof(id)) <= 0)
		first++;
	for (size_t i = 0; i < l->lists.n && err == 0; i++) {
		const char *name = l->lists.v[(first + i) % l->lists.n];

		if (id_of_name(name, &id) == 0 && !is_busy(l->s, &id))
			err = look_at_list(l, &id);
	}
	return err;
}

/* Files of uploading/ that go with a list, whose list is gone. */
static int
drop_listless(const struct look *l, const struct names *files, const struct names *lists)
{
	char list[2 * ID_LEN + 6];
	struct path p;
	struct id id;
	int err = 0;

	for (size_t i = 0; i < files->n && err == 0; i++) {
		if (id_of_name(files->v[i], &id) != 0 || is_busy(l->s, &id))
			continue;
		id_text(id, list);
		strcpy(list + 2 * ID_LEN, ".list");
		if (!names_has(lists, list))
			err = file_unlink(path_join(&p, l->s->dir, "uploading", files->v[i]));
	}
	return err;
}

/* .sent: finish; a gz with neither list nor .sent is confirmed already, or will be rebuilt, or the dead letters have it: delete. */
static int
clean_up(struct look *l)
{
	struct names lists = { .v = NULL }, tries = { .v = NULL };
	struct path p;
	struct id id;
	int err = 0;

	for (size_t i = 0; i < l->sents.n && err == 0; i++)
		if (id_of_name(l->sents.v[i], &id) == 0 && !is_busy(l->s, &id))
			err = bundle_finish(l->s->dir, &id);
	if (err == 0)
		err = names_list(&lists, path_join(&p, l->s->dir, NULL, "aggregation"), ".list");
	if (err == 0)
		err = drop_listless(l, &l->gzs, &lists);
	if (err == 0)
		err = names_list(&tries, path_join(&p, l->s->dir, NULL, "uploading"), TRIES_SUFFIX);
	if (err == 0)
		err = drop_listless(l, &tries, &lists);
	names_fini(&tries);
	names_fini(&lists);
	return err;
}

static int
set_segment_aside(const struct look *l, const char *path, const char *name)
{
	struct path folder, to;
	int err = file_make_dirs(path_join(&folder, l->s->dir, NULL, "corrupt"));

	if (err == 0)
		err = file_rename(path, path_join(&to, l->s->dir, "corrupt", name));
	if (err == 0)
		log_event(LOG_ERROR, "ship", "file is no segment: set aside", LOG_S("file", to.s),
		    LOG_END);
	return err;
}

static int
add_segment(struct look *l, const char *name, bool claimed)
{
	struct scan_segment *seg = &l->s->segments[l->s->n_segments];
	struct segment_header h;
	struct path p;
	struct stat st;
	int err =
	    read_header(path_join(&p, l->s->dir, claimed ? "aggregation" : NULL, name), &h, &st);

	if (err == ERR_CORRUPT)
		return set_segment_aside(l, p.s, name);
	if (err == ERR_IO) {
		/* One bad block must not hold up all others. */
		log_event(LOG_ERROR, "ship", "segment cannot be read", LOG_S("file", p.s), LOG_END);
		l->s->unreadable++;
		return 0;
	}
	if (err != 0)
		return err == ERR_NOT_FOUND ? 0 : err;
	*seg = (struct scan_segment){ .claimed = claimed };
	strcpy(seg->name, name);
	seg->id = h.id;
	seg->bytes = (uint64_t)st.st_size;
	seg->created = h.created;
	seg->modified = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	if (l->s->oldest == 0 || h.created < l->s->oldest)
		l->s->oldest = h.created;
	l->s->n_segments++;
	return 0;
}

/* The free ones, by name: those of aggregation/ and of the stream's folder, merged. */
static int
look_at_segments(struct look *l)
{
	size_t a = 0, b = 0;
	int err = 0;

	names_sort(&l->listed);
	while (err == 0 && l->s->n_segments < SCAN_MAX_SEGMENTS &&
	       (a < l->claimed.n || b < l->sealed.n)) {
		bool claimed = b == l->sealed.n ||
			       (a < l->claimed.n && strcmp(l->claimed.v[a], l->sealed.v[b]) <= 0);
		const char *name = claimed ? l->claimed.v[a++] : l->sealed.v[b++];

		if (!names_has(&l->listed, name))
			err = add_segment(l, name, claimed);
	}
	l->s->more_segments = a < l->claimed.n || b < l->sealed.n || l->sealed.seen > l->sealed.n;
	return err;
}

int
scan_bundles(struct scan *s)
{
	struct look l = { .s = s, .bundle = bundle_new() };
	int err = l.bundle == NULL ? ERR_NOMEM : 0;

	s->n_ready = s->n_segments = s->waiting_files = s->unreadable = 0;
	s->has_unpacked = s->more_ready = s->more_segments = false;
	s->oldest = 0;
	if (err == 0 && s->distrust)
		err = sync_folders(s->dir);
	if (err == 0)
		err = list_folders(&l);
	if (err == 0)
		err = look_at_lists(&l);
	if (err == 0)
		err = clean_up(&l);
	if (err == 0)
		err = look_at_segments(&l);
	s->waiting_files = (unsigned)(l.sealed.seen + l.claimed.n + l.lists.n);
	bundle_free(l.bundle);
	names_fini(&l.lists);
	names_fini(&l.sents);
	names_fini(&l.gzs);
	names_fini(&l.claimed);
	names_fini(&l.sealed);
	names_fini(&l.listed);
	return err;
}
