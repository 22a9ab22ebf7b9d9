/*
 * Writing: a process's doors to its blocks. What was got once is found again by one look into the directory's hash table, which takes no
 * lock, and one into `doors`, our own table by index. The rest is rare. See series.h.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "zone/series_priv.h"

struct pin {
	struct series s;
	struct pin *next;
	struct metric_set *set;
	struct str key; /* behind the set's id in text, as the map's key */
	char text[];
};

struct dir series_dir;

static struct {
	struct series *doors; /* by index */
	struct pin *pins;
	struct map by_key; /* of pins */
	uint32_t acked, pin_epoch;
	bool loose_pins; /* some pin is not where it should be */
	bool any_pending;
	_Atomic uint64_t
	    *pending[METRIC_SETS_MAX]; /* by set: what waits for its place in `other` */
} self;

/* What is counted where there is no zone. */
static _Atomic uint64_t scratch[METRIC_WORDS_MAX];
static struct series scratch_doors[METRIC_SETS_MAX];

/* ---- what does not fit ---- */

/* ORDINARY: falls back to `other`, which counts as dropped. QUIET: the same, but not an event. PRIVILEGED: may use the reserve. */
enum manner { ORDINARY, QUIET, PRIVILEGED };

static struct series *
scratch_for(const struct metric_set *set)
{
	struct series *s = &scratch_doors[set->id];

	*s = (struct series){ .block = scratch, .set = set };
	return s;
}

/* Not even `other` can be had now (a process that was stopped holds the lock; the reserve is used up): memory of our own, which the next tick
 * adds to `other`. */
static struct series *
pending_for(const struct metric_set *set)
{
	struct series *s = scratch_for(set);
	_Atomic uint64_t **words = &self.pending[set->id];

	if (*words == NULL)
		*words = calloc(set->words, sizeof(**words));
	if (*words != NULL) {
		s->block = *words;
		self.any_pending = true;
	}
	return s;
}

struct str
series_other_key(const struct metric_set *set)
{
	static const char others[METRIC_LABELS_MAX][6] = { "other", "other", "other", "other" };

	return str_make(others, set->n_labels > 0 ? set->n_labels * sizeof(others[0]) - 1 : 0);
}

static struct series *get(struct metric_set *set, struct str key, enum manner how);

/* The door to use instead. */
static struct series *
fall_back(struct metric_set *set, enum manner how)
{
	struct metric_set *dropped = series_dropped_set();

	if (how == PRIVILEGED)
		return pending_for(set);
	if (how == ORDINARY && dropped->words > 0)
		series_add(get(dropped, str_of(set->name), PRIVILEGED), 0, 1);
	return get(set, series_other_key(set), PRIVILEGED);
}

/* ---- finding one's door ---- */

static struct block *
block_of(const struct series *s)
{
	return CONTAINER_OF(s->block, struct block, word);
}

static struct series *
bind_door(uint32_t index, struct block *b)
{
	struct entry *e = &series_dir.entries[index];
	struct series *s = &self.doors[index];

	s->block = b->word;
	s->set = metric_set(e->set);
	s->index = index;
	s->state = atomic_load_explicit(&e->state, memory_order_acquire);
	atomic_store_explicit(&b->seen, clock_cached_wall(), memory_order_relaxed);
	return s;
}

/* Is it of any use to ask for the lock? */
static bool
has_room(const struct metric_set *set, struct str key)
{
	const struct directory *h = series_dir.head;

	if (key.n > SERIES_KEY_MAX)
		return false;
	if (set->max_series > 0 && atomic_load(&h->sets[set->id].count) >= set->max_series)
		return false;
	return !units_scarce(&h->space, directory_block_units(set->words)) ||
	       atomic_load(&h->n_retired) > 0;
}

/* With the lock: finds or makes. */
static struct block *
make_block(struct metric_set *set, struct str key, uint32_t hash, enum manner how, uint32_t *index)
{
	struct dir *d = &series_dir;
	struct block *b;

	*index = directory_find(d, set->id, key, hash);
	if (*index == 0) {
		if (how != PRIVILEGED && !has_room(set, key))
			return NULL;
		*index = directory_make(d, set, key, hash, d->slot, how == PRIVILEGED);
		return *index ? directory_block_at(d, atomic_load(&d->entries[*index].blocks))
			      : NULL;
	}
	b = directory_block(d, &d->entries[*index], d->slot);
	return b ? b : directory_add_block(d, *index, d->slot, set->words, how == PRIVILEGED);
}

