/*
 * Random bytes and identifiers. Secrets come from the kernel one call each; identifiers and
 * random_u64 from a pool a thread, because a system call a request would show. The pool is dropped
 * in a forked child: no two processes may make one id.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"

enum { POOL = 512, KERNEL_MAX = 256 /* getentropy's limit */ };

static _Thread_local struct {
	unsigned char bytes[POOL];
	size_t left;
	unsigned generation;
} pool;

static _Atomic unsigned forks = 1; /* a pool of generation 0 is empty */
static pthread_once_t watched = PTHREAD_ONCE_INIT;

static void
on_fork(void)
{
	atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void
die(const char *what)
{
	fprintf(stderr, "sluice: %s: %s\n", what, strerror(errno));
	abort();
}

static void
watch_forks(void)
{
	errno = pthread_atfork(NULL, NULL, on_fork);
	if (errno)
		die("pthread_atfork");
}

void
random_bytes(void *p, size_t n)
{
	unsigned char *to = p;

	while (n > 0) {
		size_t part = MIN(n, (size_t)KERNEL_MAX);

		if (getentropy(to, part) == 0) {
			to += part;
			n -= part;
		} else if (errno != EINTR) {
			die("getentropy");
		}
	}
}

static void
take(void *p, size_t n)
{
	unsigned now;

	pthread_once(&watched, watch_forks);
	now = atomic_load_explicit(&forks, memory_order_relaxed);
	if (pool.left < n || pool.generation != now) {
		random_bytes(pool.bytes, POOL);
		pool.left = POOL;
		pool.generation = now;
	}
	pool.left -= n;
	memcpy(p, pool.bytes + pool.left, n);
	memset(pool.bytes + pool.left, 0, n);
}

uint64_t
random_u64(void)
{
	uint64_t v;

	take(&v, sizeof(v));
	return v;
}

struct id
id_new(void)
{
	struct id id;

	take(id.b, sizeof(id.b));
	return id;
}

void
id_text(struct id id, char out[2 * ID_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < ID_LEN; i++) {
		out[2 * i] = hex[id.b[i] >> 4];
		out[2 * i + 1] = hex[id.b[i] & 15];
	}
	out[2 * ID_LEN] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
id_parse(struct str s, struct id *out)
{
	struct id id;

	if (s.n != 2 * ID_LEN)
		return ERR_BAD;
	for (int i = 0; i < ID_LEN; i++) {
		int high = hex_digit(s.p[2 * i]), low = hex_digit(s.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_BAD;
		id.b[i] = (unsigned char)(high << 4 | low);
	}
	*out = id;
	return 0;
}
