/*
 * The table of keys: claiming, settling, marking. See idem.h for the layout and for why two claims of one key cannot both hold.
 *
 * All loads and stores are sequentially consistent: a request with a key waits for a disk, not for a fence. In the shipper several helpers
 * mark keys under one owner; should two of them claim one key at once both may think they hold it, and both write the same.
 */
#include "spool/idem.h"

#include <string.h>
#include <sys/mman.h>

#include "spool/idem_priv.h"

/* Other claims came in between each time: the client is told to come again. */
#define TRIES 16

/* One look at the bucket of a key. */
struct look {
	struct idem *t;
	struct idem_entry *entries;
	struct id key;
	uint32_t fingerprint;
	int64_t now;      /* seconds: the time of the record */
	int64_t youngest; /* seconds: an entry after this is not evicted */
	/* out */
	int found;        /* the entry that is DONE or PENDING for the key, or -1 */
	bool expired;     /* found, but too long ago */
	uint64_t state;   /* of found */
	int room;         /* the entry to claim, or -1 */
	uint64_t in_room; /* its state */
	bool evicts;      /* it is DONE and not expired */
};

/* ---- entries ---- */

void
idem_attach(struct idem *t, unsigned slot, uint32_t generation)
{
	t->own_state = idem_owner(slot, generation);
}

struct id
idem_key(struct str stream, struct str user, struct str key)
{
	unsigned char digest[SHA256_LEN];
	struct sha256 s;
	struct id id;

	sha256_init(&s);
	sha256_update(&s, stream.p, stream.n);
	sha256_update(&s, "", 1);
	sha256_update(&s, user.p, user.n);
	sha256_update(&s, "", 1);
	sha256_update(&s, key.p, key.n);
	sha256_final(&s, digest);
	memcpy(id.b, digest, sizeof(id.b));
	return id;
}

static uint64_t
half(const struct id *key, unsigned i)
{
	uint64_t v;

	memcpy(&v, key->b + 8 * i, sizeof(v));
	return v;
}

static uint64_t
make_stamp(const struct id *key, uint32_t seconds)
{
	uint32_t crc = crc32c(crc32c(0, &seconds, sizeof(seconds)), key->b, sizeof(key->b));

	return (uint64_t)seconds << 32 | crc;
}

bool
idem_entry_key(const struct idem_entry *e, struct id *key, uint32_t *seconds)
{
	uint64_t stamp = atomic_load(&e->stamp);

	for (unsigned i = 0; i < 2; i++) {
		uint64_t v = atomic_load(&e->key[i]);

		memcpy(key->b + 8 * i, &v, sizeof(v));
	}
	*seconds = (uint32_t)(stamp >> 32);
	return stamp == make_stamp(key, *seconds);
}

static bool
is_expired(int64_t now, uint32_t seconds)
{
	int64_t age = now - (int64_t)seconds;

	/* From the future: the clock was wrong then, or is now. */
	return age >= IDEM_TTL / NS_PER_S || age <= -(IDEM_TTL / NS_PER_S);
}

bool
idem_owner_lives(const struct idem *t, uint64_t state)
{
	unsigned slot = idem_slot_of(state);

	return slot < zone_slots(t->zone) && (atomic_load(&zone_slot(t->zone, slot)->generation) &
						 GENERATION_MASK) == idem_generation_of(state);
}

static bool
change(struct idem_entry *e, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong(&e->state, &from, to);
}

/* ---- looking ---- */

static struct look
look_for(struct idem *t, struct id key, int64_t now)
{
	uint64_t bucket = half(&key, 0) & (t->file->n_buckets - 1);

	return (struct look){ .t = t,
		.entries = t->file->buckets[bucket].entries,
		.key = key,
		.fingerprint = (uint32_t)(half(&key, 1) >> 32),
		.now = now / NS_PER_S,
		.youngest = INT64_MAX };
}

static uint64_t
own_state(const struct look *l, enum idem_phase phase)
{
	return (uint64_t)l->fingerprint << 32 | l->t->own_state | (uint64_t)phase;
}

static void
offer_room(struct look *l, int i, uint64_t state)
{
	l->room = i;
	l->in_room = state;
	l->evicts = false;
}

