/*
 * The file behind the table of keys: opened, checked, set aside, made, taken over in another size. See idem.h. All of it happens in the
 * master before its first fork, while nobody else has the table.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/log.h"
#include "spool/idem_priv.h"

#define MAGIC UINT64_C(0x314d454449554c53) /* "SLUIDEM1" where bytes go up */
#define VERSION 1
#define KEYS_MAX (UINT64_C(1) << 28)
#define PATH_CAP 512

static uint32_t
header_crc(const struct idem_file *f)
{
	return crc32c(0, f, offsetof(struct idem_file, crc));
}

static size_t
size_for(uint64_t n_buckets)
{
	return sizeof(struct idem_file) + (size_t)n_buckets * sizeof(struct idem_bucket);
}

static uint64_t
buckets_for(uint64_t keys)
{
	uint64_t n = 1;

	while (n * BUCKET_ENTRIES < MIN(keys, KEYS_MAX))
		n *= 2;
	return n;
}

/* Names this boot of the machine; where it has no name, each opening counts as one. Never 0, which stands for none. */
static uint64_t
this_boot(void)
{
	unsigned char digest[SHA256_LEN];
	uint64_t boot;
	char *text;
	size_t n;

	if (file_read_all("/proc/sys/kernel/random/boot_id", 128, &text, &n) != 0)
		return random_u64() | 1;
	sha256(text, n, digest);
	free(text);
	memcpy(&boot, digest, sizeof(boot));
	return boot | 1;
}

/* ERR_CORRUPT: not valid. */
static int
check_header(const struct idem_file *f, uint64_t size)
{
	if (f->magic != MAGIC || f->version != VERSION || f->crc != header_crc(f))
		return ERR_CORRUPT;
	if (f->entry_size != sizeof(struct idem_entry) || f->n_buckets == 0 ||
	    f->n_buckets > KEYS_MAX || (f->n_buckets & (f->n_buckets - 1)) != 0)
		return ERR_CORRUPT;
	return size == size_for(f->n_buckets) ? OK : ERR_CORRUPT;
}

/* Maps n bytes of the file, all of which have blocks. */
static int
map_fd(int fd, size_t n, struct idem_file **out)
{
	int err = file_allocate(fd, 0, n);
	void *p;

	if (err != 0)
		return err;
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_from_errno(errno);
	*out = p;
	return OK;
}

/* The table at path: ERR_NOT_FOUND, ERR_CORRUPT. */
static int
map_existing(const char *path, struct idem_file **out)
{
	int fd = file_open(path, O_RDWR | O_NOFOLLOW), err;
	struct idem_file head;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : fd;
	n = file_read_full(fd, &head, sizeof(head), 0);
	if (n < 0 || fstat(fd, &st) != 0)
		err = ERR_IO;
	else
		err = n < (ssize_t)sizeof(head) ? ERR_CORRUPT
						: check_header(&head, (uint64_t)st.st_size);
	if (err == 0)
		err = map_fd(fd, size_for(head.n_buckets), out);
	(void)file_close(fd);
	return err;
}

/* An empty table, durable under a temporary name. */
static int
make_empty(const char *path, uint64_t n_buckets, struct idem_file **out)
{
	int fd = file_open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW), err;

	if (fd < 0)
		return fd;
	err = map_fd(fd, size_for(n_buckets), out);
	if (err == 0) {
		struct idem_file *f = *out;

		f->magic = MAGIC;
		f->version = VERSION;
		f->entry_size = sizeof(struct idem_entry);
		f->n_buckets = n_buckets;
		f->crc = header_crc(f);
	}
	(void)file_close(fd);
	return err;
}

/* ---- what an earlier server left ---- */

/* Of a claim nothing was written yet; what is pending may have a record. */
static void
disown(struct idem_file *f)
{
	uint64_t doubt = idem_owner(NOBODY, atomic_load(&f->sweeps));

	for (uint64_t b = 0; b < f->n_buckets; b++)
		for (int i = 0; i < BUCKET_ENTRIES; i++) {
			_Atomic uint64_t *state = &f->buckets[b].entries[i].state;
			uint64_t s = atomic_load(state);

			if (idem_phase_of(s) == PHASE_CLAIMED)
				atomic_store(state, PHASE_FREE);
			else if (idem_phase_of(s) == PHASE_PENDING)
				atomic_store(state, idem_owned_by(s, doubt));
		}
}