static struct series *
get_slowly(struct metric_set *set, struct str key, uint32_t hash, uint32_t index, enum manner how)
{
	struct dir *d = &series_dir;
	struct block *b = index ? directory_block(d, &d->entries[index], d->slot) : NULL;

	assert(set->words > 0);
	if (b != NULL)
		return bind_door(index, b);
	if (set->id >= d->head->n_sets)
		return scratch_for(set);
	if (key.n == 0)
		how = PRIVILEGED;
	if (index == 0 && how != PRIVILEGED && !has_room(set, key) &&
	    !(atomic_load(&d->head->repairs) & 1))
		return fall_back(set, how);
	if (!directory_lock(d))
		return fall_back(set, how);
	b = make_block(set, key, hash, how, &index);
	if (b == NULL && directory_reclaim(d))
		b = make_block(set, key, hash, how, &index);
	directory_unlock(d);
	if (b != NULL)
		return bind_door(index, b);
	if (atomic_load(&d->head->n_retired) > 0)
		directory_nudge(d);
	return fall_back(set, how);
}

static struct series *
get(struct metric_set *set, struct str key, enum manner how)
{
	uint32_t hash, index;
	struct series *s;

	if (unlikely(series_dir.head == NULL))
		return scratch_for(set);
	if (unlikely(key.n > SERIES_KEY_MAX))
		return fall_back(set, how);
	hash = (uint32_t)directory_hash(series_dir.head->secret, set->id, key);
	index = directory_find(&series_dir, set->id, key, hash);
	s = &self.doors[index];
	if (unlikely(index == 0 || s->state == 0 ||
		     s->state != atomic_load_explicit(
				     &series_dir.entries[index].state, memory_order_relaxed)))
		return get_slowly(set, key, hash, index, how);
	atomic_store_explicit(&block_of(s)->seen, clock_cached_wall(), memory_order_relaxed);
	return s;
}

struct series *
series_get(struct metric_set *set, struct str key)
{
	return get(set, key, ORDINARY);
}

static bool
is_hinted(const struct metric_set *set, struct str key, uint32_t index)
{
	const struct dir *d = &series_dir;
	const struct series *s;
	const struct entry *e;

	if (d->head == NULL || index == 0 || index >= d->head->n_entries)
		return false;
	s = &self.doors[index];
	e = &d->entries[index];
	return s->state != 0 && s->set == set &&
	       s->state == atomic_load_explicit(&e->state, memory_order_relaxed) &&
	       str_eq(key, str_make(directory_key(d, e), e->key_n));
}

struct series *
series_get_hinted(struct metric_set *set, struct str key, uint32_t *hint)
{
	struct series *s;

	if (!is_hinted(set, key, *hint)) {
		s = series_get(set, key);
		*hint = s->index;
		return s;
	}
	s = &self.doors[*hint];
	atomic_store_explicit(&block_of(s)->seen, clock_cached_wall(), memory_order_relaxed);
	return s;
}

struct series *
series_get_labels(struct metric_set *set, const struct str *values)
{
	char key[SERIES_KEY_MAX + 1];
	size_t n = 0;

	for (unsigned i = 0; i < set->n_labels; i++) {
		if (n + values[i].n + 1 > SERIES_KEY_MAX + 1)
			return series_dir.head ? fall_back(set, ORDINARY) : scratch_for(set);
		if (i > 0)
			key[n++] = '\0';
		if (values[i].n > 0)
			memcpy(key + n, values[i].p, values[i].n);
		for (size_t end = n + values[i].n; n < end; n++)
			if (key[n] == '\0')
				key[n] = '?';
	}
	return get(set, str_make(key, n), ORDINARY);
}

/* The first bound that is not below value, or n. Every fourth is looked at, then three: without a branch that depends on the value. */
static unsigned
bucket_of(const int64_t *bounds, unsigned n, int64_t value)
{
	unsigned fours = 0, bucket;

	for (unsigned i = 3; i < n; i += 4)
		fours += value > bounds[i];
	bucket = 4 * fours;
	for (unsigned i = 4 * fours; i < 4 * fours + 3 && i < n; i++)
		bucket += value > bounds[i];
	return bucket;
}

