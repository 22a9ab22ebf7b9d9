/*
 * Reading the server's JSON documents: members by name, with something sensible where one is missing, so that a sluicectl of another
 * version than the server still shows what there is.
 */
#ifndef SLUICE_CTL_DOCUMENT_H
#define SLUICE_CTL_DOCUMENT_H

#include "base/buf.h"

/* The raw value of the member at path, "a.b": {NULL, 0} if it is not there. The text must be valid JSON. */
struct str document_get(struct str object, const char *path);
/* A string without its quotes and escapes, numbers and words as they are; missing and null: empty. To out, which is emptied first. */
struct str document_text(struct str object, const char *path, struct buf *out);
/* Missing, or no number: 0. */
uint64_t document_u64(struct str object, const char *path);
double document_double(struct str object, const char *path);
bool document_true(struct str object, const char *path);

#endif
