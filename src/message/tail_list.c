/*
 * Which segments there are: names of the stream's folder that are not known yet, the oldest first. A folder is read again when it has changed, and that
 * costs at most a small share of the time; of a long backlog only so many names are taken as are needed next.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "message/tail_priv.h"
#include "spool/names.h"

/* Segments known and not read to their end: no more are taken in than this. */
#define AHEAD 256
/* Folder times are as coarse as the kernel's tick: a change may hide behind one of the same tick, so a young time is not trusted. */
#define SETTLED (NS_PER_S / 2)
/* A look costs at most this share of the time. */
#define LOOK_SHARE 20
#define LOOK_LEAST (2 * NS_PER_MS)

struct listing {
	struct names open, sealed;
};

static int64_t
folder_time(const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec : 0;
}

/* Open ones first: one that is sealed meanwhile is met again, not missed. */
static int
list_names(const struct tail *t, struct listing *l)
{
	int err;

	l->sealed.limit = AHEAD + t->n_segments;
	err = names_list(&l->open, t->opt.dir, NAME_OPEN_SUFFIX);
	return err ? err : names_list(&l->sealed, t->opt.dir, "");
}

static struct tail_segment *
new_segment(const char *name, size_t len, bool sealed)
{
	struct tail_segment *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->f = calloc(1, sizeof(*s->f));
	if (s->f == NULL) {
		free(s);
		return NULL;
	}
	(void)str_copyz(s->name, sizeof(s->name), str_make(name, len));
	s->f->sealed = sealed;
	s->f->fd = -1;
	return s;
}

/* Where a name of this length stands in the list, or would: the first that is not less. */
static struct list *
find_place(struct tail *t, struct list *from, const char *name, size_t len)
{
	while (from != &t->segments) {
		struct tail_segment *s = CONTAINER_OF(from, struct tail_segment, link);

		if (strncmp(s->name, name, len) >= 0)
			break;
		from = from->next;
	}
	return from;
}

/* Brings sorted names and the sorted list together. */
static int
merge(struct tail *t, const struct names *set, size_t suffix, bool sealed)
{
	struct list *at = t->segments.next;

	for (size_t i = 0; i < set->n; i++) {
		size_t len = strlen(set->v[i]) - suffix;
		struct tail_segment *s;

		if (name_kind(str_of(set->v[i])) == NAME_OTHER)
			continue;
		at = find_place(t, at, set->v[i], len);
		s = at == &t->segments ? NULL : CONTAINER_OF(at, struct tail_segment, link);
		if (s != NULL && strlen(s->name) == len && memcmp(s->name, set->v[i], len) == 0) {
			s->f->sealed = s->f->sealed || sealed;
			continue;
		}
		s = new_segment(set->v[i], len, sealed);
		if (s == NULL)
			return ERR_NOMEM;
		list_insert(at, &s->link);
		t->n_segments++;
		at = &s->link;
	}
	return OK;
}

static int
read_folder(struct tail *t)
{
	struct listing l = { .open = { .v = NULL } };
	int64_t begun = clock_mono(), changed = folder_time(t->opt.dir), age, took;
	int err = list_names(t, &l);

	if (err == OK)
		err = merge(t, &l.open, strlen(NAME_OPEN_SUFFIX), false);
	if (err == OK)
		err = merge(t, &l.sealed, 0, true);
	took = clock_mono() - begun;
	age = clock_wall() - changed;
	t->listed = err == OK && l.sealed.seen == l.sealed.n;
	t->stale = err != OK;
	t->folder_time = err == OK && (age > SETTLED || age < 0) ? changed : 0;
	t->list_after = clock_mono() + MIN(MAX(LOOK_SHARE * took, LOOK_LEAST), NS_PER_S);
	names_fini(&l.open);
	names_fini(&l.sealed);
	return err;
}

/* A part of the backlog is known; the next part is wanted when that is nearly read. */
static bool
wants_more(const struct tail *t)
{
	struct list *at;
	size_t unread = 0;

	if (t->listed)
		return false;
	LIST_FOREACH (at, &t->segments)
		unread += CONTAINER_OF(at, struct tail_segment, link)->f->state != TAIL_ENDED;
	return unread < AHEAD / 4;
}

int
tail_list(struct tail *t)
{
	if (t->folder_time == 0 || folder_time(t->opt.dir) != t->folder_time)
		t->stale = true;
	if ((!t->stale && !wants_more(t)) || clock_mono() < t->list_after)
		return OK;
	return read_folder(t);
}