void
series_observe(struct series *s, unsigned row, int64_t value)
{
	const struct metric_row *r = &s->set->rows[row];
	_Atomic uint64_t *words = &s->block[s->set->at[row]];
	_Atomic uint64_t *count = &words[bucket_of(r->bounds, r->n_bounds, value)];
	_Atomic uint64_t *sum = &words[r->n_bounds + 1];

	atomic_store_explicit(
	    count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
	atomic_store_explicit(sum,
	    atomic_load_explicit(sum, memory_order_relaxed) + (uint64_t)MAX(value, 0),
	    memory_order_relaxed);
}

/* ---- what could not be had a place ---- */

static void
move_words(_Atomic uint64_t *from, struct series *to)
{
	for (unsigned i = 0; i < to->set->n_rows; i++) {
		const struct metric_row *row = &to->set->rows[i];
		unsigned words = row->type == METRIC_HISTOGRAM ? row->n_bounds + 2 : 1;

		if (row->type != METRIC_COUNTER && row->type != METRIC_HISTOGRAM)
			continue;
		for (unsigned at = to->set->at[i]; words > 0; at++, words--)
			atomic_store_explicit(&to->block[at],
			    atomic_load_explicit(&to->block[at], memory_order_relaxed) +
				atomic_exchange_explicit(&from[at], 0, memory_order_relaxed),
			    memory_order_relaxed);
	}
}

static void
place_pending(void)
{
	self.any_pending = false;
	for (unsigned i = 0; i < METRIC_SETS_MAX; i++) {
		_Atomic uint64_t *words = self.pending[i];
		struct metric_set *set = metric_set(i);
		struct series *other;

		if (words == NULL)
			continue;
		other = get(set, series_other_key(set), PRIVILEGED);
		/* If it still has none, pending_for() has marked it again. */
		if (other->block != words)
			move_words(words, other);
	}
}

/* ---- pins ---- */

static bool
is_bound(const struct pin *p)
{
	return p->s.state != 0 && atomic_load_explicit(&series_dir.entries[p->s.index].state,
				      memory_order_acquire) == p->s.state;
}

/* As good as can be had now: perhaps `other`, then a later tick tries again. */
static void
bind_pin(struct pin *p)
{
	struct series *s = get(p->set, p->key, QUIET);
	struct entry *e;

	p->s = *s;
	if (s->state == 0) {
		self.loose_pins |= series_dir.head != NULL;
		return;
	}
	e = &series_dir.entries[s->index];
	if (str_eq(p->key, str_make(directory_key(&series_dir, e), e->key_n))) {
		atomic_store_explicit(&block_of(s)->pinned, 1, memory_order_relaxed);
		return;
	}
	p->s.state = 0;
	self.loose_pins = true;
}

static struct pin *
new_pin(struct metric_set *set, struct str id)
{
	struct pin *p = malloc(sizeof(*p) + id.n);

	if (p == NULL)
		return NULL;
	memcpy(p->text, id.p, id.n);
	p->set = set;
	p->key = str_make(p->text + sizeof(set), id.n - sizeof(set));
	if (map_put(&self.by_key, str_make(p->text, id.n), p) != 0) {
		free(p);
		return NULL;
	}
	p->next = self.pins;
	self.pins = p;
	bind_pin(p);
	return p;
}

struct series *
series_pin(struct metric_set *set, struct str key)
{
	char text[sizeof(set) + SERIES_KEY_MAX + 1];
	size_t n = MIN(key.n, (size_t)SERIES_KEY_MAX + 1);
	struct pin *p;

	/* Sets are told apart by their address; what is too long stays so when cut. */
	memcpy(text, &set, sizeof(set));
	if (n > 0)
		memcpy(text + sizeof(set), key.p, n);
	p = map_get(&self.by_key, str_make(text, sizeof(set) + n));
	if (p == NULL)
		p = new_pin(set, str_make(text, sizeof(set) + n));
	return p ? &p->s : scratch_for(set);
}

static void
bind_loose_pins(void)
{
	self.pin_epoch = atomic_load(&series_dir.head->pin_epoch);
	self.loose_pins = false;
	for (struct pin *p = self.pins; p != NULL; p = p->next)
		if (!is_bound(p))
			bind_pin(p);
}

/* ---- attaching ---- */

int
series_attach(struct zone *z, unsigned slot)
{
	struct dir d;

	if (!directory_open(&d, z, slot))
		return ERR_BAD;
	free(self.doors);
	self.doors = calloc(d.head->n_entries, sizeof(*self.doors));
	if (self.doors == NULL) {
		series_dir.head = NULL;
		return ERR_NOMEM;
	}
	/* From here on nothing is used again that we may see. */
	self.acked = atomic_load(&d.head->epoch);
	atomic_store(&d.acks[slot], self.acked);
	series_dir = d;
	for (struct pin *p = self.pins; p != NULL; p = p->next)
		p->s.state = 0;
	bind_loose_pins();
	return 0;
}

void
series_detach(void)
{
	struct pin *p;

	while ((p = self.pins) != NULL) {
		self.pins = p->next;
		free(p);
	}
	map_fini(&self.by_key);
	for (unsigned i = 0; i < METRIC_SETS_MAX; i++)
		free(self.pending[i]);
	free(self.doors);
	memset(&self, 0, sizeof(self));
	series_dir.head = NULL;
}

void
series_tick(void)
{
	struct directory *h = series_dir.head;
	uint32_t epoch;

	if (h == NULL)
		return;
	if (self.any_pending) {
		place_pending();
		bind_loose_pins();
	}
	epoch = atomic_load(&h->epoch);
	if (epoch == self.acked)
		return;
	if (self.loose_pins || atomic_load(&h->pin_epoch) != self.pin_epoch)
		bind_loose_pins();
	self.acked = epoch;
	atomic_store(&series_dir.acks[series_dir.slot], epoch);
}
