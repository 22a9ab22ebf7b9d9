/*
 * Shared by series.c (writing), series_read.c and series_retire.c: the directory as this process sees it.
 */
#ifndef SLUICE_ZONE_SERIES_PRIV_H
#define SLUICE_ZONE_SERIES_PRIV_H

#include "zone/directory.h"
#include "zone/series.h"

/* head is NULL while the process is not attached. */
extern struct dir series_dir;

/* Of the set's series that takes what does not fit: every label is "other". In static memory. */
struct str series_other_key(const struct metric_set *set);

/* sluice_zone_dropped_total{set}. */
struct metric_set *series_dropped_set(void);

void series_view_at(uint32_t index, uint32_t state, struct series_view *out);

/* The entry of the view if it is still that: else NULL. */
struct entry *series_entry(const struct series_view *v);

#endif
