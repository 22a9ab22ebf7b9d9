/*
 * One delivery into a folder, between dir.c (the loop's side) and dir_file.c (the steps that
 * block, run on helpers).
 */
#ifndef SLUICE_SINK_DIR_PRIV_H
#define SLUICE_SINK_DIR_PRIV_H

#include "sink/sink.h"

#define DIR_COPY_SLICE (8u * 1024 * 1024) /* bytes copied by one call on a helper */
#define DIR_COPY_BLOCK (128u * 1024)

struct dir_put {
	const struct sink_item *item; /* borrowed, as long as its task is parked */
	/* All on the heap, each with a zero byte: */
	char *folder;      /* where the file will be */
	char *target;      /* folder/name */
	char *temp;        /* root/.sluice-<id>.tmp */
	char *meta;        /* objects: target.meta; NULL for bundles */
	char *meta_temp;   /* objects: root/.sluice-<id>.meta.tmp */
	char *block;       /* DIR_COPY_BLOCK bytes */
	bool folder_known; /* made and synced by us before: not again */
	int from, to;      /* -1: not open */
	uint64_t copied;
	bool settled; /* the outcome is known */
	struct sink_result *result;
};

/* NULL without memory. key is checked by dir_key_ok. */
struct dir_put *dir_put_new(const char *root, const struct sink_item *item, struct sink_result *r);
void dir_put_free(struct dir_put *p);
/* Relative, no empty segment, "." or "..", no zero byte. */
bool dir_key_ok(struct str key);

/* The steps, for offload(): each returns 0; once p->settled, no further one is to be called. In
 * this order: */
int dir_step_begin(
    void *p); /* looks whether the name is taken, opens source and a fresh temporary file */
int dir_step_copy(void *p);    /* one slice; again until copied == item->length */
int dir_step_publish(void *p); /* sync, folders, sidecar, into place, sync of the folder */

#endif