/* A DONE entry: ours, expired, or a candidate for eviction; *oldest: seconds of the oldest candidate so far. */
static void
look_at_done(struct look *l, int i, uint64_t state, int64_t *oldest)
{
	struct id key;
	uint32_t seconds;
	bool valid = idem_entry_key(&l->entries[i], &key, &seconds);

	if (atomic_load(&l->entries[i].state) != state)
		return;
	if (valid && id_eq(key, l->key)) {
		l->found = i;
		l->state = state;
		l->expired = is_expired(l->now, seconds);
	}
	if (!valid || is_expired(l->now, seconds)) {
		offer_room(l, i, state);
		*oldest = INT64_MIN;
	} else if ((int64_t)seconds < *oldest && (int64_t)seconds <= l->youngest) {
		offer_room(l, i, state);
		l->evicts = true;
		*oldest = (int64_t)seconds;
	}
}

/* Fills the outcome. A DONE entry of the key counts before a PENDING one; room is free, expired, or the oldest. */
static void
look(struct look *l)
{
	int64_t oldest = INT64_MAX;

	l->found = l->room = -1;
	l->expired = l->evicts = false;
	for (int i = 0; i < BUCKET_ENTRIES; i++) {
		uint64_t state = atomic_load(&l->entries[i].state);
		enum idem_phase phase = idem_phase_of(state);

		if (phase == PHASE_DONE && (l->found < 0 || idem_phase_of(l->state) != phase)) {
			look_at_done(l, i, state, &oldest);
		} else if (phase == PHASE_DONE) {
			continue;
		} else if (phase == PHASE_FREE ||
			   (phase == PHASE_CLAIMED && !idem_owner_lives(l->t, state))) {
			offer_room(l, i, state);
			oldest = INT64_MIN;
		} else if (phase == PHASE_PENDING && state >> 32 == l->fingerprint &&
			   l->found < 0) {
			l->found = i;
			l->state = state;
		}
	}
}

static enum idem_verdict
verdict(const struct idem *t, uint64_t state)
{
	if (idem_phase_of(state) == PHASE_DONE)
		return IDEM_DONE;
	return idem_owner_lives(t, state) ? IDEM_BUSY : IDEM_LATER;
}

/* ---- claiming ---- */

static bool
is_fresh(const struct look *l, const struct idem_entry *e)
{
	struct id key;
	uint32_t seconds;

	return idem_entry_key(e, &key, &seconds) && id_eq(key, l->key) &&
	       !is_expired(l->now, seconds);
}

/* Another entry of the bucket, seen by the claimer of entry own: IDEM_NEW if it is no rival (any more). */
static enum idem_verdict
contend_with(const struct look *l, int i, int own)
{
	struct idem_entry *e = &l->entries[i];

	for (;;) {
		uint64_t state = atomic_load(&e->state);
		enum idem_phase phase = idem_phase_of(state);

		if (phase == PHASE_FREE || state >> 32 != l->fingerprint)
			return IDEM_NEW;
		if (phase == PHASE_DONE) {
			bool fresh = is_fresh(l, e);

			if (atomic_load(&e->state) != state)
				continue;
			return fresh ? IDEM_DONE : IDEM_NEW;
		}
		if (phase == PHASE_PENDING)
			return verdict(l->t, state);
		if (i < own && idem_owner_lives(l->t, state))
			return IDEM_BUSY;
		if (change(e, state, PHASE_FREE))
			return IDEM_NEW;
	}
}

/* Turns the claim of entry own into a PENDING one, or withdraws it. */
static enum idem_verdict
confirm(const struct look *l, int own)
{
	struct idem_entry *e = &l->entries[own];
	uint64_t claimed = own_state(l, PHASE_CLAIMED);
	enum idem_verdict v = IDEM_NEW;

	for (int i = 0; i < BUCKET_ENTRIES && v == IDEM_NEW; i++)
		if (i != own)
			v = contend_with(l, i, own);
	if (v != IDEM_NEW) {
		(void)change(e, claimed, PHASE_FREE);
		return v;
	}
	return change(e, claimed, own_state(l, PHASE_PENDING)) ? IDEM_NEW : IDEM_BUSY;
}

/* Nobody but the owner of a PENDING entry writes here. The stamp goes first to nothing, so that no mixture of two keys can pass. */
static void
write_key(const struct look *l, int own)
{
	struct idem_entry *e = &l->entries[own];

	atomic_store(&e->stamp, 0);
	atomic_store(&e->key[0], half(&l->key, 0));
	atomic_store(&e->key[1], half(&l->key, 1));
	atomic_store(&e->stamp, make_stamp(&l->key, (uint32_t)l->now));
}

