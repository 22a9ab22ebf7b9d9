/* What came of each request, by its key: kept in a file, so that a request that is delivered again, after a kill as well, is not worked on again. */
#ifndef RESULTS_H
#define RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "prime.h"

#define KEY_MAX 64
#define TRACE_LEN 32
#define USER_MAX 128
#define EMAIL_MAX 254

struct result {
	char key[KEY_MAX +
		 1]; /* the gateway's Idempotency-Key: the id it answered the client with */
	char number[PRIME_DIGITS_MAX + 1];
	char trace[TRACE_LEN + 1];
	char user[USER_MAX + 1], email[EMAIL_MAX + 1]; /* empty: none */
	bool is_prime;
	time_t time;
};

/* Reads the file, or makes it. A torn last line, of a kill in the middle of a write, is cut off. 0, or -1 after a message. */
int results_open(const char *path);
/* The result under this key, or NULL. */
const struct result *results_find(const char *key);
/* Keeps it: on disk when this returns 0. -1: it is not kept. */
int results_add(const struct result *r);
size_t results_count(void);
/* 0: the newest. */
const struct result *results_newest(size_t i);
/* As the JSON that callers get: {"id","number","is_prime","status","message_id","trace_id","created_at"}. */
void results_print(const struct result *r, FILE *out);

#endif
