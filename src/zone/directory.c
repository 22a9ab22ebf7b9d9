/*
 * The directory's structure: where things are, finding, making, retiring, reclaiming, repairing. See directory.h; the lock is in lock.c.
 */
#include "zone/directory.h"

#include "base/hash.h"

/* What is reclaimed at a time, so that the lock is held shortly. */
#define RECLAIM_BATCH 64
/* Entries that only `other` and what has no labels may take. */
#define ENTRIES_RESERVED METRIC_SETS_MAX
/* Bytes of the area an entry: what it counts needs room, too. */
#define BYTES_AN_ENTRY 512

/* ---- layout ---- */

static size_t
align(size_t n)
{
	return (n + UNIT - 1) / UNIT * UNIT;
}

bool
directory_map(struct dir *d, void *area, size_t size, unsigned slots, bool fresh)
{
	struct directory *h = area;
	uint32_t n_entries = (uint32_t)MIN(size / BYTES_AN_ENTRY, UINT32_C(1) << 28),
		 n_buckets = 64;
	size_t at = align(sizeof(*h)), rest;

	while (n_buckets < n_entries)
		n_buckets *= 2;
	d->head = h;
	d->acks = (void *)((char *)area + at);
	at += align(slots * sizeof(*d->acks));
	d->entries = (void *)((char *)area + at);
	at += align(n_entries * sizeof(*d->entries));
	d->buckets = (void *)((char *)area + at);
	at += align(n_buckets * sizeof(*d->buckets));
	if (size < DIRECTORY_SIZE_MIN || at + 64 * UNIT > size)
		return false;
	rest = (size - at) / UNIT;
	rest = MIN(rest - units_for(rest / 8 + 8), UINT32_MAX / 2);
	d->bits = (void *)((char *)area + at);
	d->units = (char *)area + at + align((rest + 63) / 64 * sizeof(uint64_t));
	if (fresh) {
		h->size = size;
		h->n_slots = slots;
		h->n_entries = n_entries;
		h->n_buckets = n_buckets;
		h->n_units = (uint32_t)rest;
	}
	return h->size == size && h->n_slots == slots && h->n_entries == n_entries &&
	       h->n_buckets == n_buckets && h->n_units == rest;
}

static void
describe_set(struct directory_set *to, const struct metric_set *set)
{
	(void)str_copyz(to->name, sizeof(to->name), str_of(set->name));
	to->words = set->words;
	to->n_rows = set->n_rows;
	for (unsigned i = 0; i < set->n_rows; i++) {
		to->sums[i] = metric_row_sum(&set->rows[i]);
		to->at[i] = set->at[i];
		to->row_words[i] =
		    (uint16_t)((i + 1 < set->n_rows ? set->at[i + 1] : set->words) - set->at[i]);
	}
}

void
directory_format(struct dir *d)
{
	struct directory *h = d->head;

	random_bytes(h->secret, sizeof(h->secret));
	while (h->n_sets < METRIC_SETS_MAX && metric_set(h->n_sets) != NULL) {
		describe_set(&h->sets[h->n_sets], metric_set(h->n_sets));
		h->n_sets++;
	}
	atomic_store(&h->epoch, 1);
	atomic_store(&h->top, 1);
	directory_repair(d);
}

bool
directory_open(struct dir *d, struct zone *z, unsigned slot)
{
	size_t size;
	void *area = zone_area_find(z, DIRECTORY_AREA, &size);

	*d = (struct dir){ .zone = z, .slot = slot };
	if (area == NULL || !directory_map(d, area, size, zone_slots(z), false)) {
		d->head = NULL;
		return false;
	}
	d->owner = (uint64_t)(slot + 1) << 32 | atomic_load(&zone_slot(z, slot)->generation);
	return true;
}

/* ---- finding ---- */

static uint64_t
load64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Both halves of the product: each bit of the result depends on all bits of both. */
static uint64_t
mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The last 1 to 16 bytes of a key of n, in two words. */
static void
load_tail(const char *p, size_t left, size_t n, uint64_t *a, uint64_t *b)
{
	if (left >= 8) {
		*a = load64(p);
		*b = load64(p + left - 8);
	} else if (n >= 8) {
		*a = load64(p + left - 8);
	} else {
		for (size_t i = 0; i < left; i++)
			*a = *a << 8 | (unsigned char)p[i];
	}
}

