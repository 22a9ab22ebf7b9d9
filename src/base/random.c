/*
 * Random bytes and identifiers. Secrets come from the kernel one call each; identifiers and
 * random_u64 from a pool a thread, because a system call a request would show. A pool is a stretch of
 * ChaCha20's key stream (RFC 8439) whose first bytes are the key of the next, so that what was handed out
 * cannot be found from what is left. It is dropped in a forked child: no two processes may make one id.
 */
#include <bearssl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"

enum { KEY = 32, POOL = 1024, KERNEL_MAX = 256 /* getentropy's limit */ };

static _Thread_local struct {
	unsigned char stream[KEY + POOL]; /* the next key, then what is handed out, from the end */
	size_t left;
	unsigned generation;
} pool;

static _Atomic unsigned forks = 1; /* a pool of generation 0 is empty */
static pthread_once_t ready = PTHREAD_ONCE_INIT;
static br_chacha20_run cipher;

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
make_ready(void)
{
	cipher = br_chacha20_sse2_get();
	if (!cipher)
		cipher = br_chacha20_ct_run;
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

/* The nonce may be the same each time: no key is used twice. */
static void
refill(unsigned now)
{
	static const unsigned char nonce[12];
	unsigned char key[KEY];

	if (pool.generation != now)
		random_bytes(pool.stream, KEY);
	memcpy(key, pool.stream, KEY);
	memset(pool.stream, 0, sizeof(pool.stream));
	cipher(key, nonce, 0, pool.stream, sizeof(pool.stream));
	wipe(key, sizeof(key));
	pool.left = POOL;
	pool.generation = now;
}

static void
take(void *p, size_t n)
{
	unsigned now;

	pthread_once(&ready, make_ready);
	now = atomic_load_explicit(&forks, memory_order_relaxed);
	if (pool.left < n || pool.generation != now)
		refill(now);
	pool.left -= n;
	memcpy(p, pool.stream + KEY + pool.left, n);
	memset(pool.stream + KEY + pool.left, 0, n);
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
