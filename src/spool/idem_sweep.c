/*
 * See idem_sweep.h. What a sweep decides is fixed when it begins: it knows the generations of all slots as of then, so that a process which
 * dies while segments are read, and whose own were perhaps passed over, is left to the next sweep.
 */
#include "spool/idem_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "spool/idem_priv.h"
#include "spool/spool_priv.h"

struct idem_sweep {
	struct idem *t;
	uint32_t number;
	bool all;    /* read every segment, not only those of the dead */
	bool failed; /* a file could not be read */
	unsigned n_slots;
	uint32_t generations[]; /* by slot, when the sweep began */
};

struct folder {
	char (*names)[NAME_CAP];
	size_t n, cap;
};

int
idem_sweep_begin(struct idem *t, struct idem_sweep **out)
{
	unsigned n = t ? zone_slots(t->zone) : 0;
	struct idem_sweep *w;

	*out = NULL;
	if (t == NULL)
		return OK;
	w = calloc(1, sizeof(*w) + n * sizeof(w->generations[0]));
	if (w == NULL)
		return ERR_NOMEM;
	w->t = t;
	w->n_slots = n;
	w->number = (atomic_fetch_add(&t->file->sweeps, 1) + 1) & GENERATION_MASK;
	for (unsigned i = 0; i < n; i++)
		w->generations[i] = atomic_load(&zone_slot(t->zone, i)->generation);
	*out = w;
	return OK;
}

static bool
was_dead(const struct idem_sweep *w, unsigned slot, uint32_t generation)
{
	return slot >= w->n_slots ||
	       (w->generations[slot] & GENERATION_MASK) != (generation & GENERATION_MASK);
}

/* A doubt that arose while this sweep was under way carries its number. */
static bool
is_doubt(const struct idem_sweep *w, uint64_t state)
{
	return idem_slot_of(state) == NOBODY && idem_generation_of(state) != w->number;
}

static bool
is_open(const struct idem_sweep *w, uint64_t state)
{
	if (idem_phase_of(state) != PHASE_PENDING)
		return false;
	if (idem_slot_of(state) == NOBODY)
		return is_doubt(w, state);
	return was_dead(w, idem_slot_of(state), idem_generation_of(state));
}

bool
idem_sweep_needed(struct idem_sweep *w)
{
	bool needed = false;

	if (w == NULL)
		return false;
	w->all = !idem_ready(w->t);
	for (uint64_t b = 0; b < w->t->file->n_buckets; b++)
		for (int i = 0; i < BUCKET_ENTRIES; i++) {
			uint64_t state = atomic_load(&w->t->file->buckets[b].entries[i].state);

			needed = needed || is_open(w, state);
			if (idem_phase_of(state) == PHASE_PENDING && is_doubt(w, state))
				w->all = true;
		}
	return needed || w->all;
}

/* ---- reading segments ---- */

static int
add_name(const char *name, void *arg)
{
	struct folder *f = arg;

	if (name_kind(str_of(name)) != NAME_SEALED)
		return 0;
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		void *p = realloc(f->names, cap * sizeof(f->names[0]));

		if (p == NULL)
			return ERR_NOMEM;
		f->names = p;
		f->cap = cap;
	}
	(void)str_copyz(f->names[f->n++], NAME_CAP, str_of(name));
	return 0;
}

static void
mark_record(struct idem *t, const struct reader_record *r)
{
	struct id key;

	if (r->attrs.n > 0 && id_parse(segment_get_attr(r->attrs, SEGMENT_ATTR_IDEM), &key) == 0)
		idem_mark(t, key, r->frame.time);
}

static int
mark_records(struct idem *t, struct reader *r)
{
	struct reader_record rec;
	uint64_t skipped;
	int got;

	do {
		got = reader_next(r, &rec);
		if (got == 1)
			mark_record(t, &rec);
		else if (got == 0 || got == ERR_CORRUPT)
			got = reader_resync(r, &skipped);
	} while (got == 1);
	return got == ERR_CORRUPT ? OK : got;
}