uint64_t
directory_hash(const uint64_t secret[2], unsigned set, struct str key)
{
	uint64_t h = secret[0] ^ (key.n << 16 | set), a = 0, b = 0;
	const char *p = key.p;
	size_t left = key.n;

	for (; left > 16; left -= 16, p += 16)
		h = mix(load64(p) ^ secret[1], load64(p + 8) ^ h);
	load_tail(p, left, key.n, &a, &b);
	return mix(mix(a ^ secret[1], b ^ h), secret[0] ^ UINT64_C(0x9e3779b97f4a7c15));
}

static bool
is_live(uint32_t state)
{
	return (state & 3) == ENTRY_LIVE;
}

uint32_t
directory_find(const struct dir *d, unsigned set, struct str key, uint32_t hash)
{
	uint32_t i = atomic_load_explicit(
	    &d->buckets[hash & (d->head->n_buckets - 1)], memory_order_acquire);

	while (i != 0) {
		const struct entry *e = &d->entries[i];

		if (e->hash == hash && e->set == set && e->key_n == key.n &&
		    (key.n == 0 || memcmp(directory_key(d, e), key.p, key.n) == 0) &&
		    is_live(atomic_load_explicit(&e->state, memory_order_acquire)))
			return i;
		i = atomic_load_explicit(&e->next, memory_order_acquire);
	}
	return 0;
}

struct block *
directory_block(const struct dir *d, const struct entry *e, unsigned slot)
{
	uint32_t unit = atomic_load_explicit(&e->blocks, memory_order_acquire);

	while (unit != 0) {
		struct block *b = directory_block_at(d, unit);

		if (b->slot == slot)
			return b;
		unit = atomic_load_explicit(&b->next, memory_order_acquire);
	}
	return NULL;
}

/* ---- making ---- */

static struct block *
block_take(struct dir *d, uint32_t index, unsigned slot, unsigned words, bool privileged)
{
	struct directory *h = d->head;
	uint32_t unit = units_take(&h->space, d->bits, directory_block_units(words), privileged);
	struct block *b = directory_block_at(d, unit);

	if (unit == 0)
		return NULL;
	memset(b, 0, sizeof(*b) + words * sizeof(b->word[0]));
	b->entry = index;
	b->slot = slot;
	b->words = words;
	return b;
}

static uint32_t
unit_of(const struct dir *d, const struct block *b)
{
	return (uint32_t)((size_t)((const char *)b - d->units) / UNIT);
}

struct block *
directory_add_block(struct dir *d, uint32_t index, unsigned slot, unsigned words, bool privileged)
{
	struct entry *e = &d->entries[index];
	struct block *b = block_take(d, index, slot, words, privileged);

	if (b == NULL)
		return NULL;
	atomic_store_explicit(
	    &b->next, atomic_load_explicit(&e->blocks, memory_order_relaxed), memory_order_relaxed);
	atomic_store_explicit(&e->blocks, unit_of(d, b), memory_order_release);
	return b;
}

static void
link_entry(struct dir *d, uint32_t index)
{
	struct entry *e = &d->entries[index];
	_Atomic uint32_t *bucket = &d->buckets[e->hash & (d->head->n_buckets - 1)];

	atomic_store_explicit(
	    &e->next, atomic_load_explicit(bucket, memory_order_relaxed), memory_order_release);
	atomic_store_explicit(bucket, index, memory_order_release);
}

static void
use_entry(struct dir *d, uint32_t index)
{
	struct directory *h = d->head;

	h->free_entry = d->entries[index].queue;
	atomic_fetch_add(&h->n_used, 1);
	if (atomic_load(&h->top) <= index)
		atomic_store(&h->top, index + 1);
}

