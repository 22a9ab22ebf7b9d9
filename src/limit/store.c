/*
 * See store.h: the area's layout and the clock. What a limit says about a request is in take.c, counts are in counts.c.
 */
#include "limit/store.h"

#include "base/hash.h"
#include "limit/store_priv.h"
#include "zone/zone.h"

#define DAY (INT64_C(86400) * NS_PER_S)
#define PAGE 4096u

/* ---- layout ---- */

struct layout {
	size_t resets, talkers, narrow, wide; /* offsets */
	uint64_t narrow_sets, wide_sets;
};

static size_t
round_up(size_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

/* Of what is left for cells, about three quarters to narrow ones; powers of two. */
static bool
lay_out(size_t size, unsigned slots, struct layout *l)
{
	size_t at = round_up(sizeof(struct limit_head)), room;

	l->resets = at;
	at += round_up(sizeof(struct resets));
	l->talkers = at;
	at += round_up(slots * sizeof(struct talkers));
	if (at >= size)
		return false;
	room = size - at;
	l->narrow = at;
	l->narrow_sets = cells_sets(room / 4 * 3, LIMIT_NARROW);
	l->wide = at + cells_size(l->narrow_sets, LIMIT_NARROW);
	l->wide_sets = cells_sets(size - l->wide, LIMIT_WIDE);
	return l->narrow_sets > 0 && l->wide_sets > 0;
}

static bool
is_valid(const struct limit_head *h, size_t size, unsigned slots)
{
	return h->magic == LIMIT_MAGIC && h->version == LIMIT_STORE_VERSION && h->size == size &&
	       h->slots == slots;
}

/* ---- the clock ---- */

void
limit_clock_resume(struct limit_clock *c, const uint64_t boot[2], int64_t mono, int64_t wall)
{
	bool same = boot ? memcmp(c->boot, boot, sizeof(c->boot)) == 0 : mono >= c->mono;
	int64_t stood = c->mono + c->offset, passed = wall - c->wall;

	if (boot)
		memcpy(c->boot, boot, sizeof(c->boot));
	if (same && mono >= c->mono)
		return;
	passed = passed < 0 ? 0 : MIN(passed, DAY);
	c->offset = stood + passed - mono;
	c->mono = mono;
	c->wall = wall;
}

/* Which start of the machine this is, where the kernel tells. */
static bool
read_boot(uint64_t boot[2])
{
	char text[64];
	struct id id;
	size_t n = 0;
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f)
		return false;
	for (int c; (c = getc(f)) != EOF && n < 2 * (size_t)ID_LEN;)
		if (c != '-')
			text[n++] = (char)c;
	fclose(f);
	if (id_parse(str_make(text, n), &id) != 0)
		return false;
	memcpy(boot, id.b, sizeof(id.b));
	return true;
}

void
limit_store_tick(struct limit_store *s)
{
	struct limit_head *h = s->head;

	if (!s->ready)
		return;
	atomic_store_explicit(&h->noted_mono, clock_mono(), memory_order_relaxed);
	atomic_store_explicit(&h->noted_wall, clock_wall(), memory_order_relaxed);
}

static void
resume_clock(struct limit_head *h)
{
	struct limit_clock c = { .offset = atomic_load(&h->offset),
		.mono = atomic_load(&h->noted_mono),
		.wall = atomic_load(&h->noted_wall) };
	uint64_t boot[2];

	memcpy(c.boot, h->boot, sizeof(c.boot));
	limit_clock_resume(&c, read_boot(boot) ? boot : NULL, clock_mono(), clock_wall());
	memcpy(h->boot, c.boot, sizeof(c.boot));
	atomic_store(&h->offset, c.offset);
	/* Before the first tick there may be another start. */
	atomic_store(&h->noted_mono, c.mono);
	atomic_store(&h->noted_wall, c.wall);
}

/* ---- making, attaching ---- */

/* In memory that is all zero: nothing but the head is touched. */
static void
format(struct limit_head *h, size_t size, unsigned slots)
{
	h->version = LIMIT_STORE_VERSION;
	h->size = size;
	h->slots = slots;
	random_bytes(h->key, sizeof(h->key));
	/* A day behind: a TAT of 0 is long ago for a clock that begins at the start of the machine. */
	atomic_store(&h->offset, DAY);
	atomic_store(&h->noted_mono, clock_mono());
	atomic_store(&h->noted_wall, clock_wall());
	(void)read_boot(h->boot);
	h->magic = LIMIT_MAGIC;
}

