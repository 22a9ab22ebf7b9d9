/*
 * Top talkers: who asks most, in bounded memory. Each process keeps a sketch of its own in the
 * zone (a single writer); readers merge them.
 *
 * The sketch is a Space-Saving summary cut into sets of eight: a key that is not in its set
 * takes the place of the one with the lowest score, and inherits that score. So whoever makes
 * more than an eighth of its set's requests is in it, and a score is too high by at most what it
 * inherited, never too low. Scores halve every minute: what shows is who talks now.
 *
 * Called for each check of a limit, hence cheap: a look at one cache line.
 */
#ifndef SLUICE_LIMIT_TALKERS_H
#define SLUICE_LIMIT_TALKERS_H

#include <stdatomic.h>

#include "base/base.h"

#define TALKERS_SETS 32
#define TALKERS_WAYS 8
#define TALKERS_TEXT 128

struct talker_cell {
	_Atomic uint64_t score;             /* decays */
	_Atomic uint64_t requests, limited; /* since it got its place */
	_Atomic uint64_t seen;              /* ns */
	_Atomic uint64_t limit, remaining;  /* at its last request */
	_Atomic uint64_t until;             /* ns: 0, or when a refused one may come again */
	_Atomic uint64_t
	    text[TALKERS_TEXT / 8]; /* cut if longer, ended by a zero byte if shorter */
};

/* In shared memory, one a slot; zeroed is empty. */
struct talkers {
	_Atomic uint64_t halved; /* when scores last were: ns */
	struct talkers_set {
		/* 0: free; set last, so that text and key belong together */
		_Atomic uint64_t keys[TALKERS_WAYS];
		struct talker_cell cells[TALKERS_WAYS];
	} sets[TALKERS_SETS];
};

struct talker {
	uint64_t key;
	uint64_t score, requests, limited, limit, remaining;
	int64_t seen, until;
	char text[TALKERS_TEXT + 1];
};

/* By the slot's process: notes a request under key (not 0, well mixed). The place of the key; *is_new: it was just made, and talkers_name is to
 * follow at once. */
struct talker_cell *talkers_note(struct talkers *t, uint64_t key, int64_t now, bool *is_new);
void talkers_name(struct talkers *t, struct talker_cell *place, uint64_t key, struct str text);

/* The most, best first, of n sketches (those of other processes may change meanwhile): how many, at most max. out has room for max. On a
 * task it parks; fewer if that is cancelled. */
unsigned talkers_top(const struct talkers *all, unsigned n, struct talker *out, unsigned max);

#endif