uint32_t
directory_make(struct dir *d, const struct metric_set *set, struct str key, uint32_t hash,
    unsigned slot, bool privileged)
{
	struct directory *h = d->head;
	uint32_t index = h->free_entry, unit, key_units = units_for(key.n);
	struct entry *e = &d->entries[index];
	struct block *b;

	if (index == 0 ||
	    (!privileged && h->n_entries - atomic_load(&h->n_used) <= ENTRIES_RESERVED))
		return 0;
	unit = key_units > 0 ? units_take(&h->space, d->bits, key_units, privileged) : 0;
	if (unit == 0 && key_units > 0)
		return 0;
	b = block_take(d, index, slot, set->words, privileged);
	if (b == NULL) {
		if (key_units > 0)
			units_give(&h->space, d->bits, unit, key_units);
		return 0;
	}
	e->hash = hash;
	e->set = (uint16_t)set->id;
	e->key_n = (uint16_t)key.n;
	e->key = unit;
	if (key.n > 0)
		memcpy(d->units + (size_t)unit * UNIT, key.p, key.n);
	atomic_store_explicit(&e->blocks, unit_of(d, b), memory_order_relaxed);
	use_entry(d, index);
	atomic_store_explicit(&e->state,
	    ((atomic_load_explicit(&e->state, memory_order_relaxed) >> 2) + 1) << 2 | ENTRY_LIVE,
	    memory_order_release);
	link_entry(d, index);
	atomic_fetch_add(&h->sets[set->id].count, 1);
	return index;
}

/* ---- retiring, reclaiming ---- */

static bool
is_pinned(const struct dir *d, const struct entry *e)
{
	uint32_t unit = atomic_load_explicit(&e->blocks, memory_order_acquire);

	while (unit != 0) {
		const struct block *b = directory_block_at(d, unit);

		if (atomic_load_explicit(&b->pinned, memory_order_relaxed))
			return true;
		unit = atomic_load_explicit(&b->next, memory_order_acquire);
	}
	return false;
}

/* Walkers that stand on it still find their way: its own next stays. */
static void
unlink_entry(struct dir *d, uint32_t index)
{
	_Atomic uint32_t *from = &d->buckets[d->entries[index].hash & (d->head->n_buckets - 1)];
	uint32_t i;

	while ((i = atomic_load_explicit(from, memory_order_relaxed)) != 0 && i != index)
		from = &d->entries[i].next;
	if (i == index)
		atomic_store_explicit(from,
		    atomic_load_explicit(&d->entries[index].next, memory_order_relaxed),
		    memory_order_release);
}

/* The epoch that whoever may still use what is retired now has not seen. */
static uint32_t
next_epoch(struct directory *h)
{
	uint32_t epoch = atomic_load(&h->epoch) + 1;

	return epoch ? epoch : 1;
}

static void
queue_retired(struct dir *d, uint32_t index)
{
	struct directory *h = d->head;

	d->entries[index].queue = 0;
	if (h->retired == 0)
		h->retired = index;
	else
		d->entries[h->retired_last].queue = index;
	h->retired_last = index;
	atomic_fetch_add(&h->n_retired, 1);
}

void
directory_retire(struct dir *d, uint32_t index)
{
	struct directory *h = d->head;
	struct entry *e = &d->entries[index];
	uint32_t state = atomic_load_explicit(&e->state, memory_order_relaxed);
	uint32_t epoch = next_epoch(h);

	e->stamp = epoch;
	atomic_store_explicit(
	    &e->state, (state & ~UINT32_C(3)) | ENTRY_RETIRED, memory_order_release);
	unlink_entry(d, index);
	atomic_fetch_sub(&h->sets[e->set].count, 1);
	queue_retired(d, index);
	if (is_pinned(d, e))
		atomic_fetch_add(&h->pin_epoch, 1);
	/* Who sees the new epoch finds the entry no more. */
	atomic_store(&h->epoch, epoch);
}

static bool
all_acknowledged(const struct dir *d, uint32_t stamp)
{
	for (unsigned i = 0; i < d->head->n_slots; i++) {
		uint32_t ack = atomic_load(&d->acks[i]);

		if (ack != 0 && (int32_t)(ack - stamp) < 0)
			return false;
	}
	return true;
}