/* The bucket of the new table for this key, and its first free entry; of a full one the last. */
static struct idem_entry *
entry_for(struct idem_file *f, const struct id *key)
{
	struct idem_bucket *b;
	uint64_t low;
	int i = 0;

	memcpy(&low, key->b, sizeof(low));
	b = &f->buckets[low & (f->n_buckets - 1)];
	while (i < BUCKET_ENTRIES - 1 && atomic_load(&b->entries[i].state) != PHASE_FREE)
		i++;
	if (atomic_load(&b->entries[i].state) != PHASE_FREE)
		atomic_fetch_add(&f->evicted, 1);
	return &b->entries[i];
}

static void
take_over(struct idem_file *to, const struct idem_file *from)
{
	atomic_store(&to->sweeps, atomic_load(&from->sweeps));
	atomic_store(&to->boot, atomic_load(&from->boot));
	for (uint64_t b = 0; b < from->n_buckets; b++)
		for (int i = 0; i < BUCKET_ENTRIES; i++) {
			const struct idem_entry *e = &from->buckets[b].entries[i];
			struct idem_entry *copy;
			struct id key;
			uint32_t seconds;

			if (atomic_load(&e->state) == PHASE_FREE ||
			    !idem_entry_key(e, &key, &seconds))
				continue;
			copy = entry_for(to, &key);
			atomic_store(&copy->stamp, atomic_load(&e->stamp));
			atomic_store(&copy->key[0], atomic_load(&e->key[0]));
			atomic_store(&copy->key[1], atomic_load(&e->key[1]));
			atomic_store(&copy->state, atomic_load(&e->state));
		}
}

/* ---- opening ---- */

static int
set_aside(const char *path)
{
	char aside[PATH_CAP];
	int err;

	snprintf(aside, sizeof(aside), "%s.corrupt", path);
	err = file_rename(path, aside);
	log_event(LOG_ERROR, "spool", "set aside a table of idempotency keys that is not valid",
	    LOG_S("path", aside), LOG_ERR(err), LOG_END);
	return err;
}

/* The folder part of path. */
static int
sync_folder(const char *path)
{
	char dir[PATH_CAP];
	char *slash;

	(void)str_copyz(dir, sizeof(dir), str_of(path));
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return file_sync_dir(".");
	*slash = '\0';
	return file_sync_dir(slash == dir ? "/" : dir);
}

/* Puts a new table in place of old (NULL: none), with what that knew. */
static int
replace(const char *path, uint64_t n_buckets, struct idem_file *old, struct idem_file **out)
{
	char temporary[PATH_CAP];
	struct idem_file *made = NULL;
	int err;

	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	err = make_empty(temporary, n_buckets, &made);
	if (err == 0 && old != NULL)
		take_over(made, old);
	if (err == 0 && msync(made, size_for(n_buckets), MS_SYNC) != 0)
		err = ERR_IO;
	if (err == 0)
		err = file_rename(temporary, path);
	if (err == 0)
		err = sync_folder(path);
	if (err == 0) {
		*out = made;
		return OK;
	}
	if (made != NULL)
		munmap(made, size_for(n_buckets));
	(void)file_unlink(temporary);
	return err;
}

static int
open_file(const char *path, uint64_t n_buckets, struct idem_file **out)
{
	struct idem_file *old = NULL;
	int err = map_existing(path, &old);

	if (err == ERR_CORRUPT)
		err = set_aside(path);
	else if (err == ERR_NOT_FOUND)
		err = OK;
	if (err != 0)
		return err;
	if (old != NULL)
		disown(old);
	if (old != NULL && old->n_buckets == n_buckets) {
		*out = old;
		return OK;
	}
	err = replace(path, n_buckets, old, out);
	if (old != NULL)
		munmap(old, size_for(old->n_buckets));
	return err;
}

int
idem_open(const char *path, uint64_t keys, struct zone *z, struct idem **out)
{
	struct idem *t = calloc(1, sizeof(*t));
	int err = ERR_TOO_LARGE;

	if (t == NULL)
		return ERR_NOMEM;
	if (strlen(path) + sizeof(".corrupt") <= PATH_CAP)
		err = open_file(path, buckets_for(keys), &t->file);
	if (err != 0) {
		free(t);
		return err;
	}
	pthread_mutex_init(&t->syncing, NULL);
	t->size = size_for(t->file->n_buckets);
	t->zone = z;
	t->boot = this_boot();
	t->dirty = true;
	/* Drops our view of the pages, not what is in them: the master has no further use for them. */
	(void)madvise(t->file, t->size, MADV_DONTNEED);
	*out = t;
	return OK;
}

void
idem_close(struct idem *t)
{
	if (t == NULL)
		return;
	munmap(t->file, t->size);
	free(t);
}