/* Claims the key for a record of the time l->now. */
static enum idem_verdict
claim(struct look *l)
{
	for (int i = 0; i < TRIES; i++) {
		enum idem_verdict v;

		look(l);
		if (l->found >= 0 && !l->expired)
			return verdict(l->t, l->state);
		if (l->found >= 0) {
			l->room = l->found;
			l->in_room = l->state;
			l->evicts = false;
		}
		if (l->room < 0)
			break;
		if (!change(&l->entries[l->room], l->in_room, own_state(l, PHASE_CLAIMED)))
			continue;
		if (l->evicts)
			atomic_fetch_add(&l->t->file->evicted, 1);
		v = confirm(l, l->room);
		if (v == IDEM_NEW)
			write_key(l, l->room);
		return v;
	}
	atomic_fetch_add(&l->t->file->dropped, 1);
	return IDEM_LATER;
}

enum idem_verdict
idem_begin(struct idem *t, struct id key, int64_t now)
{
	struct look l = look_for(t, key, now);

	return idem_ready(t) ? claim(&l) : IDEM_LATER;
}

/* ---- settling ---- */

/* Our PENDING entry of the key, which fingerprint and owner tell, becomes to. */
static void
settle(struct idem *t, struct id key, uint64_t to)
{
	struct look l = look_for(t, key, 0);
	uint64_t pending = own_state(&l, PHASE_PENDING);

	for (int i = 0; i < BUCKET_ENTRIES; i++)
		if (atomic_load(&l.entries[i].state) == pending)
			(void)change(&l.entries[i], pending,
			    to == PHASE_FREE ? to : (pending & UINT64_C(0xffffffff00000000)) | to);
}

void
idem_commit(struct idem *t, struct id key)
{
	settle(t, key, t->own_state | PHASE_DONE);
}

void
idem_abort(struct idem *t, struct id key)
{
	settle(t, key, PHASE_FREE);
}

void
idem_doubt(struct idem *t, struct id key)
{
	settle(t, key, idem_owner(NOBODY, atomic_load(&t->file->sweeps)) | PHASE_PENDING);
}

/* True if an entry of the key is DONE now. */
static bool
mark_found(struct look *l)
{
	struct idem_entry *e = &l->entries[l->found];
	struct id key;
	uint32_t seconds;

	if (idem_phase_of(l->state) == PHASE_DONE)
		return !l->expired;
	return idem_entry_key(e, &key, &seconds) && id_eq(key, l->key) &&
	       change(e, l->state, idem_in_phase(l->state, PHASE_DONE));
}

static void
mark(struct look *l)
{
	for (int i = 0; i < TRIES; i++) {
		look(l);
		if (l->found >= 0 && mark_found(l))
			return;
		if (claim(l) == IDEM_NEW) {
			idem_commit(l->t, l->key);
			return;
		}
		if (l->room < 0)
			return; /* full of younger ones: counted */
	}
}

void
idem_mark(struct idem *t, struct id key, int64_t time)
{
	struct look l = look_for(t, key, time);

	l.youngest = l.now;
	if (!is_expired(clock_wall() / NS_PER_S, (uint32_t)l.now))
		mark(&l);
	/* Only now, and in any case: a worker may have settled it, but nobody has synced that. */
	atomic_store(&t->dirty, true);
}

/* ---- the whole table ---- */

/* After a failed sync the kernel may take the pages for clean: they are made dirty again. */
static void
touch_pages(struct idem *t)
{
	for (uint64_t i = 0; i < t->file->n_buckets; i++)
		atomic_fetch_add(&t->file->buckets[i].entries[0].state, 0);
}

static int
sync_table(struct idem *t)
{
	if (!atomic_exchange(&t->dirty, false))
		return OK;
	if (t->sync_failed)
		touch_pages(t);
	t->sync_failed = msync(t->file, t->size, MS_SYNC) != 0;
	if (!t->sync_failed)
		return OK;
	atomic_store(&t->dirty, true);
	return ERR_IO;
}

/* Whoever finds nothing to sync must not go on before the one who is syncing it. */
int
idem_sync(struct idem *t)
{
	int err;

	pthread_mutex_lock(&t->syncing);
	err = sync_table(t);
	pthread_mutex_unlock(&t->syncing);
	return err;
}

bool
idem_ready(const struct idem *t)
{
	return atomic_load(&t->file->boot) == t->boot;
}

struct idem_stats
idem_get_stats(const struct idem *t)
{
	return (struct idem_stats){ .capacity = t->file->n_buckets * BUCKET_ENTRIES,
		.evicted = atomic_load(&t->file->evicted),
		.dropped = atomic_load(&t->file->dropped) };
}
