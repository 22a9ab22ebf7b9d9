/*
 * Tables for people: columns as wide as their widest cell, two blanks between; numbers to the right. Whatever a cell holds, no control
 * character reaches the terminal.
 */
#ifndef SLUICE_CTL_TABLE_H
#define SLUICE_CTL_TABLE_H

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 12

struct table {
	unsigned columns;
	bool right[TABLE_COLUMNS_MAX];
	size_t width[TABLE_COLUMNS_MAX];
	struct buf text; /* cells, each with a zero byte behind */
	unsigned cells;
};

/* Heads, separated by blanks; one that begins with ">" is of a column of numbers. NULL-like "": a table without heads of two columns. */
void table_init(struct table *t, const char *heads);
void table_cell(struct table *t, struct str s);
void table_cstr(struct table *t, const char *s); /* NULL or "": "-" */
void table_u64(struct table *t, uint64_t v);
/* 1536: "1.5 KiB" */
void table_bytes(struct table *t, uint64_t bytes);
/* Seconds as people say it: "0.3s", "12s", "3m10s", "2h05m", "3d04h". */
void table_age(struct table *t, double seconds);
/* Prints it to stdout and frees it. */
void table_print(struct table *t);

/* The forms of numbers, for cells of several. */
void table_format_bytes(uint64_t bytes, char out[32]);
void table_format_age(double seconds, char out[32]);
/* Adds s with control characters and invalid UTF-8 made visible, so that a terminal shows it and obeys none of it. */
void table_put_visible(struct buf *out, struct str s);

#endif