/* May it hold a key that matters? A segment is of one hour. */
static bool
matters(const struct idem_sweep *w, const struct segment_header *h)
{
	int64_t age = clock_wall() - h->created;

	return age < IDEM_TTL + HOUR_NS && (w->all || was_dead(w, h->slot, h->generation));
}

/* One that is gone was moved on or shipped; one without a valid header holds nothing that can be shipped. */
static int
read_segment(struct idem_sweep *w, const char *path)
{
	struct reader *r;
	int err = reader_open(path, 0, &r);

	if (err == ERR_NOT_FOUND || err == ERR_CORRUPT)
		return OK;
	if (err == 0) {
		if (matters(w, reader_header(r)))
			err = mark_records(w->t, r);
		reader_close(r);
	}
	if (err != ERR_IO)
		return err;
	w->failed = true;
	log_event(LOG_ERROR, "spool", "cannot read the idempotency keys of a segment",
	    LOG_S("path", path), LOG_ERR(err), LOG_END);
	return OK;
}

/* Synced first: a key that is answered for must stand on names that last. */
static int
read_folder(struct idem_sweep *w, const char *dir)
{
	struct folder f = { NULL, 0, 0 };
	char path[SPOOL_PATH_MAX + NAME_CAP];
	int err = file_sync_dir(dir);

	if (err == 0)
		err = file_each(dir, add_name, &f);
	for (size_t i = 0; i < f.n && err == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, f.names[i]);
		err = read_segment(w, path);
	}
	free(f.names);
	return err;
}

int
idem_sweep_segments(struct idem_sweep *w, const char *dir)
{
	static const char *const folders[] = { "", "/aggregation", "/uploading" };
	char path[SPOOL_PATH_MAX];
	int err = OK;

	if (w == NULL)
		return OK;
	for (size_t i = 0; i < ARRAY_LEN(folders) && err == 0; i++) {
		snprintf(path, sizeof(path), "%s%s", dir, folders[i]);
		if (i == 0 || access(path, F_OK) == 0)
			err = read_folder(w, path);
	}
	return err;
}

/* ---- deciding ---- */

/* What a file that cannot be read might answer stays open, but not for ever. */
static bool
may_be_freed(const struct idem_sweep *w, const struct idem_entry *e)
{
	struct id key;
	uint32_t seconds;

	return !w->failed || !idem_entry_key(e, &key, &seconds) ||
	       clock_wall() / NS_PER_S - (int64_t)seconds > IDEM_TTL / NS_PER_S;
}

static unsigned
free_open(struct idem_sweep *w)
{
	unsigned freed = 0;

	for (uint64_t b = 0; b < w->t->file->n_buckets; b++)
		for (int i = 0; i < BUCKET_ENTRIES; i++) {
			struct idem_entry *e = &w->t->file->buckets[b].entries[i];
			uint64_t state = atomic_load(&e->state);

			if (is_open(w, state) && may_be_freed(w, e))
				freed +=
				    atomic_compare_exchange_strong(&e->state, &state, PHASE_FREE);
		}
	return freed;
}

int
idem_sweep_end(struct idem_sweep *w, bool complete)
{
	struct idem *t = w ? w->t : NULL;
	int err = OK;

	if (w == NULL)
		return OK;
	if (complete) {
		unsigned freed = free_open(w);

		err = idem_sync(t);
		/* A file that cannot be read now cannot be shipped either; the keys of all others are known. */
		if (err == 0 && !idem_ready(t))
			atomic_store(&t->file->boot, t->boot);
		log_event(LOG_DEBUG, "spool", "idempotency keys looked after",
		    LOG_I("freed", freed), LOG_ERR(err), LOG_END);
	}
	(void)madvise(t->file, t->size, MADV_DONTNEED);
	free(w);
	return err;
}