int
limit_store_make(struct zone *z, uint64_t size)
{
	unsigned slots = zone_slots(z);
	bool fresh;
	struct layout l;
	struct limit_head *h = zone_area_find(z, LIMIT_STORE_AREA, NULL);

	if (h)
		return 0; /* a reload */
	if (!lay_out(size, slots, &l))
		return ERR_TOO_LARGE;
	h = zone_area(z, LIMIT_STORE_AREA, LIMIT_STORE_VERSION, size, &fresh);
	if (!h)
		return ERR_NOMEM;
	if (!fresh && is_valid(h, size, slots)) {
		resume_clock(h);
	} else {
		if (!fresh)
			memset(h, 0, size);
		format(h, size, slots);
	}
	h->life++;
	return 0;
}

/* A cell of counts is held by a count; any other until the time it says. */
static bool
is_wide_held(const cell_word *cell, int64_t now, void *arg)
{
	if (atomic_load_explicit(&cell[CELL_HOLD], memory_order_relaxed) != LIMIT_COUNTING)
		return cells_held_until(cell, now, NULL);
	return limit_counts_any(arg, cell);
}

int
limit_store_attach(struct limit_store *s, struct zone *z, unsigned slot)
{
	size_t size;
	char *at = zone_area_find(z, LIMIT_STORE_AREA, &size);
	struct limit_head *h = (struct limit_head *)(void *)at;
	struct layout l;

	memset(s, 0, sizeof(*s));
	if (!at)
		return ERR_NOT_FOUND;
	if (!is_valid(h, size, zone_slots(z)) || !lay_out(size, h->slots, &l))
		return ERR_CORRUPT;
	s->head = h;
	s->resets = (struct resets *)(void *)(at + l.resets);
	s->talkers = (struct talkers *)(void *)(at + l.talkers);
	s->zone = z;
	s->slot = slot;
	s->slots = h->slots;
	s->offset = atomic_load(&h->offset);
	s->narrow = (struct cells){ .base = (cell_word *)(void *)(at + l.narrow),
		.mask = l.narrow_sets - 1,
		.words = LIMIT_NARROW,
		.stride = CELLS_WAYS * (1 + LIMIT_NARROW),
		.slot = slot,
		.held = cells_held_until,
		.used = &h->narrow_used,
		.evicted = &h->evicted,
		.full = &h->full };
	s->wide = s->narrow;
	s->wide.base = (cell_word *)(void *)(at + l.wide);
	s->wide.mask = l.wide_sets - 1;
	s->wide.words = LIMIT_WIDE;
	s->wide.stride = CELLS_WAYS * (1 + LIMIT_WIDE);
	s->wide.held = is_wide_held;
	s->wide.arg = s;
	s->wide.used = &h->wide_used;
	s->ready = true;
	return 0;
}

uint64_t
limit_hash(const struct limit_store *s, uint64_t prefix, struct str identifier)
{
	/* A prefix is itself a hash under the key, so what it makes of the key is as secret. */
	uint64_t key[2] = { s->head->key[0] ^ prefix, s->head->key[1] + prefix };
	uint64_t hash = hash_siphash13(key, identifier);

	return hash ? hash : 1;
}

void
limit_store_usage(const struct limit_store *s, struct limit_usage *out)
{
	const struct limit_head *h = s->head;

	memset(out, 0, sizeof(*out));
	if (!s->ready)
		return;
	out->size = h->size;
	out->narrow = (s->narrow.mask + 1) * CELLS_WAYS;
	out->wide = (s->wide.mask + 1) * CELLS_WAYS;
	out->narrow_used = atomic_load_explicit(&h->narrow_used, memory_order_relaxed);
	out->wide_used = atomic_load_explicit(&h->wide_used, memory_order_relaxed);
	out->evicted = atomic_load_explicit(&h->evicted, memory_order_relaxed);
	out->full = atomic_load_explicit(&h->full, memory_order_relaxed);
	out->resets = atomic_load_explicit(&s->resets->count, memory_order_relaxed);
}
