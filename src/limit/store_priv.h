/*
 * The store's head, and what its files tell each other. Private to limit/.
 */
#ifndef SLUICE_LIMIT_STORE_PRIV_H
#define SLUICE_LIMIT_STORE_PRIV_H

#include <stdio.h>

#include "limit/store.h"

#define LIMIT_MAGIC UINT64_C(0x7374696d696c4c53) /* "SLlimits" */

/* Words of a cell. */
#define LIMIT_NARROW (CELL_DATA + 1)
#define LIMIT_WIDE (CELL_DATA + WINDOW_WORDS)

/* In CELL_HOLD: what follows are counts by slot. */
#define LIMIT_COUNTING UINT64_MAX

struct limit_head {
	uint64_t magic;
	uint32_t version, slots;
	uint64_t size;
	uint64_t key[2]; /* of all hashes; secret */
	uint64_t boot[2];
	uint64_t life; /* starts of the server */
	_Atomic int64_t offset, noted_mono, noted_wall;
	/* counts that only rare events write, on a line of their own */
	_Alignas(64) cell_word narrow_used, wide_used, evicted, full;
};

/* counts.c: whether a live process has counted something in this cell. arg: the store. */
bool limit_counts_any(const struct limit_store *s, const cell_word *cell);

#endif
