/*
 * Reading the server's JSON documents: members by name, with something sensible where one is missing, so that a sluicectl of another
 * version than the server still shows what there is.
 */
#ifndef SLUICE_CTL_DOCUMENT_H
#define SLUICE_CTL_DOCUMENT_H

#include "ctl/table.h"

/* The raw value of the member at path, "a.b": {NULL, 0} if it is not there. The text must be valid JSON. */
struct str document_get(struct str object, const char *path);
/* A string without its quotes and escapes, numbers and words as they are; missing and null: empty. To out, which is emptied first. */
struct str document_text(struct str object, const char *path, struct buf *out);
/* Missing, or no number: 0. */
uint64_t document_u64(struct str object, const char *path);
double document_double(struct str object, const char *path);
bool document_true(struct str object, const char *path);
/* Walks an array: *at is 0 for the first call; false at its end, and for whatever is no array. */
bool document_next(struct str array, size_t *at, struct str *element);
/* The member's text as a cell; "-" if there is none. */
void document_cell(struct table *t, struct str object, const char *path);
/* How long ago the time of this member was, as a cell; "-" if there is none. */
void document_age_cell(struct table *t, struct str object, const char *path);

#endif