static void
give_blocks(struct dir *d, struct entry *e)
{
	uint32_t unit = atomic_load_explicit(&e->blocks, memory_order_relaxed);

	while (unit != 0) {
		const struct block *b = directory_block_at(d, unit);
		uint32_t next = atomic_load_explicit(&b->next, memory_order_relaxed);

		units_give(&d->head->space, d->bits, unit, directory_block_units(b->words));
		unit = next;
	}
}

bool
directory_reclaim(struct dir *d)
{
	struct directory *h = d->head;
	unsigned n = 0;

	while (n < RECLAIM_BATCH && h->retired != 0) {
		uint32_t index = h->retired;
		struct entry *e = &d->entries[index];

		if (!all_acknowledged(d, e->stamp))
			break;
		h->retired = e->queue;
		atomic_store_explicit(&e->state,
		    (atomic_load_explicit(&e->state, memory_order_relaxed) & ~UINT32_C(3)) |
			ENTRY_FREE,
		    memory_order_release);
		give_blocks(d, e);
		if (e->key_n > 0)
			units_give(&h->space, d->bits, e->key, units_for(e->key_n));
		e->queue = h->free_entry;
		h->free_entry = index;
		atomic_fetch_sub(&h->n_used, 1);
		atomic_fetch_sub(&h->n_retired, 1);
		n++;
	}
	return n > 0;
}

void
directory_nudge(const struct dir *d)
{
	uint32_t epoch = atomic_load(&d->head->epoch);

	for (unsigned i = 0; i < d->head->n_slots; i++) {
		uint32_t ack = atomic_load(&d->acks[i]);

		if (ack != 0 && ack != epoch && i != d->slot)
			zone_ring(d->zone, i);
	}
}

/* ---- repairing ---- */

static void
mark_used(struct dir *d, const struct entry *e)
{
	struct units *u = &d->head->space;
	uint32_t unit = atomic_load_explicit(&e->blocks, memory_order_relaxed);

	if (e->key_n > 0)
		units_mark(u, d->bits, e->key, units_for(e->key_n));
	while (unit != 0) {
		const struct block *b = directory_block_at(d, unit);

		units_mark(u, d->bits, unit, directory_block_units(b->words));
		unit = atomic_load_explicit(&b->next, memory_order_relaxed);
	}
}

static void
clear_derived(struct dir *d)
{
	struct directory *h = d->head;

	units_init(&h->space, d->bits, h->n_units);
	for (uint32_t i = 0; i < h->n_buckets; i++)
		atomic_store_explicit(&d->buckets[i], 0, memory_order_relaxed);
	for (uint32_t i = 0; i < h->n_sets; i++)
		atomic_store(&h->sets[i].count, 0);
	h->free_entry = h->retired = h->retired_last = 0;
	atomic_store(&h->n_used, 0);
	atomic_store(&h->n_retired, 0);
}

/* Those who walk chains meanwhile come to an end: what was linked again leads only to what was, too. */
void
directory_repair(struct dir *d)
{
	struct directory *h = d->head;
	uint32_t top = atomic_load(&h->top), epoch = next_epoch(h);

	atomic_store(&h->repairs, atomic_load(&h->repairs) | 1);
	atomic_thread_fence(memory_order_seq_cst); /* who misses something now sees that */
	clear_derived(d);
	for (uint32_t i = 1; i < top; i++) {
		struct entry *e = &d->entries[i];
		uint32_t kind = atomic_load_explicit(&e->state, memory_order_relaxed) & 3;

		if (kind == ENTRY_FREE)
			continue;
		mark_used(d, e);
		atomic_fetch_add(&h->n_used, 1);
		if (kind == ENTRY_LIVE) {
			link_entry(d, i);
			atomic_fetch_add(&h->sets[e->set].count, 1);
		} else {
			e->stamp = epoch;
			queue_retired(d, i);
		}
	}
	for (uint32_t i = h->n_entries - 1; i > 0; i--) {
		struct entry *e = &d->entries[i];

		if ((atomic_load_explicit(&e->state, memory_order_relaxed) & 3) == ENTRY_FREE) {
			e->queue = h->free_entry;
			h->free_entry = i;
		}
	}
	atomic_fetch_add(&h->pin_epoch, 1);
	atomic_store(&h->epoch, epoch);
	atomic_fetch_add(&h->repairs, 1);
}
